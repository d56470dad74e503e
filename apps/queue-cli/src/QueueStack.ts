/**
 * The queues of the tool: the one file that composes them, one line a stage.
 *
 * **Details**
 *
 * Outermost first: dead letters and figures; the client; sealing, where there are keys and nobody asked for bodies as
 * they are; the claim check, where a store is named; health; breaker, retry and time-out; leases of sessions, where a
 * store of them is named; the provider that is chosen, loaded when it is.
 *
 * @since 0.1.0
 */
import { ClaimCheckConfig } from "@queue-runtime/claim-check"
import {
  DeadLetters,
  Health,
  ProviderSelection,
  QueueClient,
  QueueError,
  type QueueName,
  QueueProvider,
  QueueStatistics
} from "@queue-runtime/core"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { SessionLeasesConfig } from "@queue-runtime/session-store"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Diagnostics } from "./Diagnostics.ts"
import type { Opening } from "./Opening.ts"
import * as Sections from "./Sections.ts"

/**
 * How the queues are opened.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Opening {
  /** Absent: memory if there is a file for it. */
  readonly provider: string | undefined
  /** Whether sealed bodies stay sealed. */
  readonly isRaw: boolean
}

/**
 * Everything a command works with.
 *
 * @category models
 * @since 0.1.0
 */
export type Services =
  | DeadLetters.DeadLetters
  | Diagnostics
  | Health.Health
  | QueueClient.QueueClient
  | QueueStatistics.QueueStatistics

const loaders = {
  memory: () => import("./providers/memory.ts"),
  "aws-sqs": () => import("./providers/aws.ts"),
  "azure-service-bus": () => import("./providers/azure.ts")
} as const

const known = Object.keys(loaders).toSorted().join(", ")

const unchosen = QueueError.configurationInvalid(
  ProviderSelection.variable,
  `must be set to one of ${known}; --provider says it too`
)

const chosen = ({ memoryFile, provider }: Options) => {
  const given = provider ?? (memoryFile === undefined ? undefined : "memory")
  if (given === undefined) return Effect.fail(unchosen)
  const name = Sections.providerOf(given)
  if (name === undefined) {
    return Effect.fail(
      QueueError.configurationInvalid(
        ProviderSelection.variable,
        `no provider "${given}"; known: ${known}`
      )
    )
  }
  // Whoever names a file means to work there, not in the cloud that a variable points to.
  return memoryFile === undefined || name === "memory"
    ? Effect.succeed(name)
    : Effect.fail(
        QueueError.configurationInvalid(
          "--memory-file",
          `is for the provider memory, and the provider is ${name}: leave it out, or add --provider memory`
        )
      )
}

const provider = (
  options: Options
): Layer.Layer<QueueProvider.QueueProvider | Diagnostics, QueueError.QueueError> =>
  Layer.unwrap(
    Effect.flatMap(chosen(options), (name) =>
      Effect.map(Effect.promise(loaders[name]), ({ layer }) => layer(options))
    )
  )

const isSet = (name: string) =>
  Effect.map(Effect.option(Config.option(Config.String(name))), (text) =>
    Option.isSome(Option.flatten(text))
  )

const unsealed = Layer.effect(QueueProvider.QueueProvider, QueueProvider.QueueProvider)

const sealing = ({ isRaw }: Options) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const set = yield* Effect.forEach(Sections.sealingVariables, isSet)
      if (isRaw || !set.includes(true)) return unsealed
      const { SealingConfig } = yield* Effect.promise(() => import("@queue-runtime/crypto"))
      return SealingConfig.layer()
    })
  )

/** Stores that need an SDK: loaded when `CLAIM_CHECK_STORE` names one. */
const stores = {
  "aws-s3": () =>
    import("@queue-runtime/claim-check/aws-s3").then(({ S3BlobStore }) =>
      S3BlobStore.layerConfig()
    ),
  "azure-blob": () =>
    import("@queue-runtime/claim-check/azure-blob").then(({ AzureBlobStore }) =>
      AzureBlobStore.layerConfig()
    )
}

/** The same for `QUEUE_SESSION_STORE`: what workers hold by a lease is theirs here too. */
const sessionStores = {
  "aws-dynamodb": () =>
    import("@queue-runtime/session-store/aws-dynamodb").then(({ SessionStoreDynamoDb }) =>
      SessionStoreDynamoDb.layerConfig()
    )
}

const health = (queues: ReadonlyArray<QueueName.QueueName>) =>
  Layer.unwrap(
    Effect.map(Diagnostics, ({ probe, queues: configured }) =>
      Health.layer({
        queues: queues.length === 0 ? configured : queues,
        probe,
        timeout: "10 seconds"
      })
    )
  )

/**
 * The stack.
 *
 * **Errors** ConfigurationInvalid: no provider, an unknown one, a setting; then the provider's own
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Services, QueueError.QueueError> =>
  DeadLetters.layer().pipe(
    Layer.provideMerge(QueueStatistics.layer()),
    Layer.provideMerge(QueueClient.layer({ wait: options.settings.wait })),
    Layer.provide(sealing(options)),
    Layer.provide(ClaimCheckConfig.layer({ stores })),
    Layer.provideMerge(health(options.queues.map(({ name }) => name))),
    Layer.provide(ResilienceConfig.layer()),
    Layer.provide(SessionLeasesConfig.layer({ stores: sessionStores })),
    Layer.provideMerge(provider(options))
  )
