/** A client over a scripted provider, and the messages tests send through it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import * as QueueClient from "../../src/QueueClient.ts"
import * as QueueError from "../../src/QueueError.ts"
import * as QueueName from "../../src/QueueName.ts"
import * as SessionId from "../../src/SessionId.ts"
import * as ScriptedProvider from "./ScriptedProvider.ts"

export const orders = QueueName.makeUnsafe("orders")
export const aside = QueueName.makeUnsafe("aside")

/** A client over a provider of its own. */
export const make = Effect.fnUntraced(function* (
  options: ScriptedProvider.Options = {},
  clientOptions: QueueClient.Options = {}
) {
  const broker = yield* ScriptedProvider.make(options)
  return { broker, client: yield* QueueClient.make(broker.service, clientOptions) }
})

/** A message of a known id, in a session if one is named. */
export const message = (id: string, session?: string, bytes = 1): Message.Message =>
  new Message.Message({
    body: new Uint8Array(bytes),
    messageId: MessageId.makeUnsafe(id),
    ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) })
  })

export const transient = () => QueueError.make(new QueueError.ConnectionFailed())
export const forever = () => QueueError.make(new QueueError.QueueNotFound({ queue: "orders" }))

/** Durations that are none, as a settings file or a careless sum may bring them. */
export const noDurations: ReadonlyArray<Duration.Input> = [
  JSON.parse('"abc"'),
  "-1 seconds",
  -1,
  Number.NaN,
  Duration.infinity
]
