/** Tries seeds of a world: in this process, one after the other. */
import { Simulation, Story } from "@queue-runtime/simulation"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as worlds from "./worlds.ts"

/** Some seeds of one world. */
export const Job = Schema.Struct({
  world: Schema.String,
  from: Schema.Int,
  count: Schema.Int,
  /** Whether the first failure ends it. */
  isSearch: Schema.Boolean
})

export type Job = typeof Job.Type

/** A seed that failed, shrunk. */
export const Failure = Schema.Struct({
  world: Schema.String,
  seed: Schema.String,
  checker: Schema.String,
  /** Of the story. */
  steps: Schema.Int,
  story: Schema.String,
  messages: Schema.Int,
  faults: Schema.Array(Schema.String)
})

export type Failure = typeof Failure.Type

/** What came of a job. */
export const Outcome = Schema.Struct({
  world: Schema.String,
  seeds: Schema.Int,
  messages: Schema.Int,
  deliveries: Schema.Int,
  faults: Schema.Int,
  virtualMillis: Schema.Finite,
  /** Of the processor, shrinking included. */
  cpuMillis: Schema.Finite,
  failures: Schema.Array(Failure)
})

export type Outcome = typeof Outcome.Type

/** Failures of one job that are shrunk; of the others the seed is told. */
const shrunkMax = 2

const nothing = (): Effect.Effect<void> => Effect.void

const failureOf = (world: string, result: Simulation.Result): Failure => {
  const { faults, history, plan, seed, violations } = result
  const [first] = violations
  return {
    world,
    seed,
    checker: first?.checker ?? "none",
    steps: first === undefined ? 0 : Story.steps(history, first).length,
    story: Story.format(seed, history, violations),
    messages: plan.messages.length,
    faults
  }
}

/** One seed: its result, shrunk if it failed. */
export const one = Effect.fnUntraced(function* (
  world: worlds.World,
  seed: string,
  isShrunk = true
) {
  const result = yield* Simulation.run(nothing, seed, world.options)
  const isFailed = result.violations.length > 0
  const shrunk =
    isFailed && isShrunk ? yield* Simulation.shrink(nothing, result, world.options) : result
  return { result, failure: isFailed ? failureOf(world.name, shrunk) : undefined }
})

/** All seeds of a job. */
export const run = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<Outcome> {
  const world = worlds.find(job.world)
  if (world === undefined) return yield* Effect.die(new Error(`no world is called ${job.world}`))
  yield* world.ready ?? Effect.void
  const totals = { seeds: 0, messages: 0, deliveries: 0, faults: 0, virtualMillis: 0 }
  const failures: Array<Failure> = []
  const before = process.cpuUsage()
  for (let seed = job.from; seed < job.from + job.count; seed++) {
    const { failure, result } = yield* one(world, String(seed), failures.length < shrunkMax)
    totals.seeds++
    totals.messages += result.plan.messages.length
    totals.faults += result.faults.length
    totals.virtualMillis += result.virtualMillis
    for (const { _tag } of result.history.events) if (_tag === "Delivered") totals.deliveries++
    if (failure === undefined) continue
    failures.push(failure)
    if (job.isSearch) break
  }
  const { system, user } = process.cpuUsage(before)
  return { world: job.world, ...totals, cpuMillis: (user + system) / 1_000, failures }
})
