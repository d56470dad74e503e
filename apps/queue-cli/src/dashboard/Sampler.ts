/**
 * What queues held, sample by sample: the figures of a page that is open for an hour.
 *
 * **Details**
 *
 * Each queue is asked every few seconds. Samples are kept up to a bound, the newest. Rates are over the
 * last minute: how many were sent is the difference of the broker's numbers, where it gives any that
 * count up; how many left the queue follows from that and from how many are left. What cannot be told is
 * absent.
 *
 * @since 0.1.0
 */
import {
  Options as CoreOptions,
  QueueError,
  type QueueName,
  type QueueStatistics
} from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * How much a minute; what is absent cannot be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rates {
  readonly sent?: number
  /** Completed, or expired. */
  readonly left?: number
  readonly deadLettered?: number
  /** By how much the queue grew; below zero: shrank. */
  readonly growth?: number
}

/**
 * A queue at one time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Absent when the queue did not answer. */
  readonly figures?: QueueStatistics.Snapshot
  readonly rates: Rates
  /** Why it did not. */
  readonly problem?: { readonly reason: string; readonly message: string }
}

/**
 * How often, and how many.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly queues: ReadonlyArray<QueueName.QueueName>
  readonly every: Duration.Duration
  readonly samplesMax: number
}

/**
 * The samples of all queues.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Samples later than `after`, oldest first; none of a queue that is not watched. */
  readonly samples: (queue: QueueName.QueueName, after?: number) => ReadonlyArray<Sample>
  readonly latest: (queue: QueueName.QueueName) => Sample | undefined
}

/** Rates are of this long: a shorter time jumps, a longer one lags. */
const windowMillis = 60_000

/** How long one queue may take to tell its figures. */
const timeout = Duration.seconds(20)

const isCounted = (figure: QueueStatistics.Figure | undefined): figure is QueueStatistics.Figure =>
  figure !== undefined && figure.precision !== "atLeast"

const perMinute = (count: number, millis: number): number =>
  Math.round((count * 600_000) / millis) / 10

/** The newest of those that are a window old, else the oldest. */
const baseOf = (samples: ReadonlyArray<Sample>, at: number): Sample | undefined =>
  samples.findLast((sample) => sample.at <= at - windowMillis) ?? samples[0]

const between = (
  past: ReadonlyArray<Sample>,
  now: QueueStatistics.Snapshot,
  at: number,
  read: (figures: QueueStatistics.Snapshot) => number | undefined
): { readonly count: number; readonly millis: number } | undefined => {
  const told = past.filter(({ figures }) => figures !== undefined && read(figures) !== undefined)
  const base = baseOf(told, at)
  const [before, after] = [base?.figures && read(base.figures), read(now)]
  if (base === undefined || before === undefined || after === undefined) return undefined
  return at > base.at ? { count: after - before, millis: at - base.at } : undefined
}

const rate = (of: ReturnType<typeof between>, least = -Infinity): number | undefined =>
  of === undefined ? undefined : Math.max(least, perMinute(of.count, of.millis))

/**
 * The rates at the time of a snapshot, from the samples before it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const ratesOf = (past: ReadonlyArray<Sample>, now: QueueStatistics.Snapshot): Rates => {
  const at = DateTime.toEpochMillis(now.at)
  const counted = (figure: "deadLetters" | "messages") =>
    between(past, now, at, ({ [figure]: one }) => (isCounted(one) ? one.value : undefined))
  const sent = rate(
    between(past, now, at, ({ lastSequenceNumber }) =>
      lastSequenceNumber === undefined ? undefined : Number(lastSequenceNumber)
    ),
    0
  )
  const growth = rate(counted("messages"))
  const deadLettered = rate(counted("deadLetters"), 0)
  const left =
    sent === undefined || growth === undefined
      ? undefined
      : Math.max(0, Math.round((sent - growth - (deadLettered ?? 0)) * 10) / 10)
  return CoreOptions.defined({ sent, left, deadLettered, growth })
}

const unanswered = (at: number, error: QueueError.QueueError): Sample => ({
  at,
  rates: {},
  problem: { reason: error.reason._tag, message: error.message }
})

/**
 * Samples until the scope closes.
 *
 * @category running
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  statistics: QueueStatistics.Service,
  options: Options
): Effect.fn.Return<Service, never, Scope.Scope> {
  const kept = new Map<QueueName.QueueName, Array<Sample>>()
  for (const queue of options.queues) kept.set(queue, [])

  const snapshot = (queue: QueueName.QueueName) =>
    Effect.timeoutOrElse(statistics.snapshot(queue), {
      duration: timeout,
      orElse: () =>
        Effect.fail(
          QueueError.make(new QueueError.Timeout({ after: timeout }), {
            operation: "snapshot",
            queue
          })
        )
    })

  const sample = Effect.fnUntraced(function* (queue: QueueName.QueueName, past: Array<Sample>) {
    const taken = yield* Effect.result(snapshot(queue))
    const now = yield* Clock.currentTimeMillis
    if (taken._tag === "Failure") past.push(unanswered(now, taken.failure))
    else {
      const { success: figures } = taken
      const at = DateTime.toEpochMillis(figures.at)
      past.push({ at, figures, rates: ratesOf(past, figures) })
    }
    if (past.length > options.samplesMax) past.splice(0, past.length - options.samplesMax)
  })

  const all = Effect.forEach(kept, ([queue, past]) => sample(queue, past), {
    concurrency: 8,
    discard: true
  })
  // Nobody waits for the first one: a queue that does not answer is what the page is there to show.
  yield* Effect.andThen(all, Effect.sleep(options.every)).pipe(Effect.forever, Effect.forkScoped)

  return {
    samples: (queue, after = -Infinity) => (kept.get(queue) ?? []).filter(({ at }) => at > after),
    latest: (queue) => kept.get(queue)?.at(-1)
  }
})
