import { Defaults, HandlerFailure, ProviderMetrics } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { Breaker, type Observer } from "./breaker.ts"
import type * as breakerMachine from "./breakerMachine.ts"

/** The state as the public modules show it. */
export type State =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Open"; readonly until: DateTime.Utc }
  | { readonly _tag: "HalfOpen" }

/** The machine's state with a date for its number. */
export const toState = (state: breakerMachine.State): State =>
  state._tag === "Open" ? { _tag: "Open", until: DateTime.makeUnsafe(state.until) } : state

const gauge = Metric.gauge("queue_runtime.breaker.state", {
  description: "State of a circuit breaker: 0 closed, 1 half-open, 2 open"
})

const numbers = { Closed: 0, HalfOpen: 1, Open: 2 } as const

const why = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "failures inside a batch"
  return HandlerFailure.format(HandlerFailure.describe(Cause.squash(exit.cause)))
}

/** The line of the log for each change. */
export const log =
  (annotations: Readonly<Record<string, string>>): Observer["log"] =>
  (state, exit) => {
    const line = (): Effect.Effect<void> => {
      switch (state._tag) {
        case "Open":
          return Effect.logWarning(
            `circuit breaker open until ${DateTime.formatIso(DateTime.makeUnsafe(state.until))}; ` +
              `last: ${why(exit)}`
          )
        case "HalfOpen":
          return Effect.logInfo("circuit breaker half-open: a probe is let through")
        default:
          return Effect.logInfo("circuit breaker closed")
      }
    }
    return Effect.annotateLogs(line(), annotations)
  }

/** What a breaker is called: by its metric and by its log lines. */
export interface Names {
  readonly attributes: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** A breaker that has a name of its own. */
export const named = (name: string): Names => ({
  attributes: { "queue_runtime.breaker": name },
  annotations: { breaker: name }
})

/** The breaker of one queue of a provider. */
export const ofQueue = (provider: string, queue: string): Names => ({
  attributes: ProviderMetrics.attributes(provider, queue),
  annotations: { provider, queue }
})

/** Gauge, log and whoever listens. The gauge goes to the registry of whoever made the breaker. */
export const observer = (
  context: Context.Context<never>,
  names: Names,
  publish: (state: State) => void
): Observer => {
  const own = Metric.withAttributes(gauge, names.attributes)
  return {
    changed: (state) => {
      own.updateUnsafe(numbers[state._tag], context)
      publish(toState(state))
    },
    log: log(names.annotations)
  }
}

/** A breaker with its state as a gauge, in the log and as a stream that begins with the state now. */
export const make = Effect.fnUntraced(function* (limits: breakerMachine.Limits, name: string) {
  const context = yield* Effect.context()
  const capacity = Defaults.breakerChangesMax
  const changes = yield* PubSub.sliding<State>({ capacity, replay: 1 })
  const observing = observer(context, named(name), (state) => {
    PubSub.publishUnsafe(changes, state)
  })
  const breaker = new Breaker(limits, observing)
  observing.changed(breaker.machine.state, breaker.machine.state)
  return {
    breaker,
    state: Effect.sync(() => toState(breaker.machine.state)),
    changes: Stream.fromPubSub(changes)
  }
})
