/** Batching over a scripted provider whose calls take time, and callers side by side. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Batching from "../../src/Batching.ts"
import type * as Capabilities from "../../src/Capabilities.ts"
import * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import type * as Outcome from "../../src/Outcome.ts"
import * as QueueAddress from "../../src/QueueAddress.ts"
import type * as QueueError from "../../src/QueueError.ts"
import * as Clients from "./Clients.ts"
import * as ScriptedProvider from "./ScriptedProvider.ts"

export const { orders } = Clients

/** How long a call takes. */
export const roundTrip = Duration.millis(100)

/** A message as the port takes it. */
export const message = (id: string, session?: string, bytes?: number): Message.Stamped =>
  Message.stamp(Clients.message(id, session, bytes), MessageId.makeUnsafe(id))

/** Batching over a broker of its own; the queue `orders` as told. A test that ends leaves calls behind. */
export const make = Effect.fnUntraced(function* (
  options: Batching.Options = {},
  given: {
    readonly queue?: Partial<Capabilities.Capabilities>
    readonly faults?: ScriptedProvider.Faults
  } = {}
) {
  const faults: ScriptedProvider.Faults = { before: () => Effect.sleep(roundTrip) }
  const broker = yield* ScriptedProvider.make({
    queues: { orders: given.queue ?? {} },
    faults: Object.assign(faults, given.faults)
  })
  return {
    broker,
    faults,
    batching: yield* Batching.make(broker.service, { closeWait: 0, ...options })
  }
})

export type Merged = Effect.Success<ReturnType<typeof make>>

/** A caller that is under way. */
export const start = <A>(call: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.forkChild(Effect.exit(call), { startImmediately: true })

/** One caller a list of messages, side by side. */
export const send = (
  { batching }: Merged,
  ...calls: ReadonlyArray<ReadonlyArray<Message.Stamped>>
) => Effect.forEach(calls, (messages) => start(batching.send(orders, messages)))

/** One caller a message, side by side. */
export const sendEach = (merged: Merged, ...messages: ReadonlyArray<Message.Stamped>) =>
  send(merged, ...messages.map((one) => [one]))

/** The id that was sent or `ok`, or the tag of the reason. */
export const tag = <A>(outcome: Outcome.Outcome<A>): string => {
  if (Result.isFailure(outcome)) return outcome.failure.reason._tag
  const { success } = outcome
  return typeof success === "object" && success !== null && "messageId" in success
    ? String(success.messageId)
    : "ok"
}

type Ended<A> = Exit.Exit<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>

/** What a caller was answered: `a b`, `!Reason` when its call failed, `?` when it did not end. */
export const answered = <A>(fiber: Fiber.Fiber<Ended<A>>): string => {
  const exit = fiber.pollUnsafe()
  if (exit === undefined) return "?"
  if (Exit.isFailure(exit)) return "interrupted"
  const ended = exit.value
  return Exit.match(ended, {
    onSuccess: (outcomes) => outcomes.map(tag).join(" "),
    onFailure: (cause) => {
      const [reason] = cause.reasons
      if (reason?._tag === "Fail") return `!${reason.error.reason._tag}`
      return reason?._tag === "Die" ? `defect: ${String(reason.defect)}` : "interrupted inside"
    }
  })
}

/** What each was answered. */
export const answers = <A>(fibers: ReadonlyArray<Fiber.Fiber<Ended<A>>>) => fibers.map(answered)

/** The calls that reached the provider, each as its messages: `a b`. */
export const calls = ({ broker }: Merged, method: "send" | "settle" | "renewLock" = "send") =>
  broker.calls(method).map(({ ids }) => ids.join(" "))

/** Deliveries of messages that are sent for it, in their order. */
export const deliveries = Effect.fnUntraced(function* (
  { broker }: Merged,
  ids: ReadonlyArray<string>
) {
  const { service } = broker
  const before = broker.faults.before
  delete broker.faults.before
  yield* Effect.forEach(ids, (id) => service.send(orders, [message(id)]))
  const options = { max: ids.length, wait: Duration.zero }
  const received = yield* service.receive(QueueAddress.queue(orders), options)
  if (before !== undefined) broker.faults.before = before
  return received.map(({ receipt }) => receipt)
})
