/**
 * What a provider shows of itself: the connections and links, or sockets, that it has open; and how
 * every metric names the provider and the queue that it is about.
 *
 * **Details**
 *
 * `queue_runtime.connections` and `queue_runtime.links`, by `messaging.system`: the gauges that an
 * application feeds with `Telemetry.gauge` where a provider does not. They are read every 15 s and once
 * more when the provider is closed. Where nobody reads metrics nothing is read.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Defaults from "./Defaults.ts"
import { defined } from "./internal/defined.ts"
import { systemOf } from "./internal/telemetry/conventions.ts"
import * as signals from "./internal/telemetry/signals.ts"

/**
 * What is open now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Numbers {
  readonly connections: number
  /** Where a connection has several. */
  readonly links?: number
}

/**
 * The attributes that say what a metric is about, by OpenTelemetry's conventions: `messaging.system`, and
 * `messaging.destination.name` where it is about one queue.
 *
 * **Details** A provider that the conventions do not know is called as it calls itself.
 *
 * **Gotchas** A registry never forgets a series: who counts by queue bounds how many queues it names.
 *
 * **Example** (A gauge of a provider's own)
 *
 * ```ts
 * import { ProviderMetrics } from "@queue-runtime/core"
 *
 * ProviderMetrics.attributes("aws-sqs", "orders")
 * // => { "messaging.system": "aws_sqs", "messaging.destination.name": "orders" }
 * ProviderMetrics.attributes("acme") // => { "messaging.system": "acme" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const attributes = (provider: string, queue?: string): Readonly<Record<string, string>> => ({
  "messaging.system": systemOf(provider),
  ...defined({ "messaging.destination.name": queue })
})

const connections = Metric.gauge("queue_runtime.connections", {
  description: "Connections in use"
})

const links = Metric.gauge("queue_runtime.links", { description: "Links in use" })

/**
 * Shows what a provider has open, until the scope closes. Called before anything is opened in the same
 * scope, its last reading is that of a provider that is closed.
 *
 * **Example** (A provider with one connection)
 *
 * ```ts
 * import { ProviderMetrics, Telemetry } from "@queue-runtime/core"
 * import { Effect, Metric } from "effect"
 *
 * const open = new Set(["a socket"])
 * const program = Effect.gen(function* () {
 *   yield* ProviderMetrics.watch("acme", () => ({ connections: open.size }))
 *   yield* Effect.yieldNow
 *   const gauge = Metric.gauge("queue_runtime.connections", { description: "Connections in use" })
 *   const { value } = yield* Metric.value(
 *     Metric.withAttributes(gauge, { "messaging.system": "acme" })
 *   )
 *   return value
 * }).pipe(Effect.scoped, Effect.provideService(Telemetry.MetricsRead, true))
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const watch: (
  provider: string,
  read: () => Numbers
) => Effect.Effect<void, never, Scope.Scope> = Effect.fnUntraced(function* (provider, read) {
  const { context, isMeasured } = yield* signals.decide
  if (!isMeasured) return
  const own = attributes(provider)
  const shown = {
    connections: Metric.withAttributes(connections, own),
    links: Metric.withAttributes(links, own)
  }
  const show = Effect.sync(() => {
    const now = read()
    shown.connections.updateUnsafe(now.connections, context)
    if (now.links !== undefined) shown.links.updateUnsafe(now.links, context)
  })
  yield* Effect.addFinalizer(() => show)
  yield* show.pipe(
    Effect.andThen(Effect.sleep(Defaults.telemetryGaugeInterval)),
    Effect.forever,
    Effect.forkScoped
  )
})
