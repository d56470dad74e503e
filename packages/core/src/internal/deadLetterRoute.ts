import { hash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Message from "../Message.ts"
import * as MessageId from "../MessageId.ts"
import * as Options from "../Options.ts"
import * as ReceivedMessage from "../ReceivedMessage.ts"
import * as SessionId from "../SessionId.ts"
import type * as Verdict from "../Verdict.ts"

/** The one attribute that carries what a queue of ours, used for dead letters, has no place for. */
export const attribute = "queue-runtime-dead-letter"

const Metadata = Schema.Struct({
  info: ReceivedMessage.DeadLetterInfo,
  messageId: MessageId.MessageId,
  history: Schema.optionalKey(Schema.Array(ReceivedMessage.DeadLetterInfo)),
  replayId: Schema.optionalKey(Schema.String),
  sessionId: Schema.optionalKey(SessionId.SessionId)
})

const MetadataFromJson = Schema.fromJsonString(Schema.toCodecJson(Metadata))
const encode = Schema.encodeEffect(MetadataFromJson)
const decode = Schema.decodeUnknownOption(MetadataFromJson)

/**
 * An id of this dead-lettering's own: another than that of the message, and another for the next one of
 * a message that was sent again, so that a broker which deduplicates swallows neither. After a crash
 * between send and complete it is the same, though the delivery count is one higher by then.
 */
const idOf = (message: ReceivedMessage.ReceivedMessage): Effect.Effect<MessageId.MessageId> => {
  const enqueued = DateTime.toEpochMillis(message.enqueuedAt)
  // Of two sendings within a millisecond only the broker's number tells them apart.
  const sending = `${enqueued}\n${message.sequenceNumber ?? ""}`
  const source = `${message.receipt.address.queue}\n${message.messageId}\n${sending}`
  return Effect.orDie(MessageId.make(`dl-${hash("sha256", source)}`))
}

/** The copy that is sent to the configured queue: body and attributes as they were, the rest beside. */
export const toRouted = Effect.fnUntraced(function* (
  message: ReceivedMessage.ReceivedMessage,
  verdict: Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>
) {
  const { deliveryCount, history, messageId, replayId, sequenceNumber, sessionId } = message
  const id = yield* idOf(message)
  const info = {
    reason: verdict.reason,
    ...Options.defined({
      description: verdict.description,
      details: verdict.details,
      sequenceNumber
    }),
    // Without a number two messages of one id and time have the same, and neither may pass for a copy.
    ...(sequenceNumber === undefined ? {} : { delivery: id }),
    source: message.receipt.address.queue,
    time: yield* DateTime.now,
    deliveryCount
  }
  const optional = Options.defined({ sessionId, history, replayId })
  const metadata = yield* Effect.orDie(encode({ info, messageId, ...optional }))
  const { timeToLive: _, ...kept } = ReceivedMessage.toMessage(message)
  const attributes = { ...kept.attributes, [attribute]: metadata }
  // A dead letter does not expire, and goes into no session: ten of one would hide the rest from a list.
  const { sessionId: __, ...rest } = kept
  return Message.stamp(new Message.Message({ ...rest, attributes }), id)
})

/** A message of the configured queue as the dead letter it is; one sent there by others stays as it is. */
export const fromRouted = <M extends ReceivedMessage.PeekedMessage>(message: M): M => {
  const text = message.attributes[attribute]
  const metadata = text === undefined ? Option.none() : decode(text)
  if (Option.isNone(metadata)) return message
  const { [attribute]: _, ...attributes } = message.attributes
  const { info, messageId, ...optional } = metadata.value
  return { ...message, ...optional, attributes, messageId, deadLetter: info }
}
