/**
 * Service Bus in virtual time: the provider, its SDK replaced by a model over a broker of the emulator.
 */
import { Defaults, QueueError, QueueProvider } from "@queue-runtime/core"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { ServiceBusBroker } from "@queue-runtime/servicebus-emulator"
import { Backend, type Simulation } from "@queue-runtime/simulation"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { registerHooks } from "node:module"
import * as model from "./serviceBusModel.ts"

const modelUrl = new URL("serviceBusModel.ts", import.meta.url).href

let isModelled = false

// The provider loads the SDK when it is first used: in a process that simulates, that is the model.
registerHooks({
  resolve: (specifier, context, nextResolve) =>
    isModelled && specifier === "@azure/service-bus"
      ? { url: modelUrl, format: "module-typescript", shortCircuit: true }
      : nextResolve(specifier, context)
})

const failed = (cause: unknown): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: String(cause) }))

let hosts = 0

const stringOf = (host: string): Redacted.Redacted =>
  Redacted.make(`Endpoint=sb://${host}/;SharedAccessKeyName=simulated;SharedAccessKey=simulated`)

const backend: Backend.Make = Effect.fnUntraced(function* (spec: Backend.QueueSpec) {
  const { deduplicates, deliveriesMax, lockDuration, queue, sessions } = spec
  isModelled = true
  const broker = yield* Effect.mapError(
    ServiceBusBroker.make({
      [queue]: {
        requiresSession: sessions,
        maxDeliveryCount: deliveriesMax,
        lockDuration,
        requiresDuplicateDetection: deduplicates
      }
    }),
    failed
  )
  const bus = new model.Bus(broker)
  const look = (deadLetters: boolean, place: Backend.Left["place"]) =>
    Effect.map(broker.peek(queue, { max: Defaults.simulationLeftMax, deadLetters }), (messages) =>
      messages.map(({ deliveryCount, messageId = "", properties }): Backend.Left => {
        const { DeadLetterReason: reason } = properties
        const why = typeof reason === "string" ? { reason } : {}
        return { id: messageId, place, count: deliveryCount, ...why }
      })
    )
  const connect = Effect.gen(function* () {
    const wire = new model.Wire(bus, yield* Backend.Process, yield* Effect.context())
    hosts++
    const host = `run-${hosts}.example`
    yield* Effect.acquireRelease(
      Effect.sync(() => model.connect(host, wire)),
      () => Effect.sync(() => model.disconnect(host))
    )
    const layer = AzureProvider.layer({
      connectionString: stringOf(host),
      queues: { [queue]: { path: queue, sessions, deliveriesMax, lockDuration } }
    })
    const built = yield* Layer.build(Layer.fresh(layer))
    const provider = Context.get(built, QueueProvider.QueueProvider)
    return { provider, abandon: Effect.sync(() => wire.cut()) }
  })
  return {
    connect,
    isEmpty: Effect.map(
      Effect.orDie(broker.inspect(queue)),
      ({ active, deferred, locked, scheduled }) => active + deferred + locked + scheduled === 0
    ),
    left: Effect.orDie(
      Effect.zipWith(look(false, "queue"), look(true, "deadLetters"), (queued, buried) => [
        ...queued,
        ...buried
      ])
    )
  }
})

/** What the provider loads in the place of the SDK with its first client. */
export const ready: Effect.Effect<void> = Effect.suspend(() => {
  isModelled = true
  const layer = AzureProvider.layer({ connectionString: stringOf("nowhere.example") })
  return Layer.build(layer).pipe(Effect.orDie, Effect.scoped, Effect.asVoid)
})

/** Service Bus, and the provider's own links and sessions. */
export const options: Simulation.Options = {
  backend,
  isAsync: true,
  // A connection that breaks takes sessions with it, and the bottom does not see that.
  exclusive: false,
  timed: false,
  messagesMax: 30,
  toleranceMillis: 1_000
}
