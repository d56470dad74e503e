import type { ServiceBusMessage } from "@azure/service-bus"
import * as Duration from "effect/Duration"
import { type Capabilities, Message, QueueError } from "@queue-runtime/core"
import * as errors from "./errors.ts"
import * as wire from "./wire.ts"

/** Why nothing of a call can be sent. */
export const problemOf = (
  messages: ReadonlyArray<Message.Stamped>,
  wires: ReadonlyArray<ServiceBusMessage>,
  { messageSizeMax: maximumBytes, ordered, sendCountMax, sendSizeMax }: Capabilities.Capabilities,
  place: errors.Place
): QueueError.QueueError | undefined => {
  if (messages.length > sendCountMax) {
    return errors.invalid("messages", `must be at most ${sendCountMax} in one call`, place)
  }
  let total = 0
  for (const [index, message] of messages.entries()) {
    const sent = wires[index]
    const actualBytes = sent === undefined ? 0 : wire.size(sent)
    if (actualBytes > maximumBytes) {
      return errors.error(
        new QueueError.MessageTooLarge({ actualBytes, maximumBytes, index }),
        place
      )
    }
    if (ordered && message.sessionId === undefined) {
      const problem = "an ordered queue takes no message without a session id"
      return errors.invalid("sessionId", problem, place)
    }
    const { timeToLive } = message
    if (timeToLive !== undefined && Duration.toMillis(timeToLive) > wire.timeToLiveMaxMillis) {
      return errors.unsupported("a time to live above 49 days", place)
    }
    total += actualBytes
  }
  // On the wire they are larger than the sizes that the client cuts by.
  if (total > sendSizeMax) total = messages.reduce((sum, one) => sum + Message.size(one), 0)
  return total <= sendSizeMax
    ? undefined
    : errors.invalid(
        "messages",
        `must have at most ${sendSizeMax} bytes in one call; got ${total}`,
        place
      )
}
