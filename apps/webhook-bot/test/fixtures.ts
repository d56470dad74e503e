import {
  Message,
  QueueClient,
  type QueueError,
  QueueName,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import type * as Cause from "effect/Cause"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Corpus from "../src/demo/Corpus.ts"
import type * as Http from "../src/Http.ts"
import * as Signature from "../src/Signature.ts"
import * as Webhook from "../src/Webhook.ts"

export const queue = QueueName.makeUnsafe("github-webhooks")

export const secret = Redacted.make("It's a Secret to Everybody")

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const text = (body: Uint8Array): string => new TextDecoder().decode(body)

export const examples = Effect.runSync(Corpus.load)

/** The first example of a type. */
export const example = (event: string): Corpus.Payload => {
  const found = examples.find((one) => one.event === event)
  if (found === undefined) throw new Error(`no example of ${event}`)
  return found.payload
}

/** The environment of a program, and nothing else of it. */
export const environment = (variables: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

/** A queue in memory, with sessions. */
export const memory: Layer.Layer<QueueClient.QueueClient, QueueError.QueueError> =
  QueueClient.layer({ wait: 0 }).pipe(
    Layer.provide(
      MemoryProvider.layer({
        messageSizeMax: 26 * 1024 * 1024,
        queues: { [queue]: { sessions: true } }
      })
    )
  )

/** The headers of a delivery of GitHub's, signed. */
export const headers = (
  body: Uint8Array,
  id: string,
  event = "pull_request"
): Readonly<Record<string, string>> => ({
  "content-type": "application/json",
  [Webhook.headers.event]: event,
  [Webhook.headers.delivery]: id,
  [Signature.header]: Signature.sign(secret, body)
})

/** A request as the server sees it, without a socket. */
export const lookup =
  (known: Readonly<Record<string, string>>): Http.Request["header"] =>
  (name) =>
    known[name]

/** The message of a delivery. */
export const message = (
  event: string,
  payload: unknown,
  id = "d-1"
): Effect.Effect<Message.Message, QueueError.QueueError> => {
  const body = bytes(JSON.stringify(payload))
  return Webhook.toMessage({ header: lookup(headers(body, id, event)), body })
}

type Delivered = Effect.Effect<
  ReceivedMessage.ReceivedMessage,
  QueueError.QueueError | Cause.NoSuchElementError
>

/** Sends and receives it: what a worker would get. */
export const delivered = (sent: Message.Message): Delivered =>
  Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    yield* client.send(queue, sent)
    const session = yield* Effect.flatMap(client.acceptSession(queue), Effect.fromOption)
    const [received] = yield* session.receive()
    return yield* Effect.fromNullishOr(received)
  }).pipe(Effect.scoped, Effect.provide(memory))

/** A message that did not come through the server, in a session. */
export const foreign = (
  body: Uint8Array,
  attributes: Readonly<Record<string, string>>
): Delivered =>
  Effect.flatMap(
    Message.bytes(body, { attributes, sessionId: SessionId.makeUnsafe("s") }),
    delivered
  )
