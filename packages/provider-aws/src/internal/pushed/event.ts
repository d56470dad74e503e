import type { MessageAttributeValue } from "@aws-sdk/client-sqs"
import * as Predicate from "effect/Predicate"
import { defined } from "../defined.ts"
import type { SqsMessage } from "../sqs.ts"

/** An attribute of a message as Lambda has it in its event: bytes in base64. */
export interface EventAttribute {
  readonly stringValue?: string | undefined
  readonly binaryValue?: string | undefined
  readonly dataType: string
}

/** A message as Lambda has it in its event. */
export interface EventRecord {
  readonly messageId: string
  readonly receiptHandle: string
  readonly body: string
  readonly attributes: object
  readonly messageAttributes: Readonly<Record<string, EventAttribute>>
  readonly eventSourceARN: string
}

const isAttribute = (value: unknown): value is EventAttribute =>
  Predicate.hasProperty(value, "dataType") && typeof value.dataType === "string"

const isRecord = (value: unknown): value is EventRecord => {
  if (!Predicate.isObject(value)) return false
  const given: Partial<Record<keyof EventRecord, unknown>> = value
  const texts = [given.messageId, given.receiptHandle, given.body, given.eventSourceARN]
  return (
    texts.every(Predicate.isString) &&
    Predicate.isObject(given.attributes) &&
    Predicate.isObject(given.messageAttributes) &&
    Object.values(given.messageAttributes).every(isAttribute)
  )
}

/** The messages of an event; nothing when it is none of SQS. */
export const recordsOf = (event: unknown): ReadonlyArray<EventRecord> | undefined => {
  const records = Predicate.hasProperty(event, "Records") ? event.Records : undefined
  return Array.isArray(records) && records.every(isRecord) ? records : undefined
}

const valueOf = (one: EventAttribute): MessageAttributeValue => {
  const { binaryValue, dataType, stringValue } = one
  const BinaryValue =
    binaryValue === undefined ? undefined : new Uint8Array(Buffer.from(binaryValue, "base64"))
  return { DataType: dataType, ...defined({ StringValue: stringValue, BinaryValue }) }
}

/** As a receive of ours would have it. */
export const toMessage = (record: EventRecord): SqsMessage => ({
  id: record.messageId,
  handle: record.receiptHandle,
  body: record.body,
  systemAttributes: Object.fromEntries(
    Object.entries(record.attributes).filter((entry): entry is [string, string] =>
      Predicate.isString(entry[1])
    )
  ),
  attributes: Object.fromEntries(
    Object.entries(record.messageAttributes).map(([name, one]) => [name, valueOf(one)])
  )
})
