/**
 * Dead letters as the page shows them: rows, one in full, and how many came when and why.
 *
 * @since 0.1.0
 */
import type { DeadLetters, QueueError, QueueName, ReceivedMessage } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * One line of the table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly id: string
  readonly messageId: string
  readonly sessionId?: string
  readonly correlationId?: string
  readonly contentType?: string
  readonly reason: string
  readonly description?: string
  readonly source: string
  /** When it was put aside: milliseconds since 1970. */
  readonly time: number
  readonly deliveryCount: number
  /** Bytes of the body. */
  readonly size: number
  readonly details?: Details
}

/**
 * What is known of the failure beside its reason, times in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Details = Omit<ReceivedMessage.DeadLetterDetails, "firstFailedAt" | "lastFailedAt"> & {
  readonly firstFailedAt?: number
  readonly lastFailedAt?: number
}

/**
 * One dead letter in full.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detail extends Row {
  readonly queue: string
  readonly enqueuedAt: number
  readonly attributes: Readonly<Record<string, string>>
  readonly timeToLiveMillis?: number
  readonly body: {
    /** The first {@link bodyShownMax} bytes. */
    readonly base64: string
    readonly isCut: boolean
  }
  /** What happened before it was replayed, the oldest first. */
  readonly history: ReadonlyArray<Past>
}

/**
 * A dead-lettering before this one.
 *
 * @category models
 * @since 0.1.0
 */
export type Past = Pick<
  Row,
  "deliveryCount" | "description" | "details" | "reason" | "source" | "time"
>

/**
 * Bytes of a body that the page shows; the rest is for the download.
 *
 * @category options
 * @since 0.1.0
 */
export const bodyShownMax = 64 * 1024

/**
 * Letters that a {@link Trend} looks at.
 *
 * @category options
 * @since 0.1.0
 */
export const trendLettersMax = 10_000

/** Reasons with a colour of their own; the others share one. */
const trendReasonsMax = 6

const other = "other reasons"

const detailsOf = ({
  firstFailedAt,
  lastFailedAt,
  ...rest
}: ReceivedMessage.DeadLetterDetails): Details => ({
  ...rest,
  ...(firstFailedAt === undefined ? {} : { firstFailedAt: DateTime.toEpochMillis(firstFailedAt) }),
  ...(lastFailedAt === undefined ? {} : { lastFailedAt: DateTime.toEpochMillis(lastFailedAt) })
})

const pastOf = (info: ReceivedMessage.DeadLetterInfo): Past => ({
  reason: info.reason,
  source: info.source,
  time: DateTime.toEpochMillis(info.time),
  deliveryCount: info.deliveryCount,
  ...(info.description === undefined ? {} : { description: info.description }),
  ...(info.details === undefined ? {} : { details: detailsOf(info.details) })
})

/**
 * A letter as a line.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toRow = (letter: DeadLetters.DeadLetter): Row => {
  const { contentType, correlationId, sessionId } = letter.message
  return {
    id: letter.id,
    messageId: letter.messageId,
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(contentType === undefined ? {} : { contentType }),
    ...pastOf(letter),
    size: letter.message.body.byteLength
  }
}

/**
 * A letter in full.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toDetail = (letter: DeadLetters.DeadLetter): Detail => {
  const { attributes, body, timeToLive } = letter.message
  return {
    ...toRow(letter),
    queue: letter.queue,
    enqueuedAt: DateTime.toEpochMillis(letter.enqueuedAt),
    attributes,
    ...(timeToLive === undefined ? {} : { timeToLiveMillis: Duration.toMillis(timeToLive) }),
    body: {
      base64: Buffer.from(body.subarray(0, bodyShownMax)).toString("base64"),
      isCut: body.byteLength > bodyShownMax
    },
    history: letter.history.map(pastOf)
  }
}

/**
 * One page of lines.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly letters: ReadonlyArray<Row>
  readonly next?: string
  readonly isComplete: boolean
}

/**
 * Which page.
 *
 * @category options
 * @since 0.1.0
 */
export interface PageOptions {
  readonly cursor?: string
  readonly size: number
  /** Those of one reason alone. */
  readonly reason?: string
}

/** A reason that is rare must not have one request read a million letters. */
const pagesPerRequestMax = 20

/**
 * The lines of a page. With a reason it looks on until the page is full, and stops sooner where it is
 * rare: then a page may have fewer lines, or none, and still a next one.
 *
 * @category reading
 * @since 0.1.0
 */
export const page = Effect.fnUntraced(function* (
  deadLetters: Pick<DeadLetters.Service, "page">,
  queue: QueueName.QueueName,
  { cursor, reason, size }: PageOptions
): Effect.fn.Return<Page, QueueError.QueueError> {
  const letters: Array<Row> = []
  let from = cursor
  let isComplete = true
  for (let pages = 0; pages < pagesPerRequestMax && letters.length < size; pages++) {
    const read = yield* deadLetters.page(queue, {
      size,
      ...(from === undefined ? {} : { cursor: from })
    })
    isComplete &&= read.complete
    from = read.next
    for (const letter of read.letters) {
      if (reason === undefined || letter.reason === reason) letters.push(toRow(letter))
    }
    if (from === undefined || reason === undefined) break
  }
  return { letters, isComplete, ...(from === undefined ? {} : { next: from }) }
})

/**
 * How many were put aside when, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Trend {
  /** How long one step is. */
  readonly stepMillis: number
  /** The beginning of each step, oldest first, those without letters included. */
  readonly starts: ReadonlyArray<number>
  /** The commonest reason first; a number for each step. */
  readonly series: ReadonlyArray<{
    readonly reason: string
    readonly total: number
    readonly counts: ReadonlyArray<number>
  }>
  readonly total: number
  /** Whether these are all: `false` beyond {@link trendLettersMax}. */
  readonly isComplete: boolean
  readonly oldest?: number
  readonly newest?: number
}

/** Lengths of a step that people think in: minutes to weeks. */
const steps = [1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60].map((minutes) => minutes * 60_000)

const stepsMax = 48

/** A single bar tells nothing of when: quiet steps come before it. */
const stepsMin = 12

const stepOf = (oldest: number, newest: number): number => {
  const fits = steps.find((step) => (newest - oldest) / step < stepsMax - 1)
  // Beyond a year: as long as it takes.
  return fits ?? Math.ceil((newest - oldest) / (stepsMax - 1) / 86_400_000) * 86_400_000
}

const byCount = (a: readonly [string, number], b: readonly [string, number]): number =>
  b[1] - a[1] || a[0].localeCompare(b[0])

/**
 * Puts letters into steps of time.
 *
 * @category conversions
 * @since 0.1.0
 */
export const trendOf = (
  letters: ReadonlyArray<Pick<Row, "reason" | "time">>,
  isComplete: boolean
): Trend => {
  const [first] = letters
  if (first === undefined) return { stepMillis: 0, starts: [], series: [], total: 0, isComplete }
  const totals = new Map<string, number>()
  let oldest = first.time
  let newest = first.time
  for (const { reason, time } of letters) {
    totals.set(reason, (totals.get(reason) ?? 0) + 1)
    oldest = Math.min(oldest, time)
    newest = Math.max(newest, time)
  }
  const named = [...totals].toSorted(byCount)
  const own = named.length > trendReasonsMax ? named.slice(0, trendReasonsMax - 1) : named
  const names = [...own.map(([reason]) => reason), ...(own.length < named.length ? [other] : [])]
  const stepMillis = stepOf(oldest, newest)
  const end = Math.floor(newest / stepMillis) * stepMillis
  const start = Math.min(
    Math.floor(oldest / stepMillis) * stepMillis,
    end - (stepsMin - 1) * stepMillis
  )
  const length = (end - start) / stepMillis + 1
  const counts = names.map(() => Array.from({ length }, () => 0))
  for (const { reason, time } of letters) {
    const found = names.indexOf(reason)
    const row = counts[found === -1 ? names.length - 1 : found]
    const step = Math.floor((time - start) / stepMillis)
    if (row !== undefined) row[step] = (row[step] ?? 0) + 1
  }
  return {
    stepMillis,
    starts: Array.from({ length }, (_, step) => start + step * stepMillis),
    series: names.map((reason, index) => {
      const inSteps = counts[index] ?? []
      return {
        reason,
        total: inSteps.reduce((sum, count) => sum + count, 0),
        counts: inSteps
      }
    }),
    total: letters.length,
    isComplete,
    oldest,
    newest
  }
}

/**
 * Reads the letters of a queue, at most {@link trendLettersMax}, into steps of time.
 *
 * @category reading
 * @since 0.1.0
 */
export const trend = (
  deadLetters: Pick<DeadLetters.Service, "list">,
  queue: QueueName.QueueName
): Effect.Effect<Trend, QueueError.QueueError> =>
  deadLetters.list(queue, { max: trendLettersMax + 1 }).pipe(
    // Bodies are let go one by one.
    Stream.map(({ reason, time }) => ({ reason, time: DateTime.toEpochMillis(time) })),
    Stream.runCollect,
    Effect.map((letters) =>
      trendOf(letters.slice(0, trendLettersMax), letters.length <= trendLettersMax)
    )
  )
