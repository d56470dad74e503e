/** How values become messages, and messages values. */
import {
  Message,
  QueueError,
  type QueueName,
  type ReceivedMessage,
  TypedQueue
} from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import * as standard from "./standard.ts"

/** What a queue of values needs; of what is received, a typed queue's methods. */
export interface Coding<In, Out> extends Pick<
  TypedQueue.TypedQueue<Out>,
  "handler" | "receiveFrom"
> {
  readonly encode: (
    value: In,
    options: Message.Options
  ) => Effect.Effect<Message.Message, QueueError.QueueError>
}

const withBodies = (
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
): ReadonlyArray<TypedQueue.Received<Uint8Array>> =>
  messages.map((message) => ({ value: message.body, message }))

/** Bytes as they are; text is sent as its UTF-8 bytes. */
export const bytes: Coding<string | Uint8Array, Uint8Array> = {
  encode: (value, options) =>
    typeof value === "string" ? Message.text(value, options) : Message.bytes(value, options),
  receiveFrom: (source, options) => Effect.map(source.receive(options), withBodies),
  handler: (handle) => (message) => handle(message.body, message)
}

/** Values of a Schema, encoded and decoded by it. */
export const ofSchema = <A, I>(
  queue: QueueName.QueueName,
  schema: Schema.Codec<A, I>
): Coding<A, A> => ({
  ...TypedQueue.make({ queue, schema }),
  encode: Message.schema(schema)
})

const refused = (issue: SchemaIssue.Issue): QueueError.QueueError =>
  QueueError.make(
    new QueueError.SerializationFailed({
      direction: "encode",
      detail: new Schema.SchemaError(issue).message
    })
  )

/** Values of a Standard Schema: checked when sent, sent as JSON, and validated when received. */
export const ofStandard = <In, Out>(
  queue: QueueName.QueueName,
  validator: StandardSchemaV1<In, Out>
): Coding<In, Out> => ({
  ...TypedQueue.make({ queue, schema: standard.toSchema(validator) }),
  encode: (value, options) =>
    standard
      .validate(validator, value)
      .pipe(Effect.mapError(refused), Effect.andThen(Message.json(value, options)))
})
