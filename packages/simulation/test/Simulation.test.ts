import { assert, describe, it } from "@effect/vitest"
import { HandlerFailure, QueueProvider, Verdict } from "@queue-runtime/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Backend, Effects, Fault, type History, Plan, Simulation } from "../src/index.ts"

const quiet = () => Effect.void

/** A stack with one method broken. */
const broken =
  (breaks: (provider: QueueProvider.Service) => Partial<QueueProvider.Service>) =>
  ({ connection }: Simulation.Environment) =>
    Layer.effect(
      QueueProvider.QueueProvider,
      Effect.map(QueueProvider.QueueProvider, (provider) => ({ ...provider, ...breaks(provider) }))
    ).pipe(Layer.provide(connection))

const print = fileURLToPath(new URL("support/print.ts", import.meta.url))

/** Settled after so many turns of the machine's own loop. */
const turned = (turns: number): Promise<void> =>
  new Promise((resolve) => {
    const turn = (left: number): void =>
      void (left === 0 ? resolve() : setImmediate(turn, left - 1))
    turn(turns)
  })

describe("Simulation", () => {
  it.effect("DESIGN 7 our own workers on the memory provider survive the first seeds", () =>
    Effect.gen(function* () {
      const report = yield* Simulation.test(quiet, { seeds: 100 })
      assert.strictEqual(report.seeds, 100)
      assert.isAbove(report.messages, 1_000)
      assert.isAbove(report.faults, 200)
      assert.isAbove(report.deliveries, report.messages)
    })
  )

  it.effect("DESIGN 7 a seed gives the same history again", () =>
    Effect.gen(function* () {
      const texts = yield* Effect.forEach(["3", "3"], (seed) =>
        Effect.map(Simulation.run(quiet, seed), ({ history }) => JSON.stringify(history))
      )
      assert.strictEqual(texts[0], texts[1])
      const other = yield* Simulation.run(quiet, "4")
      assert.notStrictEqual(JSON.stringify(other.history), texts[0])
    })
  )

  it.effect(
    "R7.1 an operator lists, replays and purges, killed in between, and loses nothing",
    () =>
      Effect.gen(function* () {
        const options = { operated: true, timed: false, over: { faultsMax: 60, handlerMillis: 50 } }
        const runs = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, seed) => String(seed)),
          (seed) => Simulation.run(quiet, seed, options)
        )
        assert.deepStrictEqual(
          runs.flatMap(({ violations }) => violations),
          []
        )
        const events = runs.flatMap(({ history }) => history.events)
        const count = (isMeant: (event: History.Event) => boolean): number =>
          events.filter(isMeant).length
        assert.isAbove(
          count((event) => event._tag === "Crashed" && event.node.startsWith("op")),
          0
        )
        assert.isAbove(
          count((event) => event._tag === "Started" && event.id.includes(".r")),
          20
        )
        const [first, again] = yield* Effect.forEach(["3", "3"], (seed) =>
          Simulation.run(quiet, seed, options)
        )
        assert.strictEqual(JSON.stringify(first?.history), JSON.stringify(again?.history))
      })
  )

  it.effect("R7.1 a letter that is said to be removed and is not is found", () =>
    Effect.gen(function* () {
      const stack = broken(({ settle }) => ({
        settle: (receipts, verdict) =>
          receipts[0]?.address._tag === "DeadLetter" && verdict._tag === "Complete"
            ? Effect.succeed(receipts.map(() => Result.void))
            : settle(receipts, verdict)
      }))
      const options = { operated: true, timed: false, sessions: false, stack }
      const failed = yield* Effect.flip(Simulation.test(quiet, options))
      assert.match(failed.message, /is among the dead letters still \(operator\)/u)
      assert.isBelow(failed.steps, 30)
    })
  )

  it.effect("DESIGN 7 a seed gives the same history in another process", () =>
    Effect.gen(function* () {
      const here = yield* Simulation.run(quiet, "11", { sessions: true })
      const there = execFileSync(
        process.execPath,
        ["--conditions=@queue-runtime/source", print, "11"],
        { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }
      )
      assert.strictEqual(there, JSON.stringify(here.history))
    })
  )

  it.effect("DESIGN 7 without its faults a run has none", () =>
    Effect.gen(function* () {
      const run = yield* Simulation.run(quiet, "11")
      assert.isAbove(run.faults.length, 0)
      const calm = yield* Simulation.replay(quiet, { plan: run.plan, faults: [] })
      assert.deepStrictEqual(calm.faults, [])
      assert.isFalse(calm.history.events.some(({ _tag }) => _tag === "Fault"))
      assert.deepStrictEqual(calm.violations, [])
    })
  )

  it.effect(
    "DESIGN 7 a settlement that is claimed and not made is found, and its story is short",
    () =>
      Effect.gen(function* () {
        const stack = broken(({ settle }) => ({
          settle: (receipts, verdict) =>
            verdict._tag === "Abandon"
              ? Effect.succeed(receipts.map(() => Result.void))
              : settle(receipts, verdict)
        }))
        const failed = yield* Effect.flip(Simulation.test(quiet, { sessions: false, stack }))
        assert.match(failed.message, /never settled|left m\d+ locked/u)
        assert.isBelow(failed.steps, 30)
        assert.isAtMost(failed.replay.plan.messages.length, 2)
        // It fails again from what it says.
        const again = yield* Simulation.replay(quiet, failed.replay, { stack })
        assert.isAbove(again.violations.length, 0)
      })
  )

  it.effect("DESIGN 7 a message that is completed before it is handled is found", () =>
    Effect.gen(function* () {
      const stack = broken(({ receive, settle }) => ({
        receive: (address, options) =>
          Effect.tap(receive(address, options), (messages) =>
            settle(
              messages.map(({ receipt }) => receipt),
              Verdict.complete
            )
          )
      }))
      const failed = yield* Effect.flip(Simulation.test(quiet, { sessions: false, stack }))
      assert.match(failed.message, /no handler of this delivery had succeeded/u)
      assert.isBelow(failed.steps, 30)
    })
  )

  it.effect("R5.7 a handler that is not idempotent is told so", () =>
    Effect.gen(function* () {
      const once = {
        name: "charged once",
        rule: "no order is charged twice",
        check: ({ events }: History.History) => {
          const keys = events.flatMap((event) => (event._tag === "Applied" ? [event.key] : []))
          const twice = keys.find((key, index) => keys.indexOf(key) < index)
          return twice === undefined
            ? []
            : [{ checker: "charged once", at: Infinity, what: `${twice} twice`, about: [] }]
        }
      }
      const failed = yield* Effect.flip(
        Simulation.test(({ messageId }) => Effects.applied(`charge ${messageId}`), {
          profile: Fault.only("lost reply"),
          checkers: [once],
          idempotent: false
        })
      )
      assert.match(failed.message, /charge m\d+ twice/u)
    })
  )

  it.effect("DESIGN 7 what a user's handler needs is built once a run, and asked at the end", () =>
    Effect.gen(function* () {
      class Ledger extends Context.Service<Ledger, { readonly ids: Array<string> }>()(
        "@queue-runtime/simulation/test/Simulation.test/Ledger"
      ) {}
      let built = 0
      const layer = Layer.sync(Ledger, () => {
        built++
        return Ledger.of({ ids: [] })
      })
      const report = yield* Simulation.test(
        ({ messageId }) => Ledger.use(({ ids }) => Effect.sync(() => ids.push(messageId))),
        {
          layer,
          profile: Fault.none,
          seeds: 3,
          deduplicates: true,
          timed: false,
          verify: Ledger.use(({ ids }) =>
            Effect.succeed(ids.length === new Set(ids).size ? [] : ["something came twice"])
          )
        }
      )
      assert.strictEqual(built, 3)
      assert.strictEqual(report.faults, 0)
    })
  )

  it.effect("R5.2 a user's own failures are judged as a worker does", () =>
    Effect.gen(function* () {
      const run = yield* Simulation.run(
        () => Effect.fail(new HandlerFailure.Permanent({ reason: "NotOurs" })),
        "1",
        { profile: Fault.none, timed: false }
      )
      assert.deepStrictEqual(run.violations, [])
      const left = run.history.events.filter(({ _tag }) => _tag === "Left")
      assert.strictEqual(left.length, run.plan.messages.length)
    })
  )

  it.effect("a handler that throws before it answers an effect is a defect", () =>
    Effect.gen(function* () {
      const run = yield* Simulation.run(
        () => {
          throw new Error("at once")
        },
        "1",
        { profile: Fault.none, timed: false, sessions: false }
      )
      assert.deepStrictEqual(run.violations, [])
      assert.isTrue(
        run.history.events.some((event) => event._tag === "Ended" && event.how === "defect")
      )
    })
  )

  it.effect("handlers that wait for promises are waited for", () =>
    Effect.gen(function* () {
      const run = yield* Simulation.run(() => Effect.promise(() => Promise.resolve(1)), "2", {
        isAsync: true,
        sessions: false
      })
      assert.deepStrictEqual(run.violations, [])
    })
  )

  it.effect(
    "a connection that takes the machine many turns is waited for, where nothing else goes on",
    () =>
      Effect.gen(function* () {
        const turns = 300
        const backend: Backend.Make = (spec) =>
          Effect.map(Backend.memory(spec), (made) => ({
            ...made,
            connect: Effect.andThen(
              Effect.promise(() => turned(turns)),
              made.connect
            )
          }))
        const run = yield* Simulation.run(() => Effect.void, "3", { isAsync: true, backend })
        assert.deepStrictEqual(run.violations, [])
        assert.isTrue(run.history.events.some(({ _tag }) => _tag === "Delivered"))
      })
  )

  it("a plan is drawn from its seed, within what is asked for", () => {
    const plan = Plan.draw("5", {
      sessions: true,
      messagesMax: 10,
      timed: false,
      over: { workers: 7 }
    })
    assert.deepStrictEqual(
      plan,
      Plan.draw("5", { sessions: true, messagesMax: 10, timed: false, over: { workers: 7 } })
    )
    assert.isTrue(plan.sessions)
    assert.strictEqual(plan.workers, 7)
    assert.isAtMost(plan.messages.length, 10)
    assert.isTrue(
      plan.messages.every(
        ({ delayMillis, session }) => session !== undefined && delayMillis === undefined
      )
    )
  })
})
