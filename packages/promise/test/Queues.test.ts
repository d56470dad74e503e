import { assert, describe, it } from "@effect/vitest"
import { QueueProvider } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { QueueError, Queues } from "../src/index.ts"
import { provider, open, rejected, reasonOf, until } from "./support/front.ts"

describe("Queues", () => {
  it("R9.3 health asks the queues it was given", async () => {
    await using queues = await open({ healthOf: ["orders"] })
    assert.instanceOf(queues, Queues.Queues)
    const ready = await queues.readiness()
    assert.strictEqual(ready.status, "up")
    assert.instanceOf(ready.queues[0]?.at, Date)
    assert.strictEqual((await queues.liveness()).status, "up")
    assert.strictEqual(queues.capabilities("events").sessions, "native")
  })

  it("R9.3 of queues that it was not given it knows nothing, and does not say that they are up", async () => {
    await using queues = await open()
    queues.queue("orders")
    assert.deepStrictEqual(await queues.readiness(), { status: "unknown", queues: [] })
    assert.strictEqual((await queues.liveness()).status, "up")
    await using missing = await open({ healthOf: ["nowhere"] })
    assert.strictEqual((await missing.readiness()).status, "down")
  })

  it("R10.1 an option of resilience that is none is refused by its name", async () => {
    const misspelt = { attempts: 2, attemps: 2 }
    const refused = await rejected(open({ resilience: { retry: misspelt } }))
    assert.match(String(refused), /retry\.attemps: is no option/u)
  })

  it("R10.4 closing drains consumers, gives sessions up, ends waits, and refuses what comes", async () => {
    const queues = await open()
    const orders = queues.queue("orders")
    const events = queues.queue("events")
    let settled = 0
    await orders.send("one")
    await events.send("one", { sessionId: "a" })
    let started = 0
    const consumer = orders.consume(async () => {
      started++
      await events.send("two", { sessionId: "b" })
      await new Promise((resolve) => setTimeout(resolve, 20))
      settled++
    })
    await until(() => started === 1)
    const session = await events.acceptSession()
    const waiting = orders.receive({ wait: "1 minute" })
    const refused = reasonOf(waiting)
    await Promise.all([queues.close(), queues.close()])
    await consumer.stopped
    assert.strictEqual(settled, 1)
    assert.strictEqual(await refused, "ConnectionFailed")
    assert.strictEqual(await reasonOf(orders.receive()), "ConnectionFailed")
    assert.strictEqual(await reasonOf(session?.receive() ?? Promise.resolve()), "ConnectionFailed")
    await orders
      .consume(() => {})
      .stopped.then(
        () => assert.fail("it must not run"),
        (error: unknown) => assert.match(String(error), /closed/u)
      )
  })

  it("R10.1 what cannot be used is told before anything is opened, naming it", async () => {
    assert.strictEqual(await reasonOf(open({ wait: Number.NaN })), "ValidationFailed")
    assert.strictEqual(await reasonOf(open({ healthOf: ["-"] })), "ValidationFailed")
    await using queues = await open()
    assert.throws(() => queues.queue("-"), QueueError.QueueError)
    const sending = queues.queue("orders").send("one", { delay: Number.NaN })
    assert.match(String(await rejected(sending)), /delay/u)
    const scheduled = queues.queue("orders").send("one", { scheduledAt: new Date("never") })
    assert.match(String(await rejected(scheduled)), /scheduledAt/u)
  })

  it("R10.2 the provider is chosen at run time, and its package loaded then", async () => {
    await using queues = await open({
      provider: { memory: () => Promise.resolve(provider()) },
      orElse: "memory",
      batching: false
    })
    assert.strictEqual(queues.provider, "memory")
    assert.deepStrictEqual(queues.stack, [
      "create",
      "health",
      "circuit-breaker",
      "retry",
      "timeout",
      "telemetry",
      "memory"
    ])
    assert.strictEqual(
      await reasonOf(open({ provider: { memory: () => Promise.resolve(provider()) } })),
      "ConfigurationInvalid"
    )
  })

  it("a stage stands where it has to: sealing, then claims, above batching; leases at the provider", async () => {
    const named = (name: string) =>
      QueueProvider.layerTransform(
        name,
        Effect.succeed((call) => call)
      )
    await using queues = await open({
      sealing: named("sealing"),
      claimCheck: named("claims"),
      sessionLeases: named("leases"),
      telemetry: Layer.empty
    })
    assert.deepStrictEqual(queues.stack.slice(0, 4), ["create", "sealing", "claims", "batching"])
    assert.deepStrictEqual(queues.stack.slice(-2), ["leases", queues.provider])
  })
})
