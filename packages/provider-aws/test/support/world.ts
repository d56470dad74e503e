import { Context, Duration, Effect, Exit, Layer, Option, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  Message,
  MessageId,
  type Outcome,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type Receipt,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { SqsBroker } from "@queue-runtime/sqs-emulator"
import { AwsClient, type AwsConfig } from "../../src/index.ts"
import { invariants } from "../../src/internal/router/invariants.ts"
import { Lines } from "../../src/internal/router/lines.ts"
import { Receipts } from "../../src/internal/router/receipts.ts"
import * as service from "../../src/internal/router/service.ts"
import * as starting from "../../src/internal/router/starting.ts"
import * as sqs from "../../src/internal/sqs.ts"
import * as underWay from "../../src/internal/underWay.ts"
import * as emulated from "./emulated.ts"
import { ending, ends, settle } from "./time.ts"

export { ends, settle } from "./time.ts"

export type Received = ReceivedMessage.ReceivedMessage
export type Queues = NonNullable<AwsConfig.Options["queues"]>

export const queue = QueueName.makeUnsafe("q")
export const main = QueueAddress.queue(queue)
export const dead = QueueAddress.deadLetter(queue)

/** Started, and come to where it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => settle)

export const pass = (duration: Duration.Input) =>
  settle.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(settle))

export interface Options {
  readonly fifo?: boolean
  readonly attributes?: Readonly<Record<string, string>>
  readonly settings?: Omit<Queues[string], "name">
  /** Without a dead-letter queue in the options. */
  readonly isAlone?: boolean
  readonly way?: emulated.Way
}

/** One more provider: another process. */
export const connectBy = (broker: SqsBroker.Service, queues: Queues, way?: emulated.Way) =>
  Effect.map(
    Layer.build(Layer.fresh(emulated.connect(broker, queues, way))),
    Context.get(QueueProvider.QueueProvider)
  )

/** A broker with one queue, and providers on it. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const broker = yield* SqsBroker.make({ seed: "world" })
  const isFifo = options.fifo ?? true
  const { dlq, name } = yield* emulated.create(broker, isFifo ? "q.fifo" : "q", options.attributes)
  const queues: Queues = {
    q: {
      name,
      visibilityTimeout: "30 seconds",
      ...(options.isAlone === true ? {} : { deadLetter: { name: dlq } }),
      ...options.settings
    }
  }
  const connect = connectBy(broker, queues, options.way)
  return { broker, connect, provider: yield* ending(connect), name, dlq, queues }
})

/** A provider with its inside in sight: what must hold of it can be looked for after every step. */
export const open = Effect.fnUntraced(function* (broker: SqsBroker.Service, queues: Queues) {
  const requestHandler = yield* emulated.transport(broker)
  const client = yield* AwsClient.make(emulated.options(queues), { requestHandler })
  const plane = sqs.make(client)
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const waits = yield* underWay.make
  const shared = { sqs: plane, receipts: new Receipts("t"), scope, waits, isClosed: false }
  const { known } = yield* starting.look(client.config, plane)
  const lines = new Lines(client.config, known, shared)
  const router = lines.of(main).router
  const broken = (): ReadonlyArray<string> => (router === undefined ? [] : invariants(router.state))
  return { provider: service.make(lines), lines, router, broken }
})

/** A provider in a scope of its own: a process that can end. */
export const closable = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const value = yield* Scope.provide(effect, scope)
  return { value, close: Scope.close(scope, Exit.void) }
})

export const message = (id: string, options?: Message.Options) =>
  Effect.map(Message.text(id, options), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

export const inSession = (session: string, id: string, options: Message.Options = {}) =>
  message(id, { ...options, sessionId: SessionId.makeUnsafe(session) })

/** Messages of a session, in one call; each must be taken. */
export const sendTo = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  session: string,
  messageIds: ReadonlyArray<string>
) {
  const messages = yield* Effect.forEach(messageIds, (id) => inSession(session, id))
  return yield* Effect.flatMap(ends(provider.send(queue, messages)), (outcomes) =>
    Effect.forEach(outcomes, Effect.fromResult)
  )
})

export const accept = (
  provider: QueueProvider.Service,
  session?: string,
  wait: Duration.Input = "1 second"
) =>
  provider.acceptSession(queue, {
    ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }),
    wait: Duration.fromInputUnsafe(wait)
  })

/** A session that must be there. */
export const held = (
  provider: QueueProvider.Service,
  session?: string,
  wait: Duration.Input = "1 second"
) => Effect.flatMap(ends(accept(provider, session, wait)), Effect.fromOption)

export const take = (
  from: Pick<QueueSession.QueueSession, "receive">,
  max = 10,
  wait: Duration.Input = "1 second"
) => ends(from.receive({ max, wait: Duration.fromInputUnsafe(wait) }))

export const receive = (
  provider: QueueProvider.Service,
  max = 10,
  wait: Duration.Input = "1 second",
  address = main
) => ends(provider.receive(address, { max, wait: Duration.fromInputUnsafe(wait) }))

export const receiptsOf = (messages: ReadonlyArray<Received>): ReadonlyArray<Receipt.Receipt> =>
  messages.map(({ receipt }) => receipt)

/** `ok`, or the reason. */
export const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((one) => (Result.isSuccess(one) ? "ok" : one.failure.reason._tag))

type Settler = Pick<QueueProvider.Service, "settle">

export const settleAs = (
  by: Settler,
  messages: ReadonlyArray<Received>,
  verdict: Verdict.Verdict = Verdict.complete
) => Effect.map(ends(by.settle(receiptsOf(messages), verdict)), tags)

export const ids = (messages: ReadonlyArray<Received>) => messages.map(({ messageId }) => messageId)

/** `a1:2` is the second delivery of a1. */
export const counted = (messages: ReadonlyArray<Received>) =>
  messages.map(({ deliveryCount, messageId }) => `${messageId}:${deliveryCount}`)

export const reason = <A, R>(effect: Effect.Effect<A, QueueError.QueueError, R>) =>
  Effect.map(Effect.flip(ends(effect)), (error) => error.reason._tag)

/** All that a queue has, by what was sent. */
export const bodies = (broker: SqsBroker.Service, name: string) =>
  Effect.map(broker.inspect(name), (view) => view?.messages.map(({ body }) => body) ?? [])

export const calls = (broker: SqsBroker.Service, action: string) =>
  Effect.map(broker.calls, (all) => all[action] ?? 0)

export const isNone = Option.isNone

const Sent = Schema.Struct({ Entries: Schema.Array(Schema.Struct({ MessageBody: Schema.String })) })

/** The bodies of one SendMessageBatch. */
export const sentBodies = (input: unknown): ReadonlyArray<string> =>
  Option.match(Schema.decodeUnknownOption(Sent)(input), {
    onNone: () => [],
    onSome: ({ Entries }) => Entries.map(({ MessageBody }) => MessageBody)
  })

export const sessionId = SessionId.make
