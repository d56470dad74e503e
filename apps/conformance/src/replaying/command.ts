/**
 * The replay under kills, as large as it is asked for:
 *
 * node --conditions=@queue-runtime/source src/replaying/command.ts [aws-sqs|azure-service-bus] [sessions]
 *
 * 20 dead letters in each of 500 sessions, unless told otherwise; three kills. Ends with 1 when anything
 * is wrong.
 */
import * as Effect from "effect/Effect"
import { run } from "./crash.ts"
import { type Job, violations } from "./history.ts"

const [, , given, count = "500"] = process.argv

const providers: ReadonlyArray<Job["provider"]> = ["aws-sqs", "azure-service-bus"]

const one = Effect.fnUntraced(function* (provider: Job["provider"]) {
  const { found, left, millis, runs, sent } = yield* run({
    provider,
    sessions: Number(count),
    lettersInEach: 20,
    kills: 3,
    lockSeconds: 30,
    concurrency: 100
  })
  const wrong = violations(sent, found)
  const letters = Number(count) * 20
  const done = runs.map(({ done: of, wasKilled }) => `${of}${wasKilled ? " (killed)" : ""}`)
  process.stdout.write(
    `${provider}: ${letters} letters in ${count} sessions, replayed ${done.join(", ")} in ` +
      `${Math.round(millis / 1_000)} s; ${left} left, ${wrong.length} wrong\n`
  )
  for (const line of wrong.slice(0, 20)) process.stdout.write(`  ${line}\n`)
  return wrong.length + left
}, Effect.scoped)

const results = await Effect.runPromise(
  Effect.forEach(
    providers.filter((provider) => given === undefined || given === provider),
    one
  )
)
process.exitCode = results.some((result) => result > 0) ? 1 : 0
