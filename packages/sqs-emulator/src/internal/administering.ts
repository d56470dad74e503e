/** The calls on queues themselves. */
import * as brokers from "./broker.ts"
import type { Broker } from "./broker.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import * as queues from "./queue.ts"
import { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"
import * as settings from "./settings.ts"

const nameForm = /^[A-Za-z0-9_-]{1,80}$/u
const fifoSuffix = ".fifo"

const checkName = (name: string, fifo: boolean): void => {
  const hasSuffix = name.endsWith(fifoSuffix)
  if (fifo) {
    const stem = name.slice(0, -fifoSuffix.length)
    if (!hasSuffix || name.length > 80 || !nameForm.test(stem)) {
      refusals.refuse(refusals.invalidFifoName())
    }
  } else if (!nameForm.test(name)) refusals.refuse(refusals.invalidQueueName())
}

/** The name that a FIFO queue's dead-letter queue must end with as well. */
const checkRedrive = (
  broker: Broker,
  queue: Queue | undefined,
  next: settings.Settings,
  arn: string,
  text: string,
  fifo: boolean
): void => {
  const { redrive } = next
  if (redrive === undefined) return
  const fail = (reason: string): never =>
    refusals.refuse(refusals.invalidValue("RedrivePolicy", text, reason))
  const target =
    brokers.byArn(broker, redrive.targetArn) ?? fail("Dead letter target does not exist.")
  if (target === queue) fail("Dead letter target can't be the source queue itself.")
  if (target.fifo !== fifo) {
    fail("Dead-letter queue must be same type of queue as the source.")
  }
  if (!settings.isAllowedSource(target.settings, arn)) {
    fail("Dead-letter queue does not allow this source queue.")
  }
}

const apply = (
  broker: Broker,
  queue: Queue | undefined,
  name: string,
  attributes: Map<string, string>,
  fifo: boolean
): settings.Settings => {
  const parsed = settings.parse(attributes, broker.config.inFlightMax)
  const text = attributes.get("RedrivePolicy")
  const changed = text !== queue?.attributes.get("RedrivePolicy")
  if (text !== undefined && changed) {
    checkRedrive(broker, queue, parsed, broker.arnOf(name), text, fifo)
  }
  return parsed
}

const readTags = (queue: Queue, tags: ReadonlyArray<readonly [string, string]>): void => {
  const names = new Set([...queue.tags.keys(), ...tags.map(([key]) => key)])
  if (names.size > limits.tagsMax) {
    refusals.refuse(refusals.invalidAttribute(`Too many tags added for queue ${queue.name}.`))
  }
  for (const [key, value] of tags) queue.tags.set(key, value)
}

/** Asked for again with the same values, a queue is simply there. */
const sameAs = (queue: Queue, given: ReadonlyArray<readonly [string, string]>): Queue => {
  const different = given.find(([name, value]) => queue.attributes.get(name) !== value)
  return different === undefined ? queue : refusals.refuse(refusals.nameExists(different[0]))
}

/** CreateQueue. */
export const create = (broker: Broker, from: input.Input): Queue => {
  const name = input.requiredText(from, "QueueName")
  const given = input.textMap(from, "Attributes")
  const fifo = given.some(([key, value]) => key === "FifoQueue" && value === "true")
  checkName(name, fifo)
  const attributes = settings.initial(
    given.filter(([key, value]) => key !== "FifoQueue" || value === "true"),
    fifo
  )
  const existing = broker.queues.get(name)
  if (existing !== undefined) return sameAs(existing, given)
  const now = broker.surroundings.now()
  brokers.forgetDeleted(broker, now)
  if (broker.deleted.has(name)) refusals.refuse(refusals.deletedRecently())
  const queue = new Queue({
    uid: broker.nextUid(),
    name,
    arn: broker.arnOf(name),
    fifo,
    now,
    attributes,
    settings: apply(broker, undefined, name, attributes, fifo)
  })
  readTags(queue, input.textMap(from, "tags"))
  broker.queues.set(name, queue)
  return queue
}

/** DeleteQueue: what waits on it ends with an error. */
export const remove = (broker: Broker, queue: Queue): void => {
  const { waiters } = queue
  queue.deleted = true
  broker.queues.delete(queue.name)
  broker.deleted.set(queue.name, broker.surroundings.now())
  for (let waiter = waiters.first; waiter !== undefined; waiter = waiters.first) {
    brokers.leave(queue, waiter)
    waiter.end("Deleted")
  }
}

/** GetQueueUrl. */
export const find = (broker: Broker, from: input.Input): Queue => {
  const name = input.requiredText(from, "QueueName")
  const owner = input.text(from, "QueueOwnerAWSAccountId") ?? broker.config.account
  const queue = owner === broker.config.account ? broker.queues.get(name) : undefined
  return queue ?? refusals.refuse(refusals.noQueue())
}

/** A page of something, and the token of the next page: the place where it starts. */
const page = <A>(
  all: ReadonlyArray<A>,
  from: input.Input
): { readonly items: ReadonlyArray<A>; readonly NextToken?: string } => {
  const max = input.intWithin(from, "MaxResults", 1, limits.pageMax)
  const token = input.text(from, "NextToken")
  const start = token === undefined ? 0 : Number(Buffer.from(token, "base64").toString("latin1"))
  if (!Number.isInteger(start) || start < 0) {
    refusals.refuse(refusals.invalidAttribute("Invalid or expired next token."))
  }
  const end = start + (max ?? limits.pageMax)
  const items = all.slice(start, end)
  if (max === undefined || end >= all.length) return { items }
  return { items, NextToken: Buffer.from(String(end), "latin1").toString("base64") }
}

/** ListQueues. */
export const list = (broker: Broker, from: input.Input) => {
  const prefix = input.text(from, "QueueNamePrefix") ?? ""
  const all = [...broker.queues.values()].filter(({ name }) => name.startsWith(prefix))
  return page(
    all.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    from
  )
}

/** ListDeadLetterSourceQueues. */
export const sources = (broker: Broker, queue: Queue, from: input.Input) =>
  page(sourcesOf(broker, queue), from)

/** The queues whose dead-letter queue this is. */
export const sourcesOf = (broker: Broker, { arn }: Queue): ReadonlyArray<Queue> =>
  [...broker.queues.values()].filter((other) => other.settings.redrive?.targetArn === arn)

const seconds = (millis: number): string => String(Math.floor(millis / 1_000))

const valuesOf = (queue: Queue): ReadonlyMap<string, string> =>
  new Map([
    ["QueueArn", queue.arn],
    ["ApproximateNumberOfMessages", String(queue.counts.Visible)],
    ["ApproximateNumberOfMessagesNotVisible", String(queue.counts.InFlight)],
    ["ApproximateNumberOfMessagesDelayed", String(queue.counts.Delayed)],
    ["CreatedTimestamp", seconds(queue.createdAt)],
    ["LastModifiedTimestamp", seconds(queue.modifiedAt)],
    ...queue.attributes
  ])

/** GetQueueAttributes. */
export const attributesOf = (
  queue: Queue,
  from: input.Input
): Readonly<Record<string, string>> | undefined => {
  const names = input.texts(from, "AttributeNames")
  const unknown = names.find((name) => !settings.isReadable(name))
  if (unknown !== undefined) refusals.refuse(refusals.unknownAttribute(unknown))
  const values = valuesOf(queue)
  const chosen = names.includes("All")
    ? [...values]
    : [...values].filter(([name]) => names.includes(name))
  return chosen.length === 0 ? undefined : Object.fromEntries(chosen)
}

/** On FIFO a new delay holds for the messages that are delayed already. */
const redelay = (queue: Queue, delayMillis: number, now: number): void => {
  if (!queue.fifo || delayMillis === queue.settings.delayMillis) return
  for (const message of queue.messages.values()) {
    if (message.state !== "Delayed") continue
    queues.holdUntil(queue, message, message.content.sentAt + delayMillis)
    if (message.visibleAt <= now) queues.show(queue, message)
  }
}

/** SetQueueAttributes. */
export const setAttributes = (
  broker: Broker,
  queue: Queue,
  from: input.Input,
  now: number
): void => {
  const given = input.textMap(from, "Attributes")
  if (given.length === 0) refusals.refuse(refusals.missing("Attribute.Name"))
  for (const [name, value] of given) {
    if (name !== "FifoQueue") continue
    if (!queue.fifo) refusals.refuse(refusals.unknownAttribute(name))
    if (value !== "true") {
      refusals.refuse(
        refusals.invalidAttributeValue(name, "Modifying queue type is not supported.")
      )
    }
  }
  const attributes = settings.update(queue.attributes, given, queue.fifo)
  const parsed = apply(broker, queue, queue.name, attributes, queue.fifo)
  redelay(queue, parsed.delayMillis, now)
  queue.attributes.clear()
  for (const [name, value] of attributes) queue.attributes.set(name, value)
  queue.settings = parsed
  queue.modifiedAt = now
}

/** PurgeQueue: everything goes, in flight or not. */
export const purge = (queue: Queue, now: number): void => {
  if (queue.purgedAt + limits.quietMillis > now) {
    refusals.refuse(refusals.purging(queue.name))
  }
  queue.purgedAt = now
  for (const message of queue.messages.values()) queues.remove(queue, message)
}

/** TagQueue. */
export const tag = (queue: Queue, from: input.Input): void =>
  readTags(queue, input.textMap(from, "Tags"))

/** UntagQueue. */
export const untag = (queue: Queue, from: input.Input): void => {
  for (const key of input.texts(from, "TagKeys")) queue.tags.delete(key)
}
