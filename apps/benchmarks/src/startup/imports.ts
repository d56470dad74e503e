/**
 * Imports measured in a process of their own, from the built packages, as an installed program has them.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Schema from "effect/Schema"

/** Where the packages are found from. */
const folder = fileURLToPath(new URL("../..", import.meta.url))

export const Loaded = Schema.Struct({
  /** Milliseconds of the processor. */
  cpu: Schema.Finite,
  modules: Schema.Finite,
  /** Of those, what belongs to the SDK of a service. */
  ofSdks: Schema.Finite
})

export type Loaded = typeof Loaded.Type

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Loaded))

/** Counts every module that is loaded, and what loading them all took. */
const script = (statement: string): string => `
import { registerHooks } from "node:module"
let modules = 0
let ofSdks = 0
if (process.env.COUNT === "1") {
  registerHooks({
    load(url, context, next) {
      modules++
      // What says the version of one is no code of it.
      if (/@aws-sdk|@smithy|@azure|rhea/.test(url) && !url.endsWith(".json")) ofSdks++
      return next(url, context)
    }
  })
}
const before = process.cpuUsage()
${statement}
const { user, system } = process.cpuUsage(before)
process.stdout.write(JSON.stringify({ cpu: (user + system) / 1000, modules, ofSdks }))
`

const run = async (
  statement: string,
  env: NodeJS.ProcessEnv,
  flags: ReadonlyArray<string> = []
): Promise<Loaded> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, "--input-type=module", "--eval", script(statement)],
    { cwd: folder, env: { ...process.env, NODE_OPTIONS: "", ...env } }
  )
  return decode(stdout)
}

/** How many modules; slower, since each of them is asked about. */
export const counted = (statement: string): Promise<Loaded> => run(statement, { COUNT: "1" })

/** The same from the sources, which need no build. */
export const countedInSource = (statement: string): Promise<Loaded> =>
  run(statement, { COUNT: "1" }, ["--conditions=@queue-runtime/source"])

export const timed = (statement: string): Promise<Loaded> => run(statement, {})

/** With what Node has compiled before; the first run fills it. */
export const withCache = async <A>(
  work: (timedAgain: (statement: string) => Promise<Loaded>) => Promise<A>
): Promise<A> => {
  const cache = mkdtempSync(join(tmpdir(), "compile-cache-"))
  try {
    return await work((statement) => run(statement, { NODE_COMPILE_CACHE: cache }))
  } finally {
    rmSync(cache, { recursive: true })
  }
}
