/** `health` and `doctor`: whether it works, and why not. */
import { HandlerFailure, Health, type QueueName } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Diagnostics, Finding } from "../Diagnostics.ts"
import * as Doctor from "../Doctor.ts"
import * as Failure from "../Failure.ts"
import * as Output from "../Output.ts"
import type * as Style from "../Style.ts"
import * as Table from "../Table.ts"

const toJson = ({ at, ...rest }: Health.QueueHealth) => ({ ...rest, at: DateTime.formatIso(at) })

const statusStyle = (style: Style.Style) => (text: string) =>
  text.trim() === "up" ? style.green(text) : style.red(text)

/** Asks every queue. */
export const run: Effect.Effect<void, Failure.Failure, Health.Health | Output.Output> = Effect.gen(
  function* () {
    const output = yield* Output.Output
    const { readiness } = yield* Health.Health
    const report = yield* readiness
    const columns = [
      { heading: "QUEUE", style: output.style.cyan },
      { heading: "STATUS", style: statusStyle(output.style) },
      { heading: "PROBLEM" }
    ]
    yield* output.rows(report.queues, toJson, columns, ({ problem, queue, status }) => [
      queue,
      status,
      problem === undefined ? "" : HandlerFailure.format(problem)
    ])
    if (report.status === "up") return
    return yield* new Failure.Failure({
      code: "problems",
      message: "not every queue can be used",
      hint: "queue-runtime doctor says why"
    })
  }
)

const marks = { ok: "✓", warning: "!", problem: "✗" } as const

const lineOf = (style: Style.Style, finding: Finding): string => {
  const { level, message, remedy, subject } = finding
  const colour = { ok: style.green, warning: style.yellow, problem: style.red }[level]
  const head = `${colour(marks[level])} ${style.bold(Table.printable(subject))}: ${Table.printable(message)}`
  return remedy === undefined ? head : `${head}\n  → ${remedy}`
}

/** Shows what was found; a problem makes the call fail. */
export const report = Effect.fnUntraced(function* (
  found: ReadonlyArray<Finding>
): Effect.fn.Return<void, Failure.Failure, Output.Output> {
  const output = yield* Output.Output
  for (const finding of found) {
    yield* output.result(finding, () => lineOf(output.style, finding))
  }
  const problems = found.filter(({ level }) => level === "problem").length
  if (problems === 0) return
  return yield* new Failure.Failure({
    code: "problems",
    message: `${problems} ${problems === 1 ? "problem" : "problems"} found`
  })
})

/** Looks at everything. */
export const doctor = (
  queues: ReadonlyArray<QueueName.QueueName>
): Effect.Effect<void, Failure.Failure, Diagnostics | Output.Output> =>
  Effect.flatMap(Doctor.examine(queues), report)
