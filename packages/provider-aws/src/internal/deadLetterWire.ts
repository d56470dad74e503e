import type { MessageAttributeValue } from "@aws-sdk/client-sqs"
import * as DateTime from "effect/DateTime"
import { Defaults, Options, type ReceivedMessage } from "@queue-runtime/core"
import * as attributes from "./attributes.ts"
import * as metadata from "./metadata.ts"
import { sizeOf } from "./size.ts"
import type { SendEntry } from "./sqs.ts"
import type { Arrived } from "./wire.ts"

/** Why a message is put aside, and where from. */
export interface DeadLetterOptions {
  readonly reason: string
  readonly description?: string
  readonly details?: ReceivedMessage.DeadLetterDetails
  /** The logical name of its queue. */
  readonly source: string
  /** In milliseconds. */
  readonly now: number
  readonly deliveryCount: number
  /** Of the dead-letter queue. */
  readonly isFifo: boolean
  /** Of the dead-letter queue, in bytes. */
  readonly sizeMax?: number
}

type Entry = readonly [name: string, value: MessageAttributeValue]

/** Text loses least by being packed: a number or bytes would come out as text. */
const isTyped = ([, { DataType }]: Entry): boolean => DataType !== "String"

/** As they were, typed ones too; what our own attribute has no place beside goes into it. */
const split = (given: ReadonlyArray<Entry>) => {
  const room = Defaults.sqsAttributesMax - 1
  if (given.length <= room) return { plain: given, packed: [] }
  const sorted = given.toSorted((one, other) => Number(isTyped(other)) - Number(isTyped(one)))
  return { plain: sorted.slice(0, room), packed: sorted.slice(room) }
}

const deadOf = (
  { id, message, firstReceivedAt, sequence }: Arrived,
  options: DeadLetterOptions
) => ({
  reason: options.reason,
  source: options.source,
  time: options.now,
  deliveryCount: options.deliveryCount,
  id,
  enqueuedAt: DateTime.toEpochMillis(message.enqueuedAt),
  firstDeliveredAt: firstReceivedAt,
  ...Options.defined({
    description: options.description,
    sequence: sequence?.toString(),
    details: options.details === undefined ? undefined : metadata.toDetails(options.details)
  })
})

const detailed = (arrived: Arrived, options: DeadLetterOptions): SendEntry["attributes"] => {
  const { message, source } = arrived
  const own = attributes.metadataOf(source.attributes)
  const given = Object.entries(source.attributes).filter(
    ([name]) => own === undefined || name !== metadata.attribute
  )
  const { packed, plain } = split(given)
  const all = {
    ...own?.attributes,
    ...Object.fromEntries(packed.map(([name, value]) => [name, attributes.textOf(value)]))
  }
  const encoded = metadata.encode({
    ...own,
    ...Options.defined({ session: message.sessionId }),
    ...(Object.keys(all).length === 0 ? {} : { attributes: all }),
    id: message.messageId,
    dead: deadOf(arrived, options)
  })
  const ours: ReadonlyArray<Entry> =
    encoded === undefined ? [] : [[metadata.attribute, attributes.value(encoded)]]
  return Object.fromEntries([...plain, ...ours])
}

/**
 * The copy that goes to the dead-letter queue: the body and the attributes as they came, the rest in our
 * own attribute. A FIFO dead-letter queue has it in a group of its own, else ten of one session would
 * hide the rest of it, and under a deduplication id of its own: after a crash between the copy and the
 * removal it is the same, and another one when a message sent again fails again.
 *
 * A message that fills the limit has no room for the details: first what is more than a word is left out, then all
 * of it, and the copy is the message as it was, in its group.
 */
export const toDeadLetter = (arrived: Arrived, options: DeadLetterOptions): SendEntry => {
  const { source } = arrived
  const sizeMax = options.sizeMax ?? Defaults.sqsMessageSizeMax
  const id = `dl:${arrived.id}`
  const header = source.systemAttributes[attributes.traceHeader]
  const entryOf = (values: SendEntry["attributes"], group: string): SendEntry => ({
    body: source.body,
    attributes: values,
    ...Options.defined({ traceHeader: header }),
    ...(options.isFifo ? { groupId: group, deduplicationId: id } : {})
  })
  const { description: _, details: __, ...terse } = options
  for (const details of [options, terse]) {
    const entry = entryOf(detailed(arrived, details), id)
    if (sizeOf(entry) <= sizeMax) return entry
  }
  return entryOf(source.attributes, arrived.groupId ?? id)
}
