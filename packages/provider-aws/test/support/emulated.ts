import { Duration, Effect, Layer, Option, Schema, type Scope } from "effect"
import { type Harness, type World } from "@queue-runtime/contract-tests"
import { QueueError, type QueueProvider } from "@queue-runtime/core"
import { SqsBroker, SqsHttp } from "@queue-runtime/sqs-emulator"
import { type AwsClient, type AwsConfig, AwsProvider } from "../../src/index.ts"
import { ending } from "./time.ts"

const aborted = Object.assign(new Error("Request aborted"), { name: "AbortError" })

/** How the way to the broker is. */
export interface Way {
  /** `deliver`: an aborted poll stays at the broker and takes what comes, as it may on AWS. */
  readonly deadSockets?: "deliver" | "forget"
  /** How long an answer is on its way; read for each. */
  readonly delay?: Duration.Input
}

/** What the SDK sends goes to the broker without a socket, in the time of the test. */
export const transport = Effect.fnUntraced(function* (broker: SqsBroker.Service, way: Way = {}) {
  const { deadSockets = "forget" } = way
  const answer = SqsHttp.make(broker)
  const handler = yield* SqsHttp.requestHandler((request) =>
    Effect.tap(answer(request), () => Effect.sleep(way.delay ?? 0))
  )
  if (deadSockets === "forget") return handler
  const handle: SqsHttp.RequestHandler["handle"] = (request, options) => {
    const signal = options?.abortSignal
    const answered = handler.handle(request)
    if (!(signal instanceof AbortSignal)) return answered
    const cut = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(aborted), { once: true })
    })
    return Promise.race([answered, cut])
  }
  return { ...handler, handle }
})

const keys = { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" } as const

/** Options of a client that talks to the broker. */
export const options = (queues: NonNullable<AwsConfig.Options["queues"]>): AwsConfig.Options => ({
  region: "us-east-1",
  credentials: keys,
  queues,
  others: { fifo: Object.values(queues).some(({ name }) => name?.endsWith(".fifo")) }
})

/** Makes a queue and its dead-letter queue at the broker. */
export const create = Effect.fnUntraced(function* (
  broker: SqsBroker.Service,
  name: string,
  attributes: Readonly<Record<string, string>> = {}
) {
  const isFifo = name.endsWith(".fifo")
  const dlq = isFifo ? name.replace(/\.fifo$/u, "-dlq.fifo") : `${name}-dlq`
  const fifo = isFifo ? { FifoQueue: "true" } : {}
  yield* broker.call("CreateQueue", { QueueName: dlq, Attributes: fifo }).pipe(Effect.orDie)
  yield* broker
    .call("CreateQueue", { QueueName: name, Attributes: { ...fifo, ...attributes } })
    .pipe(Effect.orDie)
  return { name, dlq }
})

/** A provider of its own over the broker: another process. */
export const connect = (
  broker: SqsBroker.Service,
  queues: NonNullable<AwsConfig.Options["queues"]>,
  way?: Way
): Layer.Layer<QueueProvider.QueueProvider | AwsClient.AwsClient, QueueError.QueueError> =>
  Layer.unwrap(
    Effect.map(transport(broker, way), (requestHandler) =>
      AwsProvider.layer(options(queues), { requestHandler })
    )
  )

const decodeAnswer = Schema.decodeUnknownOption(
  Schema.Struct({ Messages: Schema.Array(Schema.Struct({ Body: Schema.String })) })
)

const failed = (error: unknown): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: String(error) }))

const foreignOf = (broker: SqsBroker.Service, name: string): World.Foreign => ({
  send: (MessageBody, attributes) =>
    broker
      .call("SendMessage", {
        QueueUrl: name,
        MessageBody,
        MessageAttributes: Object.fromEntries(
          Object.entries(attributes).map(([key, StringValue]) => [
            key,
            { DataType: "String", StringValue }
          ])
        )
      })
      .pipe(Effect.mapError(failed), Effect.asVoid),
  receive: broker.call("ReceiveMessage", { QueueUrl: name, WaitTimeSeconds: 1 }).pipe(
    Effect.mapError(failed),
    Effect.map((answer) => {
      const found = decodeAnswer(answer)
      return Option.flatMap(found, ({ Messages }) => Option.fromNullishOr(Messages[0]?.Body))
    })
  )
})

/** The contract's harness: a broker a rule, in the rule's own time. */
export const open = Effect.fnUntraced(function* (
  spec: Harness.QueueSpec
): Effect.fn.Return<Harness.Opened<QueueError.QueueError>, never, Scope.Scope> {
  const { deliveriesMax, lockDuration, queue, sessions } = spec
  const broker = yield* SqsBroker.make({ seed: queue })
  const { dlq, name } = yield* create(broker, sessions ? `${queue}.fifo` : queue)
  const seconds = Math.ceil(Duration.toSeconds(lockDuration))
  const queues = {
    [queue]: {
      name,
      deadLetter: { name: dlq },
      deliveriesMax,
      visibilityTimeout: Duration.seconds(seconds)
    }
  }
  const layer = Layer.effectContext(ending(Layer.build(Layer.fresh(connect(broker, queues)))))
  return { layer, foreign: foreignOf(broker, name) }
})
