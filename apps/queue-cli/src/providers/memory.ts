/** Queues in memory, with or without a file. */
import { Configuration, type QueueError, type QueueName, QueueProvider } from "@queue-runtime/core"
import { MemoryClient, MemoryConfig, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Diagnostics, type Service } from "../Diagnostics.ts"
import * as findings from "../findings.ts"
import * as MemoryFile from "../MemoryFile.ts"
import type { Opening } from "../Opening.ts"

const section = { root: "memory", schema: MemoryConfig.MemoryConfig }

const optionsOf = ({ settings }: Opening) =>
  Effect.map(Configuration.read(section, { queues: {} }), (read) => {
    const { lockDuration } = settings
    if (lockDuration._tag === "None") return read
    const queues = Object.entries(read.queues).map(
      ([name, queue]) => [name, { ...queue, lockDuration: lockDuration.value }] as const
    )
    return { ...read, queues: Object.fromEntries(queues) }
  })

const diagnostics = (
  client: MemoryClient.Service,
  queues: ReadonlyArray<QueueName.QueueName>
): Service => ({
  queues,
  probe: client.stats,
  check: (queue) =>
    findings.look(`queue ${queue}`, client.stats(queue), ({ bytes }) => [
      findings.ok(`queue ${queue}`, `in this process, ${bytes} bytes`)
    ])
})

/** The provider and its diagnostics. */
export const layer = (
  opening: Opening
): Layer.Layer<QueueProvider.QueueProvider | Diagnostics, QueueError.QueueError> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const options = yield* optionsOf(opening)
      const made =
        opening.memoryFile === undefined
          ? yield* unstored(options)
          : yield* MemoryFile.make(opening.memoryFile, options)
      const queues = yield* made.client.use((broker) => [...broker.queues.keys()])
      return Context.make(QueueProvider.QueueProvider, made.provider).pipe(
        Context.add(Diagnostics, diagnostics(made.client, queues))
      )
    })
  )

const unstored = Effect.fnUntraced(function* (options: MemoryConfig.MemoryConfig) {
  const client = yield* MemoryClient.make(options)
  const provider = yield* Effect.provideService(
    MemoryProvider.make,
    MemoryClient.MemoryClient,
    client
  )
  return { client, provider }
})
