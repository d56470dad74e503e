/**
 * What a bundler makes of the library, from its sources: how many bytes, and whose code. Neither depends
 * on the machine.
 */
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { gzipSync } from "node:zlib"
import { type OutputChunk, rolldown } from "rolldown"

/** Some of a bundle, minified: its code, and the files that code comes from. */
export interface Part {
  readonly code: string
  readonly modules: ReadonlyArray<string>
}

export interface Bundle {
  /** What is loaded when it starts. */
  readonly start: Part
  /** That, and what is loaded when it is asked for. */
  readonly whole: Part
}

const partOf = (chunks: ReadonlyArray<OutputChunk>): Part => ({
  code: chunks.map(({ code }) => code).join("\n"),
  modules: chunks.flatMap(({ moduleIds }) => moduleIds)
})

/** An application's entry is found from here: it may import what the benchmarks may. */
const entry = `${import.meta.dirname}/application.ts`

/** The sources and not what is built, so that nothing must be built before. */
const conditionNames = ["@queue-runtime/source", "node", "import", "default"]

const bundleOf = async (source: string, isExternal: (id: string) => boolean): Promise<Bundle> => {
  const build = await rolldown({
    input: entry,
    platform: "node",
    logLevel: "silent",
    external: (id) => id.startsWith("node:") || isExternal(id),
    resolve: { conditionNames },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? { code: source, moduleType: "ts" } : null)
      }
    ]
  })
  const { output } = await build.generate({ format: "esm", minify: true })
  await build.close()
  const chunks = output.filter((one) => one.type === "chunk")
  return { start: partOf(reachable(chunks)), whole: partOf(chunks) }
}

/** The entry, and what it imports and does not merely know how to load. */
const reachable = (chunks: ReadonlyArray<OutputChunk>): ReadonlyArray<OutputChunk> => {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]))
  const found = new Set<OutputChunk>()
  const visit = (chunk: OutputChunk | undefined): void => {
    if (chunk === undefined || found.has(chunk)) return
    found.add(chunk)
    for (const name of chunk.imports) visit(byName.get(name))
  }
  visit(chunks.find(({ isEntry }) => isEntry))
  return [...found]
}

/** An application with all it depends on, and of that only what it can reach. */
export const application = (source: string): Promise<Bundle> => bundleOf(source, () => false)

/** A package's own code, all of it: what it imports from others is theirs. */
export const ofPackage = async (name: string): Promise<Part> => {
  const require = createRequire(import.meta.url)
  const folder = dirname(require.resolve(`@queue-runtime/${name}/package.json`))
  const isOwn = (id: string): boolean =>
    id.startsWith(".") || id.startsWith(folder) || id === entry || id === `@queue-runtime/${name}`
  const { whole } = await bundleOf(`export * from "@queue-runtime/${name}"`, (id) => !isOwn(id))
  return whole
}

/** Bytes as they are sent to who downloads it. */
export const gzipped = ({ code }: Part): number => gzipSync(code, { level: 9 }).byteLength

/** The SDKs whose code is in it. */
export const sdksIn = ({ modules }: Part): ReadonlyArray<string> =>
  Object.entries(sdks).flatMap(([name, pattern]) =>
    modules.some((id) => pattern.test(id) && !id.endsWith(".json")) ? [name] : []
  )

const sdks = {
  aws: /node_modules\/(?:@aws-sdk|@smithy)\//u,
  azure: /node_modules\/(?:@azure|rhea|rhea-promise)\//u
} as const

const sending = (layer: string, imports: string): string => `
import { Message, QueueClient, QueueName } from "@queue-runtime/core"
${imports}
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const queue = QueueName.makeUnsafe("orders")

export const program = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  yield* client.send(queue, yield* Message.text("hello"))
  const received = yield* client.receive(queue, { wait: 0 })
  for (const one of received) yield* client.complete(one)
  return received.length
}).pipe(Effect.provide(Layer.provide(QueueClient.layer(), ${layer})))
`

/** Send, receive and complete, on each provider, and on the one of three that it is told to take. */
export const applications = {
  memory: sending(
    `MemoryProvider.layer({ queues: { orders: {} } })`,
    `import { MemoryProvider } from "@queue-runtime/provider-memory"`
  ),
  aws: sending(
    `AwsProvider.layer({ region: "eu-central-1" })`,
    `import { AwsProvider } from "@queue-runtime/provider-aws"`
  ),
  azure: sending(
    `AzureProvider.layer({ namespace: "acme.servicebus.windows.net" })`,
    `import { AzureProvider } from "@queue-runtime/provider-azure"`
  ),
  selecting: sending(
    `ProviderSelection.layer({
  memory: () => import("@queue-runtime/provider-memory").then((m) => m.MemoryProvider.layer({})),
  "aws-sqs": () => import("@queue-runtime/provider-aws").then((m) => m.AwsProvider.layer({})),
  "azure-service-bus": () =>
    import("@queue-runtime/provider-azure").then((m) =>
      m.AzureProvider.layer({ namespace: "acme.servicebus.windows.net" })
    )
})`,
    `import { ProviderSelection } from "@queue-runtime/core"`
  )
} as const
