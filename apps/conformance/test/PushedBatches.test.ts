/** What the clouds' own hosts push goes through the whole stack that a worker's messages go through. */
import { assert, describe, it } from "@effect/vitest"
import {
  Batching,
  Message,
  QueueAddress,
  QueueClient,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId,
  SessionStore,
  Telemetry
} from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AwsLambda } from "@queue-runtime/provider-aws/lambda"
import { AzureClient, AzureProvider } from "@queue-runtime/provider-azure"
import { AzureFunctions } from "@queue-runtime/provider-azure/functions"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SessionLeases, SessionStoreMemory } from "@queue-runtime/session-store"
import { SqsBroker, SqsHttp } from "@queue-runtime/sqs-emulator"
import {
  Context,
  Deferred,
  Duration,
  Effect,
  Layer,
  Option,
  Predicate,
  Redacted,
  Result,
  Schema,
  Tracer
} from "effect"

const events = QueueName.makeUnsafe("events")

const texts = ["one", "two", "three"]

const textOf = ({ body }: { readonly body: Uint8Array }): string => new TextDecoder().decode(body)

/** The stack of an application, with this stage right above the provider. */
const stackOver = <A>(
  host: Layer.Layer<QueueProvider.QueueProvider, never, QueueProvider.QueueProvider | A>,
  provider: Layer.Layer<QueueProvider.QueueProvider | A, QueueError.QueueError>
) => {
  const material = Redacted.make(new Uint8Array(32).fill(7))
  return QueueClient.layer().pipe(
    Layer.provide(Telemetry.layerCreate()),
    Layer.provide(Sealing.layer()),
    Layer.provide(Batching.layer()),
    Layer.provide(ResilienceConfig.layer()),
    Layer.provide(Telemetry.layer()),
    Layer.provide(host),
    Layer.provide(provider),
    Layer.provide([
      KeyProviderMemory.layer({ keys: [{ id: "k1", material }], current: "k1" }),
      NodeCrypto.layer
    ])
  )
}

/** A tracer that keeps its spans. */
const listening = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const named = (name: string) => spans.filter((span) => span.name === name)
  return { layer: Layer.succeed(Tracer.Tracer, tracer), named }
}

/** Three messages of a session, sent by the stack. */
const send = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  for (const text of texts) {
    const sessionId = SessionId.makeUnsafe("s")
    yield* client.send(events, yield* Message.text(text, { sessionId }))
  }
  return client
})

/** The trace of the sender goes on in the handler's span, each message's by a link. */
const assertTraced = (heard: ReturnType<typeof listening>): void => {
  const sent = new Set(heard.named("create events").map(({ spanId }) => spanId))
  const processed = heard.named("process events")
  assert.strictEqual(processed.length, 2)
  for (const span of processed) {
    assert.isTrue(
      span.links.some((link) => sent.has(link.span.spanId)),
      "a link to who sent it"
    )
  }
}

const Received = Schema.Struct({
  Messages: Schema.Array(
    Schema.Struct({
      MessageId: Schema.String,
      ReceiptHandle: Schema.String,
      Body: Schema.String,
      Attributes: Schema.Record(Schema.String, Schema.String),
      MessageAttributes: Schema.Record(
        Schema.String,
        Schema.Struct({ DataType: Schema.String, StringValue: Schema.String })
      )
    })
  )
})

/** What Lambda polls, and hands over. */
const pushed = Effect.fnUntraced(function* (broker: SqsBroker.Service, queue: string) {
  const answer = yield* broker.call("ReceiveMessage", {
    QueueUrl: queue,
    MaxNumberOfMessages: 10,
    MessageSystemAttributeNames: ["All"],
    MessageAttributeNames: ["All"]
  })
  const { Messages } = yield* Schema.decodeUnknownEffect(Received)(answer)
  return Messages.map((one) => ({
    messageId: one.MessageId,
    receiptHandle: one.ReceiptHandle,
    body: one.Body,
    attributes: one.Attributes,
    messageAttributes: Object.fromEntries(
      Object.entries(one.MessageAttributes).map(([name, { DataType, StringValue }]) => [
        name,
        { dataType: DataType, stringValue: StringValue }
      ])
    ),
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queue}`
  }))
})

/** Another byte at the end of the sealed body. */
const tampered = (body: string): string => {
  const bytes = Buffer.from(body, "base64")
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
  return bytes.toString("base64")
}

describe("batches that a host pushes", () => {
  it.live("R8.6 R9.1 R4.1 on Lambda: opened, traced, in order; a tampered one is put aside", () =>
    Effect.gen(function* () {
      const heard = listening()
      const broker = yield* SqsBroker.make()
      for (const name of ["events.fifo", "events-dlq.fifo"]) {
        yield* broker.call("CreateQueue", { QueueName: name, Attributes: { FifoQueue: "true" } })
      }
      const requestHandler = yield* SqsHttp.requestHandler(SqsHttp.make(broker))
      const provider = AwsProvider.layer(
        {
          region: "us-east-1",
          credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
          queues: { events: { name: "events.fifo", deadLetter: { name: "events-dlq.fifo" } } }
        },
        { requestHandler }
      )
      const seen: Array<string> = []
      const end = yield* Effect.gen(function* () {
        const client = yield* send
        const work = yield* AwsLambda.make({
          queue: events,
          handler: (message: ReceivedMessage.ReceivedMessage) =>
            Effect.sync(() => seen.push(textOf(message)))
        })
        const [one, two, three] = yield* pushed(broker, "events.fifo")
        if (one === undefined || two === undefined || three === undefined) {
          return assert.fail("three were sent")
        }
        assert.notInclude(one.body, "one")
        const Records = [one, { ...two, body: tampered(two.body) }, three]
        const answer = yield* work({ Records }, Duration.seconds(30))
        const dead = QueueAddress.deadLetter(events)
        const letters = yield* client.receive(dead, { max: 10, wait: "2 seconds" })
        return { answer, letters, stack: client.stack }
      }).pipe(
        Effect.provide(Layer.provideMerge(stackOver(AwsLambda.layer(), provider), heard.layer))
      )
      assert.deepStrictEqual(end.answer.batchItemFailures, [])
      assert.deepStrictEqual(seen, ["one", "three"])
      assert.deepStrictEqual(
        end.letters.map(({ deadLetter }) => deadLetter?.reason),
        ["IntegrityFailed"]
      )
      assert.deepStrictEqual(end.stack.slice(-2), ["aws-lambda", "aws-sqs"])
      assert.include(end.stack, "sealing")
      assertTraced(heard)
    }).pipe(Effect.scoped)
  )

  it.live(
    "R8.6 R9.1 R4.1 on Azure Functions: opened, traced, in order; a tampered one is put aside",
    () =>
      Effect.gen(function* () {
        const heard = listening()
        const { connectionString } = yield* ServiceBusEmulator.make({
          queues: { events: { requiresSession: true } }
        })
        const options = { connectionString, queues: { events: { sessions: true } } }
        const seen: Array<string> = []
        const asked: Array<string> = []
        const host = AzureFunctions.layer({ settlement: "actions" })
        yield* Effect.gen(function* () {
          yield* send
          const work = yield* AzureFunctions.make({
            queue: events,
            handler: (message: ReceivedMessage.ReceivedMessage) =>
              Effect.sync(() => seen.push(textOf(message)))
          })
          const context = yield* Layer.build(AzureClient.layer(options))
          const sdk = Context.get(context, AzureClient.AzureClient).connections[0].client
          const messages = yield* Effect.promise(() =>
            sdk
              .acceptSession("events", "s")
              .then((receiver) => receiver.receiveMessages(3, { maxWaitTimeInMs: 2_000 }))
          )
          assert.strictEqual(messages.length, 3)
          const told = (what: string) => (message: unknown) => {
            const body: unknown = Predicate.hasProperty(message, "nth") ? message.nth : undefined
            asked.push(`${what} ${String(body)}`)
            return Promise.resolve()
          }
          const actions = {
            complete: told("complete"),
            abandon: told("abandon"),
            deadletter: told("deadletter"),
            releaseSession: told("release")
          }
          const bound = messages.map((message, nth) => {
            const body: unknown = message.body
            const content = Buffer.from(body instanceof Uint8Array ? body : [])
            if (nth === 1) content[content.length - 1] = (content.at(-1) ?? 0) ^ 1
            const _rawAmqpMessage = { body: { typecode: 117, content } }
            return Object.assign(message, { nth, body: "", _rawAmqpMessage })
          })
          yield* work({ messages: bound, actions }, {})
        }).pipe(
          Effect.provide(
            Layer.provideMerge(stackOver(host, AzureProvider.layer(options)), heard.layer)
          )
        )
        assert.deepStrictEqual(seen, ["one", "three"])
        assert.sameMembers(asked, ["complete 0", "deadletter 1", "complete 2"])
        assertTraced(heard)
      }).pipe(Effect.scoped)
  )

  it.live("R4.3 session state that comes when the function has answered overwrites nothing", () =>
    Effect.gen(function* () {
      const broker = yield* SqsBroker.make()
      for (const name of ["events.fifo", "events-dlq.fifo"]) {
        yield* broker.call("CreateQueue", { QueueName: name, Attributes: { FifoQueue: "true" } })
      }
      const requestHandler = yield* SqsHttp.requestHandler(SqsHttp.make(broker))
      const provider = AwsProvider.layer(
        {
          region: "us-east-1",
          credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
          queues: { events: { name: "events.fifo", deadLetter: { name: "events-dlq.fifo" } } }
        },
        { requestHandler }
      )
      const store = yield* Layer.build(SessionStoreMemory.layer())
      const bytesOf = (text: string) => Option.some(new TextEncoder().encode(text))

      /** A container of its own, and the sessions that its leases hand out. */
      const container = Effect.fnUntraced(function* (
        handler: (session: QueueSession.QueueSession) => Effect.Effect<void, QueueError.QueueError>
      ) {
        const sessions: Array<QueueSession.QueueSession> = []
        const watching = Layer.effect(
          QueueProvider.QueueProvider,
          Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
            ...self,
            acceptSession: (queue, options) =>
              Effect.map(
                self.acceptSession(queue, options),
                Option.map((session) => {
                  sessions.push(session)
                  return session
                })
              )
          }))
        )
        const stack = QueueClient.layer().pipe(
          Layer.provide(watching),
          Layer.provide(SessionLeases.layer()),
          Layer.provide(AwsLambda.layer({ changesVisibility: true })),
          Layer.provide(provider),
          Layer.provide(Layer.succeedContext(store))
        )
        const context = yield* Layer.build(Layer.fresh(stack))
        const work = yield* AwsLambda.make({
          queue: events,
          handler: () => {
            const session = sessions.at(-1)
            return session === undefined ? Effect.die("no session") : handler(session)
          },
          margin: "200 millis"
        }).pipe(Effect.provideContext(context))
        const client = Context.get(context, QueueClient.QueueClient)
        const invoke = Effect.fnUntraced(function* (millis: number) {
          const Records = yield* pushed(broker, "events.fifo")
          assert.strictEqual(Records.length, 1)
          const { batchItemFailures } = yield* work({ Records }, Duration.millis(millis))
          return batchItemFailures.length
        })
        return { client, invoke }
      })

      const isAnswered = yield* Deferred.make<void>()
      const late = yield* Deferred.make<string>()
      const slow = yield* container((session) =>
        Effect.uninterruptible(
          Deferred.await(isAnswered).pipe(
            Effect.andThen(Effect.result(session.setState(bytesOf("late")))),
            Effect.flatMap((written) =>
              Deferred.succeed(
                late,
                Result.isFailure(written) ? written.failure.reason._tag : "written"
              )
            ),
            Effect.asVoid
          )
        )
      )
      const read: Array<string> = []
      const quick = yield* container((session) =>
        Effect.gen(function* () {
          const state = yield* session.state
          read.push(
            Option.match(state, { onNone: () => "none", onSome: (body) => textOf({ body }) })
          )
          yield* session.setState(bytesOf("new"))
        })
      )
      const sessionId = SessionId.makeUnsafe("s")
      yield* slow.client.send(events, yield* Message.text("one", { sessionId }))
      assert.strictEqual(yield* slow.invoke(400), 1)
      // Its lease went when it answered: the next one need not wait until it runs out.
      assert.strictEqual(yield* quick.invoke(20_000), 0)
      yield* Deferred.succeed(isAnswered, undefined)
      assert.strictEqual(yield* Deferred.await(late), "SessionLockLost")
      const keeper = Context.get(store, SessionStore.SessionStore)
      const again = yield* keeper.acquire({
        queue: events,
        sessionId,
        holder: "test",
        duration: Duration.seconds(5)
      })
      const state = again._tag === "Granted" ? yield* keeper.readState(again.lease) : Option.none()
      assert.deepStrictEqual(read, ["none"])
      assert.deepStrictEqual(state, bytesOf("new"))
    }).pipe(Effect.scoped)
  )
})
