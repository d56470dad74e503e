import { assert, describe, it } from "@effect/vitest"
import { type DeadLetters, MessageId, QueueError, QueueName } from "@queue-runtime/core"
import { Effect, Exit, Option, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Jobs from "../src/dashboard/Jobs.ts"

const orders = QueueName.makeUnsafe("orders")
const mails = QueueName.makeUnsafe("mails")
const down = QueueError.make(new QueueError.ConnectionFailed())

const step = (done: number, of: Partial<DeadLetters.Progress> = {}): DeadLetters.Progress => ({
  done,
  failed: 0,
  failures: {},
  ...of
})

/** One step a second. */
const slowly = (steps: ReadonlyArray<DeadLetters.Progress>) =>
  Stream.mapEffect(Stream.fromIterable(steps), (one) =>
    Effect.delay(Effect.succeed(one), "1 second")
  )

const start = (progress: Jobs.Start["progress"], queue = orders): Jobs.Start => ({
  kind: "replay",
  queue,
  isDryRun: false,
  progress
})

const started = Effect.fnUntraced(function* (jobs: Jobs.Service, what: Jobs.Start) {
  const job = yield* jobs.start(what)
  assert(Option.isSome(job))
  return job.value.id
})

describe("dashboard: jobs", () => {
  it.effect("R7.1 tells how far it is, and how it ended", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      const id = yield* started(jobs, start(slowly([step(0, { total: 2 }), step(1), step(2)])))
      assert.deepInclude(jobs.get(id), { state: "running", done: 0, startedAt: 0 })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(jobs.get(id), { state: "running", done: 1, total: 2 })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(jobs.get(id), { state: "done", done: 2, endedAt: 3_000 })
    })
  )

  it.effect("R7.1 tells at the end whether it came to all letters", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      for (const complete of [true, false]) {
        const steps = [step(0), step(1), step(1, { complete })]
        const id = yield* started(jobs, start(slowly(steps)))
        yield* TestClock.adjust("2 seconds")
        assert.isUndefined(jobs.get(id)?.complete)
        yield* TestClock.adjust("1 second")
        assert.deepInclude(jobs.get(id), { state: "done", done: 1, complete })
      }
    })
  )

  it.effect("R7.1 shows the first that failed, and why", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      const failed = Array.from({ length: 20 }, (_, index) =>
        step(0, {
          failed: index + 1,
          failures: { ConnectionFailed: index + 1 },
          last: {
            id: `l-${index}`,
            messageId: MessageId.makeUnsafe(`m-${index}`),
            reason: "Bad",
            outcome: index === 0 ? "duplicated" : "failed",
            ...(index === 1 ? {} : { error: down })
          }
        })
      )
      const id = yield* started(jobs, start(Stream.fromIterable(failed)))
      yield* TestClock.adjust("1 second")
      const job = jobs.get(id)
      assert(job !== undefined)
      assert.strictEqual(job.failed, 20)
      assert.deepStrictEqual(job.failures, { ConnectionFailed: 20 })
      assert.strictEqual(job.examples.length, 10)
      assert.deepStrictEqual(job.examples[0], {
        messageId: "m-0",
        outcome: "duplicated",
        reason: "ConnectionFailed",
        message: down.message
      })
      assert.strictEqual(job.examples[1]?.reason, "Unknown")
    })
  )

  it.effect("one a queue at a time; other queues go on", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      yield* started(jobs, start(Stream.never))
      assert.isTrue(Option.isNone(yield* jobs.start(start(Stream.empty))))
      yield* started(jobs, start(Stream.empty, mails))
      assert.strictEqual(jobs.list(orders).length, 1)
      assert.strictEqual(jobs.list(mails).length, 1)
    })
  )

  it.effect("a job that fails says why, and one that breaks says where to look", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      const failing = yield* started(jobs, start(Stream.fail(down)))
      yield* TestClock.adjust("1 second")
      assert.deepInclude(jobs.get(failing), {
        state: "failed",
        problem: { reason: "ConnectionFailed", message: down.message }
      })
      const broken = yield* started(jobs, start(Stream.die("a bug")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(jobs.get(broken)?.problem?.reason, "Defect")
    })
  )

  it.effect("a cancelled job ends before it is said to have", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      let ended = false
      const endless = Stream.ensuring(
        Stream.never,
        Effect.sync(() => {
          ended = true
        })
      )
      const id = yield* started(jobs, start(endless))
      yield* TestClock.adjust("1 second")
      yield* jobs.cancel(id)
      assert.isTrue(ended)
      assert.strictEqual(jobs.get(id)?.state, "cancelled")
      yield* jobs.cancel("none")
    })
  )

  it.effect("R5.3 jobs end with the dashboard", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const jobs = yield* Scope.provide(Jobs.make, scope)
      const id = yield* started(jobs, start(Stream.never))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(jobs.get(id)?.state, "cancelled")
    })
  )

  it.effect("R10.7 the newest are remembered, and those that run", () =>
    Effect.gen(function* () {
      const jobs = yield* Jobs.make
      const running = yield* started(jobs, start(Stream.never, mails))
      for (let count = 0; count < 60; count++) {
        yield* started(jobs, start(Stream.empty))
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(jobs.list(orders).length, 50)
      assert.strictEqual(jobs.list(orders)[0]?.id, "replay-61")
      assert.strictEqual(jobs.get(running)?.state, "running")
    })
  )
})
