import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as Defaults from "../../Defaults.ts"
import * as TraceContext from "../../TraceContext.ts"
import type { Problem } from "./conventions.ts"

/** A span to be. */
export interface Facts {
  readonly name: string
  readonly kind: Tracer.SpanKind
  /** Where the messages came from. */
  readonly contexts: ReadonlyArray<TraceContext.TraceContext>
}

type Links = ReadonlyArray<Tracer.SpanLink>

const noLinks: Links = []

const noAttributes: Tracer.SpanLink["attributes"] = {}

const linkTo = (context: TraceContext.TraceContext): Tracer.SpanLink => ({
  span: TraceContext.toSpan(context),
  attributes: noAttributes
})

export const linksTo = (contexts: ReadonlyArray<TraceContext.TraceContext>): Links => {
  const [first] = contexts
  if (first === undefined) return noLinks
  // What one call sent has one context, and mostly it is alone.
  if (contexts.every(({ spanId }) => spanId === first.spanId)) return [linkTo(first)]
  const seen = new Set<string>()
  const links: Array<Tracer.SpanLink> = []
  for (const context of contexts) {
    if (links.length === Defaults.telemetryLinksMax) break
    if (seen.has(context.spanId)) continue
    seen.add(context.spanId)
    links.push(linkTo(context))
  }
  return links
}

/**
 * The span at work, if the messages are of its trace; else where they came from, if that is one trace:
 * calls that were merged run in a fiber of nobody.
 */
const parentOf = (
  contexts: ReadonlyArray<TraceContext.TraceContext>,
  current: Tracer.AnySpan | undefined
): Tracer.AnySpan | undefined => {
  const [first] = contexts
  if (first === undefined || first.traceId === current?.traceId) return current
  const isOneTrace = contexts.every(({ traceId }) => traceId === first.traceId)
  return isOneTrace ? TraceContext.toSpan(first) : current
}

/** Those that the span is not linked to anyway: who merges calls links what they make to their spans. */
const unlinked = (
  current: Context.Context<never>,
  contexts: ReadonlyArray<TraceContext.TraceContext>
): ReadonlyArray<TraceContext.TraceContext> => {
  const linked = Context.get(current, References.TracerSpanLinks)
  if (linked.length === 0) return contexts
  // Of a merged call they are the very spans, one after the other.
  let at = 0
  if (contexts.every((one) => one === linked[at]?.span || one === linked[++at]?.span)) return []
  const ids = new Set(linked.map(({ span }) => span.spanId))
  return contexts.filter(({ spanId }) => !ids.has(spanId))
}

const make = (
  tracer: Tracer.Tracer,
  current: Context.Context<never>,
  { contexts, kind, name }: Facts,
  parent: Tracer.AnySpan | undefined
): Effect.Effect<Tracer.Span> => {
  const links = linksTo(unlinked(current, contexts))
  const span = Effect.makeSpan(
    name,
    parent === undefined ? { kind, links, root: true } : { kind, links, parent }
  )
  // Mostly the tracer is everywhere the same, and to provide it costs as much as the span.
  return Context.get(current, Tracer.Tracer) === tracer
    ? span
    : Effect.provideService(span, Tracer.Tracer, tracer)
}

/** A span of a call: beneath the one at work, or beside the messages it is about. */
export const start = (
  tracer: Tracer.Tracer,
  current: Context.Context<never>,
  facts: Facts
): Effect.Effect<Tracer.Span> => {
  const at = Context.getOrUndefined(current, Tracer.ParentSpan)
  return make(tracer, current, facts, parentOf(facts.contexts, at))
}

/** A span that continues the trace of one message, whatever else goes on here. */
export const startFrom = (
  tracer: Tracer.Tracer,
  current: Context.Context<never>,
  facts: Facts
): Effect.Effect<Tracer.Span> => {
  const [from] = facts.contexts
  return make(tracer, current, facts, from === undefined ? undefined : TraceContext.toSpan(from))
}

/**
 * Runs beneath a span. Not by `withParentSpan`: a frame of the stack would show this library alone; nor by
 * `provideService`, which makes itself anew at every call.
 */
export const beneath = <A, E, R>(
  span: Tracer.Span,
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.updateContext(call, (context: Context.Context<R>) =>
    Context.add(context, Tracer.ParentSpan, span)
  )

/** An attribute, if there is anything to tell. */
export const tell = (span: Tracer.Span, name: string, value: unknown): void => {
  if (value !== undefined) span.attribute(name, value)
}

/**
 * Ends a span. Of what went wrong it gets the name and the text alone: an exporter writes out whatever
 * error it is given, with its causes.
 */
export const end = (span: Tracer.Span, now: bigint, problem: Problem | undefined): void => {
  tell(span, "error.type", problem?.name)
  span.end(now, problem === undefined ? Exit.void : Exit.fail(problem))
}
