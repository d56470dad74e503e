import type { MessageAttributeValue } from "@aws-sdk/client-sqs"
import * as Predicate from "effect/Predicate"
import { Options } from "@queue-runtime/core"
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
  readonly messageAttributes?: Readonly<Record<string, EventAttribute>> | null | undefined
  readonly eventSourceARN: string
}

/** A record that Lambda can be told of, and nothing can be made of. */
export interface Unreadable {
  readonly messageId: string
  /** Its message group, if that can be read at least. */
  readonly groupId?: string
  readonly problem: string
}

/** One record of an event. */
export type Read =
  | { readonly _tag: "Record"; readonly record: EventRecord }
  | { readonly _tag: "Unreadable"; readonly unreadable: Unreadable }

const isAttribute = (value: unknown): value is EventAttribute =>
  Predicate.hasProperty(value, "dataType") && typeof value.dataType === "string"

type Fields = Partial<Record<keyof EventRecord, unknown>>

const areAttributes = (value: unknown): boolean =>
  Predicate.isObject(value) && Object.values(value).every(isAttribute)

/** What each must be; a test's event may leave out attributes, or say null. */
const rules: ReadonlyArray<readonly [keyof EventRecord, string, (value: unknown) => boolean]> = [
  ["receiptHandle", "is no text", Predicate.isString],
  ["body", "is no text", Predicate.isString],
  ["attributes", "is no object", Predicate.isObject],
  [
    "messageAttributes",
    "has one without a dataType",
    (value) => Predicate.isNullish(value) || areAttributes(value)
  ],
  ["eventSourceARN", "is no text", Predicate.isString]
]

const brokenRule = (given: Fields) => rules.find(([name, , holds]) => !holds(given[name]))

const isRecord = (given: Fields): given is EventRecord => brokenRule(given) === undefined

/** Its message group, as it came. */
export const groupOf = ({ attributes }: Fields): string | undefined => {
  const group = Predicate.hasProperty(attributes, "MessageGroupId")
    ? attributes.MessageGroupId
    : undefined
  return Predicate.isString(group) ? group : undefined
}

const readOne = (given: Fields & { readonly messageId: string }): Read => {
  if (isRecord(given)) return { _tag: "Record", record: given }
  const [name, problem] = brokenRule(given) ?? []
  return {
    _tag: "Unreadable",
    unreadable: {
      messageId: given.messageId,
      problem: `its ${name} ${problem}`,
      ...Options.defined({ groupId: groupOf(given) })
    }
  }
}

/** Lambda knows a message by nothing else: who cannot name it cannot keep it. */
const isNamed = (value: unknown): value is Fields & { readonly messageId: string } =>
  Predicate.hasProperty(value, "messageId") &&
  typeof value.messageId === "string" &&
  value.messageId !== ""

/** The messages of an event; nothing when it is none of SQS, or Lambda could not be told of one. */
export const read = (event: unknown): ReadonlyArray<Read> | undefined => {
  const records = Predicate.hasProperty(event, "Records") ? event.Records : undefined
  return Array.isArray(records) && records.every(isNamed) ? records.map(readOne) : undefined
}

const idOf = (one: Read): string =>
  one._tag === "Record" ? one.record.messageId : one.unreadable.messageId

/**
 * Of each the place of the first that is the same message, where it is a second delivery: at least once may
 * mean twice in one event, and a lock may run out while Lambda gathers a batch.
 */
export const copiesOf = (reads: ReadonlyArray<Read>): ReadonlyArray<number | undefined> => {
  const first = new Map<string, number>()
  return reads.map((one, index) => {
    const known = first.get(idOf(one))
    if (known === undefined) first.set(idOf(one), index)
    return known
  })
}

const valueOf = (one: EventAttribute): MessageAttributeValue => {
  const { binaryValue, dataType, stringValue } = one
  const BinaryValue =
    binaryValue === undefined ? undefined : new Uint8Array(Buffer.from(binaryValue, "base64"))
  return { DataType: dataType, ...Options.defined({ StringValue: stringValue, BinaryValue }) }
}

/** As one without anything in it would come: it has its place in the batch, and nobody gets it. */
export const blank = ({ groupId, messageId }: Unreadable): SqsMessage => ({
  id: messageId,
  handle: "",
  body: "",
  systemAttributes: Options.defined({ MessageGroupId: groupId }),
  attributes: {}
})

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
    Object.entries(record.messageAttributes ?? {}).map(([name, one]) => [name, valueOf(one)])
  )
})
