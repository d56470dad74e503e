/** SendMessage and SendMessageBatch. */
import { hash } from "node:crypto"
import * as attributes from "./attributes.ts"
import * as batch from "./batch.ts"
import type { Broker } from "./broker.ts"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import * as queues from "./queue.ts"
import type { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"

/** What faults do to what is sent. */
export interface Twist {
  /** Stores it this often; a standard queue alone may hold a message twice. */
  readonly copies: number
  readonly reorder: boolean
  readonly fail: batch.FailEntry | undefined
}

/** What SendMessage answers; an entry of a batch adds its id. */
export interface Answer {
  readonly MessageId: string
  readonly MD5OfMessageBody: string
  readonly MD5OfMessageAttributes?: string
  readonly MD5OfMessageSystemAttributes?: string
  readonly SequenceNumber?: string
}

/** A message that was checked and not yet stored. */
interface Draft {
  readonly body: string
  readonly attributes: attributes.Attributes
  readonly system: attributes.Attributes
  readonly groupId: string | undefined
  readonly deduplicationId: string | undefined
  readonly delayMillis: number
}

const fifoIdForm = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/u

const fifoId = (from: input.Input, name: string): string | undefined => {
  const value = input.text(from, name)
  if (value === undefined || fifoIdForm.test(value)) return value
  return refusals.refuse(refusals.invalidFifoId(name, value))
}

/** Checks that in a batch fail the whole call: what a FIFO queue cannot do without. */
const checkIds = (queue: Queue, from: input.Input, inBatch: boolean): void => {
  if (!queue.fifo) return
  if (input.text(from, "MessageGroupId") === undefined) {
    refusals.refuse(
      inBatch ? refusals.missingInEntry("MessageGroupId") : refusals.missing("MessageGroupId")
    )
  }
  if (input.text(from, "MessageDeduplicationId") === undefined && !queue.settings.contentBased) {
    refusals.refuse(refusals.noDeduplicationId())
  }
}

const delayOf = (queue: Queue, from: input.Input): number => {
  const seconds = input.int(from, "DelaySeconds")
  if (seconds === undefined) return queue.settings.delayMillis
  if (seconds < 0 || seconds > limits.delaySecondsMax) {
    refusals.refuse(refusals.delayOutOfRange(seconds))
  }
  if (!queue.fifo) return seconds * 1_000
  if (seconds > 0) refusals.refuse(refusals.notForThisType("DelaySeconds", seconds))
  return queue.settings.delayMillis
}

const bytesOf = (from: input.Input, given: attributes.Attributes): number =>
  Buffer.byteLength(input.text(from, "MessageBody") ?? "") + attributes.bytesOf(given)

const read = (queue: Queue, from: input.Input): Draft => {
  const body = input.requiredText(from, "MessageBody")
  const given = attributes.readAll(from)
  const { messageBytesMax } = queue.settings
  if (bytesOf(from, given) > messageBytesMax) {
    refusals.refuse(refusals.messageTooLong(messageBytesMax))
  }
  if (!attributes.isLegalText(body)) refusals.refuse(refusals.invalidContents())
  const deduplicationId = fifoId(from, "MessageDeduplicationId")
  if (!queue.fifo && deduplicationId !== undefined) {
    refusals.refuse(refusals.notForThisType("MessageDeduplicationId", deduplicationId))
  }
  return {
    body,
    attributes: given,
    system: attributes.readSystem(from),
    groupId: fifoId(from, "MessageGroupId"),
    deduplicationId: deduplicationId ?? (queue.fifo ? hash("sha256", body, "hex") : undefined),
    delayMillis: delayOf(queue, from)
  }
}

/** Scopes of deduplication ids: a group id has no space in it. */
const keyOf = (queue: Queue, { deduplicationId, groupId }: Draft): string =>
  queue.settings.deduplicationPerGroup ? `${groupId} ${deduplicationId}` : `${deduplicationId}`

/** How far a reordering fault moves a message, in messages. */
const reorderWindow = 20

const store = (
  broker: Broker,
  queue: Queue,
  draft: Draft,
  twist: Twist,
  now: number
): { readonly id: string; readonly sequenceNumber: string | undefined } => {
  const known = queue.fifo ? queue.sent.get(keyOf(queue, draft)) : undefined
  if (known !== undefined) return { id: known.messageId, sequenceNumber: known.sequenceNumber }
  const content = {
    id: broker.nextId(),
    body: draft.body,
    bodyMd5: hash("md5", draft.body, "hex"),
    attributes: draft.attributes,
    system: draft.system,
    groupId: draft.groupId,
    deduplicationId: draft.deduplicationId,
    sentAt: now
  }
  const { random } = broker.surroundings
  let sequenceNumber: string | undefined
  for (let copy = 0; copy < (queue.fifo ? 1 : twist.copies); copy++) {
    const uid = broker.nextUid()
    const message = queues.enqueue(queue, {
      content,
      uid,
      enqueuedAt: now,
      visibleAt: now + draft.delayMillis,
      now,
      order: twist.reorder ? uid + (random() * 2 - 1) * reorderWindow : undefined
    })
    sequenceNumber = message.sequenceNumber
  }
  if (sequenceNumber !== undefined) {
    queue.sent.set(keyOf(queue, draft), { messageId: content.id, sequenceNumber, at: now })
  }
  return { id: content.id, sequenceNumber }
}

const answerOf = (
  broker: Broker,
  queue: Queue,
  draft: Draft,
  twist: Twist,
  now: number
): Answer => {
  const { id, sequenceNumber } = store(broker, queue, draft, twist, now)
  const attributesMd5 = attributes.md5Of(draft.attributes)
  const systemMd5 = attributes.md5Of(draft.system)
  return {
    MessageId: id,
    MD5OfMessageBody: hash("md5", draft.body, "hex"),
    ...(attributesMd5 === undefined ? {} : { MD5OfMessageAttributes: attributesMd5 }),
    ...(systemMd5 === undefined ? {} : { MD5OfMessageSystemAttributes: systemMd5 }),
    ...(sequenceNumber === undefined ? {} : { SequenceNumber: sequenceNumber })
  }
}

/** SendMessage. */
export const one = (
  broker: Broker,
  queue: Queue,
  from: input.Input,
  twist: Twist,
  now: number
): Answer => {
  checkIds(queue, from, false)
  return answerOf(broker, queue, read(queue, from), twist, now)
}

const checkTotal = (entries: ReadonlyArray<batch.Entry>): void => {
  let total = 0
  for (const entry of entries) {
    // An attribute that is refused later counts nothing: the entry fails for itself.
    const given = batch.attempt(() => attributes.readAll(entry.input))
    total += bytesOf(entry.input, given._tag === "Success" ? given.success : new Map())
  }
  if (total > limits.messageBytesMax) {
    refusals.refuse(refusals.batchTooLong(limits.messageBytesMax, total))
  }
}

/** SendMessageBatch. */
export const many = (
  broker: Broker,
  queue: Queue,
  from: input.Input,
  twist: Twist,
  now: number
): batch.Outcome<Answer & { readonly Id: string }> => {
  const entries = batch.entriesOf(from, "SendMessageBatchRequestEntry")
  checkTotal(entries)
  for (const entry of entries) checkIds(queue, entry.input, true)
  return batch.each(entries, twist.fail, (entry) => ({
    Id: entry.id,
    ...answerOf(broker, queue, read(queue, entry.input), twist, now)
  }))
}
