import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Defaults from "../Defaults.ts"
import * as MessageId from "../MessageId.ts"
import * as Options from "../Options.ts"
import * as ReceivedMessage from "../ReceivedMessage.ts"

/**
 * The one attribute of a message that was replayed: it was sent under an id of its own, so that no broker
 * takes it for the first sending, and its id of before stands here.
 */
export const attribute = "queue-runtime-replay"

const Metadata = Schema.Struct({
  messageId: MessageId.MessageId,
  /** Of the replay that sent it. */
  replayId: Schema.String,
  /** Deliveries before the replay, where they count. */
  deliveries: Schema.optionalKey(Schema.Int),
  /** The oldest first. */
  history: Schema.Array(ReceivedMessage.DeadLetterInfo)
})

type Metadata = typeof Metadata.Type

const MetadataFromJson = Schema.fromJsonString(Schema.toCodecJson(Metadata))
const decode = Schema.decodeUnknownOption(MetadataFromJson)

/** The value of the attribute. */
export const encode: (metadata: Metadata) => string = Schema.encodeSync(MetadataFromJson)

const cut = (text: string): string =>
  // Well-formed last: the cut may go through a pair of surrogates.
  text.slice(0, Defaults.deadLetterHistoryLengthMax).toWellFormed()

/** Its words cut, and without what is long. */
const briefly = (details: ReceivedMessage.DeadLetterDetails): ReceivedMessage.DeadLetterDetails => {
  const { environment, errorType, service, stack: _, tags: __, version, ...times } = details
  const words = Object.entries(Options.defined({ errorType, service, version, environment }))
  return { ...times, ...Object.fromEntries(words.map(([name, word]) => [name, cut(word)])) }
}

/** What is kept of it when it is history: enough to tell what happened, little enough to travel. */
const shortened = (info: ReceivedMessage.DeadLetterInfo): ReceivedMessage.DeadLetterInfo => {
  const { deliveryCount, description, details, reason, source, time } = info
  return {
    reason: cut(reason),
    source,
    time,
    deliveryCount,
    ...Options.defined({
      description: description === undefined ? undefined : cut(description),
      details: details === undefined ? undefined : briefly(details)
    })
  }
}

/** The history with one more, the last so many of it. */
export const append = (
  history: ReadonlyArray<ReceivedMessage.DeadLetterInfo>,
  info: ReceivedMessage.DeadLetterInfo
): ReadonlyArray<ReceivedMessage.DeadLetterInfo> =>
  [...history, shortened(info)].slice(-Defaults.deadLetterHistoryMax)

/** A message that was replayed as its receiver is to see it: under the id it had, and what it went through. */
export const fromWire = <M extends ReceivedMessage.PeekedMessage>(message: M): M => {
  const text = message.attributes[attribute]
  if (text === undefined) return message
  const metadata = decode(text)
  if (Option.isNone(metadata)) return message
  const { [attribute]: _, ...attributes } = message.attributes
  const { deliveries = 0, history, messageId, replayId } = metadata.value
  const { deadLetter, deliveryCount } = message
  return {
    ...message,
    attributes,
    messageId,
    replayId,
    history,
    deliveryCount: deliveryCount + deliveries,
    ...(deadLetter === undefined
      ? {}
      : { deadLetter: { ...deadLetter, deliveryCount: deadLetter.deliveryCount + deliveries } })
  }
}
