import * as Schema from "effect/Schema"
import * as Message from "../../Message.ts"
import * as MessageId from "../../MessageId.ts"
import * as QueueName from "../../QueueName.ts"
import * as ReceivedMessage from "../../ReceivedMessage.ts"

/** See `DeadLetters.DeadLetter`. */
export const DeadLetter = Schema.Struct({
  /**
   * Names this dead-lettering: what `get`, a selection by ids and a replay go by. It stays while the
   * letter lies there. Two copies that a crash left of one have the same.
   */
  id: Schema.String,
  /** The queue whose dead letters it is among. */
  queue: QueueName.QueueName,
  /** As it was sent: body, attributes, session, correlation. */
  message: Message.Message,
  messageId: MessageId.MessageId,
  /** When the broker first took it. */
  enqueuedAt: Schema.DateTimeUtc,
  /** Why, where from and when. */
  ...ReceivedMessage.DeadLetterInfo.fields,
  /** What happened to it before it was replayed, the oldest first. */
  history: Schema.Array(ReceivedMessage.DeadLetterInfo),
  /** Of the replay that sent it last. */
  replayId: Schema.optionalKey(Schema.String)
})

/** See `DeadLetters.DeadLetterFromJson`. */
export const DeadLetterFromJson = Schema.fromJsonString(Schema.toCodecJson(DeadLetter))
