/** The charts of the page, from two runs. */
import type * as Report from "../Report.ts"
import type { Run } from "./Run.ts"
import { type Group, type Line } from "./svg.ts"
import * as svg from "./svg.ts"
import { rowsOf } from "./sections.ts"

type Runs = readonly [Run, Run]

type Value = (one: Report.Case) => number

const ours: Value = (one) => one.ours

const peer: Value = (one) => one.peer

const ratio: Value = (one) => one.ratio

/** A value of a case: between those of the runs, and from the least of them to the most. */
interface Seen {
  readonly value: number
  readonly range: readonly [number, number]
}

/** Finds what was measured. */
const finder = (runs: Runs) => {
  const known = new Map(rowsOf(runs).map((row) => [row.name, row.runs]))
  return (name: string, of: Value): Seen | undefined => {
    const found = known.get(name)
    if (found === undefined) return undefined
    const values = found.map(of)
    // The middle of ratios: twice and half are as far from one.
    const logs = values.reduce((sum, value) => sum + Math.log(value), 0)
    const value = Math.exp(logs / values.length)
    return { value, range: [Math.min(...values), Math.max(...values)] }
  }
}

type Find = ReturnType<typeof finder>

/** What was not measured, as where there is no Redis, is left out. */
const groupOf = (
  find: Find,
  label: string,
  bars: ReadonlyArray<{
    readonly label: string
    readonly kind: string
    readonly name: string
    readonly of: Value
  }>
): ReadonlyArray<Group> => {
  const found = bars.flatMap(({ kind, label: named, name, of }) => {
    const seen = find(name, of)
    return seen === undefined ? [] : [{ kind, label: named, ...seen }]
  })
  return found.length === 0 ? [] : [{ label, bars: found }]
}

const ifAny = (
  groups: ReadonlyArray<Group>,
  draw: (groups: ReadonlyArray<Group>) => string
): string | undefined => (groups.length === 0 ? undefined : draw(groups))

const providers = [
  ["memory", "in memory"],
  ["sqs", "SQS (emulator)"],
  ["azure", "Service Bus (emulator)"]
] as const

const latency = (find: Find): string | undefined =>
  ifAny(
    providers.flatMap(([provider, title]) =>
      groupOf(
        find,
        title,
        [10, 50, 90].flatMap((share) =>
          [50, 95, 99].map((percent) => ({
            label: `${share} % · p${percent}`,
            kind: `p${percent}`,
            name: `${provider} latency p${percent}, 100 consumers at ${share} % / the handler alone: ms`,
            of: ours
          }))
        )
      )
    ),
    (groups) =>
      svg.bars({
        title: "From send to handled, at a share of what the worker can do",
        description:
          "Milliseconds at the 50th, 95th and 99th percentile, with 100 consumers whose handler takes 10 ms, at a tenth, a half and nine tenths of the measured capacity, for each provider. The mark is the target for the 95th percentile at half of it.",
        axis: "milliseconds, logarithmic; the handler alone takes 10",
        scale: "log",
        from: 10,
        groups,
        mark: { value: 200, label: "target for p95 at 50 %: 200 ms" }
      })
  )

/** Higher is better in all of them. */
const rates = [
  ["SQS, single sends", "the SDK", "sqs single sends of 100 fibers / of the SDK: messages/s"],
  ["SQS, a batch", "sqs-producer", "sqs one batch of 2,000 / sqs-producer: messages/s"],
  ["SQS, a batch", "by hand", "sqs one batch of 2,000 / batches by hand: messages/s"],
  ["SQS, a worker", "sqs-consumer, single", "sqs consume / sqs-consumer, single: messages/s"],
  ["SQS, a worker", "sqs-consumer, batch", "sqs consume / sqs-consumer, batch: messages/s"],
  ["SQS, a worker", "a loop by hand", "sqs consume / one loop by hand: messages/s"],
  ["Service Bus, batches", "by hand", "azure batched sends / the SDK by hand: messages/s"],
  [
    "Service Bus, receive",
    "by hand",
    "azure receive and complete batches / the SDK by hand: messages/s"
  ],
  [
    "Service Bus, sessions",
    "by hand",
    "azure 20 sessions at once / 20 receivers by hand: messages/s"
  ],
  [
    "memory, one a call",
    "PersistedQueue",
    "memory send, receive, complete, one a call / PersistedQueue: messages a CPU second"
  ],
  [
    "memory, ten a call",
    "PersistedQueue",
    "memory send, receive, complete, ten a call / PersistedQueue: messages a CPU second"
  ]
] as const

const throughput = (find: Find): string | undefined =>
  ifAny(
    rates.flatMap(([what, beside, name]) =>
      groupOf(find, what, [{ label: beside, kind: "ours / peer", name, of: ratio }])
    ),
    (groups) =>
      svg.bars({
        title: "Messages a second, as a multiple of the peer",
        description:
          "How many times the messages a second of the peer named beside each bar: the SDKs, sqs-consumer, sqs-producer and PersistedQueue. The mark is as many as the peer; to the left of it the peer is faster.",
        axis: "times the peer, logarithmic",
        scale: "log",
        from: 1,
        groups,
        mark: { value: 1, label: "as the peer" }
      })
  )

const steps = [
  ["single sends of 100 callers", "single sends, 100 callers"],
  ["one batch of 2,000", "one batch of 2,000"],
  ["a worker of 100", "a worker of 100"]
] as const

const beside = (find: Find, step: string, title: string): ReadonlyArray<Group> => {
  const own = providers.map(([provider, label]) => ({
    label,
    kind: "ours",
    name: `${provider} ${step} / BullMQ on Redis: CPU µs a message`,
    of: ours
  }))
  const theirs = {
    label: "BullMQ on Redis",
    kind: "BullMQ",
    name: `memory ${step} / BullMQ on Redis: CPU µs a message`,
    of: peer
  }
  return groupOf(find, title, [...own, theirs])
}

const bullmq = (find: Find): string | undefined =>
  ifAny(
    steps.flatMap(([step, title]) => beside(find, step, title)),
    (groups) =>
      svg.bars({
        title: "What a message costs the application's process, beside BullMQ",
        description:
          "Microseconds of the processor a message, in the process of the application alone: single sends, one batch, and a worker; in memory, on the SQS emulator, on the Service Bus emulator, and for BullMQ on Redis. Shorter is better.",
        axis: "CPU microseconds a message, of the application's process",
        scale: "linear",
        groups
      })
  )

const policyNames = [
  ["telemetry that nobody hears", "telemetry, nobody hears"],
  ["health", "health"],
  ["time-out", "time-out"],
  ["circuit breaker", "circuit breaker"],
  ["retry", "retry"],
  ["telemetry with metrics", "telemetry, metrics"],
  ["telemetry with metrics and a tracer", "telemetry, metrics and tracer"]
] as const

const policies = (find: Find): string | undefined =>
  ifAny(
    [
      ...groupOf(find, "each alone, three calls", [
        ...policyNames.map(([name, label]) => ({
          label,
          kind: "with the policy",
          name: `policies ${name} / bare memory: CPU µs a message, three calls`,
          of: ours
        })),
        {
          label: "none",
          kind: "without",
          name: "policies retry / bare memory: CPU µs a message, three calls",
          of: peer
        }
      ]),
      ...groupOf(find, "all of them, ten a call", [
        {
          label: "all",
          kind: "with the policy",
          name: "policies every one of them / client on bare memory: CPU µs a message, ten a call",
          of: ours
        },
        {
          label: "none",
          kind: "without",
          name: "policies every one of them / client on bare memory: CPU µs a message, ten a call",
          of: peer
        }
      ])
    ],
    (groups) =>
      svg.bars({
        title: "What the policies cost",
        description:
          "Microseconds of the processor a message, sent, received and completed in memory: with each policy alone, with all of them at once, and without.",
        axis: "CPU microseconds a message",
        scale: "linear",
        groups
      })
  )

const startup = (find: Find): string | undefined => {
  const of = (name: string, label: string, kind: string, value: Value) => ({
    label,
    kind,
    name: `startup import of ${name}: CPU ms`,
    of: value
  })
  const coreName = "core / of the modules of Effect it uses"
  return ifAny(
    groupOf(find, "", [
      of("effect/Effect alone / of core", "effect/Effect alone", "Effect", ours),
      of(coreName, "Effect, all that core uses", "Effect", peer),
      of(coreName, "core", "ours, from the packages", ours),
      ...["provider-memory", "provider-aws", "provider-azure"].map((name) =>
        of(`${name} / of core`, name, "ours, from the packages", ours)
      ),
      of(
        "an application bundled with core, memory and Effect / of core",
        "an application, bundled",
        "ours, bundled",
        ours
      )
    ]),
    (groups) =>
      svg.bars({
        title: "What an import costs",
        description:
          "Milliseconds of the processor until a program has loaded Effect, core, each provider, and an application that a bundler made one file of. The mark is the target.",
        axis: "CPU milliseconds of the import",
        scale: "linear",
        groups,
        mark: { value: 60, label: "target: 60 ms" }
      })
  )
}

const grown = [
  ["messages waiting", [1_000, 10_000, 100_000]],
  ["sessions", [1, 100, 10_000]],
  ["fibers", [1, 10, 100, 1_000]],
  ["consumers", [1, 10, 100]]
] as const

const growth = (find: Find): string | undefined => {
  const english = (value: number): string => value.toLocaleString("en")
  const measured = grown.flatMap(([what, [least, ...sizes]]): ReadonlyArray<Line> => {
    const points = sizes.flatMap((size) => {
      const name = `growth: ${english(size)} ${what} / ${english(least)}: CPU µs a message`
      const seen = find(name, ratio)
      return seen === undefined ? [] : [[size / least, seen.value] as const]
    })
    return points.length === 0 ? [] : [{ label: what, points: [[1, 1], ...points] }]
  })
  if (measured.length === 0) return undefined
  const sizes = [1, 10, 100, 1_000, 10_000]
  const logarithm: Line = {
    label: "O(log n) from 1",
    dashed: true,
    points: sizes.map((size) => [size, Math.log2(size + 1)])
  }
  return svg.lines({
    title: "How the cost of a message grows",
    description:
      "Microseconds of the processor a message, as a multiple of those at the smallest size, while the messages waiting, the sessions, the fibers and the consumers grow; the dashed line is the logarithm, which none may exceed.",
    xAxis: "size, as a multiple of the smallest; logarithmic",
    yAxis: "cost a message, as a multiple; logarithmic",
    lines: [...measured, logarithm]
  })
}

const charts = { latency, throughput, bullmq, policies, startup, growth } as const

/** The files of the charts by their names; what has nothing to show is not there. */
export const files = (runs: Runs): Readonly<Record<string, string>> => {
  const find = finder(runs)
  return Object.fromEntries(
    Object.entries(charts).flatMap(([name, chart]) => {
      const drawn = chart(find)
      return drawn === undefined ? [] : [[`${name}.svg`, drawn]]
    })
  )
}
