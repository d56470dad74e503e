import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { QueueError, QueueProvider } from "@queue-runtime/core"
import * as Harness from "../src/Harness.ts"
import * as ProviderContract from "../src/ProviderContract.ts"
import * as ProviderRule from "../src/ProviderRule.ts"
import * as Rule from "../src/Rule.ts"
import * as World from "../src/World.ts"
import { harness } from "./support/tiny.ts"

const prefixes: Readonly<Record<ProviderRule.ProviderRule["group"], string>> = {
  Sending: "SEND",
  Receiving: "RECEIVE",
  Settlement: "SETTLE",
  Redelivery: "REDELIVER",
  DeadLetter: "DEAD",
  Replay: "REPLAY",
  Sessions: "SESSION",
  Scheduling: "SCHEDULE",
  Limits: "LIMIT",
  Errors: "ERROR",
  Lifecycle: "LIFE",
  Concurrency: "CONCUR",
  Batching: "BATCH",
  Interop: "INTEROP",
  Model: "MODEL"
}

const only = (...ids: ReadonlyArray<string>): ProviderContract.Options => ({
  rules: ProviderContract.rules.filter(({ id }) => ids.includes(id))
})

const statuses = Effect.map(
  ProviderContract.run(
    harness().harness,
    only("SEND-1", "SETTLE-3", "SETTLE-4", "SESSION-1", "RECEIVE-15", "INTEROP-13", "INTEROP-14")
  ),
  (results) => Object.fromEntries(results.map(({ id, status }) => [id, status]))
)

const rule = (run: ProviderRule.ProviderRule["run"]): ProviderRule.ProviderRule => ({
  id: "SEND-99",
  group: "Sending",
  title: "holds",
  source: "SPEC",
  breaks: "nothing",
  queue: { deliveriesMax: 7 },
  run
})

describe("rules", () => {
  const { rules } = ProviderContract

  it("R12.1 have ids that are theirs alone, by group", () => {
    assert.strictEqual(new Set(rules.map(({ id }) => id)).size, rules.length)
    for (const { group, id } of rules)
      assert.match(id, new RegExp(`^${prefixes[group]}-[1-9]\\d*$`, "u"))
    for (const group of ProviderRule.groups) {
      assert.isTrue(
        rules.some((one) => one.group === group),
        group
      )
    }
  })

  it("R12.1 are sentences, with where each comes from and what breaks it", () => {
    const titles = new Set(rules.map(({ title }) => title))
    assert.strictEqual(titles.size, rules.length)
    for (const { breaks, id, source, title } of rules) {
      for (const text of [breaks, source, title]) assert.isAbove(text.length, 8, id)
      assert.notMatch(title, /^[A-Z][a-z]|\.$/u, id)
    }
  })

  it("R12.1 lean on the probes that their sources name, by ids that there are", () => {
    for (const { id, probes = [], source } of rules) {
      for (const probe of probes) assert.match(probe, /^P[1-9]\d?$/u, id)
      assert.strictEqual(new Set(probes).size, probes.length, id)
      for (const [, probe] of source.matchAll(/probe (P\d+)/gu)) assert.include(probes, probe, id)
    }
  })

  it("R12.1 adding, removing or rewording one is deliberate: providers may newly fail", async () => {
    const all = Object.fromEntries(rules.map(({ id, title }) => [id, title]))
    await expect(`${JSON.stringify(all, undefined, 2)}\n`).toMatchFileSnapshot("../rules.json")
  })
})

describe("run", () => {
  it.effect("R12.2 tells which rules a provider breaks, and which do not apply to it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* statuses, {
        "SEND-1": "passed",
        "SETTLE-3": "passed",
        "SETTLE-4": "failed",
        "SESSION-1": "skipped",
        "RECEIVE-15": "skipped",
        "INTEROP-13": "passed",
        "INTEROP-14": "passed"
      })
    })
  )

  it.effect("R12.1 a rule has a new queue, made as it asks, and the rest as usual", () =>
    Effect.gen(function* () {
      const { asked, harness: tiny } = harness()
      const rules = [rule(Effect.void), rule(Effect.void)]
      yield* ProviderContract.run(tiny, { rules })
      const [first, second] = asked
      assert.match(first?.queue ?? "", /^contract-send-99-[0-9a-f]{8}$/u)
      assert.notStrictEqual(first?.queue, second?.queue)
      const { queue: _, ...options } = { ...first }
      assert.deepStrictEqual(options, { ...ProviderRule.queueDefaults, deliveriesMax: 7 })
    })
  )

  it.effect(
    "R12.1 a rule that leans on a probe which fails on the endpoint is skipped for it",
    () =>
      Effect.gen(function* () {
        const { asked, harness: tiny } = harness()
        const onProbes = { ...tiny, failedProbes: Effect.succeed(new Set(["P2", "P20"])) }
        const leaning = { ...rule(Effect.void), probes: ["P1", "P2"] }
        const results = yield* ProviderContract.run(onProbes, {
          rules: [leaning, { ...leaning, probes: ["P1"] }, rule(Effect.void)]
        })
        assert.deepStrictEqual(
          results.map(({ reason, status }) => [status, reason]),
          [
            ["skipped", "leans on probe P2, which fails on this endpoint"],
            ["passed", undefined],
            ["passed", undefined]
          ]
        )
        // No queue is made for what is not asked.
        assert.strictEqual(asked.length, 2)
      })
  )

  it.effect("R12.1 probes that cannot be run are a failure of the rules that lean on one", () =>
    Effect.gen(function* () {
      const error = QueueError.make(new QueueError.ConnectionFailed({}))
      const unreachable: Harness.Harness<QueueError.QueueError> = {
        ...harness().harness,
        failedProbes: Effect.fail(error)
      }
      const leaning = { ...rule(Effect.void), probes: ["P1"] }
      const [first, second] = yield* ProviderContract.run(unreachable, {
        rules: [leaning, rule(Effect.void)]
      })
      assert.strictEqual(first?.status, "failed")
      assert.match(first?.reason ?? "", /^the probes of the endpoint could not be run: Connection/u)
      assert.strictEqual(second?.status, "passed")
    })
  )

  it.effect("R12.1 a world has connections of one queue, and others on new queues", () =>
    Effect.gen(function* () {
      const { asked, harness: tiny } = harness()
      const run = Effect.gen(function* () {
        const world = yield* World.World
        const other = yield* world.connect
        const another = yield* world.another()
        const isOther = other !== world.provider && another.provider !== world.provider
        if (!isOther) return yield* new Rule.RuleFailed({ what: "one connection for all" })
        const names = [world.queue, another.queue, world.missing]
        if (new Set(names).size !== 3) return yield* new Rule.RuleFailed({ what: "one name" })
      })
      const [result] = yield* ProviderContract.run(tiny, { rules: [rule(run)] })
      assert.strictEqual(result?.status, "passed", result?.reason)
      assert.strictEqual(asked.length, 2)
    })
  )

  it.effect(
    "R12.1 a queue that cannot be made, and a layer that cannot be built, are failures",
    () =>
      Effect.gen(function* () {
        const { harness: tiny } = harness()
        const error = QueueError.make(new QueueError.AuthenticationFailed({}))
        const closed: Harness.Harness<QueueError.QueueError> = {
          ...tiny,
          open: () => Effect.fail(error)
        }
        const [first] = yield* ProviderContract.run(closed, only("SEND-1"))
        assert.strictEqual(
          first?.reason,
          "the harness could not open a queue: AuthenticationFailed: the service refused the credentials"
        )
        const broken = Harness.behind(
          tiny,
          "broken",
          Layer.effect(QueueProvider.QueueProvider, Effect.fail(error))
        )
        const [second] = yield* ProviderContract.run(broken, only("SEND-1"))
        assert.include(
          second?.reason ?? "",
          "the provider's layer could not be built: Authentication"
        )
      })
  )
})

describe("suite", () => {
  ProviderContract.suite(it, harness().harness, only("SEND-1", "SETTLE-3", "SESSION-1"))
})
