/** Processes that try seeds side by side. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as trying from "./trying.ts"

const program = fileURLToPath(new URL("child.ts", import.meta.url))
const planting = new URL("planting.ts", import.meta.url).href
const bare = new URL("bare.ts", import.meta.url).href

/** A process ended in the middle of its work. */
export class ChildEnded extends Schema.TaggedError<ChildEnded>()("ChildEnded", {
  code: Schema.String,
  job: Schema.String
}) {
  override get message(): string {
    return `a process ended with ${this.code} at ${this.job}`
  }
}

/**
 * Young objects are all there is: room for them from the start is time won. Every core has a process of its
 * own, so nobody is left to help one with its garbage. And whatever runs at all runs often, so that what
 * the optimiser needs to know is gathered from the first call on.
 */
const flags = [
  "--conditions=@queue-runtime/source",
  "--min-semi-space-size=64",
  "--max-semi-space-size=64",
  "--single-threaded-gc",
  "--no-lazy-feedback-allocation",
  `--import=${bare}`
]

const start = (plant: string | undefined): ChildProcess =>
  fork(program, [], {
    execArgv: plant === undefined ? flags : [...flags, `--import=${planting}`],
    env: plant === undefined ? process.env : { ...process.env, SIMULATE_PLANT: plant },
    serialization: "advanced"
  })

const decode = Schema.decodeUnknownSync(trying.Outcome)

/** A process, with a bug planted in it or not; gone with the scope. */
export const make = (plant?: string) =>
  Effect.acquireRelease(
    Effect.sync(() => start(plant)),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(
    Effect.map((child) => ({
      /** One job at a time. */
      run: (job: trying.Job): Effect.Effect<trying.Outcome, ChildEnded> =>
        Effect.callback((resume) => {
          const done = (message: unknown): void => {
            child.off("exit", ended)
            resume(Effect.succeed(decode(message)))
          }
          const ended = (code: number | null): void => {
            child.off("message", done)
            resume(Effect.fail(new ChildEnded({ code: String(code), job: JSON.stringify(job) })))
          }
          child.once("message", done)
          child.once("exit", ended)
          child.send(job)
        })
    }))
  )

export type Child = Effect.Success<ReturnType<typeof make>>
