/**
 * One realistic fault, put into a provider that has none: how the suite proves that it finds faults.
 *
 * **Details**
 *
 * A sabotage is a transform over any provider, and an error that somebody would make: the rest of the
 * provider works on. Rules that no sabotage breaks prove nothing; a sabotage that no rule catches is a
 * fault that a provider may have unseen.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { QueueProvider } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import type * as Harness from "./Harness.ts"
import * as ProviderContract from "./ProviderContract.ts"

/**
 * Puts the fault into one connection, whose scope it may use.
 *
 * @category models
 * @since 0.1.0
 */
export type Transform = (
  provider: QueueProvider.Service
) => Effect.Effect<QueueProvider.Service, never, Scope.Scope>

/**
 * A fault by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sabotage {
  /** Stable: `settlement-late-accepted`. */
  readonly id: string
  /** A sentence on what the broken provider does. */
  readonly title: string
  /** The incident, the service or the mistake behind it. */
  readonly source: string
  /** The rules that are meant to catch it; one of them must. */
  readonly caughtBy: ReadonlyArray<string>
  /** One of the kinds that the model-based rules are for: they must find it without any other rule. */
  readonly kind?: "order" | "loss" | "duplication" | "double holding"
  /** Why they do not, although it is of such a kind. */
  readonly beyondModel?: string
  /** Run once a broker: what its connections share is made here. */
  readonly make: Effect.Effect<Transform>
}

/**
 * The fault in one connection that shares nothing with others.
 *
 * **Example** (A provider whose sends get lost says so)
 *
 * ```ts
 * import { Sabotage, Sabotages } from "@queue-runtime/contract-tests"
 * import { QueueProvider } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect } from "effect"
 *
 * const lossy = Sabotages.all.filter(({ id }) => id === "send-loses-last")
 * const broken = Effect.forEach(lossy, (one) =>
 *   Effect.flatMap(QueueProvider.QueueProvider, Sabotage.transform(one))
 * ).pipe(Effect.scoped, Effect.provide(MemoryProvider.layer({ queues: { orders: {} } })))
 *
 * Effect.runSync(broken).map(({ stack }) => stack.join(", "))
 * // => ["sabotage send-loses-last, memory"]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const transform =
  (sabotage: Sabotage): Transform =>
  (provider) =>
    Effect.flatMap(sabotage.make, (connect) => connected(sabotage, connect, provider))

const connected = (
  sabotage: Sabotage,
  connect: Transform,
  provider: QueueProvider.Service
): ReturnType<Transform> =>
  Effect.map(connect(provider), (broken) => ({
    ...broken,
    stack: [`sabotage ${sabotage.id}`, ...broken.stack]
  }))

/**
 * A provider with the fault, to run the rules on. All connections to one queue share what the fault
 * remembers, as they would share a broker.
 *
 * @category combinators
 * @since 0.1.0
 */
export const harness = <E, R>(
  self: Harness.Harness<E, R>,
  sabotage: Sabotage
): Harness.Harness<E, R> => ({
  ...self,
  name: `${self.name}, sabotaged: ${sabotage.id}`,
  open: (spec) =>
    Effect.zipWith(self.open(spec), sabotage.make, (opened, connect) => {
      const broken = Effect.flatMap(QueueProvider.QueueProvider, (provider) =>
        connected(sabotage, connect, provider)
      )
      return {
        ...opened,
        layer: Layer.provide(Layer.effect(QueueProvider.QueueProvider, broken), opened.layer)
      }
    })
})

/**
 * What became of a sabotage.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly sabotage: Sabotage
  /** The rules that failed, in their order. */
  readonly failed: ReadonlyArray<string>
  /** Those of them that were meant to. */
  readonly caughtBy: ReadonlyArray<string>
}

/** Rules on virtual time wait for timers of the machine; a few at once fill each other's waits. */
const concurrency = 16

/**
 * Runs rules on a provider with the fault. Of a harness with a short `time.limit`, since a fault may hang
 * whatever it likes.
 *
 * **Example** (Which get through?)
 *
 * ```ts no-run
 * import { type Harness, Sabotage, Sabotages } from "@queue-runtime/contract-tests"
 * import { Effect } from "effect"
 *
 * const survivors = (harness: Harness.Harness) =>
 *   Effect.forEach(Sabotages.all, (one) => Sabotage.run(harness, one)).pipe(
 *     Effect.map((verdicts) => verdicts.filter(({ caughtBy }) => caughtBy.length === 0))
 *   )
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  self: Harness.Harness<E, R>,
  sabotage: Sabotage,
  options: ProviderContract.Options = {}
): Effect.Effect<Verdict, never, R> => {
  // Whether a sequence fails is asked, and not how small it can be.
  const quick = { shrinksMax: 0, ...options }
  const cases = ProviderContract.cases(harness(self, sabotage), quick)
  return Effect.map(Contract.run(cases, { concurrency }), (results) => {
    const failed = results.flatMap(({ id, status }) => (status === "failed" ? [id] : []))
    const caughtBy = failed.filter((id) => sabotage.caughtBy.includes(id))
    return { sabotage, failed, caughtBy }
  })
}
