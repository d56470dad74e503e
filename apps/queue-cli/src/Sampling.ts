/**
 * What queues hold, again and again, and how fast it changes.
 *
 * @since 0.1.0
 */
import { type QueueError, type QueueName, QueueStatistics } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * One queue at one time, and how it changed since the sample before; the first has no changes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading extends QueueStatistics.Snapshot {
  /** Messages more a second, or fewer. */
  readonly messagesPerSecond?: number
  /** Dead letters more a second, or fewer. */
  readonly deadLettersPerSecond?: number
}

/** To a tenth; nothing where one of the two is not told. */
const perSecond = (
  now: QueueStatistics.Figure | undefined,
  before: QueueStatistics.Figure | undefined,
  millis: number
): number | undefined =>
  now === undefined || before === undefined || millis <= 0
    ? undefined
    : Math.round(((now.value - before.value) * 10_000) / millis) / 10

const readingOf = (
  now: QueueStatistics.Snapshot,
  before: QueueStatistics.Snapshot | undefined
): Reading => {
  if (before === undefined) return now
  const millis = DateTime.toEpochMillis(now.at) - DateTime.toEpochMillis(before.at)
  const messages = perSecond(now.messages, before.messages, millis)
  const deadLetters = perSecond(now.deadLetters, before.deadLetters, millis)
  return {
    ...now,
    ...(messages === undefined ? {} : { messagesPerSecond: messages }),
    ...(deadLetters === undefined ? {} : { deadLettersPerSecond: deadLetters })
  }
}

/**
 * One sample, a reading a queue, beside the one before.
 *
 * **Errors** those of the provider
 *
 * @category accessors
 * @since 0.1.0
 */
export const sample = Effect.fnUntraced(function* (
  queues: ReadonlyArray<QueueName.QueueName>,
  before: ReadonlyArray<Reading> = []
): Effect.fn.Return<
  ReadonlyArray<Reading>,
  QueueError.QueueError,
  QueueStatistics.QueueStatistics
> {
  const { snapshot } = yield* QueueStatistics.QueueStatistics
  const snapshots = yield* Effect.forEach(queues, snapshot, { concurrency: 4 })
  return snapshots.map((now, index) => readingOf(now, before[index]))
})

/**
 * Samples, the first at once, until nobody wants more.
 *
 * **Errors** those of the provider
 *
 * @category accessors
 * @since 0.1.0
 */
export const stream = (
  queues: ReadonlyArray<QueueName.QueueName>,
  options: { readonly interval: Duration.Input }
): Stream.Stream<ReadonlyArray<Reading>, QueueError.QueueError, QueueStatistics.QueueStatistics> =>
  Stream.paginate(Option.none<ReadonlyArray<Reading>>(), (before) =>
    Effect.gen(function* () {
      if (Option.isSome(before)) yield* Effect.sleep(Duration.fromInputUnsafe(options.interval))
      const next = yield* sample(queues, Option.getOrUndefined(before))
      return [[next], Option.some(Option.some(next))] as const
    })
  )
