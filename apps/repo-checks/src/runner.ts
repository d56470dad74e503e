/**
 * The program that runs examples: `node runner.ts RESULTS FILE…` imports one file after the other
 * and appends a line of JSON for each, `{ "file", "reached", "error" }`. One that hangs is known by
 * its absence.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { appendFileSync } from "node:fs"
import { basename } from "node:path"
import { pathToFileURL } from "node:url"
import * as Same from "./same.ts"

const [results = "", ...files] = process.argv.slice(2)

const report = (file: string, error?: string): void => {
  const result = { file: basename(file), reached: Same.linesReached(file), error }
  appendFileSync(results, `${JSON.stringify(result)}\n`)
}

const run = (file: string): Effect.Effect<void> =>
  Effect.tryPromise(() => import(pathToFileURL(file).href)).pipe(
    Effect.matchEager({
      onFailure: ({ cause }) =>
        report(file, cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)),
      onSuccess: () => report(file)
    })
  )

// An example may leave a timer behind; the program ends all the same.
void Effect.runPromise(Effect.forEach(files, run, { discard: true })).then(() => process.exit(0))
