/** What the policies cost: on queues in memory, in time of the processor, in turn with what they stand around. */
import * as measure from "./measure.ts"
import * as apart from "./policies/apart.ts"
import { callers, type Name, tasks } from "./policies/tasks.ts"
import * as Report from "./Report.ts"

/** How a group of tasks is measured. */
interface How extends Required<measure.Options> {
  /** Processes of each task, one after the other; none: all of them in this one. */
  readonly processes: number
}

/**
 * Thin layers, told by a few per cent of the same code: in one process that code is compiled once for all of
 * them, where it differs from process to process by as much.
 */
const layers: How = { processes: 0, warm: 8, rounds: 15, samples: 5 }

/** What has little in common with what it is compared with. */
const others: How = { processes: 3, warm: 5, rounds: 5, samples: 5 }

/** A whole stack takes its time. */
const wholeStacks: How = { ...others, rounds: 4, samples: 3 }

const micros = (nanoseconds: ReadonlyArray<number> | undefined): ReadonlyArray<number> =>
  (nanoseconds ?? []).map((one) => one / 1_000)

/** The median of each `size` of them. */
const medians = (values: ReadonlyArray<number>, size: number): ReadonlyArray<number> =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, round) =>
    measure.median(values.slice(round * size, (round + 1) * size))
  )

const inOneProcess = (names: ReadonlyArray<Name>, how: How) =>
  measure.rounds(
    names.map((name): measure.Task => ({ name, sample: tasks[name]() })),
    how
  )

/** A sample of each task in turn, since the machine changes its speed within a round. */
const inProcesses = async (
  names: ReadonlyArray<Name>,
  { processes, rounds, samples, warm }: How
): Promise<ReadonlyMap<string, ReadonlyArray<number>>> => {
  const found = new Map(names.map((name): [string, Array<number>] => [name, []]))
  for (let made = 0; made < processes; made++) {
    const { close, tasks: apartTasks } = await apart.open(names)
    const one = { samples: 1, rounds: rounds * samples, warm: warm * samples }
    const some = await measure.rounds(apartTasks, one).finally(close)
    for (const [name, values] of some) found.get(name)?.push(...medians(values, samples))
  }
  return found
}

const measured = async (names: ReadonlyArray<Name>, how: How) => {
  const found = await (how.processes === 0 ? inOneProcess : inProcesses)(names, how)
  return (
    values: Pick<Report.Case, "absolute" | "case" | "target">,
    ours: Name,
    peer: Name
  ): Report.Case =>
    Report.ofRounds({
      ...values,
      better: "lower",
      ours: micros(found.get(ours)),
      peer: micros(found.get(peer))
    })
}

/** Each policy alone around the port, one message a call. */
export const alone = async (): Promise<ReadonlyArray<Report.Case>> => {
  const compare = await measured(
    ["bare", "silent", "retry", "timeout", "breaker", "health", "metrics", "traced"],
    layers
  )
  const told = (what: string, name: Name) =>
    compare({ case: `policies ${what} / bare memory: CPU µs a message, three calls` }, name, "bare")
  return [
    compare(
      {
        case: "policies telemetry that nobody hears / bare memory: CPU µs a message, three calls",
        target: 1.05
      },
      "silent",
      "bare"
    ),
    told("retry", "retry"),
    told("time-out", "timeout"),
    told("circuit breaker", "breaker"),
    told("health", "health"),
    told("telemetry with metrics", "metrics"),
    told("telemetry with metrics and a tracer", "traced")
  ]
}

/** Sealing over next to nothing, beside the same bytes by hand. */
export const sealing = async (): Promise<ReadonlyArray<Report.Case>> => {
  const compare = await measured(["hand", "strict", "sealed ten", "sealed one"], others)
  const what = "policies sealing and opening 1 KB / node:crypto by hand: CPU µs a message"
  return [
    compare({ case: `${what}, ten a call`, target: 1.2 }, "sealed ten", "hand"),
    compare({ case: `${what}, one a call` }, "sealed one", "hand"),
    compare({ case: `${what} with nonces drawn at once, ten a call` }, "sealed ten", "strict")
  ]
}

/** Every policy at once, through the client. */
export const whole = async (): Promise<ReadonlyArray<Report.Case>> => {
  const compare = await measured(
    ["bare ten", "whole ten", "bare together", "whole together", "bare one", "whole one"],
    wholeStacks
  )
  const what = "policies every one of them / client on bare memory: CPU µs a message"
  const target = { absolute: true, target: 30 } as const
  return [
    compare({ case: `${what}, ten a call`, ...target }, "whole ten", "bare ten"),
    compare(
      { case: `${what}, ${callers} callers at once`, ...target },
      "whole together",
      "bare together"
    ),
    compare({ case: `${what}, one caller` }, "whole one", "bare one")
  ]
}
