import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import * as Options from "../../Options.ts"

/** Whether somebody reads the metrics; `auto` finds out. */
export const MetricsRead: Context.Reference<boolean | "auto"> = Context.Reference<boolean | "auto">(
  "@queue-runtime/core/Telemetry/MetricsRead",
  { defaultValue: () => "auto" }
)

/** Who listens, as it was when a layer or a worker was built. */
export interface Signals {
  readonly tracer?: Tracer.Tracer
  readonly isMeasured: boolean
  /** Whether lines of level Debug are written at all. */
  readonly isLogged: boolean
  /** What metrics are written with: the registry of whoever built this. */
  readonly context: Context.Context<never>
}

/** The registry that is there when nobody provides one. */
const registryOfNobody = Context.get(Context.empty(), Metric.MetricRegistry)

const levelsWithDebug: ReadonlySet<string> = new Set(["All", "Trace", "Debug"])

/** Decided once. Nothing tells a registry that is read from one that is not, so that a tracer counts. */
export const decide: Effect.Effect<Signals> = Effect.map(Effect.context(), (context) => {
  const installed = Context.get(context, Tracer.Tracer)
  const tracer = installed === Tracer.nativeTracer ? undefined : installed
  const read = Context.get(context, MetricsRead)
  const hasReader =
    tracer !== undefined || Context.get(context, Metric.MetricRegistry) !== registryOfNobody
  return {
    ...Options.defined({ tracer }),
    isMeasured: read === "auto" ? hasReader : read,
    isLogged: levelsWithDebug.has(Context.get(context, References.MinimumLogLevel)),
    context
  }
})
