import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as Defaults from "../../Defaults.ts"
import * as Message from "../../Message.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as TraceContext from "../../TraceContext.ts"

/** Of a context that the library put there: what it added it takes out again. */
const mark = "queue-runtime=1"

const { parentAttribute, stateAttribute } = TraceContext

/** What a trace context adds to a message, at most: two names, two values. */
export const overheadMax =
  parentAttribute.length +
  stateAttribute.length +
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".length +
  Defaults.traceStateLengthMax

/** By code: 1 for a zero, 3 for another lower-case hexadecimal digit. */
const digits = Uint8Array.from({ length: 256 }, (_, code) => {
  const place = "0123456789abcdef".indexOf(String.fromCharCode(code))
  return place < 0 ? 0 : place === 0 ? 1 : 3
})

/**
 * Lower-case hexadecimal digits, not all zero. Of random digits nobody can guess the next: with a branch
 * for each it takes five times as long.
 */
const isId = (text: string, from: number, to: number): boolean => {
  let all = 1
  let any = 0
  for (let at = from; at < to; at++) {
    const digit = digits[text.charCodeAt(at)] ?? 0
    all &= digit
    any |= digit
  }
  return all === 1 && any === 3
}

/**
 * `traceparent` as the library writes it, read without a pattern: that costs more than the rest of a
 * span. Written otherwise, it may still be one.
 */
const ownContext = (parent: string): TraceContext.TraceContext | undefined => {
  const sampled = parent.endsWith("-01")
  const isFramed =
    parent.length === 55 &&
    parent.startsWith("00-") &&
    parent[35] === "-" &&
    (sampled || parent.endsWith("-00"))
  return isFramed && isId(parent, 3, 35) && isId(parent, 36, 52)
    ? { traceId: parent.slice(3, 35), spanId: parent.slice(36, 52), sampled }
    : undefined
}

const isOurs = ({ [stateAttribute]: state }: Message.Attributes): boolean =>
  state === mark || state?.startsWith(`${mark},`) === true

const without = (attributes: Message.Attributes): Message.Attributes => {
  const { [parentAttribute]: _, [stateAttribute]: __, ...rest } = attributes
  return rest
}

/** Attributes of the application's own are left alone, well-formed or not. */
const isTaken = (attributes: Message.Attributes): boolean =>
  attributes[parentAttribute] !== undefined || attributes[stateAttribute] !== undefined

/** The context of a span, with the `tracestate` of its trace; none of a span that leads nowhere. */
export const contextOfSpan = (
  span: Tracer.AnySpan,
  state: Pick<TraceContext.TraceContext, "traceId" | "state"> | undefined
): TraceContext.TraceContext | undefined => {
  if (state !== undefined) return Option.getOrUndefined(TraceContext.fromSpan(span, state))
  const { sampled, spanId, traceId } = span
  const isWhole = traceId.length === 32 && spanId.length === 16
  return isWhole && isId(traceId, 0, 32) && isId(spanId, 0, 16)
    ? { traceId, spanId, sampled }
    : undefined
}

/** The messages with the context; one that carries something there keeps it. */
export const inject = (
  messages: ReadonlyArray<Message.Stamped>,
  context: TraceContext.TraceContext
): ReadonlyArray<Message.Stamped> => {
  const both = context.state === undefined ? mark : `${mark},${context.state}`
  const state = both.length > Defaults.traceStateLengthMax ? mark : both
  const parent = TraceContext.format(context)
  return messages.map((message) => {
    if (isTaken(message.attributes)) return message
    // Name by name: another object of them would take three times as long to copy.
    const attributes = {
      ...message.attributes,
      [parentAttribute]: parent,
      [stateAttribute]: state
    }
    return { ...message, attributes }
  })
}

/** The size of a message as its sender sees it. */
export const size = (message: Message.Stamped): number =>
  isOurs(message.attributes)
    ? Message.size({ ...message, attributes: without(message.attributes) })
    : Message.size(message)

const contextIn = (attributes: Message.Attributes): TraceContext.TraceContext | undefined => {
  const parent = attributes[parentAttribute]
  if (parent === undefined) return undefined
  const own = attributes[stateAttribute] === mark ? ownContext(parent) : undefined
  return own ?? Option.getOrUndefined(TraceContext.fromAttributes(attributes))
}

/** The context of a message that goes down, or came up. */
export const contextOf = ({
  attributes,
  traceContext
}: Pick<ReceivedMessage.PeekedMessage, "attributes" | "traceContext">):
  | TraceContext.TraceContext
  | undefined => traceContext ?? contextIn(attributes)

/** Whether the attributes say what the library writes of this span. */
const isOf = (
  { [parentAttribute]: parent, [stateAttribute]: state }: Message.Attributes,
  { spanId, traceId }: Tracer.AnySpan
): boolean =>
  state === mark &&
  parent?.length === 55 &&
  spanId.length === 16 &&
  traceId.length === 32 &&
  parent.startsWith(spanId, 36) &&
  parent.startsWith(traceId, 3)

/**
 * The contexts of those that carry one; what one call sent carries one and the same. Who merges calls
 * links to the spans of their callers, which mostly are those that the messages carry, in their order:
 * these are not read again.
 */
export const contextsOf = (
  messages: ReadonlyArray<Pick<ReceivedMessage.PeekedMessage, "attributes" | "traceContext">>,
  linked: ReadonlyArray<Tracer.SpanLink> = []
): ReadonlyArray<TraceContext.TraceContext> => {
  const contexts: Array<TraceContext.TraceContext> = []
  let last: TraceContext.TraceContext | undefined
  let lastAttributes: Message.Attributes = {}
  let at = 0
  for (const { attributes, traceContext } of messages) {
    const isKnown = traceContext !== undefined || isSame(attributes, lastAttributes)
    const link = isKnown ? undefined : linked[at]
    const isLinked = link !== undefined && isOf(attributes, link.span)
    if (isLinked) at++
    const context = traceContext ?? (isKnown ? last : isLinked ? link.span : contextIn(attributes))
    if (context !== undefined) contexts.push(context)
    last = traceContext === undefined ? context : undefined
    lastAttributes = attributes
  }
  return contexts
}

const isSame = (one: Message.Attributes, other: Message.Attributes): boolean =>
  one[parentAttribute] === other[parentAttribute] && one[stateAttribute] === other[stateAttribute]

/** What a message is without what the library added. */
export interface Extracted {
  readonly attributes: Message.Attributes
  readonly traceContext?: TraceContext.TraceContext
}

/** The attributes as they were sent, and the context beside them; nothing where the library added none. */
export const extracted = (attributes: Message.Attributes): Extracted | undefined => {
  if (!isOurs(attributes)) return undefined
  const own = without(attributes)
  const context = contextIn(attributes)
  if (context === undefined) return { attributes: own }
  const { sampled, spanId, state, traceId } = context
  const others = state?.slice(mark.length + 1)
  const traceContext =
    others === undefined || others === ""
      ? { traceId, spanId, sampled }
      : { traceId, spanId, sampled, state: others }
  return { attributes: own, traceContext }
}

/** The message as it was sent, and its context beside the attributes instead of among them. */
export const extract = <M extends ReceivedMessage.PeekedMessage>(message: M): M => {
  const own = extracted(message.attributes)
  return own === undefined ? message : { ...message, ...own }
}
