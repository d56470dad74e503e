/** Who listens in a test: a tracer that keeps its spans, and a registry of metrics of its own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A series of a metric, as a test compares it. */
export interface Series {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  /** Of a histogram: how many values. */
  readonly value: number
}

/** What a span failed with, as an exporter is given it. */
export const problemOf = (span: Tracer.Span): unknown =>
  span.status._tag === "Ended" && Exit.isFailure(span.status.exit)
    ? span.status.exit.cause.reasons.map((reason) =>
        reason._tag === "Fail" ? reason.error : reason
      )
    : undefined

export const parentIdOf = ({ parent }: Tracer.Span): string | undefined =>
  Option.getOrUndefined(Option.map(parent, ({ spanId }) => spanId))

export const make = () => {
  const all: Array<Tracer.NativeSpan> = []
  const registry: typeof Metric.MetricRegistry.Service = new Map()
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      all.push(span)
      return span
    }
  })
  const context = Context.make(Tracer.Tracer, tracer).pipe(
    Context.add(Metric.MetricRegistry, registry)
  )
  /** Those that ended: what an exporter sees. */
  const spans = () => all.filter(({ status }) => status._tag === "Ended")
  const named = (name: string) => spans().filter((span) => span.name === name)
  const series = (name: string): ReadonlyArray<Series> =>
    Metric.snapshotUnsafe(context).flatMap((one) => {
      if (one.id !== name) return []
      const value =
        one.type === "Counter"
          ? Number(one.state.count)
          : one.type === "Gauge"
            ? Number(one.state.value)
            : one.type === "Histogram"
              ? one.state.count
              : Number.NaN
      return [{ name, attributes: one.attributes ?? {}, value }]
    })
  return {
    spans,
    named,
    series,
    context,
    names: () => spans().map(({ name }) => name),
    /** Listened to: spans and metrics. */
    listening: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provideContext(effect, context),
    /** Everything an exporter could get hold of, as one text. */
    exported: (): string =>
      JSON.stringify([
        spans().map((span) => [
          span.name,
          [...span.attributes],
          span.links.map((link) => [link.span.spanId, link.attributes]),
          span.events,
          problemOf(span)
        ]),
        Metric.snapshotUnsafe(context).map(({ attributes, description, id }) => [
          id,
          description,
          attributes
        ])
      ])
  }
}
