/** How long a program takes to load the library, what it loads, and how large the packages are. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as bundles from "./bundles.ts"
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

const effectModules = (names: ReadonlyArray<string>): string =>
  names.map((name) => `await import("effect/${name}")`).join("\n")

/** With what these import, the modules of Effect that core loads, and nothing of core. */
const effectAlone = effectModules([
  "Schema",
  "Config",
  "Stream",
  "FiberSet",
  "ManagedRuntime",
  "Random"
])

/** The least that any program with Effect loads. */
const effectLeast = effectModules(["Effect"])

/** As an application that knows three providers and is told at its start which one to take. */
const selecting = `
const { ProviderSelection } = ${core}
ProviderSelection.layer({
  memory: () => import("@queue-runtime/provider-memory").then((m) => m.MemoryProvider.layer({})),
  "aws-sqs": () => import("@queue-runtime/provider-aws").then((m) => m.AwsProvider.layer({})),
  "azure-service-bus": () => import("@queue-runtime/provider-azure").then((m) => m.AzureProvider.layer({}))
})`

const statementOf = (name: string): string => `await import("@queue-runtime/${name}")`

const withProviders = packages.filter((name) => name !== "core")

/** An application on the provider in memory, Effect and all, as a bundler makes one file of it. */
const withBundle = async <A>(work: (statement: string) => Promise<A>): Promise<A> => {
  const { start } = await bundles.application(bundles.applications.memory)
  const folder = mkdtempSync(join(tmpdir(), "bundled-"))
  try {
    const file = join(folder, "application.mjs")
    writeFileSync(file, start.code)
    return await work(`await import(${JSON.stringify(pathToFileURL(file).href)})`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

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

const compare = (what: string, ours: ReadonlyArray<number>, peer: ReadonlyArray<number>) =>
  Report.ofRounds({ case: `startup import of ${what}: CPU ms`, ours, peer, better: "lower" })

/** What is to be reached, on any machine that is not slower than those the project is built on. */
const millisMax = { absolute: true, target: 60 } as const

const importTimes = (): Promise<ReadonlyArray<Report.Case>> =>
  withBundle(async (bundled) => {
    const statements = {
      core,
      effectAlone,
      effectLeast,
      selecting,
      bundled,
      ...Object.fromEntries(withProviders.map((name) => [name, statementOf(name)]))
    }
    const millis = await series(statements, imports.timed)
    const cached = await imports.withCache((load) => series({ core, effectAlone, bundled }, load))
    return [
      {
        ...compare(
          "core / of the modules of Effect it uses",
          millis("core"),
          millis("effectAlone")
        ),
        ...millisMax
      },
      compare("effect/Effect alone / of core", millis("effectLeast"), millis("core")),
      {
        ...compare(
          "an application bundled with core, memory and Effect / of core",
          millis("bundled"),
          millis("core")
        ),
        ...millisMax
      },
      compare("core / of those of Effect, compiled before", cached("core"), cached("effectAlone")),
      compare("that bundle / of core, compiled before", cached("bundled"), cached("core")),
      compare(
        "core, three providers to choose from / of core",
        millis("selecting"),
        millis("core")
      ),
      ...withProviders.map((name) => compare(`${name} / of core`, millis(name), millis("core")))
    ]
  })

const modules = async (): Promise<ReadonlyArray<Report.Case>> => {
  const [alone, chosen, all] = [
    await imports.counted(core),
    await imports.counted(selecting),
    await imports.counted(packages.map(statementOf).join("\n"))
  ]
  return [
    Report.make({
      case: "startup: modules loaded, three providers to choose from / core alone",
      ours: chosen.modules,
      peer: alone.modules,
      target: 1,
      better: "lower"
    }),
    Report.make({
      case: "startup: modules of SDKs loaded by an import of every package / of all",
      ours: all.ofSdks,
      peer: all.modules,
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

const applicationSizes = async (): Promise<ReadonlyArray<Report.Case>> => {
  const cases: Array<Report.Case> = []
  const memory = bundles.gzipped((await bundles.application(bundles.applications.memory)).whole)
  for (const [name, source] of Object.entries(bundles.applications)) {
    const { start, whole } = await bundles.application(source)
    cases.push(
      Report.make({
        case: `size of an application on ${name}: KB gzipped, all it can load / on memory`,
        ours: bundles.gzipped(whole) / 1_000,
        peer: memory / 1_000,
        better: "lower"
      }),
      Report.make({
        case: `size of an application on ${name}: KB gzipped, at its start / on memory`,
        ours: bundles.gzipped(start) / 1_000,
        peer: memory / 1_000,
        better: "lower"
      })
    )
  }
  return cases
}

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  for (const name of packages) {
    const built = new URL(`../../../packages/${name}/dist/index.js`, import.meta.url)
    if (!existsSync(fileURLToPath(built))) {
      throw new Error(`packages/${name} is not built: run pnpm build first`)
    }
  }
  return [
    ...(await importTimes()),
    ...(await modules()),
    ...(await packageSizes()),
    ...(await applicationSizes())
  ]
}
