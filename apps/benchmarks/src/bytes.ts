/** How large each bundle was when somebody last looked, and `pnpm --filter @queue-runtime/benchmarks pin`. */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import * as bundles from "./bundles.ts"

const Known = Schema.Struct({
  packages: Schema.Record(Schema.String, Schema.Int),
  applications: Schema.Record(Schema.String, Schema.Int)
})

/** Bytes, minified and gzipped: of a package its own code, of an application what it starts with. */
export type Known = typeof Known.Type

const path = fileURLToPath(new URL("../bytes.json", import.meta.url))

export const known = (): Known =>
  Schema.decodeUnknownSync(Schema.fromJsonString(Known))(readFileSync(path, "utf8"))

const packages = [
  "core",
  "sessions",
  "resilience",
  "crypto",
  "claim-check",
  "promise",
  "provider-memory",
  "provider-aws",
  "provider-azure"
] as const

export const applications = ["memory", "aws", "azure", "selecting"] as const

export const ofPackage = async (name: string): Promise<number> =>
  bundles.gzipped(await bundles.ofPackage(name))

const ofApplication = async (name: (typeof applications)[number]): Promise<number> =>
  bundles.gzipped((await bundles.application(bundles.applications[name])).start)

const all = async (
  names: ReadonlyArray<string>,
  of: (name: string) => Promise<number>
): Promise<Record<string, number>> => {
  const found: Record<string, number> = {}
  for (const name of names) found[name] = await of(name)
  return found
}

/** Writes what is now. */
export const pin = async (): Promise<void> => {
  const found: Known = {
    packages: await all(packages, ofPackage),
    applications: Object.fromEntries(
      await Promise.all(
        applications.map(async (name) => [name, await ofApplication(name)] as const)
      )
    )
  }
  writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`)
}
