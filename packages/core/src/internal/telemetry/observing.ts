import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueError from "../../QueueError.ts"
import type * as TraceContext from "../../TraceContext.ts"
import { defined } from "../defined.ts"
import { problemIn, systemOf } from "./conventions.ts"
import * as metrics from "./metrics.ts"
import type * as signals from "./signals.ts"
import * as spans from "./spans.ts"

/** One call of a port, as it is told about. */
export interface Call<A> {
  /** `messaging.operation.name`. */
  readonly operation: string
  /** `messaging.operation.type`, of what the conventions know. */
  readonly type?: "create" | "send" | "receive" | "settle"
  readonly kind?: Tracer.SpanKind
  readonly address: QueueAddress.QueueAddress
  readonly sessionId?: string | undefined
  readonly messageId?: string | undefined
  readonly verdict?: string
  /** Messages or receipts; absent where the result says it. */
  readonly count?: number
  readonly contexts?: ReadonlyArray<TraceContext.TraceContext>
  readonly failuresOf: (result: A) => ReadonlyArray<QueueError.QueueError>
  /** Messages of a result, to be counted and linked to. Nothing: the call waited in vain. */
  readonly countOf?: (result: A) => number
  readonly contextsOf?: (result: A) => ReadonlyArray<TraceContext.TraceContext>
}

/** Watches calls: a span, two metrics. */
export interface Observer {
  readonly metrics: Option.Option<metrics.Metrics>
  readonly watch: <A, R>(
    call: Call<A>,
    run: (span: Tracer.Span | undefined) => Effect.Effect<A, QueueError.QueueError, R>
  ) => Effect.Effect<A, QueueError.QueueError, R>
}

const attributesOf = <A>(system: string, call: Call<A>): Readonly<Record<string, unknown>> =>
  defined({
    "messaging.system": system,
    "messaging.destination.name": QueueAddress.format(call.address),
    "messaging.operation.name": call.operation,
    "messaging.operation.type": call.type,
    "messaging.message.id": call.messageId,
    "messaging.batch.message_count": call.count === 1 ? undefined : call.count,
    "queue_runtime.session.id": call.sessionId,
    "queue_runtime.verdict": call.verdict
  })

const errorTypesOf = <A>(call: Call<A>, exit: Exit.Exit<A, QueueError.QueueError>) => {
  const problem = problemIn(exit, call.failuresOf)
  if (problem === undefined) return []
  return Exit.isSuccess(exit)
    ? call.failuresOf(exit.value).map(({ reason }) => reason._tag)
    : [problem.name]
}

/** What the span learns from the result, and whether there is anything to tell. */
const conclude = <A>(
  call: Call<A>,
  span: Tracer.Span,
  exit: Exit.Exit<A, QueueError.QueueError>
): Effect.Effect<void> => {
  if (call.countOf === undefined) return spans.end(span, problemIn(exit, call.failuresOf))
  if (Exit.isSuccess(exit)) {
    const count = call.countOf(exit.value)
    // A worker waits in vain most of the time: a span that does not end is never exported.
    if (count === 0) return Effect.void
    span.attribute("messaging.batch.message_count", count)
    span.addLinks(spans.linksTo(call.contextsOf?.(exit.value) ?? []))
  } else if (Exit.hasInterrupts(exit)) return Effect.void
  return spans.end(span, problemIn(exit, call.failuresOf))
}

/** For a provider of this name, with whoever listens. */
export const make = (
  provider: string,
  { context, isMeasured, tracer }: signals.Signals
): Observer => {
  const system = systemOf(provider)
  const written = isMeasured ? metrics.make(provider, context) : undefined

  const measured =
    <A>(call: Call<A>, start: bigint) =>
    (exit: Exit.Exit<A, QueueError.QueueError>): Effect.Effect<void> =>
      Effect.map(Clock.currentTimeNanos, (now) =>
        written?.called({
          queue: QueueAddress.format(call.address),
          operation: call.operation,
          durationSeconds: Number(now - start) / 1e9,
          errorTypes: errorTypesOf(call, exit)
        })
      )

  const traced = <A, R>(
    call: Call<A>,
    run: (span: Tracer.Span | undefined) => Effect.Effect<A, QueueError.QueueError, R>
  ): Effect.Effect<A, QueueError.QueueError, R> => {
    if (tracer === undefined) return run(undefined)
    const facts: spans.Facts = {
      name: `${call.operation} ${QueueAddress.format(call.address)}`,
      kind: call.kind ?? "client",
      attributes: attributesOf(system, call),
      contexts: call.contexts ?? []
    }
    return Effect.flatMap(spans.start(tracer, facts), (span) =>
      Effect.onExit(Effect.withParentSpan(run(span), span, spans.noStack), (exit) =>
        conclude(call, span, exit)
      )
    )
  }

  return {
    metrics: Option.fromNullishOr(written),
    watch: (call, run) =>
      written === undefined
        ? traced(call, run)
        : Effect.flatMap(Clock.currentTimeNanos, (start) =>
            Effect.onExit(traced(call, run), measured(call, start))
          )
  }
}
