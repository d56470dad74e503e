/**
 * The queue of this application: the one file that composes it, one line a stage.
 *
 * **Details**
 *
 * Outermost first, a call goes through:
 *
 * 1. typed queue: none here, since bodies are GitHub's own bytes
 * 2. `QueueClient`: stamps ids, checks capabilities, splits batches
 * 3. sealing of bodies
 * 4. batching
 * 5. breaker, then retry, then timeout
 * 6. telemetry
 * 7. the provider that `QUEUE_PROVIDER` names
 *
 * A stage that comes later stands here as one `Layer.provide` at its place, and a provider as one line of
 * the record below. The bots, the server and the tests know none of it.
 *
 * @since 0.1.0
 */
import { ProviderSelection, QueueClient, type QueueError } from "@queue-runtime/core"
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
export type Options = Pick<BotConfig.BotConfig, "deliveriesMax" | "lockDuration" | "queue" | "wait">

/** The worker puts aside first, with the error it saw; the broker's own limit is for one that crashes. */
const deliveriesMargin = 10

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

/**
 * The client over everything below it.
 *
 * **Errors** ConfigurationInvalid: an unknown provider, or one whose package is not installed; then the
 * provider's own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<QueueClient.QueueClient, QueueError.QueueError> =>
  QueueClient.layer({ wait: options.wait }).pipe(
    Layer.provide(ProviderSelection.layer({ memory: () => memory(options) }, { orElse: "memory" }))
  )
