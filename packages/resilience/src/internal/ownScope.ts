import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"

/**
 * One attempt with a scope of its own, where its caller has one: what an attempt that fails has acquired
 * is released with it, what the last one acquired lives as long as the caller's scope.
 */
export const ownScope = <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.serviceOption(Scope.Scope), (outer) =>
      Option.isNone(outer)
        ? restore(attempt)
        : Effect.flatMap(Scope.fork(outer.value), (own) =>
            Effect.onExit(restore(Effect.provideService(attempt, Scope.Scope, own)), (exit) =>
              Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void
            )
          )
    )
  )
