import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as Defaults from "../../Defaults.ts"
import * as TraceContext from "../../TraceContext.ts"
import { defined } from "../defined.ts"
import type { Problem } from "./conventions.ts"

/** A span to be. */
export interface Facts {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: Readonly<Record<string, unknown>>
  /** Where the messages came from. */
  readonly contexts: ReadonlyArray<TraceContext.TraceContext>
}

/** Without a stack: it would cost more than all the rest, and shows this library alone. */
export const noStack = { captureStackTrace: false } as const

export const linksTo = (
  contexts: ReadonlyArray<TraceContext.TraceContext>
): ReadonlyArray<Tracer.SpanLink> => {
  const byId = new Map(contexts.map((context) => [context.spanId, context]))
  return [...byId.values()]
    .slice(0, Defaults.telemetryLinksMax)
    .map((context) => ({ span: TraceContext.toSpan(context), attributes: {} }))
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

const make = (
  tracer: Tracer.Tracer,
  { attributes, contexts, kind, name }: Facts,
  parent: Tracer.AnySpan | undefined
): Effect.Effect<Tracer.Span> =>
  Effect.provideService(
    Effect.makeSpan(name, {
      kind,
      attributes: { ...attributes },
      links: linksTo(contexts),
      root: parent === undefined,
      ...defined({ parent })
    }),
    Tracer.Tracer,
    tracer
  )

/** A span of a call: beneath the one at work, or beside the messages it is about. */
export const start = (tracer: Tracer.Tracer, facts: Facts): Effect.Effect<Tracer.Span> =>
  Effect.flatMap(Effect.context(), (context) => {
    const current = Option.getOrUndefined(Context.getOption(context, Tracer.ParentSpan))
    return make(tracer, facts, parentOf(facts.contexts, current))
  })

/** A span that continues the trace of one message, whatever else goes on here. */
export const startFrom = (
  tracer: Tracer.Tracer,
  facts: Facts,
  from: Option.Option<TraceContext.TraceContext>
): Effect.Effect<Tracer.Span> =>
  make(tracer, facts, Option.getOrUndefined(Option.map(from, TraceContext.toSpan)))

/**
 * Ends a span. Of what went wrong it gets the name and the text alone: an exporter writes out whatever
 * error it is given, with its causes.
 */
export const end = (span: Tracer.Span, problem: Problem | undefined): Effect.Effect<void> =>
  Effect.map(Clock.Clock, (clock) => {
    if (problem !== undefined) span.attribute("error.type", problem.name)
    const exit = problem === undefined ? Exit.void : Exit.fail(problem)
    span.end(clock.currentTimeNanosUnsafe(), exit)
  })
