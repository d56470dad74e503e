/**
 * Watches one process for a history: its provider from below, its handler from above.
 *
 * **Details**
 *
 * A simulation has a tap in each of its processes. In a live run each process writes the events of its own
 * tap down, with the time of the machine, and somebody merges them.
 *
 * @since 0.1.0
 */
import {
  Defaults,
  HandlerFailure,
  type Message,
  type MessageHandler,
  type Outcome,
  type QueueError,
  type QueueProvider,
  type QueueSession,
  type Receipt,
  type ReceivedMessage,
  type Verdict
} from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as History from "./History.ts"
import { digest as digestOf } from "./internal/digest.ts"

/** In a copy that the library sends in place of dead-lettering, whose copy it is. */
const copyOf = /"messageId":"([^"]+)"/u

const copied = "queue-runtime-dead-letter"

/** In a dead letter that is sent again under an id of its own. */
const replayed = "queue-runtime-replay"

const resultOf = <A>(outcome: Outcome.Outcome<A> | undefined): string => {
  if (outcome === undefined) return "no outcome"
  return Result.isSuccess(outcome) ? "ok" : outcome.failure.reason._tag
}

/** A place in a queue as far as a number can tell it. */
const numberOf = (sequence: bigint): number => Number(BigInt.asUintN(53, sequence))

/**
 * Names deliveries and holdings of one run, shortly and the same each time. Those of several processes of a
 * live run are told apart by a prefix.
 *
 * @category models
 * @since 0.1.0
 */
export class Names {
  readonly #prefix: string
  readonly #tokens = new Map<string, { readonly name: string; readonly id: string }>()
  readonly #copies = new Map<string, string>()
  readonly #replays = new Map<string, { readonly name: string; readonly of: string }>()
  readonly #replayed = new Map<string, number>()
  #holds = 0

  constructor(prefix = "") {
    this.#prefix = prefix
  }

  /** What a delivery is called. */
  token(token: string, id: string): string {
    const known = this.#tokens.get(token)
    if (known !== undefined) return known.name
    const name = `${this.#prefix}d${this.#tokens.size + 1}`
    this.#tokens.set(token, { name, id })
    return name
  }

  /** The delivery of a receipt, once it has come. */
  find(token: string): { readonly name: string; readonly id: string } | undefined {
    return this.#tokens.get(token)
  }

  /** Of which message the first copy of this id was. */
  copyOf(copy: string, original: string | undefined): string | undefined {
    const known = this.#copies.get(copy) ?? original
    if (known !== undefined) this.#copies.set(copy, known)
    return known
  }

  /** What the replay of a message under this id is called: `m3.r1` is the first of `m3`. */
  replay(id: string, of: string): string {
    const known = this.#replays.get(id)
    if (known !== undefined) return known.name
    const count = (this.#replayed.get(of) ?? 0) + 1
    this.#replayed.set(of, count)
    const name = `${of}.r${count}`
    this.#replays.set(id, { name, of })
    return name
  }

  /** What a message is called that is known by this id. */
  shown(id: string): string {
    return this.#replays.get(id)?.name ?? id
  }

  /** What a holding of a session is called. */
  hold(): string {
    this.#holds++
    return `${this.#prefix}h${this.#holds}`
  }
}

/**
 * The number that stands for a body in a history.
 *
 * **Example** (Two bodies)
 *
 * ```ts
 * import { Tap } from "@queue-runtime/simulation"
 *
 * Tap.digest(new Uint8Array([1])) === Tap.digest(new Uint8Array([2])) // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const digest = (body: Uint8Array): number => digestOf(body)

/**
 * Who is watched, and where that is written.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly recorder: History.Recorder
  readonly names: Names
  readonly node: string
}

type Received = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/** A delivery by its name, and its message. */
interface Known {
  readonly name: string
  readonly id: string
}

/** While it is made: what may be absent is set where it is there, which costs less than to spread it. */
type Writable<E> = { -readonly [Key in keyof E]: E[Key] }

/** What is seen of an answer on its way up: one step of the fiber, where a tap takes three. */
const seeing = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  see: (answer: A) => void
): Effect.Effect<A, E, R> =>
  Effect.map(call, (answer) => {
    see(answer)
    return answer
  })

const seeingError = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  see: (error: E) => void
): Effect.Effect<A, E, R> =>
  Effect.mapError(call, (error) => {
    see(error)
    return error
  })

/**
 * A provider that is watched: goes right above the real one, below every decorator.
 *
 * **Example** (One message, two steps)
 *
 * ```ts
 * import { Message, MessageId, QueueName, QueueProvider } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { History, Tap } from "@queue-runtime/simulation"
 * import { Effect } from "effect"
 *
 * const recorder = new History.Recorder(() => 0)
 * const sent = Effect.gen(function* () {
 *   const provider = Tap.provider(yield* QueueProvider.QueueProvider, {
 *     recorder,
 *     names: new Tap.Names(),
 *     node: "p1"
 *   })
 *   const message = Message.stamp(yield* Message.text("hello"), MessageId.makeUnsafe("m1"))
 *   yield* provider.send(QueueName.makeUnsafe("orders"), [message])
 * }).pipe(Effect.provide(MemoryProvider.layer({ queues: { orders: {} } })))
 * await Effect.runPromise(sent)
 * recorder.events.map(({ _tag }) => _tag) // => ["Storing", "Stored"]
 * ```
 *
 * @category taps
 * @since 0.1.0
 */
export const provider = (self: QueueProvider.Service, options: Options): QueueProvider.Service => {
  const { names, node, recorder } = options
  let idlePolls = 0
  let since = 0

  const idle = Effect.map(Clock.currentTimeMillis, (now) => {
    if (now - since >= 1_000) {
      since = now
      idlePolls = 0
    }
    idlePolls++
    if (idlePolls === Defaults.simulationIdlePollsMax + 1) {
      const name = "empty receives in a second"
      const max = Defaults.simulationIdlePollsMax
      recorder.add({ _tag: "Gauge", node, name, value: idlePolls, max })
    }
  })

  /** Which message a replay is of. */
  const originOf = (attributes: Message.Attributes): string | undefined => {
    const carried = attributes[replayed]
    return carried === undefined ? undefined : copyOf.exec(carried)?.[1]
  }

  const called = (message: Pick<Message.Stamped, "attributes" | "messageId">): string => {
    const origin = originOf(message.attributes)
    return origin === undefined ? message.messageId : names.replay(message.messageId, origin)
  }

  const delivered = (messages: Received, hold?: string): void => {
    for (const message of messages) {
      const { deliveredAt, deliveryCount, lockedUntil, receipt, sessionId } = message
      const id = called(message)
      const event: Writable<History.Delivered> = {
        _tag: "Delivered",
        at: recorder.now,
        node,
        id,
        token: names.token(receipt.token, id),
        count: deliveryCount,
        since: DateTime.toEpochMillis(deliveredAt),
        until: DateTime.toEpochMillis(lockedUntil)
      }
      if (sessionId !== undefined) event.session = sessionId
      if (hold !== undefined) event.hold = hold
      recorder.write(event)
    }
  }

  const watched = <E, R>(
    call: Effect.Effect<Received, E, R>,
    hold?: string
  ): Effect.Effect<Received, E, R> =>
    Effect.flatMap(call, (messages) => {
      if (messages.length === 0) return Effect.as(idle, messages)
      // Who finds nothing between two messages is at work, and does not spin.
      idlePolls = 0
      delivered(messages, hold)
      return Effect.succeed(messages)
    })

  /** Deliveries that came through here, in their order. */
  const knownOf = (receipts: ReadonlyArray<Receipt.Receipt>): ReadonlyArray<Known> => {
    const known: Array<Known> = []
    for (const { token } of receipts) {
      const one = names.find(token)
      if (one !== undefined) known.push(one)
    }
    return known
  }

  const taken = (messages: Received): void => {
    for (const message of messages) {
      const { deadLetter, receipt, sequenceNumber } = message
      const id = called(message)
      const sequence = deadLetter?.sequenceNumber ?? sequenceNumber
      recorder.add({
        _tag: "Taken",
        node,
        id,
        token: names.token(receipt.token, id),
        ...(sequence === undefined ? {} : { sequence: numberOf(sequence) })
      })
    }
  }

  /** Of dead letters: what became of each. */
  const unburying = (
    receipts: ReadonlyArray<Receipt.Receipt>,
    { _tag: verdict }: Verdict.Verdict,
    call: ReturnType<QueueProvider.Service["settle"]>
  ): ReturnType<QueueProvider.Service["settle"]> => {
    const settled = (result: (index: number) => string) =>
      Effect.sync(() => {
        for (const [index, { token }] of receipts.entries()) {
          const known = names.find(token)
          if (known === undefined) continue
          const { id, name } = known
          recorder.add({
            _tag: "Unburied",
            node,
            id,
            token: name,
            verdict,
            result: result(index)
          })
        }
      })
    return call.pipe(
      Effect.tap((outcomes) => settled((index) => resultOf(outcomes[index]))),
      Effect.tapError((error) => settled(() => error.reason._tag))
    )
  }

  const settling = (
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Verdict.Verdict,
    call: ReturnType<QueueProvider.Service["settle"]>
  ): ReturnType<QueueProvider.Service["settle"]> =>
    Effect.suspend(() => {
      if (receipts[0]?.address._tag === "DeadLetter") return unburying(receipts, verdict, call)
      const known = knownOf(receipts)
      const { _tag } = verdict
      const delayMillis = _tag === "Abandon" ? Duration.toMillis(verdict.delay) : undefined
      for (const { id, name } of known) {
        const event: Writable<History.Settling> = {
          _tag: "Settling",
          at: recorder.now,
          node,
          id,
          token: name,
          verdict: _tag
        }
        if (delayMillis !== undefined) event.delayMillis = delayMillis
        if (_tag === "DeadLetter") event.reason = verdict.reason
        recorder.write(event)
      }
      const settled = (one: Known, result: string): void => {
        const event: Writable<History.Settled> = {
          _tag: "Settled",
          at: recorder.now,
          node,
          id: one.id,
          token: one.name,
          verdict: _tag,
          result
        }
        if (delayMillis !== undefined) event.delayMillis = delayMillis
        recorder.write(event)
      }
      const answered = seeing(call, (outcomes) => {
        for (let index = 0; index < known.length; index++) {
          const one = known[index]
          if (one !== undefined) settled(one, resultOf(outcomes[index]))
        }
      })
      return seeingError(answered, (error) => {
        for (const one of known) settled(one, error.reason._tag)
      })
    })

  const session = (held: QueueSession.QueueSession, hold: string): QueueSession.QueueSession => {
    const { sessionId } = held
    const told = <A>(call: Effect.Effect<A, QueueError.QueueError>) =>
      seeingError(call, ({ reason }) => {
        if (reason._tag !== "SessionLockLost") return
        recorder.add({ _tag: "Lost", node, session: sessionId, hold })
      })
    return {
      queue: held.queue,
      sessionId,
      lockedUntil: held.lockedUntil,
      receive: (receive) => told(watched(held.receive(receive), hold)),
      settle: (receipts, verdict) =>
        told(settling(receipts, verdict, held.settle(receipts, verdict))),
      renewLock: told(
        seeing(held.renewLock, (until) =>
          recorder.add({ _tag: "Renewed", node, hold, until: DateTime.toEpochMillis(until) })
        )
      ),
      state: held.state,
      setState: held.setState
    }
  }

  let replays = 0

  const storing = (message: Message.Stamped): void => {
    const origin = originOf(message.attributes)
    const id = called(message)
    const ofBody = digestOf(message.body)
    if (origin !== undefined) {
      const { sessionId } = message
      replays++
      recorder.add({
        _tag: "Submitted",
        node,
        id,
        of: origin,
        order: replays,
        digest: ofBody,
        ...(sessionId === undefined ? {} : { session: sessionId })
      })
    }
    recorder.write({ _tag: "Storing", at: recorder.now, node, id, digest: ofBody })
  }

  const stored = (message: Message.Stamped, outcome: Outcome.Outcome<QueueProvider.Sent>): void => {
    if (Result.isFailure(outcome)) return
    const { sequenceNumber } = outcome.success
    const { sessionId } = message
    const carried = message.attributes[copied]
    const original = carried === undefined ? undefined : copyOf.exec(carried)?.[1]
    // Taken for another one that was there, it is not there.
    const known = names.copyOf(message.messageId, original)
    if (original !== undefined && (sequenceNumber !== undefined || known === original)) {
      recorder.add({ _tag: "Copied", node, id: original })
    }
    const event: Writable<History.Stored> = {
      _tag: "Stored",
      at: recorder.now,
      node,
      id: called(message)
    }
    if (sequenceNumber !== undefined) event.sequence = numberOf(sequenceNumber)
    if (sessionId !== undefined) event.session = sessionId
    recorder.write(event)
  }

  return {
    name: self.name,
    stack: self.stack,
    capabilities: self.capabilities,
    send: (queue, messages) =>
      Effect.suspend(() => {
        for (const message of messages) storing(message)
        return seeing(self.send(queue, messages), (outcomes) => {
          for (let index = 0; index < messages.length; index++) {
            const message = messages[index]
            const outcome = outcomes[index]
            if (message !== undefined && outcome !== undefined) stored(message, outcome)
          }
        })
      }),
    receive: (address, receive) => {
      const received = self.receive(address, receive)
      return address._tag === "Queue" ? watched(received) : seeing(received, taken)
    },
    settle: (receipts, verdict) => settling(receipts, verdict, self.settle(receipts, verdict)),
    renewLock: (receipts) =>
      seeing(self.renewLock(receipts), (outcomes) => {
        for (const [index, { token }] of receipts.entries()) {
          const outcome = outcomes[index]
          const known = names.find(token)
          if (known === undefined || outcome === undefined || Result.isFailure(outcome)) continue
          const until = DateTime.toEpochMillis(outcome.success)
          recorder.add({ _tag: "Renewed", node, token: known.name, until })
        }
      }),
    peek: (address, peek) => self.peek(address, peek),
    acceptSession: (queue, accept) =>
      Effect.flatMap(self.acceptSession(queue, accept), (accepted) => {
        if (Option.isNone(accepted)) return Effect.as(idle, accepted)
        const held = accepted.value
        const hold = names.hold()
        const { sessionId } = held
        const released = Effect.sync(() =>
          recorder.add({ _tag: "Released", node, session: sessionId, hold })
        )
        return Effect.flatMap(held.lockedUntil, (lockedUntil) => {
          const until = DateTime.toEpochMillis(lockedUntil)
          recorder.add({ _tag: "Accepted", node, session: sessionId, hold, until })
          return Effect.as(
            Effect.addFinalizer(() => released),
            Option.some(session(held, hold))
          )
        })
      })
  }
}

const endingOf = (cause: Cause.Cause<unknown>): Pick<History.Ended, "how" | "reason"> => {
  if (Cause.hasDies(cause)) return { how: "defect" }
  const error = Cause.findErrorOption(cause)
  if (Option.isNone(error)) return { how: "interrupted" }
  return HandlerFailure.isPermanent(error.value)
    ? { how: "permanent", reason: HandlerFailure.describe(error.value).reason }
    : { how: "failed" }
}

/**
 * A handler that is watched: what a worker is given.
 *
 * @category taps
 * @since 0.1.0
 */
export const handler =
  <E, R>(
    handle: MessageHandler.MessageHandler<E, R>,
    { names, node, recorder }: Options
  ): MessageHandler.MessageHandler<E, R> =>
  (message) =>
    Effect.suspend(() => {
      const { body, deliveryCount: count, messageId, receipt, sessionId } = message
      const token = names.token(receipt.token, messageId)
      // A replay comes up under the id of the message it is of.
      const id = names.find(receipt.token)?.id ?? messageId
      const event: Writable<History.Started> = {
        _tag: "Started",
        at: recorder.now,
        node,
        id,
        token,
        count,
        digest: digestOf(body)
      }
      if (sessionId !== undefined) event.session = sessionId
      recorder.write(event)
      return Effect.onExit(handle(message), (exit) => {
        const { now: at } = recorder
        if (Exit.isSuccess(exit))
          recorder.write({ _tag: "Ended", at, node, id, token, how: "done" })
        else recorder.write({ _tag: "Ended", at, node, id, token, ...endingOf(exit.cause) })
        return Effect.void
      })
    })
