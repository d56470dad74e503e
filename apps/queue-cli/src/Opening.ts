/**
 * What a provider is opened with.
 *
 * @since 0.1.0
 */
import type { QueueName, Settings } from "@queue-runtime/core"
import type * as Queues from "./Queues.ts"

/**
 * What the call and the settings say of the queues.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening {
  /** The queues the call is about; none: those that the configuration names. */
  readonly queues: ReadonlyArray<Queues.Asked>
  readonly settings: Settings.Settings
  /** Where the memory provider keeps its messages. */
  readonly memoryFile?: string | undefined
}

/**
 * The dead-letter queue that the settings name for this queue: it is that of `QUEUE_NAME`.
 *
 * @category accessors
 * @since 0.1.0
 */
export const deadLetterQueueOf = (
  { settings }: Opening,
  queue: QueueName.QueueName
): QueueName.QueueName | undefined => {
  const { deadLetterQueue, queue: named } = settings
  if (deadLetterQueue._tag === "None") return undefined
  return named._tag === "None" || named.value === queue ? deadLetterQueue.value : undefined
}
