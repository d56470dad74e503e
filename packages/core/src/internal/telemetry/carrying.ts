import * as Option from "effect/Option"
import * as Defaults from "../../Defaults.ts"
import * as Message from "../../Message.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as TraceContext from "../../TraceContext.ts"
import { defined } from "../defined.ts"

/** Of a context that the library put there: what it added it takes out again. */
const mark = "queue-runtime=1"

const { parentAttribute, stateAttribute } = TraceContext

/** What a trace context adds to a message, at most: two names, two values. */
export const overheadMax =
  parentAttribute.length +
  stateAttribute.length +
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".length +
  Defaults.traceStateLengthMax

const isOurs = ({ [stateAttribute]: state }: Message.Attributes): boolean =>
  state === mark || state?.startsWith(`${mark},`) === true

const without = (attributes: Message.Attributes): Message.Attributes => {
  const { [parentAttribute]: _, [stateAttribute]: __, ...rest } = attributes
  return rest
}

/** Attributes of the application's own are left alone, well-formed or not. */
const isTaken = (attributes: Message.Attributes): boolean =>
  attributes[parentAttribute] !== undefined || attributes[stateAttribute] !== undefined

/** The message with the context; one that carries something there keeps it. */
export const inject = (
  message: Message.Stamped,
  context: TraceContext.TraceContext
): Message.Stamped => {
  if (isTaken(message.attributes)) return message
  const both = context.state === undefined ? mark : `${mark},${context.state}`
  const state = both.length > Defaults.traceStateLengthMax ? mark : both
  const added = TraceContext.toAttributes({ ...context, state })
  return { ...message, attributes: { ...message.attributes, ...added } }
}

/** The size of a message as its sender sees it. */
export const size = (message: Message.Stamped): number =>
  isOurs(message.attributes)
    ? Message.size({ ...message, attributes: without(message.attributes) })
    : Message.size(message)

/** The context of a message that goes down, or came up. */
export const contextOf = ({
  attributes,
  traceContext
}: Pick<
  ReceivedMessage.PeekedMessage,
  "attributes" | "traceContext"
>): Option.Option<TraceContext.TraceContext> =>
  traceContext === undefined ? TraceContext.fromAttributes(attributes) : Option.some(traceContext)

/** The message as it was sent, and its context beside the attributes instead of among them. */
export const extract = <M extends ReceivedMessage.PeekedMessage>(message: M): M => {
  if (!isOurs(message.attributes)) return message
  const traceContext = Option.map(
    TraceContext.fromAttributes(message.attributes),
    ({ state, ...context }) => {
      const others = state?.slice(mark.length + 1)
      return { ...context, ...defined({ state: others === "" ? undefined : others }) }
    }
  )
  return {
    ...message,
    attributes: without(message.attributes),
    ...defined({ traceContext: Option.getOrUndefined(traceContext) })
  }
}
