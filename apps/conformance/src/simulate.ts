/**
 * `pnpm simulate`: tries seeds of every world, looks for planted bugs, or soaks a provider over real
 * processes; writes `.reports/simulation.json`, and exits with 1 when anything went wrong.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Command from "./simulate/command.ts"
import * as Live from "./simulate/live.ts"

const reportPath = fileURLToPath(new URL("../../../.reports/simulation.json", import.meta.url))

const print = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

const say = (text: string) => Effect.sync(() => void process.stderr.write(`simulate: ${text}\n`))

/** What the report says already, of runs of another kind. */
const before = (): object => {
  try {
    const known: unknown = JSON.parse(readFileSync(reportPath, "utf8"))
    return typeof known === "object" && known !== null ? known : {}
  } catch {
    return {}
  }
}

const write = (report: object): void => {
  mkdirSync(dirname(reportPath), { recursive: true })
  writeFileSync(reportPath, `${JSON.stringify({ ...before(), ...report }, undefined, 2)}\n`)
}

/** Of a live run that went wrong, which no seed brings back: an event a line. */
const writeHistory = (name: string, events: ReadonlyArray<object>): void => {
  const lines = events.map((event) => JSON.stringify(event))
  writeFileSync(join(dirname(reportPath), `${name}.jsonl`), `${lines.join("\n")}\n`)
}

/** Of a run of seeds, or of a hunt: what the other kind says stays. */
const partOf = (
  flags: Command.Flags,
  { found, hunts, planted, shortStories, ...seeds }: Command.Report
): object => (flags.planted === undefined ? seeds : { planted, found, shortStories, hunts })

const program = Effect.gen(function* () {
  const flags = yield* Command.read(process.argv.slice(2))
  if (flags.help) {
    yield* print(Command.help)
    return 0
  }
  if (flags.live !== undefined) {
    const { live, minutes = 20, seed, server = "own" } = flags
    const soak = yield* Live.run({
      provider: live,
      server,
      minutes,
      say,
      ...(seed === undefined ? {} : { seed })
    })
    yield* print(soak.text)
    const name = server === "own" ? `live-${live}` : `live-${live}-${server}`
    write({ [name]: soak.report })
    if (!soak.isGood) writeHistory(name, soak.history.events)
    return soak.isGood ? 0 : 1
  }
  if (flags.seed !== undefined) {
    const { isGood, text } = yield* Command.replay(flags.world ?? "", flags.seed)
    yield* print(text)
    return isGood ? 0 : 1
  }
  const report = yield* Command.run(flags, say)
  yield* print(Command.summary(report))
  write(partOf(flags, report))
  return report.failures.length === 0 && report.found === report.planted ? 0 : 1
}).pipe(
  Effect.catch((error) =>
    Effect.sync(() => {
      process.stderr.write(`${error.message}\n`)
      return 1
    })
  ),
  Effect.provideService(References.MinimumLogLevel, "None")
)

process.exitCode = await Effect.runPromise(program)
