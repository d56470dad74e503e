import type { MessageAttributeValue } from "@aws-sdk/client-sqs"
import { Defaults } from "@queue-runtime/core"
import * as legal from "./legal.ts"
import * as metadata from "./metadata.ts"

type Texts = Readonly<Record<string, string>>
type Values = Readonly<Record<string, MessageAttributeValue>>

/** The system attribute of X-Ray, which goes beside the ten and is refused in any other form. */
export const traceHeader = "AWSTraceHeader"

const isTraceHeader = (value: string): boolean =>
  value.length <= 256 && /^Root=1-[\da-f]{8}-[\da-f]{24}(?:;[\w-]+=[\w:.-]*)*$/u.test(value)

/** Attributes as SQS takes them. */
export interface WireAttributes {
  readonly plain: ReadonlyArray<readonly [name: string, value: string]>
  /** For our own attribute: what SQS would refuse, and what is beyond its ten. */
  readonly packed: ReadonlyArray<readonly [name: string, value: string]>
  readonly traceHeader?: string
}

/** Others read the trace context, so it is the last to be packed. */
const isTraceContext = (name: string): boolean => name === "traceparent" || name === "tracestate"

const isPlain = ([name, value]: readonly [string, string]): boolean =>
  name !== metadata.attribute && legal.isAttributeName(name) && legal.isText(value)

/** One of the ten places is our own attribute's. */
const room = Defaults.sqsAttributesMax - 1

/** Few, and nothing SQS would refuse: most messages. */
const areSimple = (entries: WireAttributes["plain"]): boolean =>
  entries.length <= room && entries.every((entry) => entry[0] !== traceHeader && isPlain(entry))

export const toWire = (attributes: Texts): WireAttributes => {
  const entries = Object.entries(attributes)
  if (areSimple(entries)) return { plain: entries, packed: [] }
  const header = entries.find(([name, value]) => name === traceHeader && isTraceHeader(value))?.[1]
  const others = header === undefined ? entries : entries.filter(([name]) => name !== traceHeader)
  const legalOnes = others.filter(isPlain)
  const sorted = legalOnes.toSorted(
    ([one], [other]) => Number(isTraceContext(other)) - Number(isTraceContext(one))
  )
  const plain = new Map(sorted.slice(0, room))
  return {
    plain: [...plain],
    packed: others.filter(([name]) => !plain.has(name)),
    ...(header === undefined ? {} : { traceHeader: header })
  }
}

/** An attribute of ours. */
export const value = (text: string): MessageAttributeValue => ({
  DataType: "String",
  StringValue: text
})

/** A number as it is written, binary in base64: an attribute here is text. */
export const textOf = ({ BinaryValue, StringValue }: MessageAttributeValue): string =>
  BinaryValue === undefined
    ? (StringValue ?? "").toWellFormed()
    : Buffer.from(BinaryValue).toString("base64")

/** Our own attribute, when it is that. */
export const metadataOf = (values: Values): metadata.Metadata | undefined =>
  metadata.decode(values[metadata.attribute]?.StringValue)

/** Nothing, or our own attribute alone. */
const hasNoneBut = (values: Values, own: metadata.Metadata | undefined): boolean => {
  for (const name in values) if (name !== metadata.attribute || own === undefined) return false
  return true
}

/** The attributes as they were, whoever sent them. */
export const fromWire = (
  values: Values,
  header: string | undefined,
  own: metadata.Metadata | undefined
): Texts => {
  // As most messages have.
  if (header === undefined && own?.attributes === undefined && hasNoneBut(values, own)) return {}
  const plain = Object.entries(values)
    // A name the SDK's answers lose comes without its value.
    .filter(([name, one]) => one && (name !== metadata.attribute || own === undefined))
    .map(([name, one]) => [name, textOf(one)] as const)
  const trace = header === undefined ? [] : [[traceHeader, header] as const]
  return Object.fromEntries([...plain, ...trace, ...Object.entries(own?.attributes ?? {})])
}
