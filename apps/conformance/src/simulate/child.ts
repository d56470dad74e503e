/** A process that tries seeds: it gets jobs from its parent, and answers what came of each. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as trying from "./trying.ts"

// An error's stack says nothing here, and costs more than the error.
Error.stackTraceLimit = 0

const decode = Schema.decodeUnknownSync(trying.Job)

process.on("message", (message) => {
  Effect.runPromise(trying.run(decode(message))).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  )
})
