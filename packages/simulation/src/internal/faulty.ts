/** Between a stack and its provider: what may go wrong with each call. */
import type { Outcome, QueueSession, Receipt, Verdict } from "@queue-runtime/core"
import { QueueError, type QueueProvider } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
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

/** One call, as faults see it. */
interface Call<A, R> {
  readonly what: () => string
  readonly chance: () => string
  readonly names: ReadonlyArray<Fault.Name>
  readonly call: Failing<A, R>
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

const notLost = <A>(call: A): A => call

/** A provider things go wrong with. */
export const make = (options: Options): QueueProvider.Service => {
  const { chaos, latencyMillis, lockMillis, names, node, process, provider } = options

  const crash: Effect.Effect<never> = Effect.callback(() => options.crash())

  const strike = <A, R>(of: Call<A, R>, hit: Hit): Failing<A, R> => {
    const tell = (detail: string, refs: ReadonlyArray<string> = of.refs()): void =>
      hit.tell(node.name, `${of.what()} ${detail}`, refs)
    switch (hit.name) {
      case "delay": {
        const millis = hit.dice.oneOf([20, 300, 2_000, 8_000])
        const isBefore = of.isHolding === true || hit.dice.chance(0.5)
        tell(`takes ${millis} ms ${isBefore ? "to arrive" : "to be answered"}`)
        const wait = Effect.sleep(millis)
        return isBefore ? Effect.andThen(wait, of.call) : Effect.tap(of.call, wait)
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
          return of.lose(of.call)
        }
        return Effect.flatMap(of.call, (answer) => {
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
        if (part === undefined || count < 2) return of.call
        const gone = new Set(
          Array.from({ length: count }, (_, index) => index).filter(() => hit.dice.chance(0.5))
        )
        if (gone.size === 0) return of.call
        tell(`fails for entries ${[...gone].join(", ")} of ${count}`)
        return part(
          (index) => gone.has(index),
          QueueError.make(new QueueError.Throttled(), { provider: "simulation" })
        )
      }
      case "duplicate delivery":
        tell("is stored twice")
        return Effect.tap(of.call, Effect.ignore(of.call))
      case "paused": {
        const millis = Math.round(lockMillis * hit.dice.oneOf([0.4, 1.1, 2]))
        tell(`finds the process standing still for ${millis} ms`)
        node.pause(millis)
        return hit.dice.chance(0.5)
          ? Effect.andThen(Effect.yieldNow, of.call)
          : Effect.tap(of.call, Effect.yieldNow)
      }
      case "crash":
        // Nobody starts a producer again.
        if (process.startsWith("p")) return of.call
        if (hit.dice.chance(0.5)) {
          tell("is never made: the process crashes")
          return crash
        }
        return Effect.flatMap(of.call, (answer) => {
          tell("takes effect, and the process crashes", [
            ...of.refs(),
            ...(of.refsOf?.(answer) ?? [])
          ])
          return crash
        })
      default:
        return of.call
    }
  }

  const around = <A, R>(of: Call<A, R>): Failing<A, R> => {
    const kinds = options.callsFail ? of.names : ofProcess
    const isPossible = chaos.isPossible(kinds)
    if (!isPossible && latencyMillis === 0) return of.call
    return Effect.suspend(() => {
      const hit = isPossible ? chaos.draw(of.chance(), kinds) : undefined
      const call = hit === undefined ? of.call : strike(of, hit)
      if (latencyMillis === 0) return call
      const wait = Effect.sleep(node.dice.between(0, latencyMillis))
      return Effect.andThen(wait, call)
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
    around({
      what: aReceive,
      chance: receiveChance,
      names: receives,
      lose,
      call,
      refs: nothing,
      refsOf: (messages) => tokensOf(messages.map(({ receipt }) => receipt)),
      isHolding: true
    })

  const settling = (
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Verdict.Verdict,
    settle: QueueSession.QueueSession["settle"]
  ): Failing<ReadonlyArray<Outcome.Outcome<void>>> =>
    around({
      what: () => `settling ${receipts.length} (${verdict._tag})`,
      chance: () => `${verdict._tag} ${firstOf(receipts)}`,
      names: verdict._tag === "DeadLetter" ? burials : settlements,
      call: settle(receipts, verdict),
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

  const session = (held: QueueSession.QueueSession): QueueSession.QueueSession => ({
    queue: held.queue,
    sessionId: held.sessionId,
    lockedUntil: held.lockedUntil,
    receive: (receive) => receiving(held.receive(receive), options.lose ?? notLost),
    settle: (receipts, verdict) => settling(receipts, verdict, held.settle),
    renewLock: around({
      what: () => `renewing session ${held.sessionId}`,
      chance: () => `${process}/renew session`,
      names: renewals,
      call: held.renewLock,
      refs: () => [held.sessionId]
    }),
    state: held.state,
    setState: held.setState
  })

  return {
    name: provider.name,
    stack: provider.stack,
    capabilities: provider.capabilities,
    send: (queue, messages) => {
      const ids = () => messages.map(({ messageId }) => names.shown(messageId))
      return around({
        what: () => `sending ${ids().join(", ")}`,
        chance: () => `send ${messages[0]?.messageId ?? "nothing"}`,
        names: sends,
        call: provider.send(queue, messages),
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
    },
    receive: (address, receive) => receiving(provider.receive(address, receive), undefined),
    settle: (receipts, verdict) => settling(receipts, verdict, provider.settle),
    renewLock: (receipts) =>
      around({
        what: () => `renewing ${receipts.length}`,
        chance: () => `renew ${firstOf(receipts)}`,
        names: renewals,
        call: provider.renewLock(receipts),
        refs: () => tokensOf(receipts)
      }),
    peek: (address, peek) => provider.peek(address, peek),
    acceptSession: (queue, accept) => {
      const accepted = Effect.map(provider.acceptSession(queue, accept), Option.map(session))
      return around<Option.Option<QueueSession.QueueSession>, Scope.Scope>({
        what: anAccept,
        chance: acceptChance,
        names: receives,
        call: accepted,
        refs: nothing,
        isHolding: true
      })
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
