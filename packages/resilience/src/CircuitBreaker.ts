/**
 * Stops calling what is down: any effect, or every queue of a provider by itself.
 *
 * **Details**
 *
 * | state | calls | changes |
 * |---|---|---|
 * | closed | go through | 5 transient failures in a row open it |
 * | open | fail at once with `CircuitOpen` | after 30 s the next call is a probe: half-open |
 * | half-open | one probe at a time, the others fail at once | 3 successes close it, a failure opens it |
 *
 * What a call counts as:
 *
 * | the call | counts as |
 * |---|---|
 * | succeeds | a success: ends the row of failures |
 * | succeeds with a transient failure among its outcomes | a failure, one for the whole call |
 * | fails with `Transient` or `Exhausted` | a failure |
 * | fails with `Never`, or with `SessionLocked` | nothing: it says nothing of the service's health |
 * | throws, or is interrupted | nothing; a probe gives its place back |
 * | receives or accepts nothing | closed: a success. Half-open: nothing, but no other wait is held back |
 *
 * Receives and accepts have probes of their own, so that one which waits for messages keeps no send or
 * settlement waiting. On an idle queue a breaker so stays half-open until something happens, and refuses
 * nobody.
 *
 * What began before a change of state does not count after it.
 *
 * The state is the gauge `queue_runtime.breaker.state` (0 closed, 1 half-open, 2 open), each change a line
 * in the log and an element of `changes`.
 *
 * **Gotchas**
 *
 * Around a provider it stands above retry, and sees one outcome a logical call. A settlement
 * or a renewal is refused like any other call while the queue's circuit is open: the message is delivered
 * again once its lock has run out.
 *
 * @since 0.1.0
 */
import { Check, Defaults, QueueProvider } from "@queue-runtime/core"
import type { Operation, QueueError, QueueName } from "@queue-runtime/core"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { Breaker, type Judge } from "./internal/breaker.ts"
import * as breakerLimits from "./internal/breakerLimits.ts"
import * as judging from "./internal/judging.ts"
import * as observed from "./internal/observed.ts"
import { operationNames } from "./internal/operationNames.ts"
import * as seriesLabel from "./internal/seriesLabel.ts"

/**
 * What a breaker does now.
 *
 * @category models
 * @since 0.1.0
 */
export type State =
  | { readonly _tag: "Closed" }
  /** Refuses everything; after `until` the next call is a probe. */
  | { readonly _tag: "Open"; readonly until: DateTime.Utc }
  | { readonly _tag: "HalfOpen" }

/**
 * The figures of a breaker.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Transient failures in a row that open it. Default: 5. */
  readonly failuresMax?: number
  /** How long it refuses before it lets a probe through. Default: 30 s. */
  readonly openDuration?: Duration.Input
  /** Probes that must succeed before it closes. Default: 3. */
  readonly successes?: number
  /** Probes at once; receives and accepts are counted by themselves. Default: 1. */
  readonly probesMax?: number
}

/**
 * How a call is read, where its error or its result are not those of a queue.
 *
 * @category options
 * @since 0.1.0
 */
export interface EffectOptions<A, E> {
  /** Default: every error but one that says `retry: "Never"`, and `SessionLocked`. */
  readonly isFailure?: (error: E) => boolean
  /** Failures that a successful result carries as values. Default: none. */
  readonly failuresOf?: (result: A) => ReadonlyArray<E>
}

/**
 * One breaker for any effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitBreaker {
  /**
   * The call if the breaker lets it through.
   *
   * **Errors** CircuitOpen, at once, with `retryAfter`
   */
  readonly protect: <A, E, R>(
    call: Effect.Effect<A, E, R>,
    options?: EffectOptions<A, E>
  ) => Effect.Effect<A, E | QueueError.QueueError, R>
  readonly state: Effect.Effect<State>
  /** The state now, and each later one. */
  readonly changes: Stream.Stream<State>
}

/**
 * A breaker of its own, named in its metric and its log lines.
 *
 * **Errors** ValidationFailed for a figure out of its range.
 *
 * **Example** (The sixth call is not made)
 *
 * ```ts
 * import { QueueError } from "@queue-runtime/core"
 * import { CircuitBreaker } from "@queue-runtime/resilience"
 * import { Effect } from "effect"
 *
 * let calls = 0
 * const down = Effect.suspend(() => {
 *   calls++
 *   return Effect.fail(QueueError.make(new QueueError.ConnectionFailed({})))
 * })
 * const program = Effect.gen(function* () {
 *   const breaker = yield* CircuitBreaker.make({ name: "billing" })
 *   for (let call = 0; call < 6; call++) yield* Effect.ignore(breaker.protect(down))
 *   return [calls, (yield* breaker.state)._tag]
 * })
 * await Effect.runPromise(program) // => [5, "Open"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options & { readonly name: string }
): Effect.fn.Return<CircuitBreaker, QueueError.QueueError> {
  const limits = yield* breakerLimits.make(options)
  const { breaker, changes, state } = yield* observed.make(limits, options.name)
  return {
    protect: (call, effectOptions = {}) => {
      const { failuresOf, isFailure = judging.isFailure } = effectOptions
      return breaker.protect(call, {
        kind: "Call",
        ofValue: (value) =>
          failuresOf !== undefined && failuresOf(value).some(isFailure) ? "Failure" : "Success",
        ofCause: (cause) => judging.ofCause(cause, isFailure)
      })
    },
    state,
    changes
  }
})

/**
 * One change of the breaker of a queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly queue: QueueName.QueueName
  readonly state: State
}

/**
 * The breakers of the queues of one provider, for who watches them; {@link layer} provides it.
 *
 * @category services
 * @since 0.1.0
 */
export class CircuitBreakers extends Context.Service<
  CircuitBreakers,
  {
    /** The state of a queue's breaker; closed for one that was never called. */
    readonly state: (queue: QueueName.QueueName) => Effect.Effect<State>
    /** The queues whose breaker is not closed. */
    readonly troubled: Effect.Effect<ReadonlyArray<Change>>
    /** Changes from now on, of every queue. A slow observer misses the oldest. */
    readonly changes: Stream.Stream<Change>
  }
>()("@queue-runtime/resilience/CircuitBreaker/CircuitBreakers") {}

const closed: State = { _tag: "Closed" }

const isEmpty = (result: unknown): boolean =>
  Array.isArray(result) ? result.length === 0 : Option.isOption(result) && Option.isNone(result)

const ofCause = (cause: Cause.Cause<QueueError.QueueError>) =>
  judging.ofCause(cause, judging.isFailure)

const ofOperation = <A>(operation: Operation.Operation<A>): Judge<A, QueueError.QueueError> => {
  const isWait = operation._tag === "Receive" || operation._tag === "AcceptSession"
  return {
    kind: isWait ? "Wait" : "Call",
    operation: operationNames[operation._tag],
    ofValue: (value) => {
      if (isWait) return isEmpty(value) ? "Empty" : "Success"
      return operation.failuresOf(value).some(judging.isFailure) ? "Failure" : "Success"
    },
    ofCause
  }
}

const makeLayer = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: LayerOptions
) {
  const limits = yield* breakerLimits.make(options)
  const queuesMax = yield* Check.wholeNumber(
    "queuesMax",
    options.queuesMax ?? Defaults.breakerQueuesMax
  )
  const all = yield* PubSub.sliding<Change>(Defaults.breakerChangesMax)
  const context = yield* Effect.context()
  const labelOf = seriesLabel.make(queuesMax)
  const breakers = new Map<QueueName.QueueName, Breaker>()

  const makeOne = (queue: QueueName.QueueName, label: string): Breaker =>
    new Breaker(
      limits,
      observed.observer(context, observed.ofQueue(provider.name, label), (state) => {
        PubSub.publishUnsafe(all, { queue, state })
      }),
      { provider: provider.name, queue: label }
    )

  /** Newcomers share it while every place is taken by a breaker that is not closed. */
  let shared: Breaker | undefined

  const firstClosed = (): QueueName.QueueName | undefined => {
    for (const [queue, { machine }] of breakers) if (machine.isClosed) return queue
    return undefined
  }

  const breakerOf = (queue: QueueName.QueueName): Breaker => {
    const known = breakers.get(queue)
    if (known !== undefined) return known
    if (breakers.size >= queuesMax) {
      const spare = firstClosed()
      if (spare === undefined) return (shared ??= makeOne(queue, seriesLabel.others))
      breakers.delete(spare)
    }
    const made = makeOne(queue, labelOf(queue))
    breakers.set(queue, made)
    return made
  }

  const wrapped = QueueProvider.transform(provider, "circuit-breaker", (call, operation) =>
    breakerOf(operation.address.queue).protect(call, ofOperation(operation))
  )

  const service = CircuitBreakers.of({
    state: (queue) =>
      Effect.sync(() => {
        const breaker = breakers.get(queue)
        return breaker === undefined ? closed : observed.toState(breaker.machine.state)
      }),
    troubled: Effect.sync(() =>
      [...breakers].flatMap(([queue, { machine }]) =>
        machine.isClosed ? [] : [{ queue, state: observed.toState(machine.state) }]
      )
    ),
    changes: Stream.fromPubSub(all)
  })
  return Context.make(QueueProvider.QueueProvider, wrapped).pipe(
    Context.add(CircuitBreakers, service)
  )
})

/**
 * The breakers of a provider's queues.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions extends Options {
  /**
   * Queues with a breaker of their own; beyond it closed ones make room, and newcomers share one while
   * none is closed. Default: 1,000.
   */
  readonly queuesMax?: number
}

/**
 * A breaker for each queue of the provider below it: the outermost of the three policies, above retry.
 * `Layer.provideMerge` instead of `Layer.provide` hands {@link CircuitBreakers} out as well.
 *
 * **Errors** as {@link make}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<
  QueueProvider.QueueProvider | CircuitBreakers,
  QueueError.QueueError,
  QueueProvider.QueueProvider
> =>
  Layer.effectContext(
    Effect.flatMap(QueueProvider.QueueProvider, (provider) => makeLayer(provider, options))
  )
