import { hash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Message from "../../Message.ts"
import * as Options from "../../Options.ts"
import type * as QueueName from "../../QueueName.ts"
import * as ReceivedMessage from "../../ReceivedMessage.ts"

const idLength = 32

/** What tells this dead-lettering from every other one of the queue. */
const identityOf = (message: ReceivedMessage.PeekedMessage): string => {
  const { deadLetter, enqueuedAt, sequenceNumber } = message
  if (deadLetter?.delivery !== undefined) return `delivery\n${deadLetter.delivery}`
  return `${sequenceNumber ?? ""}\n${DateTime.toEpochMillis(enqueuedAt)}`
}

/**
 * Whether nothing else can have its id: a broker that gives neither name nor number may hold two messages
 * of one id and one time.
 */
export const isIdentified = ({
  deadLetter,
  sequenceNumber
}: ReceivedMessage.PeekedMessage): boolean =>
  deadLetter?.delivery !== undefined || sequenceNumber !== undefined

/** One that somebody put there without saying why. */
const unspecified = (
  queue: QueueName.QueueName,
  { deliveryCount, enqueuedAt }: ReceivedMessage.PeekedMessage
): ReceivedMessage.DeadLetterInfo => ({
  reason: "Unspecified",
  source: queue,
  time: enqueuedAt,
  deliveryCount
})

/** A message among the dead letters of a queue as one of them. */
export const fromMessage = (
  queue: QueueName.QueueName,
  message: ReceivedMessage.PeekedMessage
): DeadLetters.DeadLetter => {
  const { deadLetter, enqueuedAt, history, messageId, replayId } = message
  const info = deadLetter ?? unspecified(queue, message)
  const source = `${queue}\n${info.source}\n${messageId}\n${identityOf(message)}`
  return {
    ...info,
    id: hash("sha256", source).slice(0, idLength),
    queue,
    message: Message.stamp(ReceivedMessage.toMessage(message), messageId),
    messageId,
    enqueuedAt,
    // Of the queue it comes from, else of the dead letters: both grow as its session did.
    ...Options.defined({ sequenceNumber: info.sequenceNumber ?? message.sequenceNumber, replayId }),
    history: history ?? []
  }
}

/** By their place in their session, as far as the broker tells. */
export const compare = (one: DeadLetters.DeadLetter, other: DeadLetters.DeadLetter): number => {
  const [a, b] = [one.sequenceNumber, other.sequenceNumber]
  if (a === undefined || b === undefined || a === b) {
    return DateTime.toEpochMillis(one.enqueuedAt) - DateTime.toEpochMillis(other.enqueuedAt)
  }
  return a < b ? -1 : 1
}
