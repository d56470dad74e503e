import { assert, describe, it } from "@effect/vitest"
import { SessionId } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Plan from "../../src/demo/Plan.ts"
import * as Webhook from "../../src/Webhook.ts"
import { examples, text } from "../fixtures.ts"

const make = (deliveries: number, seed = "1") =>
  Effect.runSync(Plan.make({ seed, deliveries, examples }))

const shape = (plan: ReadonlyArray<Plan.Planned>) =>
  plan.map(({ event, fault, id, session }) => [id, event, session, fault].join(" "))

const count = (plan: ReadonlyArray<Plan.Planned>, fault: Plan.Fault) =>
  plan.filter((planned) => planned.fault === fault).length

describe("Plan", () => {
  it("the same seed plans the same, another one something else", () => {
    assert.deepStrictEqual(shape(make(100)), shape(make(100)))
    assert.notDeepEqual(shape(make(100)), shape(make(100, "2")))
  })

  it("has the deliveries asked for, and of every type, and what is wrong with others", () => {
    const plan = make(400)
    const repeated = plan.filter(({ isRepeated }) => isRepeated)
    assert.strictEqual(count(plan, "none") - repeated.length, 400)
    assert.strictEqual(repeated.length, 12)
    assert.strictEqual(count(plan, "wrong signature"), 8)
    assert.strictEqual(count(plan, "too large"), 1)
    assert.strictEqual(count(plan, "no delivery id"), 1)
    assert.strictEqual(count(plan, "no JSON"), 1)
    assert.strictEqual(new Set(make(100).map(({ event }) => event)).size, 58)
  })

  it("every id is new but those of repetitions, which come behind their first", () => {
    const seen = new Set<string>()
    for (const { id, isRepeated } of make(400)) {
      assert.strictEqual(seen.has(id), isRepeated)
      seen.add(id)
    }
  })

  it("the sessions are valid and many, and no session gets two that always fail", () => {
    const plan = make(2000)
    const sessions = new Set(plan.map(({ session }) => session))
    assert.isAtLeast(sessions.size, 150)
    for (const session of sessions) assert.isTrue(SessionId.is(session))
    const failing = plan.filter(
      ({ event, fault, isRepeated }) =>
        event === Plan.failingEvent && fault === "none" && !isRepeated
    )
    assert.isAtLeast(failing.length, 10)
    assert.strictEqual(new Set(failing.map(({ session }) => session)).size, failing.length)
  })

  it("the bodies are real payloads, some with white space, and the faulty ones are faulty", () => {
    const plan = make(100)
    const bodies = plan.filter(({ fault }) => fault === "none").map(({ body }) => text(body()))
    for (const body of bodies) assert.doesNotThrow(() => JSON.parse(body))
    assert.isTrue(bodies.some((body) => body.includes("\n  ")))
    for (const planned of plan) {
      const headers = Plan.headers(planned)
      if (planned.fault === "too large") {
        assert.isAbove(planned.body().byteLength, Webhook.bodyBytesMax)
      }
      if (planned.fault === "no JSON") assert.throws(() => JSON.parse(text(planned.body())))
      assert.strictEqual(
        headers[Webhook.headers.delivery],
        planned.fault === "no delivery id" ? undefined : planned.id
      )
    }
  })

  it("says why a kind ends among the dead letters", () => {
    assert.strictEqual(Plan.deadLetterReason("page_build"), "MaxDeliveryCountExceeded")
    assert.strictEqual(Plan.deadLetterReason("marketplace_purchase"), "DownstreamRefused")
    assert.isUndefined(Plan.deadLetterReason("push"))
  })
})
