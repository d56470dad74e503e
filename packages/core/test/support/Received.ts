/** Deliveries made by hand, for what needs no broker. */
import * as DateTime from "effect/DateTime"
import * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import * as QueueAddress from "../../src/QueueAddress.ts"
import * as QueueName from "../../src/QueueName.ts"
import * as Receipt from "../../src/Receipt.ts"
import type * as ReceivedMessage from "../../src/ReceivedMessage.ts"

/** A first delivery of the message `m-1` of the queue `orders`, but for what is given. */
export const make = (
  overrides: Partial<ReceivedMessage.ReceivedMessage> = {}
): ReceivedMessage.ReceivedMessage => ({
  ...Message.stamp(
    new Message.Message({ body: new TextEncoder().encode("the body") }),
    MessageId.makeUnsafe("m-1")
  ),
  receipt: Receipt.make(QueueAddress.queue(QueueName.makeUnsafe("orders")), "token"),
  deliveryCount: 1,
  enqueuedAt: DateTime.makeUnsafe(0),
  firstDeliveredAt: DateTime.makeUnsafe(0),
  deliveredAt: DateTime.makeUnsafe(0),
  lockedUntil: DateTime.makeUnsafe(30_000),
  ...overrides
})
