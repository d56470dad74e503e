/**
 * W3C trace context in the attributes of a message: which span it came from, so that whoever receives it
 * continues the same trace.
 *
 * **Details**
 *
 * Two attributes, `traceparent` and `tracestate`, as the W3C recommendation writes them; each provider
 * puts them where other programs of its service look for them. What a foreign program wrote there is
 * believed if it is well-formed, and is left alone otherwise.
 *
 * Effect's spans know no `tracestate`: {@link State} carries it from a message to those its handler sends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Defaults from "./Defaults.ts"
import type * as Message from "./Message.ts"
import * as Options from "./Options.ts"

/**
 * The attribute that names the span.
 *
 * @category attributes
 * @since 0.1.0
 */
export const parentAttribute = "traceparent"

/**
 * The attribute for what the vendors of tracing systems add.
 *
 * @category attributes
 * @since 0.1.0
 */
export const stateAttribute = "tracestate"

/**
 * One span of a trace, as it travels.
 *
 * @category models
 * @since 0.1.0
 */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string
  /** 16 hexadecimal digits, not all zero. */
  readonly spanId: string
  readonly sampled: boolean
  /** `tracestate`, as it came. */
  readonly state?: string
}

/**
 * `tracestate` of the trace that a handler continues; what is sent in the same trace takes it along.
 *
 * @category references
 * @since 0.1.0
 */
export const State: Context.Reference<Pick<TraceContext, "traceId" | "state"> | undefined> =
  Context.Reference<Pick<TraceContext, "traceId" | "state"> | undefined>(
    "@queue-runtime/core/TraceContext/State",
    { defaultValue: () => undefined }
  )

/** A later version may have more behind the flags; `ff` is none. */
const pattern = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/u

const member = /^[a-z\d][a-z\d_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/u

const isZero = (id: string): boolean => /^0+$/u.test(id)

const isState = (state: string): boolean => {
  if (state.length > Defaults.traceStateLengthMax) return false
  const members = state.split(",").map((one) => one.trim())
  return members.every((one) => one === "" || member.test(one)) && members.some((one) => one !== "")
}

/**
 * Reads the two texts. Malformed, they are no context; a malformed `tracestate` alone is left out.
 *
 * **Source** W3C Trace Context, level 1, §3.2 and §3.3
 *
 * **Example** (The example of the recommendation)
 *
 * ```ts
 * import { TraceContext } from "@queue-runtime/core"
 * import { Option } from "effect"
 *
 * const text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
 * const context = Option.getOrThrow(TraceContext.parse(text))
 * context.spanId // => "00f067aa0ba902b7"
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const parse = (parent: string, state?: string): Option.Option<TraceContext> => {
  const [, version, traceId = "", spanId = "", flags = "", more] = pattern.exec(parent) ?? []
  if (version === undefined || isZero(traceId) || isZero(spanId)) return Option.none()
  if (version === "00" && more !== undefined) return Option.none()
  const sampled = (Number.parseInt(flags, 16) & 1) === 1
  const known = state !== undefined && isState(state) ? state : undefined
  return Option.some({ traceId, spanId, sampled, ...Options.defined({ state: known }) })
}

/**
 * `traceparent` of a context.
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = ({ sampled, spanId, traceId }: TraceContext): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

/**
 * The context that the attributes of a message carry, if they do.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromAttributes = (attributes: Message.Attributes): Option.Option<TraceContext> => {
  const parent = attributes[parentAttribute]
  return parent === undefined ? Option.none() : parse(parent, attributes[stateAttribute])
}

/**
 * The attributes that carry a context.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toAttributes = (self: TraceContext): Message.Attributes => ({
  [parentAttribute]: format(self),
  ...Options.defined({ [stateAttribute]: self.state })
})

/**
 * The context of a span, with the `tracestate` of its trace; none of a span that leads nowhere, as where
 * tracing is switched off.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromSpan = (
  { sampled, spanId, traceId }: Tracer.AnySpan,
  state?: Pick<TraceContext, "traceId" | "state">
): Option.Option<TraceContext> => {
  const own = state?.traceId === traceId ? state.state : undefined
  return parse(format({ traceId, spanId, sampled }), own)
}

/**
 * A context as the parent of a span, or for a link to it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toSpan = ({ sampled, spanId, traceId }: TraceContext): Tracer.ExternalSpan =>
  Tracer.externalSpan({ traceId, spanId, sampled })
