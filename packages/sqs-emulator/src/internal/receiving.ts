/** ReceiveMessage. */
import * as attributes from "./attributes.ts"
import * as brokers from "./broker.ts"
import type { Broker } from "./broker.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import type { Message } from "./message.ts"
import * as queues from "./queue.ts"
import type { Attempt, Queue } from "./queue.ts"
import * as receipt from "./receipt.ts"
import * as refusals from "./refusals.ts"

/** What faults do to a receive from a standard queue. */
export interface Twist {
  /** Leaves what it hands out visible, so that it is delivered twice. */
  readonly duplicate: boolean
  readonly reorder: boolean
}

/** A receive that was checked. */
export interface Order {
  readonly max: number
  readonly visibilitySeconds: number
  readonly waitSeconds: number
  readonly attemptId: string | undefined
  readonly systemNames: ReadonlySet<string>
  readonly attributeNames: ReadonlyArray<string>
  readonly twist: Twist
}

/** A message as it is answered. */
export interface Received {
  readonly MessageId: string
  readonly ReceiptHandle: string
  readonly MD5OfBody: string
  readonly Body: string
  readonly Attributes?: Readonly<Record<string, string>>
  readonly MD5OfMessageAttributes?: string
  readonly MessageAttributes?: Readonly<Record<string, attributes.Attribute>>
}

const noNames: ReadonlySet<string> = new Set()

const systemNamesOf = (from: input.Input): ReadonlySet<string> => {
  const old = input.texts(from, "AttributeNames")
  const names = input.texts(from, "MessageSystemAttributeNames")
  return old.length + names.length === 0 ? noNames : new Set([...old, ...names])
}

const waitOf = (queue: Queue, from: input.Input): number => {
  const seconds = input.int(from, "WaitTimeSeconds") ?? queue.settings.waitSeconds
  return seconds >= 0 && seconds <= limits.waitSecondsMax
    ? seconds
    : refusals.refuse(refusals.waitOutOfRange(seconds))
}

/** Checks a receive. */
export const read = (queue: Queue, from: input.Input, twist: Twist): Order => ({
  max: input.intWithin(from, "MaxNumberOfMessages", 1, limits.receiveMax) ?? 1,
  visibilitySeconds:
    input.intWithin(from, "VisibilityTimeout", 0, limits.visibilitySecondsMax) ??
    queue.settings.visibilitySeconds,
  waitSeconds: waitOf(queue, from),
  attemptId: queue.fifo ? input.text(from, "ReceiveRequestAttemptId") : undefined,
  systemNames: systemNamesOf(from),
  attributeNames: input.texts(from, "MessageAttributeNames"),
  twist
})

const systemValues = (
  broker: Broker,
  message: Message
): ReadonlyArray<readonly [string, string | undefined]> => {
  const { content } = message
  return [
    ["SenderId", broker.config.account],
    ["ApproximateFirstReceiveTimestamp", String(message.firstReceivedAt)],
    ["ApproximateReceiveCount", String(message.receivesBefore + message.receiveCount)],
    ["SentTimestamp", String(content.sentAt)],
    ["SequenceNumber", message.sequenceNumber],
    ["MessageDeduplicationId", content.deduplicationId],
    ["MessageGroupId", content.groupId],
    ["AWSTraceHeader", attributes.traceOf(content.system)],
    ["DeadLetterQueueSourceArn", message.sourceArn]
  ]
}

const systemOf = (
  broker: Broker,
  message: Message,
  names: ReadonlySet<string>
): Readonly<Record<string, string>> | undefined => {
  if (names.size === 0) return undefined
  const all = names.has("All")
  const chosen: Record<string, string> = {}
  let count = 0
  for (const [name, value] of systemValues(broker, message)) {
    if (value === undefined || !(all || names.has(name))) continue
    chosen[name] = value
    count++
  }
  return count === 0 ? undefined : chosen
}

const toReceived = (broker: Broker, queue: Queue, order: Order, message: Message): Received => {
  const { content } = message
  const system = systemOf(broker, message, order.systemNames)
  const chosen = attributes.select(content.attributes, order.attributeNames)
  const chosenMd5 = attributes.md5Of(chosen)
  return {
    MessageId: content.id,
    ReceiptHandle: receipt.handleOf(broker, queue, message),
    MD5OfBody: content.bodyMd5,
    Body: content.body,
    ...(system === undefined ? {} : { Attributes: system }),
    ...(chosenMd5 === undefined
      ? {}
      : {
          MD5OfMessageAttributes: chosenMd5,
          MessageAttributes: Object.fromEntries(chosen)
        })
  }
}

/** A random order of a standard queue's next messages. */
const shuffleOf =
  (random: () => number) =>
  (messages: Array<Message>): Array<Message> => {
    const keyed = messages.map((message) => ({ message, key: random() }))
    return keyed.toSorted((a, b) => a.key - b.key).map(({ message }) => message)
  }

/** Hands the messages of an attempt out again, unless one was touched since. */
const replay = (
  queue: Queue,
  attempt: Attempt,
  order: Order,
  now: number
): ReadonlyArray<Message> | undefined => {
  const untouched = attempt.messages.every(
    ({ changes, generation, message }) =>
      message.state === "InFlight" &&
      message.generation === generation &&
      message.changes === changes
  )
  if (!untouched) return undefined
  const messages = attempt.messages.map(({ message }) => message)
  // The visibility starts anew, within the twelve hours that a receive may last.
  for (const message of messages) {
    const last = message.receivedAt + limits.visibilitySecondsMax * 1_000
    queues.holdUntil(queue, message, Math.min(now + order.visibilitySeconds * 1_000, last))
    if (message.visibleAt <= now) queues.show(queue, message)
  }
  return messages
}

const remember = (queue: Queue, id: string, messages: ReadonlyArray<Message>, now: number) => {
  // Deleted first: the oldest attempts stand first.
  queue.attempts.delete(id)
  queue.attempts.set(id, {
    at: now,
    messages: messages.map((message) => ({
      message,
      generation: message.generation,
      changes: message.changes
    }))
  })
}

/** Takes what is there. */
export const take = (
  broker: Broker,
  queue: Queue,
  order: Order,
  now: number
): ReadonlyArray<Received> => {
  const { attemptId, twist } = order
  const earlier = attemptId === undefined ? undefined : queue.attempts.get(attemptId)
  const again = earlier === undefined ? undefined : replay(queue, earlier, order, now)
  const { random } = broker.surroundings
  const messages =
    again ??
    queues.take(
      queue,
      {
        max: order.max,
        visibilityMillis: order.visibilitySeconds * 1_000,
        bury: (message) => brokers.bury(broker, queue, message, now),
        shuffle: twist.reorder ? shuffleOf(random) : undefined
      },
      now
    )
  if (attemptId !== undefined && again === undefined && messages.length > 0) {
    remember(queue, attemptId, messages, now)
  }
  const received = messages.map((message) => toReceived(broker, queue, order, message))
  if (twist.duplicate && !queue.fifo) for (const message of messages) showAgain(queue, message)
  return received
}

const showAgain = (queue: Queue, message: Message): void => {
  if (message.state === "InFlight") queues.show(queue, message)
}

/** A short poll of a standard queue says when too much is in flight; a long poll and FIFO do not. */
export const checkInFlight = (queue: Queue, order: Order): void => {
  if (queue.fifo || order.waitSeconds > 0) return
  if (queue.counts.InFlight >= queue.settings.inFlightMax) refusals.refuse(refusals.overLimit())
}
