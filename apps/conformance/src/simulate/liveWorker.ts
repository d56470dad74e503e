/**
 * A worker as a process of its own: works on the sessions of the queue until it is killed, or asked to end
 * by SIGTERM, and writes each event of its tap as a line of JSON. Its one argument is a `Job` as JSON.
 */
import { HandlerFailure, QueueClient, QueueName } from "@queue-runtime/core"
import { Tap } from "@queue-runtime/simulation"
import { SessionWorker } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { writeSync } from "node:fs"
import { Job, queue, stackOf, tapOf } from "./liveJob.ts"

/** A handler that was made to fail; another delivery may do better. */
class Failing extends Schema.TaggedError<Failing>()("Failing", {}) {}

const job = Schema.decodeUnknownSync(Schema.fromJsonString(Job))(process.argv[2])

// A line is written before the next step: what a killed process did is known.
const tap = tapOf(job.node, (event) => void writeSync(1, `${JSON.stringify(event)}\n`))

const chance = (part: number): Effect.Effect<boolean> =>
  Effect.map(Random.next, (drawn) => drawn < part)

const handler = Tap.handler(
  Effect.fnUntraced(function* () {
    yield* Effect.sleep((yield* chance(0.02)) ? 1_500 : yield* Random.nextBetween(0, 60))
    if (yield* chance(0.01))
      return yield* Effect.fail(new HandlerFailure.Permanent({ reason: "Rejected" }))
    if (yield* chance(0.03)) return yield* Effect.fail(new Failing())
    if (yield* chance(0.01)) return yield* Effect.die(new Error("the handler threw"))
    return undefined
  }),
  tap
)

const work = Effect.gen(function* () {
  const stack = yield* Effect.promise(() => stackOf(job, tap))
  return yield* SessionWorker.run({
    queue: QueueName.makeUnsafe(queue),
    concurrency: job.concurrency,
    deliveriesMax: job.deliveriesMax,
    wait: "2 seconds",
    sessionIdle: "200 millis",
    sessionMessagesMax: 20,
    gracePeriod: "2 seconds",
    handler
  }).pipe(Effect.provide(QueueClient.layer().pipe(Layer.provide(stack))))
}).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const fiber = Effect.runFork(work)
process.on("SIGTERM", () => fiber.interruptUnsafe())
// Whoever started it is gone without a word.
process.stdin.on("end", () => process.exit(1)).resume()
const exit = await Effect.runPromise(Fiber.await(fiber))
const isFailed =
  exit._tag === "Failure" && !exit.cause.reasons.every(({ _tag }) => _tag === "Interrupt")
tap.recorder.add({
  _tag: "Finished",
  node: job.node,
  ...(isFailed ? { reason: String(exit.cause.reasons[0]) } : {})
})
process.exit(0)
