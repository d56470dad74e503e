/**
 * A replay of all dead letters of a queue as a process of its own, which says on its standard output how
 * far it is, a line of JSON a letter.
 *
 * Its one argument is a `Job` as JSON.
 */
import { DeadLetters, QueueClient, QueueName } from "@queue-runtime/core"
import { Retry } from "@queue-runtime/resilience"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { writeSync } from "node:fs"
import { Job, type Line } from "./history.ts"
import { layerOf } from "./layers.ts"

const program = Effect.gen(function* () {
  const job = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Job))(process.argv[2])
  const provider = yield* Effect.promise(() => layerOf(job))
  const letters = DeadLetters.layer().pipe(
    Layer.provide(QueueClient.layer()),
    Layer.provide(Retry.layer()),
    Layer.provide(provider)
  )
  let duplicated = 0
  yield* Effect.provide(
    Effect.flatMap(DeadLetters.DeadLetters, ({ replay }) => {
      const { concurrency, queue } = job
      const progress = replay(QueueName.makeUnsafe(queue), DeadLetters.all, { concurrency })
      return Stream.runForEach(progress, ({ done, failed, last }) =>
        Effect.sync(() => {
          if (last?.outcome === "duplicated") duplicated++
          const line: Line = { done, failed, duplicated }
          writeSync(1, `${JSON.stringify(line)}\n`)
        })
      )
    }),
    letters
  )
}).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

await Effect.runPromise(program)
