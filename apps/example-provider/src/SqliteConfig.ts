/**
 * The options of the provider and of a queue, and the bounds of both.
 *
 * **Details**
 *
 * Everything is checked before a file is opened: a bad value and a misspelt option are
 * `ConfigurationInvalid` with the path of the option and the rule.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Defaults, type QueueError, Setting } from "@queue-runtime/core"

/**
 * Lock of one delivery, and of an accepted session, unless the queue says otherwise.
 *
 * @category bounds
 * @since 0.1.0
 */
export const lockDuration = Duration.seconds(30)

/**
 * How long a message id is remembered where duplicates are dropped.
 *
 * @category bounds
 * @since 0.1.0
 */
export const deduplicationWindow = Duration.minutes(5)

/**
 * How long a call waits for another process that is writing: SQLite has one writer at a time, and its
 * transactions take microseconds.
 *
 * @category bounds
 * @since 0.1.0
 */
export const busyTimeout = Duration.seconds(5)

/**
 * How often somebody who waits looks for what other processes wrote.
 *
 * @category bounds
 * @since 0.1.0
 */
export const pollInterval = Duration.millis(50)

/**
 * Longest wait of one receive or accept call; who wants to wait longer asks again.
 *
 * @category bounds
 * @since 0.1.0
 */
export const receiveWaitMax = Duration.minutes(1)

/**
 * Largest message, in bytes. SQLite itself stops at a thousand times as much.
 *
 * @category bounds
 * @since 0.1.0
 */
export const messageSizeMax = 1_048_576

/**
 * Bytes of one send call: one transaction, held in memory until it is committed.
 *
 * @category bounds
 * @since 0.1.0
 */
export const sendSizeMax = 4 * 1_048_576

/**
 * Messages of one send or receive call, receipts of one settlement or renewal: one transaction, during
 * which nobody else writes.
 *
 * @category bounds
 * @since 0.1.0
 */
export const countMax = 1_000

/**
 * Largest session state, in bytes.
 *
 * @category bounds
 * @since 0.1.0
 */
export const sessionStateSizeMax = 262_144

/** A duration, its text or its milliseconds. */
const positive = Schema.Union([
  Schema.Duration,
  Schema.DurationFromString,
  Schema.DurationFromMillis
]).check(
  Schema.makeFilter<Duration.Duration>(
    (value) =>
      (Duration.isFinite(value) && Duration.isPositive(value)) ||
      "must be a finite duration above zero"
  )
)

/**
 * The options of one connection to a file.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SqliteConfig = Schema.Struct({
  /** The file. It is made when it is missing; queues are not. */
  path: Schema.NonEmptyString,
  /**
   * What an acknowledged call outlives: with `full` a power failure, with `normal` the end of the
   * process alone, and calls take a fraction of the time.
   */
  synchronous: Setting.defaulted(Schema.Literals(["full", "normal"]), "full"),
  busyTimeout: Setting.defaulted(positive, busyTimeout),
  pollInterval: Setting.defaulted(positive, pollInterval)
})

/**
 * The type of {@link SqliteConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type SqliteConfig = typeof SqliteConfig.Type

/**
 * The options of a connection as they are given: durations in any form, defaults left out.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = typeof SqliteConfig.Encoded

/**
 * The options of one queue. They are stored with it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueConfig = Schema.Struct({
  /** Whether the queue is ordered: its messages have sessions and are received from them. */
  sessions: Setting.defaulted(Schema.Boolean, false),
  /** Deliveries of one message before it goes to the dead letters. */
  deliveriesMax: Setting.defaulted(
    Schema.Int.check(Schema.isGreaterThanOrEqualTo(1)),
    Defaults.deliveriesMax
  ),
  /** How long a delivery, or an accepted session, stays locked. */
  lockDuration: Setting.defaulted(positive, lockDuration),
  /** Whether the second message of one id is dropped, for five minutes. */
  deduplication: Setting.defaulted(Schema.Boolean, false)
})

/**
 * The type of {@link QueueConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueConfig = typeof QueueConfig.Type

/**
 * The options of a queue as they are given.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueOptions = typeof QueueConfig.Encoded

/**
 * Checks the options of a connection.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (options: Options) => Effect.Effect<SqliteConfig, QueueError.QueueError> =
  Setting.decodeOptions(SqliteConfig)

/**
 * Checks the options of a queue.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeQueue: (
  options: QueueOptions
) => Effect.Effect<QueueConfig, QueueError.QueueError> = Setting.decodeOptions(QueueConfig)
