/**
 * A worker as a process of its own: works on the sessions of a queue until it is killed, and says on its
 * standard output what it begins and ends, a line of JSON each.
 *
 * Its one argument is a `Job` as JSON.
 */
import { QueueClient, QueueName, type ReceivedMessage } from "@queue-runtime/core"
import { SessionLeases } from "@queue-runtime/session-store"
import { SessionWorker } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { writeSync } from "node:fs"
import { Job, type Line } from "./history.ts"
import { layerOf } from "./layers.ts"

// A line is written before the next step: what a killed process did is known.
const say = (line: Omit<Line, "at" | "pid">) =>
  Effect.sync(() => {
    const at = performance.timeOrigin + performance.now()
    writeSync(1, `${JSON.stringify({ ...line, pid: process.pid, at })}\n`)
  })

/** The token it was handed out under, where there are leases. */
const tokenOf = Effect.fnUntraced(function* (message: ReceivedMessage.ReceivedMessage) {
  const leases = yield* Effect.serviceOption(SessionLeases.SessionLeases)
  return Option.isSome(leases) ? { token: yield* leases.value.fencingToken(message) } : {}
})

const program = Effect.gen(function* () {
  const job = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Job))(process.argv[2])
  const provider = yield* Effect.promise(() => layerOf(job))
  return yield* SessionWorker.run({
    queue: QueueName.makeUnsafe(job.queue),
    concurrency: job.concurrency,
    wait: "1 second",
    sessionIdle: "200 millis",
    handler: Effect.fnUntraced(function* (message) {
      const { messageId: id, sessionId: session = "" } = message
      yield* say({ _tag: "Started", session, id, ...(yield* tokenOf(message)) })
      yield* Effect.sleep(job.handlerMillis)
      yield* say({ _tag: "Ended", session, id })
    }),
    onHandled: ({ disposition, message: { messageId: id, sessionId } }) =>
      disposition._tag === "Completed"
        ? say({ _tag: "Completed", session: sessionId ?? "", id })
        : Effect.void
  }).pipe(Effect.provide(QueueClient.layer().pipe(Layer.provideMerge(provider))))
}).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

await Effect.runPromise(program)
