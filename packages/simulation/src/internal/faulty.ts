/** Between a stack and its provider: what may go wrong with each call. */
import type { Outcome, QueueSession, Receipt, Verdict } from "@queue-runtime/core"
import { QueueError, type QueueProvider } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Connection } from "../Backend.ts"
import type * as Fault from "../Fault.ts"
import type { Names } from "../Tap.ts"
import type { Chaos, Hit } from "./chaos.ts"
import type { Node } from "./kernel.ts"

export interface Options {
  readonly provider: QueueProvider.Service
  readonly chaos: Chaos
  readonly node: Node
  /** The process by the name it keeps over its lives. */
  readonly process: string
  readonly names: Names
  readonly lockMillis: number
  /** The longest of usual answers; zero: at once. */
  readonly latencyMillis: number
  /** Whether calls fail by themselves, and not by what is below them alone. */
  readonly callsFail: boolean
  readonly cut: Effect.Effect<void> | undefined
  readonly lose: Connection["lose"]
  /** Ends the process at once. */
  readonly crash: () => void
}

type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

const ofProcess: ReadonlyArray<Fault.Name> = ["paused", "crash"]
const whole: ReadonlyArray<Fault.Name> = ["delay", "throttled", "disconnected", "paused", "crash"]
const sends: ReadonlyArray<Fault.Name> = [
  "duplicate delivery",
  "lost reply",
  "partial failure",
  ...whole
]
const settlements: ReadonlyArray<Fault.Name> = ["lost reply", "partial failure", ...whole]
const burials: ReadonlyArray<Fault.Name> = ["dead letters unavailable", ...settlements]
const receives: ReadonlyArray<Fault.Name> = ["lost reply", ...whole]
const renewals: ReadonlyArray<Fault.Name> = ["lock expires", "lost reply", ...whole]

/** What a fault has to know of the call that it befalls. */
interface Facts<A, R> {
  readonly what: () => string
  /** What it meets, once known. */
  readonly refs: () => ReadonlyArray<string>
  /** What its answer brings. */
  readonly refsOf?: (answer: A) => ReadonlyArray<string>
  /** Only these entries of it; the others fail. */
  readonly part?: (
    isGone: (index: number) => boolean,
    error: QueueError.QueueError
  ) => Failing<A, R>
  readonly count?: number
  /** How its answer gets lost, where that is not just dropping it. */
  readonly lose?: ((call: Failing<A, R>) => Failing<A, R>) | undefined
  /** Whether an answer that waits would hold what nobody can release. */
  readonly isHolding?: boolean
}

const failure = (reason: QueueError.Reason, retryAfter?: Duration.Duration) =>
  Effect.fail(
    QueueError.make(reason, {
      provider: "simulation",
      ...(retryAfter === undefined ? {} : { retryAfter })
    })
  )

const lost = new QueueError.ConnectionFailed({ detail: "the answer was lost" })
const broken = new QueueError.ConnectionFailed({ detail: "the connection broke" })

const aReceive = (): string => "a receive"
const anAccept = (): string => "accepting a session"
const nothing = (): ReadonlyArray<string> => []

const accepting = { what: anAccept, refs: nothing, isHolding: true }

const notLost = <A>(call: A): A => call

/** A provider things go wrong with. */
export const make = (options: Options): QueueProvider.Service => {
  const { chaos, latencyMillis, lockMillis, names, node, process, provider } = options

  const crash: Effect.Effect<never> = Effect.callback(() => options.crash())

  const strike = <A, R>(call: Failing<A, R>, of: Facts<A, R>, hit: Hit): Failing<A, R> => {
    const tell = (detail: string, refs: ReadonlyArray<string> = of.refs()): void =>
      hit.tell(node.name, `${of.what()} ${detail}`, refs)
    switch (hit.name) {
      case "delay": {
        const millis = hit.dice.oneOf([20, 300, 2_000, 8_000])
        const isBefore = of.isHolding === true || hit.dice.chance(0.5)
        tell(`takes ${millis} ms ${isBefore ? "to arrive" : "to be answered"}`)
        const wait = Effect.sleep(millis)
        return isBefore ? Effect.andThen(wait, call) : Effect.tap(call, wait)
      }
      case "throttled": {
        const after = hit.dice.oneOf<number | undefined>([undefined, 500, 5_000])
        tell("is throttled")
        return failure(
          new QueueError.Throttled(),
          after === undefined ? undefined : Duration.millis(after)
        )
      }
      case "disconnected": {
        tell("finds the connection broken")
        const cut = hit.dice.chance(0.5) ? options.cut : undefined
        return Effect.andThen(cut ?? Effect.void, failure(broken))
      }
      case "dead letters unavailable":
        tell("cannot put it aside")
        return hit.dice.chance(0.5)
          ? failure(new QueueError.PermissionDenied({ operation: "dead-lettering" }))
          : failure(broken)
      case "lost reply":
        if (of.lose !== undefined) {
          tell("takes effect, and the answer is lost")
          return of.lose(call)
        }
        return Effect.flatMap(call, (answer) => {
          tell("takes effect, and the answer is lost", [
            ...of.refs(),
            ...(of.refsOf?.(answer) ?? [])
          ])
          return failure(lost)
        })
      case "lock expires": {
        tell("hangs until the lock is over")
        return Effect.andThen(Effect.sleep(lockMillis + 1_000), failure(broken))
      }
      case "partial failure": {
        const { count = 0, part } = of
        if (part === undefined || count < 2) return call
        const gone = new Set(
          Array.from({ length: count }, (_, index) => index).filter(() => hit.dice.chance(0.5))
        )
        if (gone.size === 0) return call
        tell(`fails for entries ${[...gone].join(", ")} of ${count}`)
        return part(
          (index) => gone.has(index),
          QueueError.make(new QueueError.Throttled(), { provider: "simulation" })
        )
      }
      case "duplicate delivery":
        tell("is stored twice")
        return Effect.tap(call, Effect.ignore(call))
      case "paused": {
        const millis = Math.round(lockMillis * hit.dice.oneOf([0.4, 1.1, 2]))
        tell(`finds the process standing still for ${millis} ms`)
        node.pause(millis)
        return hit.dice.chance(0.5)
          ? Effect.andThen(Effect.yieldNow, call)
          : Effect.tap(call, Effect.yieldNow)
      }
      case "crash":
        // Nobody starts a producer again.
        if (process.startsWith("p")) return call
        if (hit.dice.chance(0.5)) {
          tell("is never made: the process crashes")
          return crash
        }
        return Effect.flatMap(call, (answer) => {
          tell("takes effect, and the process crashes", [
            ...of.refs(),
            ...(of.refsOf?.(answer) ?? [])
          ])
          return crash
        })
      default:
        return call
    }
  }

  /** A call that faults of these kinds may befall; its facts are looked at when one does. */
  const around = <A, R>(
    call: Failing<A, R>,
    befalling: ReadonlyArray<Fault.Name>,
    chance: () => string,
    facts: () => Facts<A, R>
  ): Failing<A, R> => {
    const kinds = options.callsFail ? befalling : ofProcess
    const isPossible = chaos.isPossible(kinds)
    if (!isPossible && latencyMillis === 0) return call
    return Effect.suspend(() => {
      const hit = isPossible ? chaos.draw(chance(), kinds) : undefined
      const struck = hit === undefined ? call : strike(call, facts(), hit)
      if (latencyMillis === 0) return struck
      const wait = Effect.sleep(node.dice.between(0, latencyMillis))
      return Effect.andThen(wait, struck)
    })
  }

  const receiveChance = (): string => `${process}/receive`
  const acceptChance = (): string => `${process}/accept`

  const tokensOf = (receipts: ReadonlyArray<Receipt.Receipt>): ReadonlyArray<string> =>
    receipts.flatMap(({ token }) => names.find(token)?.name ?? [])

  const firstOf = (receipts: ReadonlyArray<Receipt.Receipt>): string =>
    names.find(receipts[0]?.token ?? "")?.id ?? "nothing"

  const receiving = <A extends ReadonlyArray<{ readonly receipt: Receipt.Receipt }>, R>(
    call: Failing<A, R>,
    lose: ((call: Failing<A, R>) => Failing<A, R>) | undefined
  ): Failing<A, R> =>
    around(call, receives, receiveChance, () => ({
      what: aReceive,
      lose,
      refs: nothing,
      refsOf: (messages) => tokensOf(messages.map(({ receipt }) => receipt)),
      isHolding: true
    }))

  const settling = (
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Verdict.Verdict,
    settle: QueueSession.QueueSession["settle"]
  ): Failing<ReadonlyArray<Outcome.Outcome<void>>> =>
    around(
      settle(receipts, verdict),
      verdict._tag === "DeadLetter" ? burials : settlements,
      () => `${verdict._tag} ${firstOf(receipts)}`,
      () => ({
        what: () => `settling ${receipts.length} (${verdict._tag})`,
        count: receipts.length,
        refs: () => tokensOf(receipts),
        part: (isGone, error) =>
          Effect.map(
            settle(
              receipts.filter((_, index) => !isGone(index)),
              verdict
            ),
            (outcomes) => spread(receipts.length, isGone, outcomes, error)
          )
      })
    )

  const session = (held: QueueSession.QueueSession): QueueSession.QueueSession => ({
    queue: held.queue,
    sessionId: held.sessionId,
    lockedUntil: held.lockedUntil,
    receive: (receive) => receiving(held.receive(receive), options.lose ?? notLost),
    settle: (receipts, verdict) => settling(receipts, verdict, held.settle),
    renewLock: around(
      held.renewLock,
      renewals,
      () => `${process}/renew session`,
      () => ({
        what: () => `renewing session ${held.sessionId}`,
        refs: () => [held.sessionId]
      })
    ),
    state: held.state,
    setState: held.setState
  })

  return {
    name: provider.name,
    stack: provider.stack,
    capabilities: provider.capabilities,
    send: (queue, messages) => {
      const ids = () => messages.map(({ messageId }) => names.shown(messageId))
      return around(
        provider.send(queue, messages),
        sends,
        () => `send ${messages[0]?.messageId ?? "nothing"}`,
        () => ({
          what: () => `sending ${ids().join(", ")}`,
          count: messages.length,
          refs: ids,
          part: (isHit, error) => {
            // Nothing of a session goes behind a failure of it.
            const stopped = new Set<string>()
            const gone = new Set<number>()
            for (const [index, { sessionId }] of messages.entries()) {
              if (!isHit(index) && !stopped.has(sessionId ?? "")) continue
              gone.add(index)
              if (sessionId !== undefined) stopped.add(sessionId)
            }
            const isGone = (index: number): boolean => gone.has(index)
            const rest = messages.filter((_, index) => !isGone(index))
            return Effect.map(
              rest.length === 0 ? Effect.succeed([]) : provider.send(queue, rest),
              (out) => spread(messages.length, isGone, out, error)
            )
          }
        })
      )
    },
    receive: (address, receive) => receiving(provider.receive(address, receive), undefined),
    settle: (receipts, verdict) => settling(receipts, verdict, provider.settle),
    renewLock: (receipts) =>
      around(
        provider.renewLock(receipts),
        renewals,
        () => `renew ${firstOf(receipts)}`,
        () => ({
          what: () => `renewing ${receipts.length}`,
          refs: () => tokensOf(receipts)
        })
      ),
    peek: (address, peek) => provider.peek(address, peek),
    acceptSession: (queue, accept) => {
      const accepted = Effect.map(provider.acceptSession(queue, accept), Option.map(session))
      return around(accepted, receives, acceptChance, () => accepting)
    }
  }
}

/** The outcomes of a part, each at its place, and the failure at the others. */
const spread = <A>(
  count: number,
  isGone: (index: number) => boolean,
  outcomes: ReadonlyArray<Outcome.Outcome<A>>,
  error: QueueError.QueueError
): ReadonlyArray<Outcome.Outcome<A>> => {
  const rest = [...outcomes]
  return Array.from({ length: count }, (_, index) => {
    const outcome = isGone(index) ? undefined : rest.shift()
    return outcome ?? Result.fail(error)
  })
}
