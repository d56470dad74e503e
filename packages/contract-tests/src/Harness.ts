/**
 * What the author of a provider hands in, and no more: a way to make a queue and connect to it, and the
 * clock. What the provider can do it says itself, in its capabilities.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type QueueName, QueueProvider } from "@queue-runtime/core"
import type * as Time from "./Time.ts"
import type * as World from "./World.ts"

/**
 * A queue to make: its name, which nobody used before, and what it must be like.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueSpec extends World.QueueOptions {
  readonly queue: QueueName.QueueName
}

/**
 * A queue that is there. Every building of the layer is a connection of its own to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened<E = never, R = never> {
  readonly layer: Layer.Layer<QueueProvider.QueueProvider, E, R>
  /** Where there is one: rules on messages of and for programs without this library use it. */
  readonly foreign?: World.Foreign
}

/**
 * A provider to be checked.
 *
 * **Details**
 *
 * `open` makes the queue of one rule; its scope removes it again. An option that a provider does not
 * have is left aside: asked for a queue with sessions, a provider without any makes a plain one, whose
 * capabilities say so, and the rules on sessions are skipped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<E = never, R = never> {
  /** How results call it: `memory`, `memory behind the full stack`. */
  readonly name: string
  readonly time: Time.Time
  /**
   * Probes of the service that fail on this endpoint, where it is not the service itself: the rules that
   * lean on one are skipped. It runs before every such rule, so cache what it found.
   */
  readonly failedProbes?: Effect.Effect<ReadonlySet<string>, E, R>
  readonly open: (spec: QueueSpec) => Effect.Effect<Opened<E, R>, E, R | Scope.Scope>
}

/**
 * The same provider behind decorators: a stack, or something that breaks it on purpose.
 *
 * @category combinators
 * @since 0.1.0
 */
export const behind = <E, R, E2 = never, R2 = never>(
  self: Harness<E, R>,
  name: string,
  decorators: Layer.Layer<QueueProvider.QueueProvider, E2, QueueProvider.QueueProvider | R2>
): Harness<E | E2, R | Exclude<R2, QueueProvider.QueueProvider>> => ({
  ...self,
  name,
  open: (spec) =>
    Effect.map(self.open(spec), (opened) => ({
      ...opened,
      layer: Layer.provide(decorators, opened.layer)
    }))
})

/**
 * {@link behind} with a function over the provider: it runs for every connection anew, with the scope of
 * that connection.
 *
 * @category combinators
 * @since 0.1.0
 */
export const transformed = <E, R, E2 = never, R2 = never>(
  self: Harness<E, R>,
  name: string,
  transform: (
    provider: QueueProvider.Service
  ) => Effect.Effect<QueueProvider.Service, E2, R2 | Scope.Scope>
) =>
  behind<E, R, E2, Exclude<R2, Scope.Scope>>(
    self,
    name,
    Layer.effect(
      QueueProvider.QueueProvider,
      Effect.flatMap(QueueProvider.QueueProvider, transform)
    )
  )
