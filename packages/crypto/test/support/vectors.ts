import {
  type KeyProvider,
  Message,
  MessageId,
  type QueueError,
  SessionId
} from "@queue-runtime/core"
import { Duration, Effect, Redacted, Schema } from "effect"
import { readFileSync } from "node:fs"
import { NodeCrypto } from "../../src/index.ts"
import * as sealer from "../../src/internal/sealer.ts"
import { makeTools } from "../support.ts"

/** One message as it was given, and what it was made of. Bytes are in hexadecimal. */
export const Vector = Schema.Struct({
  name: Schema.String,
  mode: Schema.Literals(["encrypt", "sign"]),
  key: Schema.String,
  keyId: Schema.String,
  wrapped: Schema.optionalKey(Schema.String),
  messageId: MessageId.MessageId,
  sessionId: Schema.optionalKey(SessionId.SessionId),
  correlationId: Schema.optionalKey(Schema.String),
  sealedAt: Schema.Int,
  delay: Schema.Int,
  nonce: Schema.String,
  plaintext: Schema.String,
  body: Schema.String,
  signature: Schema.optionalKey(Schema.String)
})

export type Vector = typeof Vector.Type

const folder = new URL("../vectors/", import.meta.url)

export const text = (): string => readFileSync(new URL("vectors.json", folder), "utf8")

export const reader = new URL("reader.py", folder)

export const all = (): ReadonlyArray<Vector> =>
  Schema.decodeSync(Schema.fromJsonString(Schema.Array(Vector)))(text())

export const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

export const keyOf = ({ key, keyId, wrapped }: Vector): KeyProvider.Key => ({
  id: keyId,
  material: Redacted.make(bytes(key)),
  ...(wrapped === undefined ? {} : { wrapped: bytes(wrapped) })
})

export const messageOf = (vector: Vector): Message.Stamped => {
  const { correlationId, delay, messageId, plaintext, sessionId } = vector
  const made = new Message.Message({
    body: bytes(plaintext),
    attributes: {},
    messageId,
    ...(sessionId === undefined ? {} : { sessionId }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(delay === 0 ? {} : { delay: Duration.millis(delay) })
  })
  return Message.stamp(made, messageId)
}

/** Sealed as the vector says, with its own nonce. */
export const seal = Effect.fnUntraced(function* (
  vector: Vector
): Effect.fn.Return<Message.Stamped, QueueError.QueueError> {
  const cipher = yield* NodeCrypto.make
  const nobody = {
    wrappedSizeMax: 0,
    current: () => Effect.never,
    byId: () => Effect.never,
    ids: () => Effect.never
  }
  const tools = {
    ...makeTools(nobody),
    cipher: { ...cipher, nonce: Effect.succeed(bytes(vector.nonce)) }
  }
  return yield* sealer.seal(
    tools,
    vector.mode,
    keyOf(vector),
    messageOf(vector),
    vector.sealedAt,
    Effect.succeed
  )
})
