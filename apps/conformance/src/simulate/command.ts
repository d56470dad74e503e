/** The command: seeds of every world, and the bugs planted to be found. */
import { QueueError } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { plants } from "./plants.ts"
import * as pool from "./pool.ts"
import * as trying from "./trying.ts"
import * as worlds from "./worlds.ts"

/** What was asked for. */
export interface Flags {
  readonly seeds: number
  /** In place of a number of seeds. */
  readonly minutes?: number
  /** One seed alone. */
  readonly seed?: string
  /** Absent: all. */
  readonly world?: string
  /** Whether the planted bugs are looked for, and which: empty for all. */
  readonly planted?: ReadonlyArray<string>
  readonly processes: number
  readonly live?: "sqs" | "service-bus"
  /** Of a live run over SQS; absent: our emulator. */
  readonly server?: "own" | "fauxqs"
  readonly help: boolean
}

/** How to call it. */
export const help = `pnpm simulate [--seeds N | --minutes M | --seed S] [--world NAME] [--planted] [--live PROVIDER [--server NAME]]

  --seeds      so many seeds over all worlds (default: 2000)
  --minutes    for so long, in place of a number
  --seed       one seed of one world again, with its story: --world sqs --seed 35
  --world      one world alone: ${worlds.all.map(({ name }) => name).join(", ")}
  --planted    looks for every planted bug instead, each in at most 10000 seeds
  --plant      one planted bug alone: its id
  --processes  side by side (default: one a core)
  --live       a soak over real processes and sockets instead: sqs or service-bus, for --minutes (20),
               behind a proxy that breaks connections by --seed
  --server     of --live sqs: own (our emulator) or fauxqs

Writes .reports/simulation.json. Exits with 1 when a seed failed, or a planted bug was not found.`

const invalid = (flag: string, rule: string) => Effect.fail(QueueError.validationFailed(flag, rule))

const parse = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        // A package manager may hand its own separator on.
        args: args.filter((arg) => arg !== "--"),
        options: {
          seeds: { type: "string", default: "2000" },
          minutes: { type: "string" },
          seed: { type: "string" },
          world: { type: "string" },
          planted: { type: "boolean", default: false },
          plant: { type: "string", multiple: true },
          processes: { type: "string" },
          live: { type: "string" },
          server: { type: "string" },
          help: { type: "boolean", default: false, short: "h" }
        }
      }).values,
    catch: () => QueueError.validationFailed("flags", "are not understood; see --help")
  })

const above =
  (flag: string) =>
  (text: string): Effect.Effect<number, QueueError.QueueError> => {
    const value = Number(text)
    return value > 0 && Number.isFinite(value)
      ? Effect.succeed(value)
      : invalid(flag, `must be a number above zero; got ${text}`)
  }

/** Reads the flags. */
export const read = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>
): Effect.fn.Return<Flags, QueueError.QueueError> {
  const given = yield* parse(args)
  const { live, minutes, plant, seed, server, world } = given
  if (world !== undefined && worlds.find(world) === undefined) {
    return yield* invalid(
      "--world",
      `must be one of ${worlds.all.map(({ name }) => name).join(", ")}`
    )
  }
  const unknown = plant?.find((id) => !plants.some((one) => one.id === id))
  if (unknown !== undefined) return yield* invalid("--plant", `no bug is called ${unknown}`)
  if (live !== undefined && live !== "sqs" && live !== "service-bus") {
    return yield* invalid("--live", "must be sqs or service-bus")
  }
  if (server !== undefined && server !== "own" && server !== "fauxqs") {
    return yield* invalid("--server", "must be own or fauxqs")
  }
  if (server !== undefined && live !== "sqs") {
    return yield* invalid("--server", "is for --live sqs alone")
  }
  return {
    seeds: yield* above("--seeds")(given.seeds),
    processes: yield* above("--processes")(given.processes ?? String(availableParallelism())),
    help: given.help,
    ...(minutes === undefined ? {} : { minutes: yield* above("--minutes")(minutes) }),
    ...(seed === undefined ? {} : { seed }),
    ...(world === undefined ? {} : { world }),
    ...(live === undefined ? {} : { live }),
    ...(server === undefined ? {} : { server }),
    ...(given.planted || plant !== undefined ? { planted: plant ?? [] } : {})
  }
})

/** One planted bug, looked for. */
export interface Hunt {
  readonly id: string
  readonly area: string
  readonly title: string
  readonly world: string
  readonly found: boolean
  /** Tried until it was found. */
  readonly seeds: number
  /** Of them those that fail without the bug as well: no proof of anything, and not counted. */
  readonly falseAlarms: ReadonlyArray<string>
  readonly checker?: string
  readonly steps?: number
  readonly story?: string
}

/** What `.reports/simulation.json` holds. */
export interface Report {
  readonly seeds: number
  readonly failures: ReadonlyArray<trying.Failure>
  readonly planted: number
  readonly found: number
  /** Of those found: told in fewer than thirty steps. */
  readonly shortStories: number
  readonly messagesPerMinute: number
  readonly messages: number
  readonly deliveries: number
  readonly faults: number
  readonly virtualHours: number
  readonly minutes: number
  /** Of the processor, for a message: what a busy machine says less wrongly than the time that passed. */
  readonly cpuMicrosPerMessage: number
  /** By that, and by the machine's cores: what it does when nothing else runs on it. */
  readonly messagesPerMinuteAlone: number
  readonly worlds: ReadonlyArray<{
    readonly name: string
    readonly seeds: number
    readonly messages: number
    readonly cpuMicrosPerMessage: number
  }>
  readonly hunts: ReadonlyArray<Hunt>
}

type Say = (text: string) => Effect.Effect<void>

interface Queue {
  /** The next seeds to try; nothing when all are tried. */
  readonly next: () => trying.Job | undefined
}

/** Seeds of all worlds by their shares, a few of each in turn. */
const jobsOf = (flags: Flags): Queue => {
  const chosen = worlds.all.filter(({ name }) => flags.world === undefined || name === flags.world)
  const shares = chosen.reduce((sum, { share }) => sum + share, 0)
  const isTimed = flags.minutes !== undefined
  const lanes = chosen.map(({ name, share, together }) => ({
    name,
    share,
    together,
    at: 0,
    end: isTimed ? Infinity : Math.max(1, Math.round((flags.seeds * share) / shares))
  }))
  return {
    next: () => {
      // Whoever is furthest behind its share.
      const [lane] = lanes
        .filter(({ at, end }) => at < end)
        .toSorted((one, other) => one.at / one.share - other.at / other.share)
      if (lane === undefined) return undefined
      const count = Math.min(lane.together, lane.end - lane.at)
      const job = { world: lane.name, from: lane.at, count, isSearch: false }
      lane.at += count
      return job
    }
  }
}

const progressEvery = 5_000

const seedsRun = Effect.fnUntraced(function* (flags: Flags, say: Say) {
  const start = yield* Clock.currentTimeMillis
  const end = flags.minutes === undefined ? Infinity : start + flags.minutes * 60_000
  const queue = jobsOf(flags)
  const outcomes: Array<trying.Outcome> = []
  const totals = { seeds: 0, messages: 0, failures: 0 }
  let toldAt = start
  const work = Effect.gen(function* () {
    const child = yield* pool.make()
    while ((yield* Clock.currentTimeMillis) < end) {
      const job = queue.next()
      if (job === undefined) return
      const outcome = yield* child.run(job)
      outcomes.push(outcome)
      totals.seeds += outcome.seeds
      totals.messages += outcome.messages
      totals.failures += outcome.failures.length
      const now = yield* Clock.currentTimeMillis
      if (now - toldAt < progressEvery) continue
      toldAt = now
      const rate = Math.round((totals.messages / (now - start)) * 60_000)
      yield* say(
        `${totals.seeds} seeds, ${totals.messages} messages (${rate} a minute), ${totals.failures} failed`
      )
    }
  })
  yield* Effect.all(
    Array.from({ length: flags.processes }, () => Effect.scoped(work)),
    { concurrency: "unbounded", discard: true }
  )
  const minutes = ((yield* Clock.currentTimeMillis) - start) / 60_000
  return { outcomes, minutes }
})

/** A bug that takes more seeds than this is not found. */
const seedsMax = 10_000

const searchChunk = 250

/** Looks for one planted bug: a seed counts that fails with it, and goes well without. */
export const hunt = Effect.fnUntraced(function* (plant: (typeof plants)[number]) {
  const { area, id, title, world } = plant
  const child = yield* pool.make(id)
  const clean = yield* Effect.cached(pool.make())
  const falseAlarms: Array<string> = []
  let seeds = 0
  while (seeds < seedsMax) {
    const job = { world, from: seeds, count: searchChunk, isSearch: true }
    const outcome = yield* child.run(job)
    seeds += outcome.seeds
    const [failure] = outcome.failures
    if (failure === undefined) continue
    const { checker, seed, steps, story } = failure
    const without = { world, from: Number(seed), count: 1, isSearch: true }
    const again = yield* Effect.flatMap(clean, ({ run: tried }) => tried(without))
    if (again.failures.length > 0) {
      falseAlarms.push(seed)
      continue
    }
    const found = { id, area, title, world, found: true, seeds, falseAlarms }
    return { ...found, checker, steps, story } satisfies Hunt
  }
  return { id, area, title, world, found: false, seeds, falseAlarms } satisfies Hunt
}, Effect.scoped)

/** A bug that ends the process before any seed does is found by nobody. */
const ended =
  ({ area, id, title, world }: (typeof plants)[number]) =>
  (error: pool.ChildEnded): Effect.Effect<Hunt> =>
    Effect.succeed({
      id,
      area,
      title,
      world,
      found: false,
      seeds: 0,
      falseAlarms: [],
      story: error.message
    })

const huntAll = (flags: Flags, say: Say): Effect.Effect<ReadonlyArray<Hunt>> => {
  const ids = flags.planted
  if (ids === undefined) return Effect.succeed([])
  const chosen = plants.filter(({ id }) => ids.length === 0 || ids.includes(id))
  return Effect.forEach(
    chosen,
    (plant) =>
      Effect.tap(hunt(plant).pipe(Effect.catch(ended(plant))), (hunted: Hunt) =>
        say(
          hunted.found
            ? `${hunted.id}: found by seed ${hunted.seeds} (${hunted.checker}), ${hunted.steps} steps`
            : `${hunted.id}: not found in ${hunted.seeds} seeds`
        )
      ),
    { concurrency: flags.processes }
  )
}

/** A story that somebody reads to its end. */
const stepsShort = 30

const sum = (
  outcomes: ReadonlyArray<trying.Outcome>,
  of: (outcome: trying.Outcome) => number
): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)

const microsOf = (outcomes: ReadonlyArray<trying.Outcome>): number => {
  const messages = sum(outcomes, (one) => one.messages)
  const micros = sum(outcomes, ({ cpuMillis }) => cpuMillis) * 1_000
  return messages === 0 ? 0 : Math.round(micros / messages)
}

/** All that was asked for. */
export const run = Effect.fnUntraced(function* (flags: Flags, say: Say) {
  const isHunt = flags.planted !== undefined
  const { minutes, outcomes } = isHunt ? { outcomes: [], minutes: 0 } : yield* seedsRun(flags, say)
  const hunts = yield* huntAll(flags, say)
  const messages = sum(outcomes, (one) => one.messages)
  const micros = microsOf(outcomes)
  const report: Report = {
    seeds: sum(outcomes, ({ seeds }) => seeds),
    failures: outcomes.flatMap(({ failures }) => failures),
    planted: hunts.length,
    found: hunts.filter(({ found }) => found).length,
    shortStories: hunts.filter(({ steps }) => steps !== undefined && steps < stepsShort).length,
    messagesPerMinute: minutes === 0 ? 0 : Math.round(messages / minutes),
    messages,
    deliveries: sum(outcomes, ({ deliveries }) => deliveries),
    faults: sum(outcomes, ({ faults }) => faults),
    virtualHours: Math.round(sum(outcomes, ({ virtualMillis }) => virtualMillis) / 3_600_000),
    minutes: Math.round(minutes * 100) / 100,
    cpuMicrosPerMessage: micros,
    messagesPerMinuteAlone:
      micros === 0 ? 0 : Math.round((availableParallelism() * 60_000_000) / micros),
    worlds: worlds.all.flatMap(({ name }) => {
      const own = outcomes.filter(({ world }) => world === name)
      return own.length === 0
        ? []
        : [
            {
              name,
              seeds: sum(own, ({ seeds }) => seeds),
              messages: sum(own, (one) => one.messages),
              cpuMicrosPerMessage: microsOf(own)
            }
          ]
    }),
    hunts
  }
  return report
})

/** One seed again, told. */
export const replay = Effect.fnUntraced(function* (name: string, seed: string) {
  const world = worlds.find(name)
  if (world === undefined) return yield* invalid("--world", "must be given with --seed")
  yield* world.ready ?? Effect.void
  const { failure, result } = yield* trying.one(world, seed)
  const { plan, virtualMillis } = result
  return {
    isGood: failure === undefined,
    text:
      failure?.story ??
      `${name} ${seed}: nothing is wrong (${plan.messages.length} messages, ${result.faults.length} faults, ${Math.round(virtualMillis / 1_000)} s)`
  }
})

/** The report in a few lines. */
export const summary = (report: Report): string => {
  const lines = [
    ...report.worlds.map(
      ({ cpuMicrosPerMessage, messages, name, seeds }) =>
        `${name}: ${seeds} seeds, ${messages} messages, ${cpuMicrosPerMessage} µs of a processor each`
    ),
    ...(report.seeds === 0
      ? []
      : [
          `${report.seeds} seeds in ${report.minutes} minutes: ${report.messages} messages (${report.messagesPerMinute} a minute; ${report.messagesPerMinuteAlone} on these cores alone), ` +
            `${report.deliveries} deliveries, ${report.faults} faults, ${report.virtualHours} hours of virtual time`
        ]),
    ...(report.planted === 0
      ? []
      : [
          `${report.found} of ${report.planted} planted bugs found, ` +
            `${report.shortStories} told in fewer than ${stepsShort} steps`
        ]),
    ...report.hunts.flatMap(({ found, id, seeds }) =>
      found ? [] : [`not found: ${id} (${seeds} seeds)`]
    ),
    ...report.failures
      .slice(0, failuresShown)
      .flatMap(({ seed, story, world }) => [
        "",
        `${world} ${seed} (pnpm simulate --world ${world} --seed ${seed})`,
        story
      ]),
    report.failures.length === 0 ? "no seed failed" : `${report.failures.length} seeds failed`
  ]
  return lines.join("\n")
}

const failuresShown = 3
