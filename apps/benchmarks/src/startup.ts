/** How long a program takes to load the library, what it loads, and how large the packages are. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"
import * as imports from "./startup/imports.ts"
import * as sizes from "./startup/sizes.ts"

const rounds = 9

const packages = [
  "core",
  "sessions",
  "resilience",
  "crypto",
  "provider-memory",
  "provider-aws",
  "provider-azure"
] as const

const core = `await import("@queue-runtime/core")`

/** The modules of Effect that core is made with, and nothing of core. */
const effectAlone = ["Schema", "Config", "Stream", "FiberSet", "PubSub", "Metric", "Cache"]
  .map((name) => `await import("effect/${name}")`)
  .join("\n")

/** As an application that knows three providers and is told at its start which one to take. */
const selecting = `
const { ProviderSelection } = ${core}
ProviderSelection.layer({
  memory: () => import("@queue-runtime/provider-memory").then((m) => m.MemoryProvider.layer({})),
  "aws-sqs": () => import("@queue-runtime/provider-aws").then((m) => m.AwsProvider.layer({})),
  "azure-service-bus": () => import("@queue-runtime/provider-azure").then((m) => m.AzureProvider.layer({}))
})`

const statementOf = (name: string): string => `await import("@queue-runtime/${name}")`

/** Milliseconds of each, in turn. */
const series = async (
  statements: Readonly<Record<string, string>>,
  load: (statement: string) => Promise<imports.Loaded>
) => {
  const tasks = Object.entries(statements).map(([name, statement]): measure.Task => ({
    name,
    sample: async () => (await load(statement)).cpu
  }))
  const found = await measure.rounds(tasks, { rounds, samples: 1 })
  return (name: string) => found.get(name) ?? []
}

const importTimes = async (): Promise<ReadonlyArray<Report.Case>> => {
  const others = packages.filter((name) => name !== "core")
  const statements = {
    core,
    effectAlone,
    selecting,
    ...Object.fromEntries(others.map((name) => [name, statementOf(name)]))
  }
  const millis = await series(statements, imports.timed)
  const cached = await imports.withCache((load) => series({ core, effectAlone }, load))
  const compare = (what: string, ours: ReadonlyArray<number>, peer: ReadonlyArray<number>) =>
    Report.ofRounds({ case: `startup import of ${what}: CPU ms`, ours, peer, better: "lower" })
  return [
    {
      ...compare("core / of the modules of Effect it uses", millis("core"), millis("effectAlone")),
      absolute: true,
      target: 60
    },
    compare("core / of those of Effect, compiled before", cached("core"), cached("effectAlone")),
    compare("core, three providers to choose from / of core", millis("selecting"), millis("core")),
    ...others.map((name) => compare(`${name} / of core`, millis(name), millis("core")))
  ]
}

const modules = async (): Promise<ReadonlyArray<Report.Case>> => {
  const [alone, chosen] = [await imports.counted(core), await imports.counted(selecting)]
  return [
    Report.make({
      case: "startup: modules loaded, three providers to choose from / core alone",
      ours: chosen.modules,
      peer: alone.modules,
      target: 1,
      better: "lower"
    }),
    Report.make({
      case: "startup: modules of SDKs loaded by core and three providers / of all",
      ours: chosen.ofSdks,
      peer: chosen.modules,
      target: 0,
      better: "lower"
    })
  ]
}

const packageSizes = async (): Promise<ReadonlyArray<Report.Case>> =>
  (await sizes.of(packages)).map(({ bundled, name, packed }) =>
    Report.make({
      case: `size of ${name}: KB minified and gzipped / packed`,
      ours: bundled / 1_000,
      peer: packed / 1_000,
      better: "lower"
    })
  )

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  for (const name of packages) {
    const built = new URL(`../../../packages/${name}/dist/index.js`, import.meta.url)
    if (!existsSync(fileURLToPath(built))) {
      throw new Error(`packages/${name} is not built: run pnpm build first`)
    }
  }
  return [...(await importTimes()), ...(await modules()), ...(await packageSizes())]
}
