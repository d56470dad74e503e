/**
 * The queue of this application: the one file that composes it, one line a stage.
 *
 * **Details**
 *
 * Outermost first, a call goes through:
 *
 * 1. typed queue: none here, since bodies are GitHub's own bytes
 * 2. `QueueClient`: stamps ids, checks capabilities, splits batches
 * 3. the span of the call, whose context the messages carry; then sealing of bodies, where the
 *    environment has keys (`SealingConfig`); then the claim check, where it names a store for bodies that
 *    the queue does not take (`ClaimCheckConfig`)
 * 4. `Batching`: merges concurrent sends and settlements
 * 5. `Health`, which `/healthz` and `/readyz` show; below it circuit breaker, then retry, then time-out
 * 6. telemetry: a span and a duration an attempt
 * 7. leases of sessions, where the environment names a store for them (`SessionLeasesConfig`); then the
 *    provider that `QUEUE_PROVIDER` names
 *
 * A stage that comes later stands here as one `Layer.provide` at its place, and a provider as one line of
 * the record below. The bots, the server and the tests know none of it.
 *
 * @since 0.1.0
 */
import { ClaimCheckConfig } from "@queue-runtime/claim-check"
import {
  Batching,
  Health,
  ProviderSelection,
  QueueClient,
  QueueError,
  QueueProvider,
  Telemetry
} from "@queue-runtime/core"
import { SealingConfig } from "@queue-runtime/crypto"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { SessionLeasesConfig } from "@queue-runtime/session-store"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as BotConfig from "./BotConfig.ts"
import * as Webhook from "./Webhook.ts"

/**
 * What of the settings concerns the queue.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Pick<
  BotConfig.BotConfig,
  "deliveriesMax" | "lockDuration" | "queue" | "wait"
> {
  /** Stands next to the provider: what the broker sees. The demo looks there, and breaks things. */
  readonly around?: (provider: QueueProvider.Service) => QueueProvider.Service
}

/**
 * The worker puts aside first, with the error it saw; the broker's own limit is for one that crashes. It
 * counts what the worker excuses too: a probe each half minute, for forty minutes of outage.
 */
const deliveriesMargin = 80

/** A payload of the largest size, its ids and its attributes. */
const messageSizeMax = Webhook.bodyBytesMax + 1024 * 1024

const memory = ({ deliveriesMax, lockDuration, queue }: Options) =>
  import("@queue-runtime/provider-memory").then(({ MemoryProvider }) =>
    MemoryProvider.layer({
      messageSizeMax,
      queues: {
        [queue]: {
          sessions: true,
          deliveriesMax: deliveriesMax + deliveriesMargin,
          ...Option.match(lockDuration, {
            onNone: () => ({}),
            onSome: (lock) => ({ lockDuration: lock })
          })
        }
      }
    })
  )

/** A FIFO queue, `.fifo` behind its name; region, endpoint and credentials the SDK finds itself. */
const aws = ({ deliveriesMax, lockDuration, queue }: Options) =>
  import("@queue-runtime/provider-aws").then(({ AwsProvider }) =>
    AwsProvider.layer({
      queues: {
        [queue]: {
          fifo: true,
          deliveriesMax: deliveriesMax + deliveriesMargin,
          ...Option.match(lockDuration, {
            onNone: () => ({}),
            onSome: (lock) => ({ visibilityTimeout: lock })
          })
        }
      }
    })
  )

const connectionString = "AZURE_SERVICE_BUS_CONNECTION_STRING"

/** A queue with sessions, in the namespace that the variable names. */
const azure = ({ deliveriesMax, lockDuration, queue }: Options) =>
  import("@queue-runtime/provider-azure").then(({ AzureProvider }) =>
    Layer.unwrap(
      Config.Redacted(connectionString).pipe(
        Effect.mapError(() =>
          QueueError.configurationInvalid(
            connectionString,
            "must be set to a connection string of the namespace"
          )
        ),
        Effect.map((namespace) =>
          AzureProvider.layer({
            connectionString: namespace,
            queues: {
              [queue]: {
                sessions: true,
                deliveriesMax: deliveriesMax + deliveriesMargin,
                ...Option.match(lockDuration, {
                  onNone: () => ({}),
                  onSome: (lock) => ({ lockDuration: lock })
                })
              }
            }
          })
        )
      )
    )
  )

/** Stores of large bodies that need an SDK: loaded when `CLAIM_CHECK_STORE` names one. */
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

/** The store of leases that needs an SDK: loaded when `QUEUE_SESSION_STORE` names it. */
const sessionStores = {
  "aws-dynamodb": () =>
    import("@queue-runtime/session-store/aws-dynamodb").then(({ SessionStoreDynamoDb }) =>
      SessionStoreDynamoDb.layerConfig()
    )
}

const wrapped = ({ around = identity }: Options) =>
  Layer.effect(QueueProvider.QueueProvider, Effect.map(QueueProvider.QueueProvider, around))

/**
 * The client over everything below it, and how the queue is.
 *
 * **Errors** ConfigurationInvalid: an unknown provider, or one whose package is not installed; then the
 * provider's own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<QueueClient.QueueClient | Health.Health, QueueError.QueueError> =>
  QueueClient.layer({ wait: options.wait }).pipe(
    Layer.provide(Telemetry.layerCreate()),
    Layer.provide(SealingConfig.layer()),
    Layer.provide(ClaimCheckConfig.layer({ stores })),
    Layer.provide(Batching.layer()),
    Layer.provideMerge(Health.layer({ queues: [options.queue] })),
    Layer.provide(ResilienceConfig.layer()),
    Layer.provide(Telemetry.layer()),
    Layer.provide(SessionLeasesConfig.layer({ stores: sessionStores })),
    Layer.provide(wrapped(options)),
    Layer.provide(
      ProviderSelection.layer(
        {
          memory: () => memory(options),
          "aws-sqs": () => aws(options),
          "azure-service-bus": () => azure(options)
        },
        { orElse: "memory" }
      )
    )
  )
