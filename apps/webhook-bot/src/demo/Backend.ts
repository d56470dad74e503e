/**
 * What the demo needs of a cloud, on this machine: a server like it, and the queues there.
 *
 * @since 0.1.0
 */
import { ProviderSelection, QueueError } from "@queue-runtime/core"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as BotConfig from "../BotConfig.ts"

/** What a user would set to use the server. */
type Variables = Readonly<Record<string, string>>

/** Variables of this process for as long as the scope is open: SDKs read them there. */
const setVariables = (variables: Variables): Effect.Effect<Variables, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  ).pipe(Effect.as(variables))

const notStarted = (error: { readonly message: string }): QueueError.QueueError =>
  QueueError.configurationInvalid(ProviderSelection.variable, error.message)

/** The worker puts messages aside itself, and the server never does: see `docs/sessions-on-sqs.md`. */
const receivesMax = 1_000

/** SQS, unless `AWS_ENDPOINT_URL_SQS` names a server that is there already. */
const sqs = Effect.fnUntraced(function* ({ queue }: Pick<BotConfig.BotConfig, "queue">) {
  const { SqsEmulator } = yield* Effect.promise(() => import("@queue-runtime/sqs-emulator"))
  const account = "000000000000"
  const region = "us-east-1"
  const letters = `${queue}-dlq.fifo`
  const deadLetterTargetArn = `arn:aws:sqs:${region}:${account}:${letters}`
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: receivesMax })
  const { endpoint } = yield* SqsEmulator.make({
    account,
    region,
    queues: { [letters]: {}, [`${queue}.fifo`]: { RedrivePolicy } }
  }).pipe(Effect.mapError(notStarted))
  return yield* setVariables({
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: "demo",
    AWS_SECRET_ACCESS_KEY: "demo"
  })
})

/** Service Bus, unless `AZURE_SERVICE_BUS_CONNECTION_STRING` names a namespace that is there already. */
const serviceBus = Effect.fnUntraced(function* ({ queue }: Pick<BotConfig.BotConfig, "queue">) {
  const { ServiceBusEmulator } = yield* Effect.promise(
    () => import("@queue-runtime/servicebus-emulator")
  )
  const { connectionString } = yield* ServiceBusEmulator.make({
    queues: {
      [queue]: { requiresSession: true, requiresDuplicateDetection: true, maxDeliveryCount: 1_000 }
    }
  }).pipe(Effect.mapError(notStarted))
  return yield* setVariables({ AZURE_SERVICE_BUS_CONNECTION_STRING: connectionString })
})

/**
 * Starts a server for the provider that `QUEUE_PROVIDER` names, until the scope closes; for one in memory
 * there is nothing to start. Answers the variables that lead to it.
 *
 * **Errors** ConfigurationInvalid when it does not start
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function* (
  config: Pick<BotConfig.BotConfig, "queue">
): Effect.fn.Return<Variables, QueueError.QueueError, Scope.Scope> {
  const read = (name: string) =>
    Effect.orElseSucceed(Config.option(Config.String(name)), () => Option.none<string>())
  const provider = Option.getOrElse(yield* read(ProviderSelection.variable), () => "memory")
  const name = ProviderSelection.canonicalName(provider.trim())
  if (name === "aws-sqs" && Option.isNone(yield* read("AWS_ENDPOINT_URL_SQS"))) {
    return yield* sqs(config)
  }
  if (
    name === "azure-service-bus" &&
    Option.isNone(yield* read("AZURE_SERVICE_BUS_CONNECTION_STRING"))
  ) {
    return yield* serviceBus(config)
  }
  return {}
})
