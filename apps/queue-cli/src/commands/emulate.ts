/** `emulate`: SQS or Service Bus on this machine, for development. */
import * as Effect from "effect/Effect"
import * as Failure from "../Failure.ts"
import * as Output from "../Output.ts"

/** What was asked for. */
export interface Input {
  readonly service: "servicebus" | "sqs"
  readonly host: string
  readonly port: number
  /** Queues to make; in SQS a name in `.fifo` is a FIFO queue. */
  readonly queues: ReadonlyArray<string>
  /** Queues to make with sessions. */
  readonly ordered: ReadonlyArray<string>
  readonly deadLetters: boolean
}

const failed = ({ message }: { readonly message: string }): Failure.Failure =>
  new Failure.Failure({ code: "failure", message })

const region = "us-east-1"

const deadLettersOf = (name: string): string =>
  name.endsWith(".fifo") ? `${name.slice(0, -".fifo".length)}-dlq.fifo` : `${name}-dlq`

/**
 * Queues with their dead-letter queues, to which the broker moves what was received a thousand times: the
 * worker's own count comes first. Who asks for one of those by name gets it, and it has none of its own.
 */
const sqsQueues = ({ deadLetters, ordered, queues }: Input) => {
  const names = [
    ...queues,
    ...ordered.map((name) => (name.endsWith(".fifo") ? name : `${name}.fifo`))
  ]
  const dead = new Set(names.map(deadLettersOf))
  return names.flatMap((name) => {
    if (!deadLetters || dead.has(name)) return [[name, {}] as const]
    const policy = {
      deadLetterTargetArn: `arn:aws:sqs:${region}:000000000000:${deadLettersOf(name)}`,
      maxReceiveCount: 1_000
    }
    return [
      [deadLettersOf(name), {}] as const,
      [name, { RedrivePolicy: JSON.stringify(policy) }] as const
    ]
  })
}

const sqs = Effect.fnUntraced(function* (input: Input) {
  const { SqsEmulator } = yield* Effect.promise(() => import("@queue-runtime/sqs-emulator"))
  const { host, port } = input
  const { endpoint } = yield* Effect.mapError(
    SqsEmulator.make({ host, port, region, queues: Object.fromEntries(sqsQueues(input)) }),
    failed
  )
  return {
    endpoint,
    environment: {
      QUEUE_PROVIDER: "aws-sqs",
      AWS_ENDPOINT_URL_SQS: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: "emulator",
      AWS_SECRET_ACCESS_KEY: "emulator"
    }
  }
})

const serviceBus = Effect.fnUntraced(function* ({ host, ordered, port, queues }: Input) {
  const { ServiceBusEmulator } = yield* Effect.promise(
    () => import("@queue-runtime/servicebus-emulator")
  )
  const made = Object.fromEntries([
    ...queues.map((name) => [name, {}] as const),
    ...ordered.map((name) => [name, { requiresSession: true }] as const)
  ])
  const emulator = yield* Effect.mapError(
    ServiceBusEmulator.make({ host, port, queues: made }),
    failed
  )
  return {
    endpoint: `${emulator.host}:${emulator.port}`,
    environment: {
      QUEUE_PROVIDER: "azure-service-bus",
      AZURE_SERVICE_BUS_CONNECTION_STRING: emulator.connectionString
    }
  }
})

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** Runs until it is ended. */
export const run = Effect.fnUntraced(function* (
  input: Input
): Effect.fn.Return<never, Failure.Failure, Output.Output> {
  const output = yield* Output.Output
  if (input.queues.length + input.ordered.length === 0) {
    return yield* Failure.usage("no queue to make", "--make NAME, --make-ordered NAME")
  }
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const started = yield* input.service === "sqs" ? sqs(input) : serviceBus(input)
      const exports = Object.entries(started.environment).map(
        ([name, value]) => `export ${name}=${quoted(value)}`
      )
      yield* output.result({ service: input.service, ...started }, () => exports.join("\n"))
      yield* output.say(`${input.service} listens on ${started.endpoint}; Ctrl-C ends it`)
      return yield* Effect.never
    })
  )
})
