/**
 * The settings of a queue, by the names and with the defaults and bounds of the service.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * What a queue is like; everything has the service's default.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueOptions {
  /** Messages have a session and are received from it. `false` if not given. */
  readonly requiresSession?: boolean | undefined
  /** Failed deliveries before a message is dead-lettered, 1 to 2,000. 10 if not given. */
  readonly maxDeliveryCount?: number | undefined
  /** Lock of a delivery or a session, 5 s to 5 min. 1 min if not given. */
  readonly lockDuration?: Duration.Input | undefined
  /** Time to live of messages that say none or a longer one. None if not given. */
  readonly defaultMessageTimeToLive?: Duration.Input | undefined
  /** A second message with an id is dropped. `false` if not given. */
  readonly requiresDuplicateDetection?: boolean | undefined
  /** How long an id is remembered, 20 s to 7 days. 10 min if not given. */
  readonly duplicateDetectionHistoryTimeWindow?: Duration.Input | undefined
  /** What expires is dead-lettered instead of dropped. `false` if not given. */
  readonly deadLetteringOnMessageExpiration?: boolean | undefined
  /** Largest message or batch in bytes. 262,144 if not given, as in the standard tier. */
  readonly messageBytesMax?: number | undefined
  /** Bytes of all messages. 1 GiB if not given. */
  readonly queueBytesMax?: number | undefined
  /** Bytes of a session's state. 262,144 if not given. */
  readonly sessionStateBytesMax?: number | undefined
}
