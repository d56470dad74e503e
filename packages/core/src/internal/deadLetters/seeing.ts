import * as Effect from "effect/Effect"
import * as Capabilities from "../../Capabilities.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueClient from "../../QueueClient.ts"
import type * as QueueError from "../../QueueError.ts"
import type * as QueueName from "../../QueueName.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"

/** Whether dead letters can be looked at without receiving them, one after the other by their numbers. */
export const canPeek = (
  client: QueueClient.Service,
  queue: QueueName.QueueName
): Effect.Effect<boolean, QueueError.QueueError> =>
  Capabilities.isSupported(client.capabilities(queue).peek)
    ? Effect.map(
        client.peek(QueueAddress.deadLetter(queue), { max: 1 }),
        ([first]) => first === undefined || first.sequenceNumber !== undefined
      )
    : Effect.succeed(false)

/**
 * The number behind the last of these; none when they have none, there are none, or they are not what was
 * asked for: a broker that begins again at the first would be asked for ever.
 */
export const behind = (
  messages: ReadonlyArray<ReceivedMessage.PeekedMessage>,
  from = 0n
): bigint | undefined => {
  const last = messages.flatMap(({ sequenceNumber }) => sequenceNumber ?? []).at(-1)
  return last === undefined || last < from ? undefined : last + 1n
}
