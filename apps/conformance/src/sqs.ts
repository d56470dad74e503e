/**
 * SQS with the real SDK over a real socket: our emulator, `fauxqs`, or the server that
 * `CONTRACT_SQS_ENDPOINT` names.
 *
 * @since 0.1.0
 */
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient
} from "@aws-sdk/client-sqs"
import { type Harness, Time, type World } from "@queue-runtime/contract-tests"
import { QueueError } from "@queue-runtime/core"
import { type AwsConfig, AwsProvider } from "@queue-runtime/provider-aws"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { SqsProbes } from "@queue-runtime/sqs-emulator/probes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { buildApp } from "fauxqs"

/** A server, and who we are there. */
interface Server {
  readonly endpoint: string | undefined
  readonly region: string
  readonly credentials: NonNullable<AwsConfig.Options["credentials"]>
}

const local = { accessKeyId: "test", secretAccessKey: "test" }

const localServer = (endpoint: string): Server => ({
  endpoint,
  region: "us-east-1",
  credentials: { _tag: "Keys", ...local }
})

const failed = (cause: unknown): QueueError.QueueError =>
  QueueError.make(
    new QueueError.ConnectionFailed({ detail: QueueError.OriginalError.from(cause).message }),
    { cause }
  )

const attempt = <A>(call: () => Promise<A>): Effect.Effect<A, QueueError.QueueError> =>
  Effect.tryPromise({ try: call, catch: failed })

const sdkOf = ({ endpoint, region }: Server): SQSClient =>
  new SQSClient({
    region,
    // On AWS the SDK finds them itself. A copy: it writes into what it is given.
    ...(endpoint === undefined ? {} : { endpoint, credentials: { ...local } })
  })

const connected = (server: Server): Effect.Effect<SQSClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => sdkOf(server)),
    (sdk) => Effect.sync(() => sdk.destroy())
  )

const create = (sdk: SQSClient, QueueName: string, attributes: Record<string, string>) =>
  Effect.acquireRelease(
    attempt(async () => {
      const Attributes = QueueName.endsWith(".fifo")
        ? { FifoQueue: "true", ...attributes }
        : attributes
      const { QueueUrl } = await sdk.send(new CreateQueueCommand({ QueueName, Attributes }))
      if (QueueUrl === undefined) throw new Error("the server named no URL of a queue it made")
      return QueueUrl
    }),
    (QueueUrl) => Effect.ignore(attempt(() => sdk.send(new DeleteQueueCommand({ QueueUrl }))))
  )

const arnOf = (sdk: SQSClient, QueueUrl: string) =>
  attempt(async () => {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] })
    const arn = (await sdk.send(command)).Attributes?.["QueueArn"]
    if (arn === undefined) throw new Error("the server named no ARN of a queue")
    return arn
  })

const foreignOf = (sdk: SQSClient, QueueUrl: string): World.Foreign => ({
  send: (MessageBody, attributes) =>
    Effect.asVoid(
      attempt(() =>
        sdk.send(
          new SendMessageCommand({
            QueueUrl,
            MessageBody,
            MessageAttributes: Object.fromEntries(
              Object.entries(attributes).map(([name, StringValue]) => [
                name,
                { DataType: "String", StringValue }
              ])
            )
          })
        )
      )
    ),
  receive: attempt(async () => {
    const wait = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 2 })
    const [message] = (await sdk.send(wait)).Messages ?? []
    if (message === undefined) return Option.none()
    const { Body, ReceiptHandle } = message
    await sdk.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    return Option.fromUndefinedOr(Body)
  })
})

/** Far above what any rule lets fail: the broker must not put aside what the library judges. */
const receivesMax = "1000"

type BodyEncoding = AwsConfig.QueueSettings["bodyEncoding"]

const openAt =
  (server: Effect.Effect<Server, QueueError.QueueError, Scope.Scope>, bodyEncoding: BodyEncoding) =>
  (
    spec: Harness.QueueSpec
  ): Effect.Effect<Harness.Opened<QueueError.QueueError>, QueueError.QueueError, Scope.Scope> =>
    Effect.gen(function* () {
      const { deliveriesMax, lockDuration, queue, sessions } = spec
      const { credentials, endpoint, region } = yield* server
      const sdk = yield* connected({ credentials, endpoint, region })
      const suffix = sessions ? ".fifo" : ""
      const letters = yield* create(sdk, `${queue}-dlq${suffix}`, {})
      const deadLetterTargetArn = yield* arnOf(sdk, letters)
      const name = `${queue}${suffix}`
      const url = yield* create(sdk, name, {
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: receivesMax })
      })
      const visibilityTimeout = Duration.seconds(Math.ceil(Duration.toSeconds(lockDuration)))
      return {
        layer: AwsProvider.layer({
          region,
          ...(endpoint === undefined ? {} : { endpoint }),
          credentials,
          queues: { [queue]: { name, deliveriesMax, visibilityTimeout, bodyEncoding } },
          // A queue that does not exist is of the same kind.
          others: { fifo: sessions, bodyEncoding }
        }),
        foreign: foreignOf(sdk, url)
      }
    })

const emulator: Effect.Effect<Server, QueueError.QueueError, Scope.Scope> = Effect.mapBoth(
  SqsEmulator.make(),
  { onFailure: failed, onSuccess: ({ endpoint }) => localServer(endpoint) }
)

const fauxqs: Effect.Effect<Server, QueueError.QueueError, Scope.Scope> = Effect.acquireRelease(
  attempt(async () => {
    const app = buildApp({ logger: false })
    return { app, endpoint: await app.listen({ port: 0, host: "127.0.0.1" }) }
  }),
  ({ app }) => Effect.ignore(attempt(() => app.close()))
).pipe(Effect.map(({ endpoint }) => localServer(endpoint)))

/** The probes that answer otherwise than AWS does; asked once. */
const failedProbesOf = (
  server: Effect.Effect<Server, QueueError.QueueError, Scope.Scope>
): Effect.Effect<ReadonlySet<string>, QueueError.QueueError> =>
  Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const sdk = yield* connected(yield* server)
        const verdicts = yield* Effect.forEach(SqsProbes.all, (probe) => probe.run(sdk), {
          concurrency: "unbounded"
        })
        return new Set(verdicts.flatMap(({ id, ok }) => (ok ? [] : [id])))
      }).pipe(Effect.scoped, Time.withLive)
    )
  )

const harness = (
  name: string,
  server: Effect.Effect<Server, QueueError.QueueError, Scope.Scope>,
  bodyEncoding: BodyEncoding = "auto"
): Harness.Harness<QueueError.QueueError> => ({
  name,
  time: Time.live,
  failedProbes: failedProbesOf(server),
  open: openAt(server, bodyEncoding)
})

/** The server of the environment; `aws` stands for AWS itself, with what the SDK finds. */
const given = (endpoint: string): Server =>
  endpoint === "aws"
    ? {
        endpoint: undefined,
        region: process.env["AWS_REGION"] ?? "us-east-1",
        credentials: { _tag: "Default" }
      }
    : localServer(endpoint)

const { CONTRACT_SQS_ENDPOINT: endpointGiven = "" } = process.env

const serverAsked: Effect.Effect<Server, QueueError.QueueError, Scope.Scope> =
  endpointGiven === "" ? emulator : Effect.succeed(given(endpointGiven))

/**
 * Queues on SQS: on the server of `CONTRACT_SQS_ENDPOINT`, on AWS itself when it says `aws`, or else on an
 * emulator of its own for each rule. The queues of a rule are made for it and removed after it.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const aws: Harness.Harness<QueueError.QueueError> = harness("aws", serverAsked)

/**
 * The same for bodies that are no text, as sealed ones are: what is declared counts their base64.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const awsBinary: Harness.Harness<QueueError.QueueError> = harness(
  "aws-binary",
  serverAsked,
  "base64"
)

/**
 * Queues on `fauxqs`: an SQS of somebody else, where the rules that lean on what it does not do are
 * skipped.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const awsFauxqs: Harness.Harness<QueueError.QueueError> = harness("aws-fauxqs", fauxqs)
