/**
 * Rules that no list of cases ends: random sequences of operations by two clients, each step compared
 * with a model of a few lines.
 *
 * **Details**
 *
 * The same seed makes the same sequences. One that fails is shrunk to the fewest operations that still
 * fail, and printed with a token that replays it: `ProviderContract.run(harness, { replay })`. Every
 * sequence has a queue of its own.
 *
 * @since 0.1.0
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as expect from "./internal/expect.ts"
import { failureOf } from "./internal/failure.ts"
import * as ordered from "./internal/model/ordered.ts"
import * as plain from "./internal/model/plain.ts"
import type { Play } from "./internal/model/play.ts"
import type * as ProviderRule from "./ProviderRule.ts"
import * as Rule from "./Rule.ts"
import * as World from "./World.ts"

/** Unless told otherwise. A live sequence takes most of a minute, and so does each that is shrunk. */
const extent = {
  virtual: { runs: 40, lengthMax: 60, shrinksMax: 1_000 },
  live: { runs: 2, lengthMax: 12, shrinksMax: 5 }
} as const

/** One sequence on a queue of its own; whatever goes wrong is a failure that can be shrunk. */
const playOnce = <Command>(play: Play<Command>, commands: ReadonlyArray<Command>) =>
  Effect.gen(function* () {
    const { another, capabilities } = yield* World.World
    // Where counts are not exact no model can tell which delivery is the last.
    const changes = capabilities.deliveryCount === "approximate" ? { deliveriesMax: 1_000 } : {}
    const world = yield* another(changes)
    yield* Effect.provideService(play.run(commands), World.World, world)
    return true
  }).pipe(
    Effect.scoped,
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.interrupt : Effect.fail(failureOf(cause))
    )
  )

/** The operations that fail, and how to see them fail again. */
const report = <Command>(
  play: Play<Command>,
  found: Arbitrary.Falsified<ReadonlyArray<Command>, Error>
): string => {
  const steps = found.shrunkInput.map(
    (command, index) => `  ${index + 1}. ${play.describe(command)}`
  )
  const { failure } = found
  const why = failure._tag === "PropertyError" ? failure.error.message : "answered false"
  return [
    `sequence ${found.runs} breaks the model; ${steps.length} operations are enough:`,
    ...steps,
    why,
    `  again:    ProviderContract.run(harness, { replay: '${found.replay}' })`
  ].join("\n")
}

const check = <Command, I>(play: Play<Command> & { readonly Command: Schema.Codec<Command, I> }) =>
  Effect.gen(function* () {
    const { check: options, time } = yield* World.World
    const { lengthMax, runs, shrinksMax } = extent[time.kind]
    const length = { minLength: 1, maxLength: lengthMax }
    const commands = Arbitrary.array(Arbitrary.schema(play.Command), length)
    const result = yield* Arbitrary.checkEffect(commands, (all) => playOnce(play, all), {
      runs: options.runs ?? runs,
      seed: options.seed ?? 1,
      // It grows from run to run, and most runs shall be long ones.
      size: lengthMax * 4,
      maxShrinks: options.shrinksMax ?? shrinksMax,
      ...(options.replay === undefined ? {} : { replay: options.replay })
    })
    if (result._tag === "Passed") return
    // Of another rule, or of another version: it says nothing about this one.
    if (result._tag === "ReplayMismatch") return yield* expect.skip(`no failure: ${result.reason}`)
    const what = result._tag === "Falsified" ? report(play, result) : "no sequence could be made"
    return yield* new Rule.RuleFailed({ what })
  })

/**
 * The model-based rules.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<ProviderRule.ProviderRule> = [
  {
    id: "MODEL-1",
    group: "Model",
    title: "two clients of a queue: no loss, nothing delivered twice at once, counts right",
    source: "SPEC R3.2, R3.4, R3.5, R3.6",
    probes: ["P4", "P10", "P13", "P20"],
    breaks: "keeps each rule alone, and not together",
    queue: { deliveriesMax: 3 },
    run: check(plain)
  },
  {
    id: "MODEL-2",
    group: "Model",
    title: "two clients of an ordered queue: order, one holder, counts, nothing lost",
    source: "SPEC R4.1, R4.2, R4.3; ADR 0002",
    probes: ["P1", "P2", "P3", "P4", "P5", "P6", "P8"],
    breaks: "keeps each rule alone, and not together",
    queue: { sessions: true, deliveriesMax: 3 },
    run: check(ordered)
  }
]
