import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { QueueError } from "@queue-runtime/core"
import * as Contract from "../src/Contract.ts"
import * as Rule from "../src/Rule.ts"

const limit = Duration.millis(80)

const bind = <E, R>(
  id: string,
  check: Effect.Effect<void, E, R>,
  within: Duration.Duration = Duration.seconds(5)
) => {
  const rule = { id, group: "Group", title: `${id} holds`, source: "SPEC" }
  return Contract.make(rule, "subject", within, check)
}

const failed = new Rule.RuleFailed({ what: "the count", expected: "1", actual: "2" })

interface Registered {
  readonly name: string
  readonly run: Effect.Effect<void, Rule.RuleFailed, Scope.Scope>
  readonly options: Parameters<Contract.It["effect"]>[2]
  readonly notes: Array<string>
}

/** A runner that keeps what is registered, and throws to skip. */
const recorder = () => {
  const tests: Array<Registered> = []
  const runner: Contract.It = {
    effect: (name, self, options) => {
      const notes: Array<string> = []
      const skip = (note = ""): never => {
        notes.push(note)
        throw new Error("skipped")
      }
      tests.push({ name, run: self({ skip }), options, notes })
    }
  }
  return { tests, it: runner }
}

describe("run", () => {
  it.effect("R12.1 answers a result a rule, in their order, and never fails", () =>
    Effect.gen(function* () {
      const transient = QueueError.make(new QueueError.Throttled())
      const results = yield* Contract.run([
        bind("A-1", Effect.void),
        bind("A-2", Effect.fail(failed)),
        bind("A-3", Effect.fail(new Rule.RuleSkipped({ reason: "not here" }))),
        bind("A-4", Effect.fail(transient)),
        bind("A-5", Effect.die(new Error("boom"))),
        bind("A-6", Effect.fail("something"))
      ])
      assert.deepStrictEqual(
        results.map(({ id, status }) => [id, status]),
        [
          ["A-1", "passed"],
          ["A-2", "failed"],
          ["A-3", "skipped"],
          ["A-4", "failed"],
          ["A-5", "failed"],
          ["A-6", "failed"]
        ]
      )
      const [passed, first, skipped, error, defect, other] = results
      assert.isFalse("reason" in (passed ?? {}))
      assert.strictEqual(first?.reason, failed.message)
      assert.strictEqual(skipped?.reason, "not here")
      assert.include(error?.reason ?? "", "an error nobody expected: Throttled")
      assert.include(defect?.reason ?? "", "a defect: Error: boom")
      assert.include(other?.reason ?? "", "a failure that is no QueueError")
      assert.strictEqual(passed?.group, "Group")
      assert.isAtLeast(passed?.durationMillis ?? -1, 0)
    })
  )

  it.effect("R12.1 a rule that hangs fails at its limit in real time, and the next one runs", () =>
    Effect.gen(function* () {
      const results = yield* Contract.run([
        bind("A-1", Effect.never, limit),
        bind("A-2", Effect.uninterruptible(Effect.never), limit),
        bind("A-3", Effect.void, limit)
      ])
      assert.deepStrictEqual(
        results.map(({ status }) => status),
        ["failed", "failed", "passed"]
      )
      assert.include(results[0]?.reason ?? "", "did not end within 80ms")
    })
  )

  it.effect("R12.1 a rule that is interrupted from inside fails, and the next one runs", () =>
    Effect.gen(function* () {
      const results = yield* Contract.run([bind("A-1", Effect.interrupt), bind("A-2", Effect.void)])
      assert.deepStrictEqual(
        results.map(({ status }) => status),
        ["failed", "passed"]
      )
      assert.include(results[0]?.reason ?? "", "interrupted")
    })
  )

  it.effect("R12.1 an interrupted run interrupts the rule it is at", () =>
    Effect.gen(function* () {
      const ended = yield* Ref.make(false)
      const check = Effect.onInterrupt(Effect.never, () => Ref.set(ended, true))
      const fiber = yield* Effect.forkChild(Contract.run([bind("A-1", check)]), {
        startImmediately: true
      })
      yield* Effect.yieldNow
      fiber.interruptUnsafe()
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      assert.isTrue(yield* Ref.get(ended))
    })
  )

  it.effect("R12.1 live rules run side by side", () =>
    Effect.gen(function* () {
      const most = yield* Ref.make({ now: 0, most: 0 })
      const enter = Ref.update(most, ({ most: before, now }) => ({
        now: now + 1,
        most: Math.max(before, now + 1)
      }))
      const leave = Ref.update(most, (one) => ({ ...one, now: one.now - 1 }))
      const check = Effect.andThen(enter, Effect.andThen(Effect.yieldNow, leave))
      const cases = ["A-1", "A-2", "A-3", "A-4"].map((id) => bind(id, check))
      yield* Contract.run(cases)
      assert.strictEqual((yield* Ref.get(most)).most, 1)
      yield* Contract.run(cases, { concurrency: 2 })
      assert.strictEqual((yield* Ref.get(most)).most, 2)
    })
  )
})

describe("suite", () => {
  it.effect("R12.1 registers a test a rule, named by id and sentence", () =>
    Effect.gen(function* () {
      const { it: runner, tests } = recorder()
      Contract.suite(runner, [bind("A-1", Effect.void), bind("A-2", Effect.fail(failed))])
      assert.deepStrictEqual(
        tests.map(({ name }) => name),
        ["A-1 A-1 holds", "A-2 A-2 holds"]
      )
      assert.deepStrictEqual(tests[0]?.options, { concurrent: false, timeout: 10_000 })
      const exits = yield* Effect.forEach(tests, ({ run }) => Effect.exit(run))
      assert.isTrue(exits[0] !== undefined && Exit.isSuccess(exits[0]))
      const message = JSON.stringify(exits[1])
      for (const part of ["subject breaks A-2", "the count", "expected: 1", "SPEC"]) {
        assert.include(message, part)
      }
    })
  )

  it.effect("R12.1 a rule that does not apply is skipped with its reason, and does not fail", () =>
    Effect.gen(function* () {
      const { it: runner, tests } = recorder()
      const skipped = Effect.fail(new Rule.RuleSkipped({ reason: "no peek" }))
      Contract.suite(runner, [bind("A-1", skipped)], { concurrent: true })
      for (const { run } of tests) yield* run
      assert.deepStrictEqual(tests[0]?.notes, ["no peek"])
      assert.deepStrictEqual(tests[0]?.options, { concurrent: true, timeout: 10_000 })
    })
  )
})
