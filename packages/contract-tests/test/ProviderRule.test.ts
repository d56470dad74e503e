import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ProviderRule from "../src/ProviderRule.ts"
import * as Time from "../src/Time.ts"
import type * as World from "../src/World.ts"
import { capabilities } from "./support/tiny.ts"

const rule: ProviderRule.ProviderRule = {
  id: "SEND-1",
  group: "Sending",
  title: "holds",
  source: "SPEC",
  breaks: "nothing",
  run: Effect.void
}

const options: World.QueueOptions = ProviderRule.queueDefaults

describe("ProviderRule", () => {
  it("R3.11 a rule on features is skipped unless the queue has them all, and names the first", () => {
    const skip = ProviderRule.needs("peek", "scheduling")
    assert.strictEqual(skip(capabilities), "peek is declared unsupported")
    const peeks = { ...capabilities, peek: "emulated" } as const
    assert.strictEqual(skip(peeks), "scheduling is declared unsupported")
    assert.isUndefined(skip({ ...peeks, scheduling: "native" }))
  })

  it("R3.11 a rule on refusing a feature is skipped when the queue has it", () => {
    const skip = ProviderRule.lacks("peek")
    assert.isUndefined(skip(capabilities))
    assert.strictEqual(skip({ ...capabilities, peek: "emulated" }), "peek is declared emulated")
  })

  it("R12.1 a queue that is ordered where none was asked for, or the reverse, skips the rule", () => {
    const time = Time.virtual
    const reasonOf = (sessions: boolean, ordered: boolean) =>
      ProviderRule.skipReason(rule, {
        capabilities: { ...capabilities, ordered },
        options: { ...options, sessions },
        time
      })
    assert.strictEqual(reasonOf(true, false), "the provider has no ordered queue")
    assert.strictEqual(reasonOf(false, true), "the provider has ordered queues alone")
    assert.isUndefined(reasonOf(true, true))
    assert.isUndefined(reasonOf(false, false))
  })

  it("R12.1 a rule's own reason comes before the time it takes", () => {
    const slow = { ...rule, passes: () => Duration.minutes(5) }
    const reasonOf = (one: ProviderRule.ProviderRule, time: Time.Time) =>
      ProviderRule.skipReason(one, { capabilities, options, time })
    assert.isUndefined(reasonOf(slow, Time.virtual))
    assert.strictEqual(reasonOf(slow, Time.live), "lets 5m pass on a live clock")
    const both = { ...slow, skip: ProviderRule.needs("peek") }
    assert.strictEqual(reasonOf(both, Time.live), "peek is declared unsupported")
  })

  it("R12.1 a rule that leans on no probe is asked whatever fails, one that does names it", () => {
    const failed = new Set(["P5", "P2"])
    assert.isUndefined(ProviderRule.probeReason(rule, failed))
    assert.isUndefined(ProviderRule.probeReason({ probes: ["P1"] }, failed))
    assert.strictEqual(
      ProviderRule.probeReason({ probes: ["P1", "P2", "P5"] }, failed),
      "leans on probe P2, which fails on this endpoint"
    )
  })
})
