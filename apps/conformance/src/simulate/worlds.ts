/**
 * The worlds that the library itself is tried in: its workers on the memory provider, alone and under a
 * full stack, and on providers over models of their services.
 */
import {
  Batching,
  type Capabilities,
  KeyProvider,
  QueueName,
  QueueProvider
} from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { CircuitBreaker, Retry, Timeout } from "@queue-runtime/resilience"
import { Fault, Simulation } from "@queue-runtime/simulation"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as serviceBus from "./serviceBus.ts"
import * as sqs from "./sqs.ts"

/** One of them. */
export interface World {
  readonly name: string
  readonly options: Simulation.Options
  /** How many of its seeds there are for one of the first world's. */
  readonly share: number
  /** Seeds that go to a process in one job: some tenths of a second, so that no process ends long before another. */
  readonly together: number
  /**
   * Loads what is loaded when it is first used: that takes the machine's time, and no simulated process
   * can tell it from a promise that is never kept.
   */
  readonly ready?: Effect.Effect<void>
}

const faults = Fault.all.map(({ name }) => name)

/** Two keys: the old one opens, the new one seals. A key may be away for a call. */
const keys = ({ strikes }: Simulation.Environment) =>
  Layer.effect(
    KeyProvider.KeyProvider,
    Effect.map(
      KeyProviderMemory.make({
        current: "k2",
        keys: ["k1", "k2"].map((id, index) => ({
          id,
          material: Redacted.make(new Uint8Array(32).fill(index + 1))
        }))
      }),
      (provider): KeyProvider.Service => ({
        ...provider,
        byId: (queue, reference) =>
          Effect.suspend(() =>
            strikes("a key is asked for", ["key rotated away"]) === undefined
              ? provider.byId(queue, reference)
              : Effect.succeed(Option.none())
          )
      })
    )
  )

/** Everything that a message goes through, as an application puts it together. */
const stack = (environment: Simulation.Environment) =>
  Sealing.layer().pipe(
    Layer.provide([keys(environment), NodeCrypto.layer]),
    Layer.provide(Batching.layer()),
    Layer.provide(CircuitBreaker.layer()),
    Layer.provide(Retry.layer()),
    Layer.provide(Timeout.layer()),
    Layer.provide(environment.connection)
  )

/** Batching alone: what Retry below it hides is seen. */
const merged = ({ connection }: Simulation.Environment) =>
  Layer.provide(Batching.layer(), connection)

/** Retry alone. */
const retried = ({ connection }: Simulation.Environment) =>
  Layer.provide(Retry.layer({ initial: "200 millis" }), connection)

const lacking = (capabilities: Capabilities.Capabilities): Capabilities.Capabilities => ({
  ...capabilities,
  deadLetter: "unsupported",
  abandonDelay: "unsupported"
})

/** A provider that lacks what a client can do in its place. */
const poor = ({ connection }: Simulation.Environment) =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.map(QueueProvider.QueueProvider, (provider) => ({
      ...provider,
      capabilities: (queue: QueueName.QueueName) => lacking(provider.capabilities(queue))
    }))
  ).pipe(Layer.provide(connection))

const { aside, simulated } = Simulation.queues

/** So many messages that the set-up of a world is shared, and that queues, slots and batches fill. */
const crowd: Simulation.Options = {
  messagesMax: 2_000,
  timed: false,
  over: { handlerMillis: 5, deliveriesMax: 3 }
}

const routed: Simulation.Options = {
  stack: poor,
  client: { deadLetterQueues: { [simulated]: QueueName.makeUnsafe(aside) } }
}

const crowded = 4

const worlds: ReadonlyArray<Omit<World, "together"> & { readonly together?: number }> = [
  { name: "memory", share: 1, options: {} },
  { name: "crowd", share: 0.5, together: crowded, options: crowd },
  { name: "batching", share: 0.5, options: { stack: merged, keepsOrder: true } },
  {
    name: "batching-crowd",
    share: 0.25,
    together: crowded,
    options: { ...crowd, stack: merged, keepsOrder: true }
  },
  { name: "retry", share: 0.5, options: { stack: retried } },
  {
    name: "retry-crowd",
    share: 0.25,
    together: crowded,
    options: { ...crowd, stack: retried }
  },
  { name: "stack", share: 0.5, options: { stack, faults, keepsOrder: true, sealed: true } },
  { name: "routed", share: 0.5, options: routed },
  {
    name: "routed-crowd",
    share: 0.25,
    together: crowded,
    options: { ...crowd, ...routed }
  },
  {
    name: "operator",
    share: 0.3,
    options: {
      operated: true,
      // A replay is a second copy: what an effect of it is, is its handler's own affair.
      once: false,
      timed: false,
      over: { faultsMax: 60, handlerMillis: 50 }
    }
  },
  { name: "sqs", share: 0.1, together: 5, options: sqs.options, ready: sqs.ready },
  {
    name: "service-bus",
    share: 0.1,
    together: 5,
    options: serviceBus.options,
    ready: serviceBus.ready
  }
]

/** All of them, by name; in some of their runs handlers are behind the library's own idempotency. */
export const all: ReadonlyArray<World> = worlds.map((world) =>
  Object.assign({ ready: Effect.void, together: 20 }, world, {
    options: { once: true, ...world.options }
  })
)

/** The world of this name. */
export const find = (name: string): World | undefined => all.find((one) => one.name === name)
