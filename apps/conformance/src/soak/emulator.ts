/**
 * An emulator of Service Bus in a thread of its own, so that its memory is not that of the program that is
 * looked at. It does what it is told, and answers each message with one.
 */
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type MessagePort, parentPort } from "node:worker_threads"

/** What it can be told. */
export const Order = Schema.Literals(["connectionString", "drop", "look", "stop"])

export type Order = typeof Order.Type

/** What the service has of its client, and what is left in its queues. */
export const Look = Schema.Struct({
  connections: Schema.Int,
  links: Schema.Int,
  left: Schema.Int,
  deadLettered: Schema.Int
})

export type Look = typeof Look.Type

const lockDuration = "5 seconds"

const settings = { lockDuration, maxDeliveryCount: 2_000 } as const

const answering = (emulator: ServiceBusEmulator.Emulator) => (order: Order) => {
  switch (order) {
    case "connectionString":
      return Effect.succeed(emulator.connectionString)
    case "drop":
      return emulator.dropConnections
    case "look":
      return Effect.gen(function* () {
        const connections = yield* emulator.connections
        const queues = yield* Effect.all([emulator.inspect("orders"), emulator.inspect("events")])
        return {
          connections: connections.length,
          links: connections.reduce((sum, { links }) => sum + links.length, 0),
          left: queues.reduce((sum, { active, locked }) => sum + active + locked, 0),
          deadLettered: queues.reduce((sum, { deadLettered }) => sum + deadLettered, 0)
        } satisfies Look
      })
    case "stop":
      return emulator.stop
  }
}

const serve = Effect.fnUntraced(function* (port: MessagePort) {
  const emulator = yield* ServiceBusEmulator.make({
    queues: { orders: settings, events: { ...settings, requiresSession: true } }
  })
  const answer = answering(emulator)
  const decode = Schema.decodeUnknownEffect(Order)
  const runPromise = Effect.runPromiseWith(yield* Effect.context())
  yield* Effect.callback<void>((resume) => {
    const onMessage = (told: unknown) => {
      const answered = Effect.flatMap(decode(told), (order) =>
        Effect.map(answer(order), (reply) => {
          port.postMessage(reply)
          if (order === "stop") resume(Effect.void)
        })
      )
      void runPromise(answered)
    }
    port.on("message", onMessage)
  })
  port.close()
})

if (parentPort !== null) await Effect.runPromise(Effect.scoped(serve(parentPort)))
