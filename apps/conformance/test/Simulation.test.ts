import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Command from "../src/simulate/command.ts"
import * as pool from "../src/simulate/pool.ts"
import { plants, rootOf, sourceOf } from "../src/simulate/plants.ts"
import * as trying from "../src/simulate/trying.ts"
import * as worlds from "../src/simulate/worlds.ts"

/** Of each world; CI runs more of them with `pnpm simulate`. */
const seeds: Readonly<Record<string, number>> = {
  sqs: 3,
  "service-bus": 3,
  crowd: 1,
  "batching-crowd": 1,
  "retry-crowd": 1,
  "routed-crowd": 1
}

/** Those that put a model in the place of a module: tried in processes of their own. */
const apart = new Set(["service-bus"])

const seedsUsual = 15

describe("Simulation of the library itself", () => {
  for (const { name } of worlds.all) {
    it.live(
      `DESIGN 7 the first seeds of the world ${name} go well`,
      () =>
        Effect.gen(function* () {
          const count = seeds[name] ?? seedsUsual
          const job = { world: name, from: 0, count, isSearch: true }
          const outcome = yield* apart.has(name)
            ? Effect.scoped(Effect.flatMap(pool.make(), (child) => child.run(job)))
            : trying.run(job)
          assert.deepStrictEqual(
            outcome.failures.map(({ story }) => story),
            []
          )
          assert.strictEqual(outcome.seeds, count)
          assert.isAbove(outcome.messages, count)
        }),
      120_000
    )
  }

  it.live(
    "DESIGN 7 a seed of a world over promises and the SDK gives the same history again",
    () =>
      Effect.gen(function* () {
        const world = worlds.find("sqs")
        if (world === undefined) return assert.fail("no world is called sqs")
        yield* world.ready ?? Effect.void
        const texts = yield* Effect.forEach(["2", "2"], (seed) =>
          Effect.map(trying.one(world, seed), ({ result }) => JSON.stringify(result.history))
        )
        assert.strictEqual(texts[0], texts[1])
      }),
    120_000
  )
})

describe("Planted bugs", () => {
  it("R12.2 there are at least thirty, in every part, each under a name of its own", () => {
    assert.isAtLeast(plants.length, 30)
    assert.strictEqual(new Set(plants.map(({ id }) => id)).size, plants.length)
    assert.deepStrictEqual([...new Set(plants.map(({ area }) => area))].toSorted(), [
      "batching",
      "dead letters",
      "retry",
      "sealing",
      "service bus links",
      "session worker",
      "sqs router",
      "worker"
    ])
    for (const { world } of plants) assert.isDefined(worlds.find(world), world)
  })

  it.each([...plants])("R12.2 what $id replaces is still there, once", (plant) => {
    const source = readFileSync(rootOf(plant), "utf8")
    assert.notStrictEqual(sourceOf(plant, source), source)
  })

  it("R12.2 a bug whose place is gone is told of", () => {
    const [plant] = plants
    if (plant === undefined) return assert.fail("there are none")
    assert.throws(() => sourceOf(plant, "nothing"), plant.id)
    assert.throws(() => sourceOf(plant, `${plant.find}${plant.find}`), "2 times")
  })

  for (const id of ["defect-completes", "route-completes-first"]) {
    it.live(
      `R12.2 ${id} is found, in a process where it is planted, and told in a few steps`,
      () =>
        Effect.gen(function* () {
          const plant = plants.find((one) => one.id === id)
          if (plant === undefined) return assert.fail(`no bug is called ${id}`)
          const hunted: Command.Hunt = yield* Command.hunt(plant)
          assert.isTrue(hunted.found)
          assert.isBelow(hunted.steps ?? Infinity, 30)
          assert.isBelow(hunted.seeds, 300)
        }),
      180_000
    )
  }
})

describe("pnpm simulate", () => {
  it.effect("reads its flags, and says what is wrong with them", () =>
    Effect.gen(function* () {
      const flags = yield* Command.read(["--seeds", "50", "--world", "memory", "--processes", "1"])
      assert.deepStrictEqual(flags, { seeds: 50, processes: 1, world: "memory", help: false })
      const asked = yield* Command.read(["--planted", "--minutes", "2"])
      assert.deepStrictEqual(asked.planted, [])
      assert.strictEqual(asked.minutes, 2)
      const wrong = [
        ["--seeds", "none"],
        ["--world", "moon"],
        ["--plant", "weed"],
        ["--live", "kafka"],
        ["--everything"]
      ]
      for (const args of wrong) {
        const error = yield* Effect.flip(Command.read(args))
        assert.strictEqual(error.reason._tag, "ValidationFailed", args.join(" "))
      }
    })
  )

  it.live(
    "tries seeds in processes of its own, and reports them",
    () =>
      Effect.gen(function* () {
        const flags = { seeds: 30, processes: 2, world: "memory", help: false }
        const report = yield* Command.run(flags, () => Effect.void)
        assert.strictEqual(report.seeds, 30)
        assert.deepStrictEqual(report.failures, [])
        assert.isAbove(report.messagesPerMinute, 0)
        assert.match(Command.summary(report), /30 seeds .+\nno seed failed/su)
      }),
    120_000
  )

  it.live("runs one seed again", () =>
    Effect.gen(function* () {
      const { isGood, text } = yield* Command.replay("memory", "11")
      assert.isTrue(isGood)
      assert.match(text, /^memory 11: nothing is wrong/u)
    })
  )
})
