import { Context, Duration, Effect, Layer, Result, type Scope } from "effect"
import { mkdtempDisposableSync } from "node:fs"
import { tmpdir } from "node:os"
import {
  Message,
  MessageId,
  type Outcome,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  SessionId
} from "@queue-runtime/core"
import { SqliteClient, SqliteConfig, SqliteProvider } from "../src/index.ts"

export const orders = QueueName.makeUnsafe("orders")
export const ordered = QueueName.makeUnsafe("ordered")
export const missing = QueueName.makeUnsafe("missing")
export const address = QueueAddress.queue(orders)
export const dead = QueueAddress.deadLetter(orders)
export const { seconds } = Duration
export const now = Duration.zero
export const { lockDuration } = SqliteConfig

/** The path of a file that is not there yet, in a folder that goes with the scope. */
export const temporaryPath = Effect.map(
  Effect.acquireDisposable(Effect.sync(() => mkdtempDisposableSync(`${tmpdir()}/queues-`))),
  ({ path }) => `${path}/queues.db`
)

/** A file with a queue without sessions and one with. */
export const made = Effect.fnUntraced(function* (options: SqliteConfig.QueueOptions = {}) {
  const path = yield* temporaryPath
  const client = yield* SqliteClient.make({ path })
  yield* client.createQueue(orders, options)
  yield* client.createQueue(ordered, { ...options, sessions: true })
  return path
})

/** One more provider on a file, open until the scope closes. */
export const connect = (path: string, options: Partial<SqliteConfig.Options> = {}) =>
  Effect.map(
    Layer.build(SqliteProvider.layer({ path, ...options })),
    Context.get(QueueProvider.QueueProvider)
  )

export const message = (
  id: string,
  options: Message.Options = {}
): Effect.Effect<Message.Stamped, QueueError.QueueError> =>
  Effect.map(Message.text(id, options), (text) => Message.stamp(text, MessageId.makeUnsafe(id)))

export const send = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  ids: ReadonlyArray<string>,
  options?: Message.Options
) {
  const messages = yield* Effect.forEach(ids, (id) => message(id, options))
  return yield* provider.send(orders, messages)
})

/** Messages sent to the ordered queue; the letter before the number is the session. */
export const sendOrdered = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  ids: ReadonlyArray<string>
) {
  const messages = yield* Effect.forEach(ids, (id) =>
    message(id, { sessionId: SessionId.makeUnsafe(id.slice(0, 1)) })
  )
  return yield* provider.send(ordered, messages)
})

export const receive = (
  provider: QueueProvider.Service,
  wait: Duration.Duration = now,
  from: QueueAddress.QueueAddress = address
): ReturnType<QueueProvider.Service["receive"]> => provider.receive(from, { max: 10, wait })

/** Accepts a session that must be there. */
export const accept = (
  provider: QueueProvider.Service,
  wait: Duration.Duration = now
): Effect.Effect<QueueSession.QueueSession, QueueError.QueueError, Scope.Scope> =>
  Effect.flatMap(provider.acceptSession(ordered, { wait }), (session) =>
    Effect.orDie(Effect.fromOption(session))
  )

/** `a1:2` is the second delivery of a1. */
export const counted = (
  messages: ReadonlyArray<{ readonly messageId: string; readonly deliveryCount: number }>
): ReadonlyArray<string> => messages.map((one) => `${one.messageId}:${one.deliveryCount}`)

/** `ok`, or the tag of the reason. */
export const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((one) => (Result.isSuccess(one) ? "ok" : one.failure.reason._tag))

/** The reason a call fails with, as text. */
export const failure = <A, R>(effect: Effect.Effect<A, QueueError.QueueError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => `${reason._tag}: ${reason.message}`)
