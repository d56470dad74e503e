/** `stats` and `watch`: what queues hold, once and again and again. */
import { type QueueError, type QueueName, QueueStatistics } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as MessageView from "../MessageView.ts"
import * as Output from "../Output.ts"
import * as Sampling from "../Sampling.ts"
import type * as Style from "../Style.ts"
import * as Table from "../Table.ts"

type Needs = Output.Output | QueueStatistics.QueueStatistics

const toJson = ({ at, oldest, ...rest }: Sampling.Reading) => ({
  ...rest,
  at: DateTime.formatIso(at),
  ...(oldest === undefined ? {} : { oldest: DateTime.formatIso(oldest) })
})

const columns = (style: Style.Style): ReadonlyArray<Table.Column> => [
  { heading: "QUEUE", style: style.cyan },
  { heading: "MESSAGES", isRight: true },
  { heading: "WAITING", isRight: true },
  { heading: "LOCKED", isRight: true },
  { heading: "SCHEDULED", isRight: true },
  { heading: "SESSIONS", isRight: true },
  { heading: "DEAD", isRight: true, style: style.yellow },
  { heading: "OLDEST", isRight: true, style: style.dim }
]

const rateColumns = (style: Style.Style): ReadonlyArray<Table.Column> => [
  ...columns(style),
  { heading: "CHANGE/S", isRight: true, style: style.green },
  { heading: "DEAD/S", isRight: true, style: style.yellow }
]

/** What nobody tells is not zero. */
const untold = "–"

const shown = (figure: QueueStatistics.Figure | undefined): string =>
  figure === undefined ? untold : QueueStatistics.format(figure)

const age = ({ at, oldest }: Sampling.Reading): string => {
  if (oldest === undefined) return untold
  const millis = Math.max(0, DateTime.toEpochMillis(at) - DateTime.toEpochMillis(oldest))
  return Duration.format(Duration.seconds(Math.floor(millis / 1_000)))
}

const toRow = (reading: Sampling.Reading): ReadonlyArray<string> => [
  reading.queue,
  shown(reading.messages),
  shown(reading.waiting),
  shown(reading.locked),
  shown(reading.scheduled),
  shown(reading.sessions),
  shown(reading.deadLetters),
  age(reading)
]

const signed = (rate: number | undefined): string => {
  if (rate === undefined) return untold
  return rate > 0 ? `+${rate}` : String(rate)
}

const toRateRow = (reading: Sampling.Reading): ReadonlyArray<string> => [
  ...toRow(reading),
  signed(reading.messagesPerSecond),
  signed(reading.deadLettersPerSecond)
]

/** Once. */
export const run = Effect.fnUntraced(function* (
  queues: ReadonlyArray<QueueName.QueueName>
): Effect.fn.Return<void, QueueError.QueueError, Needs> {
  const output = yield* Output.Output
  const readings = yield* Sampling.sample(queues)
  yield* output.rows(readings, toJson, columns(output.style), toRow)
})

const draw = Effect.fnUntraced(function* (
  readings: ReadonlyArray<Sampling.Reading>,
  linesBefore: number
) {
  const { canRedraw, columns: cells, raw, style } = yield* Output.Output
  const table = Table.render(rateColumns(style), readings.map(toRateRow), { columns: cells, style })
  const [first] = readings
  const time = first === undefined ? "" : `${style.dim(`${MessageView.time(first.at)} UTC`)}\n`
  const text = `${time}${table}\n`
  // Up to where the last one began, and everything below it away.
  yield* raw(linesBefore === 0 || !canRedraw ? text : `\u001B[${linesBefore}A\u001B[0J${text}`)
  return text.split("\n").length - 1
})

/** Again and again, until there were enough or somebody ends it. */
export const watch = Effect.fnUntraced(function* (
  queues: ReadonlyArray<QueueName.QueueName>,
  options: { readonly interval: Duration.Duration; readonly count: number | undefined }
): Effect.fn.Return<void, QueueError.QueueError, Needs> {
  const output = yield* Output.Output
  const samples = Sampling.stream(queues, { interval: options.interval })
  const wanted = options.count === undefined ? samples : Stream.take(samples, options.count)
  let lines = 0
  yield* Stream.runForEach(wanted, (readings) =>
    output.isJson
      ? Effect.forEach(readings, (reading) => output.json(toJson(reading)), { discard: true })
      : Effect.map(draw(readings, lines), (drawn) => {
          lines = drawn
        })
  )
})
