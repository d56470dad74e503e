import { Duration, Effect, Option, Result } from "effect"
import {
  Message,
  MessageId,
  type Outcome,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId,
  type Verdict
} from "@queue-runtime/core"
import { type MemoryConfig, MemoryProvider } from "../src/index.ts"

export const orders = QueueName.makeUnsafe("orders")
export const ordered = QueueName.makeUnsafe("ordered")
export const missing = QueueName.makeUnsafe("missing")
export const address = QueueAddress.queue(orders)
export const dead = QueueAddress.deadLetter(orders)
export const deadOrdered = QueueAddress.deadLetter(ordered)
export const sessionId = (id: string): SessionId.SessionId => SessionId.makeUnsafe(id)
export const seconds = Duration.seconds
export const now = Duration.zero

/** A provider with a queue without sessions and one with. */
export const layer = (
  queue: MemoryConfig.Options["queues"][string] = {},
  options: Partial<MemoryConfig.Options> = {}
) =>
  MemoryProvider.layer({
    queues: { orders: queue, ordered: { sessions: true, ...queue } },
    ...options
  })

/** A message whose text is its id; `a1` belongs to session `a` when told so. */
export const message = (
  id: string,
  options: Message.Options = {}
): Effect.Effect<Message.Stamped, QueueError.QueueError> =>
  Effect.map(Message.text(id, options), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

/** Messages by id, sent to the queue without sessions. */
export const send = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>,
  options?: Message.Options
) {
  const provider = yield* QueueProvider.QueueProvider
  const messages = yield* Effect.forEach(ids, (id) => message(id, options))
  return yield* provider.send(orders, messages)
})

/** Messages sent to the ordered queue; the letter before the number is the session. */
export const sendOrdered = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>,
  options?: Message.Options
) {
  const provider = yield* QueueProvider.QueueProvider
  const messages = yield* Effect.forEach(ids, (id) =>
    message(id, { ...options, sessionId: sessionId(id.slice(0, 1)) })
  )
  return yield* provider.send(ordered, messages)
})

type Call<A> = Effect.fn.Return<A, QueueError.QueueError, QueueProvider.QueueProvider>

type Received = ReceivedMessage.ReceivedMessage

export const receive = Effect.fnUntraced(function* (
  max = 10,
  wait: Duration.Duration = now,
  from: QueueAddress.QueueAddress = address
): Call<ReadonlyArray<Received>> {
  const provider = yield* QueueProvider.QueueProvider
  return yield* provider.receive(from, { max, wait })
})

/** The one message there is. */
export const receiveOne = Effect.fnUntraced(function* (
  from: QueueAddress.QueueAddress = address
): Call<Received> {
  const [first] = yield* receive(1, now, from)
  return yield* Effect.orDie(Effect.fromNullishOr(first))
})

export const settle = Effect.fnUntraced(function* (
  messages: ReadonlyArray<{
    readonly receipt: Parameters<QueueProvider.Service["settle"]>[0][number]
  }>,
  verdict: Verdict.Verdict
) {
  const provider = yield* QueueProvider.QueueProvider
  return tags(
    yield* provider.settle(
      messages.map((one) => one.receipt),
      verdict
    )
  )
})

export const peek = Effect.fnUntraced(function* (
  from: QueueAddress.QueueAddress = address,
  max = 100,
  fromSequenceNumber?: bigint
): Call<ReadonlyArray<ReceivedMessage.PeekedMessage>> {
  const provider = yield* QueueProvider.QueueProvider
  const start = fromSequenceNumber === undefined ? {} : { fromSequenceNumber }
  return yield* provider.peek(from, { max, ...start })
})

/** Accepts a session that must be there. */
export const accept = Effect.fnUntraced(function* (id?: string, wait: Duration.Duration = now) {
  const provider = yield* QueueProvider.QueueProvider
  const which = id === undefined ? {} : { sessionId: sessionId(id) }
  const session = yield* provider.acceptSession(ordered, { ...which, wait })
  return yield* Effect.orDie(Effect.fromOption(session))
})

/** The next session's id, or nothing; held until the scope closes. */
export const acceptNext = Effect.fnUntraced(function* (wait: Duration.Duration = now) {
  const provider = yield* QueueProvider.QueueProvider
  const session = yield* provider.acceptSession(ordered, { wait })
  return Option.getOrUndefined(Option.map(session, (one): string => one.sessionId))
})

export const take = (
  session: QueueSession.QueueSession,
  max = 10,
  wait: Duration.Duration = now
): Effect.Effect<ReadonlyArray<Received>, QueueError.QueueError> => session.receive({ max, wait })

export const ids = (
  messages: ReadonlyArray<{ readonly messageId: string }>
): ReadonlyArray<string> => messages.map((one) => one.messageId)

/** `a1:2` is the second delivery of a1. */
export const counted = (
  messages: ReadonlyArray<{ readonly messageId: string; readonly deliveryCount: number }>
): ReadonlyArray<string> => messages.map((one) => `${one.messageId}:${one.deliveryCount}`)

/** `ok`, or the tag of the reason. */
export const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((one) => (Result.isSuccess(one) ? "ok" : one.failure.reason._tag))

/** The tag of the reason a call fails with. */
export const failure = <A, R>(effect: Effect.Effect<A, QueueError.QueueError, R>) =>
  Effect.map(Effect.flip(effect), (error): string => error.reason._tag)
