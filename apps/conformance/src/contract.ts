/**
 * `pnpm contract`: prints the tables, writes `.reports/contract.json`, and exits with 1 when a rule failed
 * or a sabotage got through.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as Command from "./command.ts"

const reportPath = fileURLToPath(new URL("../../../.reports/contract.json", import.meta.url))

const print = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

const say = (text: string) => Effect.sync(() => void process.stderr.write(`contract: ${text} …\n`))

const program = Effect.gen(function* () {
  const flags = yield* Command.read(process.argv.slice(2))
  if (flags.help) {
    yield* print(Command.help)
    return 0
  }
  const { isGood, report, text } = yield* Command.run(flags, say)
  yield* print(text)
  if (report !== undefined) {
    mkdirSync(dirname(reportPath), { recursive: true })
    writeFileSync(reportPath, `${JSON.stringify(report, undefined, 2)}\n`)
  }
  return isGood ? 0 : 1
}).pipe(
  Effect.catch((error) =>
    Effect.sync(() => {
      process.stderr.write(`${error.message}\n`)
      return 1
    })
  ),
  // A rule that hangs is a result here, and what its clock says of it would drown the tables.
  Effect.provideService(References.MinimumLogLevel, "None")
)

process.exitCode = await Effect.runPromise(program)
