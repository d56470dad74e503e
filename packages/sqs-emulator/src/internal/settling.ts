/** DeleteMessage and ChangeMessageVisibility, and their batches. */
import * as batch from "./batch.ts"
import type { Broker } from "./broker.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import * as queues from "./queue.ts"
import type { Queue } from "./queue.ts"
import * as receipt from "./receipt.ts"
import * as refusals from "./refusals.ts"

/**
 * DeleteMessage. A message that is gone is deleted again without complaint. An expired handle fails on
 * FIFO; on a standard queue it still deletes while nobody else received the message, and does nothing
 * afterwards: AWS promises no more.
 */
const removeOne = (broker: Broker, queue: Queue, from: input.Input): void => {
  const handle = input.requiredText(from, "ReceiptHandle")
  const held = receipt.read(broker, queue, handle)
  if (held === undefined) return
  const { message, newest } = held
  if (queue.fifo && !(newest && message.state === "InFlight")) {
    refusals.refuse(refusals.expiredHandle(handle))
  }
  if (newest) queues.remove(queue, message)
}

const requiredTimeout = (from: input.Input): number =>
  input.intWithin(from, "VisibilityTimeout", 0, limits.visibilitySecondsMax) ??
  refusals.refuse(refusals.missing("VisibilityTimeout"))

/**
 * ChangeMessageVisibility: from now on, twelve hours in total. An expired handle fails on FIFO. On a
 * standard queue any handle of a message will do while it is in flight, an older one too, and while it
 * is not the call succeeds and changes nothing.
 */
const changeOne = (broker: Broker, queue: Queue, from: input.Input, now: number): void => {
  const handle = input.requiredText(from, "ReceiptHandle")
  const seconds = requiredTimeout(from)
  const held = receipt.read(broker, queue, handle)
  if (held === undefined) return refusals.refuse(refusals.notAvailable(handle))
  const { message, newest } = held
  const inFlight = message.state === "InFlight"
  if (queue.fifo && !(newest && inFlight)) {
    return refusals.refuse(refusals.notAvailable(handle))
  }
  if (!inFlight) return undefined
  const until = now + seconds * 1_000
  if (until > message.receivedAt + limits.visibilitySecondsMax * 1_000) {
    return refusals.refuse(refusals.visibilityTooLong(seconds))
  }
  message.changes++
  queues.holdUntil(queue, message, until)
  if (seconds === 0) queues.show(queue, message)
}

/** DeleteMessage. */
export const remove = removeOne

/** ChangeMessageVisibility. */
export const change = changeOne

/** DeleteMessageBatch. */
export const removeMany = (
  broker: Broker,
  queue: Queue,
  from: input.Input,
  fail: batch.FailEntry | undefined
): batch.Outcome<{ readonly Id: string }> =>
  batch.each(batch.entriesOf(from, "DeleteMessageBatchRequestEntry"), fail, (entry) => {
    removeOne(broker, queue, entry.input)
    return { Id: entry.id }
  })

/** ChangeMessageVisibilityBatch. */
export const changeMany = (
  broker: Broker,
  queue: Queue,
  from: input.Input,
  fail: batch.FailEntry | undefined,
  now: number
): batch.Outcome<{ readonly Id: string }> =>
  batch.each(batch.entriesOf(from, "ChangeMessageVisibilityBatchRequestEntry"), fail, (entry) => {
    changeOne(broker, queue, entry.input, now)
    return { Id: entry.id }
  })
