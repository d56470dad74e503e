/** `send`: one message, or many from lines of JSON. */
import {
  Message,
  MessageId,
  QueueClient,
  type QueueError,
  type QueueName,
  SessionId
} from "@queue-runtime/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Failure from "../Failure.ts"
import * as Files from "../Files.ts"
import * as Output from "../Output.ts"
import * as Progress from "../Progress.ts"

/** What was asked for. */
export interface Input {
  readonly body: string | undefined
  readonly file: string | undefined
  readonly ndjson: string | undefined
  readonly attributes: Readonly<Record<string, string>>
  readonly session: string | undefined
  readonly id: string | undefined
  readonly correlation: string | undefined
  readonly contentType: string | undefined
  readonly delay: Duration.Duration | undefined
  readonly timeToLive: Duration.Duration | undefined
}

/** How many go to the client at once. */
const chunkSize = 500

const MessageLine = Schema.fromJsonString(
  Schema.Struct({
    body: Schema.optionalKey(Schema.String),
    bodyBase64: Schema.optionalKey(Schema.String),
    messageId: Schema.optionalKey(MessageId.MessageId),
    sessionId: Schema.optionalKey(SessionId.SessionId),
    correlationId: Schema.optionalKey(Schema.String),
    contentType: Schema.optionalKey(Schema.String),
    attributes: Schema.optionalKey(Message.Attributes)
  })
)

const decodeLine = Schema.decodeUnknownEffect(MessageLine)

const toMessage = Effect.fnUntraced(function* (line: string, number: number) {
  const { body, bodyBase64, ...options } = yield* Effect.mapError(decodeLine(line), () =>
    Failure.usage(
      `line ${number}: no message`,
      "a line is JSON with body or bodyBase64, and messageId, sessionId, correlationId, contentType, attributes as wanted"
    )
  )
  if ((body === undefined) === (bodyBase64 === undefined)) {
    return yield* Failure.usage(`line ${number}: must have one of body and bodyBase64`)
  }
  if (bodyBase64 === undefined) return yield* Message.text(body ?? "", options)
  const bytes = yield* Effect.mapError(Effect.fromResult(Base64.decode(bodyBase64)), () =>
    Failure.usage(`line ${number}: bodyBase64 is not base64`)
  )
  return yield* Message.bytes(bytes, options)
})

const present = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const identified = Effect.fnUntraced(function* ({ id, session }: Input) {
  return {
    ...(id === undefined ? {} : { messageId: yield* MessageId.make(id) }),
    ...(session === undefined ? {} : { sessionId: yield* SessionId.make(session) })
  }
})

const noBody = Failure.usage(
  "no body",
  "give it as an argument (an empty one as ''), by --file FILE, or on the standard input"
)

const bodyOf = ({ body, file }: Input) => {
  if (body !== undefined && file !== undefined) {
    return Effect.fail(Failure.usage("a body and --file are two bodies; give one"))
  }
  if (body !== undefined) return Effect.succeed(new TextEncoder().encode(body))
  if (file !== undefined) return Files.bytes(file)
  if (!Files.hasInput) return Effect.fail(noBody)
  // Nothing there is rather a mistake than an empty message: that one is said as such.
  return Effect.filterOrFail(
    Files.bytes(Files.standardInput),
    ({ byteLength }) => byteLength > 0,
    () => noBody
  )
}

const sendOne = Effect.fnUntraced(function* (queue: QueueName.QueueName, input: Input) {
  const client = yield* QueueClient.QueueClient
  const output = yield* Output.Output
  const body = yield* bodyOf(input)
  const isText = !new TextDecoder().decode(body).includes("\uFFFD")
  const message = yield* Message.bytes(body, {
    attributes: input.attributes,
    ...(yield* identified(input)),
    ...present({
      correlationId: input.correlation,
      contentType: input.contentType ?? (isText ? "text/plain; charset=utf-8" : undefined),
      delay: input.delay,
      timeToLive: input.timeToLive
    })
  })
  const sent = yield* client.send(queue, message)
  yield* output.result(
    { queue, ...sent },
    () => `sent ${output.style.cyan(sent.messageId)} to ${queue}`
  )
})

interface Tally {
  sent: number
  failed: number
}

const sendChunk = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Message>,
  tally: Tally
) {
  const client = yield* QueueClient.QueueClient
  const output = yield* Output.Output
  const outcomes = yield* client.sendOutcomes(queue, messages)
  for (const outcome of outcomes) {
    if (Result.isSuccess(outcome)) {
      tally.sent++
      if (output.isJson) yield* output.json({ queue, ...outcome.success })
    } else {
      tally.failed++
      yield* output.say(outcome.failure.message)
    }
  }
})

const sendMany = Effect.fnUntraced(function* (queue: QueueName.QueueName, path: string) {
  const output = yield* Output.Output
  const show = yield* Progress.make("sending")
  const tally: Tally = { sent: 0, failed: 0 }
  let number = 0
  yield* Files.lines(path).pipe(
    Stream.map((line) => ({ line, number: ++number })),
    Stream.filter(({ line }) => line.trim() !== ""),
    Stream.mapEffect((one) => toMessage(one.line, one.number)),
    Stream.grouped(chunkSize),
    Stream.runForEach((messages) =>
      Effect.andThen(
        sendChunk(queue, messages, tally),
        Effect.suspend(() => show({ done: tally.sent, failed: tally.failed }))
      )
    )
  )
  if (!output.isJson) yield* output.print(`sent ${tally.sent} to ${queue}`)
  if (tally.failed > 0) {
    return yield* new Failure.Failure({
      code: "partly",
      message: `${tally.failed} of ${tally.failed + tally.sent} were not sent`
    })
  }
}, Effect.scoped)

/** Sends. */
export const run = (
  queue: QueueName.QueueName,
  input: Input
): Effect.Effect<
  void,
  QueueError.QueueError | Failure.Failure,
  Output.Output | QueueClient.QueueClient
> => (input.ndjson === undefined ? sendOne(queue, input) : sendMany(queue, input.ndjson))
