import type { ServiceBusMessage } from "@azure/service-bus"
import * as Duration from "effect/Duration"
import { type Capabilities, type Message, QueueError, SendCalls } from "@queue-runtime/core"
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
  }
  // The bytes of all are those that the client cuts by: on the wire they are more.
  const refused = SendCalls.refusal(messages, { sendSizeMax })
  return refused === undefined ? undefined : errors.error(refused, place)
}
