/** What the policies cost: on queues in memory, in time of the processor, in turn with what they stand around. */
import * as measure from "./measure.ts"
import * as apart from "./policies/apart.ts"
import { callers, type Name } from "./policies/tasks.ts"
import * as Report from "./Report.ts"

/** Until what is compiled is compiled. */
const warm = 8

const options = { warm, rounds: 15, samples: 5 }

/** A whole stack takes its time. */
const wholeOptions = { warm, rounds: 11, samples: 3 }

const micros = (nanoseconds: ReadonlyArray<number> | undefined): ReadonlyArray<number> =>
  (nanoseconds ?? []).map((one) => one / 1_000)

/** The median of each `size` of them. */
const medians = (values: ReadonlyArray<number>, size: number): ReadonlyArray<number> =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, round) =>
    measure.median(values.slice(round * size, (round + 1) * size))
  )

/** A sample of each task in turn: the machine changes its speed within a round. */
const measured = async (
  names: ReadonlyArray<Name>,
  { rounds, samples, warm: warmRounds }: Required<measure.Options>
) => {
  const { close, tasks } = await apart.open(names)
  const found = await measure
    .rounds(tasks, { samples: 1, rounds: rounds * samples, warm: warmRounds * samples })
    .finally(close)
  return (
    values: Pick<Report.Case, "absolute" | "case" | "target">,
    ours: Name,
    peer: Name
  ): Report.Case =>
    Report.ofRounds({
      ...values,
      better: "lower",
      ours: medians(micros(found.get(ours)), samples),
      peer: medians(micros(found.get(peer)), samples)
    })
}

/** Each policy alone around the port, one message a call. */
export const alone = async (): Promise<ReadonlyArray<Report.Case>> => {
  const compare = await measured(
    ["bare", "silent", "retry", "timeout", "breaker", "health", "metrics", "traced"],
    options
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
  const compare = await measured(["hand", "strict", "sealed ten", "sealed one"], options)
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
    wholeOptions
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
