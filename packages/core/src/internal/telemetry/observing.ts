import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueError from "../../QueueError.ts"
import type * as TraceContext from "../../TraceContext.ts"
import { type Problem, problemIn, systemOf } from "./conventions.ts"
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
  readonly metrics: metrics.Metrics | undefined
  readonly watch: <A, R>(
    call: Call<A>,
    run: (span: Tracer.Span | undefined) => Effect.Effect<A, QueueError.QueueError, R>
  ) => Effect.Effect<A, QueueError.QueueError, R>
}

const describe = <A>(span: Tracer.Span, system: string, queue: string, call: Call<A>): void => {
  span.attribute("messaging.system", system)
  span.attribute("messaging.destination.name", queue)
  span.attribute("messaging.operation.name", call.operation)
  spans.tell(span, "messaging.operation.type", call.type)
  spans.tell(span, "messaging.message.id", call.messageId)
  if (call.count !== 1) spans.tell(span, "messaging.batch.message_count", call.count)
  spans.tell(span, "queue_runtime.session.id", call.sessionId)
  spans.tell(span, "queue_runtime.verdict", call.verdict)
}

const noErrors: ReadonlyArray<string> = []

const errorTypesOf = <A>(
  call: Call<A>,
  exit: Exit.Exit<A, QueueError.QueueError>,
  problem: Problem | undefined
): ReadonlyArray<string> => {
  if (problem === undefined) return noErrors
  return Exit.isSuccess(exit)
    ? call.failuresOf(exit.value).map(({ reason }) => reason._tag)
    : [problem.name]
}

/** What the span learns from the result, if there is anything to tell. */
const conclude = <A>(
  call: Call<A>,
  span: Tracer.Span,
  exit: Exit.Exit<A, QueueError.QueueError>,
  now: bigint,
  problem: Problem | undefined
): void => {
  if (call.countOf !== undefined) {
    if (Exit.isSuccess(exit)) {
      const count = call.countOf(exit.value)
      // A worker waits in vain most of the time: a span that does not end is never exported.
      if (count === 0) return
      span.attribute("messaging.batch.message_count", count)
      span.addLinks(spans.linksTo(call.contextsOf?.(exit.value) ?? []))
    } else if (Exit.hasInterrupts(exit)) return
  }
  spans.end(span, now, problem)
}

/** For a provider of this name, with whoever listens. */
export const make = (
  provider: string,
  { context, isMeasured, tracer }: signals.Signals
): Observer => {
  const system = systemOf(provider)
  const written = isMeasured ? metrics.make(provider, context) : undefined

  const watch = <A, R>(
    call: Call<A>,
    run: (span: Tracer.Span | undefined) => Effect.Effect<A, QueueError.QueueError, R>
  ): Effect.Effect<A, QueueError.QueueError, R> =>
    Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const start = written === undefined ? 0n : clock.monotonicTimeNanosUnsafe()
      const queue = QueueAddress.format(call.address)
      const ended =
        (span: Tracer.Span | undefined) => (exit: Exit.Exit<A, QueueError.QueueError>) => {
          const problem = problemIn(exit, call.failuresOf)
          if (span !== undefined) {
            conclude(call, span, exit, clock.currentTimeNanosUnsafe(), problem)
          }
          written?.called({
            queue,
            operation: call.operation,
            durationSeconds: Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9,
            errorTypes: errorTypesOf(call, exit, problem)
          })
          return Effect.void
        }
      if (tracer === undefined) return Effect.onExit(run(undefined), ended(undefined))
      const facts: spans.Facts = {
        name: `${call.operation} ${queue}`,
        kind: call.kind ?? "client",
        contexts: call.contexts ?? []
      }
      return Effect.flatMap(spans.start(tracer, fiber.context, facts), (span) => {
        describe(span, system, queue, call)
        return Effect.onExit(spans.beneath(span, run(span)), ended(span))
      })
    })

  return { metrics: written, watch }
}
