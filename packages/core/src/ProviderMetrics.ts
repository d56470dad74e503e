/**
 * What a provider shows of itself: the connections and links, or sockets, that it has open; how every
 * metric names the provider and the queue that it is about; and what whoever measures by queue, or times
 * calls, would write again.
 *
 * **Details**
 *
 * `queue_runtime.connections` and `queue_runtime.links`, by `messaging.system`: the gauges that an
 * application feeds with `Telemetry.gauge` where a provider does not. They are read every 15 s and once
 * more when the provider is closed. Where nobody reads metrics nothing is read.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Defaults from "./Defaults.ts"
import { systemOf } from "./internal/telemetry/conventions.ts"
import { durationBoundaries, otherQueues } from "./internal/telemetry/metrics.ts"
import * as signals from "./internal/telemetry/signals.ts"
import * as Options from "./Options.ts"
import type * as QueueError from "./QueueError.ts"

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
 * **Gotchas** A registry never forgets a series: who counts by queue bounds how many queues it names, as
 * {@link byQueue} does.
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
  ...Options.defined({ "messaging.destination.name": queue })
})

/**
 * The metrics of each queue, made once a queue; queues beyond the bound share those of a queue `(other)`.
 *
 * **Details** Metrics with attributes of their own: one that is given attributes at each update works out
 * the key of its series again, which costs ten times what counting does.
 *
 * **Example** (Two queues, and room for one)
 *
 * ```ts
 * import { ProviderMetrics } from "@queue-runtime/core"
 *
 * const nameOf = ProviderMetrics.byQueue("acme", (own) => own["messaging.destination.name"], 1)
 * const queues = ["orders", "invoices", "orders"]
 * queues.map(nameOf) // => ["orders", "(other)", "orders"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byQueue = <A>(
  provider: string,
  make: (attributes: Readonly<Record<string, string>>) => A,
  queuesMax: number = Defaults.telemetryQueuesMax
): ((queue: string) => A) => {
  const known = new Map<string, { readonly made: A }>()
  let others: { readonly made: A } | undefined
  return (queue) => {
    const found = known.get(queue)
    if (found !== undefined) return found.made
    if (known.size >= queuesMax) {
      others ??= { made: make(attributes(provider, otherQueues)) }
      return others.made
    }
    const made = make(attributes(provider, queue))
    known.set(queue, { made })
    return made
  }
}

/**
 * Times calls: a histogram in seconds, by the reason of the call as `error.type` where it failed, which
 * has none where it did not. A call that is interrupted is not counted.
 *
 * **Example** (A store that is down)
 *
 * ```ts
 * import { ProviderMetrics, QueueError } from "@queue-runtime/core"
 * import { Effect, Metric } from "effect"
 *
 * const timed = ProviderMetrics.timer("acme.store.duration", { description: "Calls to the store" })
 * const down = QueueError.make(new QueueError.ConnectionFailed({ detail: "ECONNREFUSED" }))
 * const program = Effect.gen(function* () {
 *   yield* timed(Effect.succeed("there"))
 *   yield* Effect.ignore(timed(Effect.fail(down)))
 *   return (yield* Metric.snapshot).map(({ attributes }) => attributes?.["error.type"])
 * }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
 * await Effect.runPromise(program) // => [undefined, "ConnectionFailed"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const timer = (
  name: string,
  options: {
    readonly description: string
    readonly attributes?: Readonly<Record<string, string>>
  }
): (<A, R>(
  call: Effect.Effect<A, QueueError.QueueError, R>
) => Effect.Effect<A, QueueError.QueueError, R>) => {
  // As many as there are reasons of errors.
  const known = new Map<string | undefined, Metric.Histogram<number>>()
  const seriesOf = (errorType?: string): Metric.Histogram<number> => {
    const found = known.get(errorType)
    if (found !== undefined) return found
    const made = Metric.histogram(name, {
      description: options.description,
      boundaries: durationBoundaries,
      // Effect's exporter takes the unit of a metric from an attribute.
      attributes: {
        ...options.attributes,
        ...Options.defined({ "error.type": errorType }),
        unit: "s"
      }
    })
    known.set(errorType, made)
    return made
  }
  return (call) =>
    Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const start = clock.monotonicTimeNanosUnsafe()
      const took = (errorType?: string) =>
        Effect.sync(() => {
          const seconds = Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9
          seriesOf(errorType).updateUnsafe(seconds, fiber.context)
        })
      return Effect.onExit(call, (exit) =>
        Exit.isSuccess(exit)
          ? took()
          : Option.match(Exit.findErrorOption(exit), {
              onNone: () => Effect.void,
              onSome: ({ reason }) => took(reason._tag)
            })
      )
    })
}

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
