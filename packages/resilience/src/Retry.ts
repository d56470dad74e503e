/**
 * Tries again what failed for the moment: any effect, or every call of a provider.
 *
 * **Details**
 *
 * Only a failure whose retry state is `Transient` is tried again. Giving up makes it `Exhausted`, which no
 * retry touches, so that the attempts of two layers never multiply. A delay that the service asks for
 * (`retryAfter`) wins over the computed one and counts against the total time like any other.
 *
 * Around a provider:
 *
 * - `send`, `settle`, `renewLock`: only the entries that failed transiently go again, and each outcome
 *   stays at its place. Of a session nothing is sent behind a failure that stays.
 * - A settlement that finds its receipt used after a reply got lost is `SettlementUnknown`: most likely
 *   it took effect.
 * - `receive` and `acceptSession`: their wait is one budget for all attempts, and each attempt to accept
 *   has a scope of its own. `SessionLocked` is the answer of a healthy service about another holder: an
 *   accept is repeated for it only as long as its caller said to wait.
 *
 * **Gotchas**
 *
 * A send whose reply got lost may have taken effect. Where the broker deduplicates, the repetition is
 * dropped; elsewhere the message may be delivered twice. Delivery is at least once, so that it is sent
 * again unless `unsureSends` says otherwise.
 *
 * @since 0.1.0
 */
import {
  Backoff,
  Capabilities,
  Check,
  Defaults,
  type Message,
  type Outcome,
  ProviderMetrics,
  QueueError,
  type QueueName,
  QueueProvider,
  QueueSession,
  type Receipt
} from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as attempts from "./internal/attempts.ts"
import * as batches from "./internal/batch.ts"
import { ownScope } from "./internal/ownScope.ts"
import * as seriesLabel from "./internal/seriesLabel.ts"

/**
 * How the delays grow: each `factor` times the one before, each longer by the first, all the same; or no
 * second attempt at all.
 *
 * @category models
 * @since 0.1.0
 */
export type Strategy = "exponential" | "linear" | "fixed" | "none"

/**
 * How often to try, and when.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Default: `exponential`. */
  readonly strategy?: Strategy
  /** Attempts, the first included. Default: 3. */
  readonly attempts?: number
  /** Delay before the second attempt. Default: 1 s. */
  readonly initial?: Duration.Input
  /** Of an exponential delay, at least 1. Default: 2. */
  readonly factor?: number
  /** The ceiling of a computed delay, jitter included. Default: 30 s. */
  readonly max?: Duration.Input
  /** A computed delay is multiplied by a random factor of 1 ± this, 0 to 1. Default: 0.2. */
  readonly jitter?: number
  /** No attempt begins later than this after the first one. Default: 5 minutes. */
  readonly totalMax?: Duration.Input
}

/**
 * Checked options: plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  readonly strategy: Strategy
  readonly attempts: number
  readonly initial: Duration.Duration
  readonly factor: number
  readonly max: Duration.Duration
  readonly jitter: number
  readonly totalMax: Duration.Duration
}

const between = (
  field: string,
  value: number,
  minimum: number,
  maximum: number
): Effect.Effect<number, QueueError.QueueError> =>
  value >= minimum && value <= maximum
    ? Effect.succeed(value)
    : Effect.fail(
        QueueError.validationFailed(field, `must be a number from ${minimum} to ${maximum}`)
      )

/**
 * Checks options and fills in the defaults.
 *
 * **Errors** ValidationFailed naming the option and its rule.
 *
 * **Example** (Three attempts, a second and two seconds apart)
 *
 * ```ts
 * import { Retry } from "@queue-runtime/resilience"
 * import { Duration, Effect } from "effect"
 *
 * const policy = Effect.runSync(Retry.policy({ jitter: 0 }))
 * const delays = [1, 2].map((failures) => Effect.runSync(Retry.delayAfter(policy, failures)))
 * delays.map(Duration.toSeconds) // => [1, 2]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy = (options: Options = {}): Effect.Effect<Policy, QueueError.QueueError> =>
  Effect.all({
    strategy: Effect.succeed(options.strategy ?? "exponential"),
    attempts: Check.wholeNumber("attempts", options.attempts ?? Defaults.retryAttempts),
    initial: Check.duration("initial", options.initial ?? Defaults.retryDelay),
    factor: between("factor", options.factor ?? Defaults.retryFactor, 1, Number.MAX_SAFE_INTEGER),
    max: Check.duration("max", options.max ?? Defaults.retryDelayMax),
    jitter: between("jitter", options.jitter ?? Defaults.retryJitter, 0, 1),
    totalMax: Check.duration("totalMax", options.totalMax ?? Defaults.retryTotalMax)
  })

const backoffOf = ({ factor, initial, jitter, max, strategy }: Policy): Backoff.Backoff => {
  const options = { initial, max, jitter }
  switch (strategy) {
    case "exponential":
      return Backoff.exponential({ ...options, factor })
    case "linear":
      return Backoff.linear(options)
    default:
      return Backoff.fixed(options)
  }
}

/**
 * The computed delay after so many failures, 1 for the first.
 *
 * @category combinators
 * @since 0.1.0
 */
export const delayAfter = (self: Policy, failures: number): Effect.Effect<Duration.Duration> =>
  backoffOf(self)(failures)

const limitsOf = (self: Policy): attempts.Limits => ({
  attempts: self.strategy === "none" ? 1 : self.attempts,
  totalMax: self.totalMax,
  pause: backoffOf(self)
})

/**
 * How a failure is judged, where it is not a `QueueError`.
 *
 * @category options
 * @since 0.1.0
 */
export interface EffectOptions<E> {
  /** Default: an error that says `retry: "Transient"`. */
  readonly isRetryable?: (error: E) => boolean
  /** The delay the service asks for. Default: the `retryAfter` of a `QueueError`. */
  readonly retryAfter?: (error: E) => Duration.Duration | undefined
}

const isTransient = (error: unknown): boolean =>
  Predicate.hasProperty(error, "retry") && error.retry === "Transient"

const retryAfterOf = (error: unknown): Duration.Duration | undefined =>
  error instanceof QueueError.QueueError ? error.retryAfter : undefined

/** A `QueueError` says that a retry gave up; an error of another kind stays as it is. */
const exhausted = <E>(error: E): E | QueueError.QueueError =>
  error instanceof QueueError.QueueError ? QueueError.exhausted(error) : error

/**
 * Tries any effect again while it fails for the moment. A `QueueError` that outlasts the policy becomes
 * `Exhausted`; any other error comes out as it was.
 *
 * **Example** (The third attempt succeeds)
 *
 * ```ts
 * import { QueueError } from "@queue-runtime/core"
 * import { Retry } from "@queue-runtime/resilience"
 * import { Effect } from "effect"
 *
 * let attempts = 0
 * const flaky = Effect.suspend(() =>
 *   ++attempts < 3
 *     ? Effect.fail(QueueError.make(new QueueError.ConnectionFailed({})))
 *     : Effect.succeed(attempts)
 * )
 * const program = Effect.gen(function* () {
 *   const policy = yield* Retry.policy({ initial: 0 })
 *   return yield* flaky.pipe(Retry.effect(policy))
 * })
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const effect = <E = unknown>(self: Policy, options: EffectOptions<E> = {}) => {
  const { isRetryable = isTransient, retryAfter = retryAfterOf } = options
  const limits = limitsOf(self)
  return <A, E2 extends E, R>(
    call: Effect.Effect<A, E2, R>
  ): Effect.Effect<A, E2 | QueueError.QueueError, R> => {
    type Failure = E2 | QueueError.QueueError
    const judge = (error: E2): Effect.Effect<attempts.Again<A, Failure>, Failure> =>
      isRetryable(error)
        ? Effect.succeed(
            new attempts.Again<A, Failure>({
              error,
              retryAfter: retryAfter(error),
              giveUp: Effect.fail(exhausted(error))
            })
          )
        : Effect.fail(error)
    return attempts.run(
      limits,
      () => call,
      judge,
      () => Effect.void
    )
  }
}

/**
 * The policy of a provider's calls.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions extends Options {
  /**
   * What to do when the reply to a send got lost on a queue that does not deduplicate: `repeat` may
   * deliver twice, `fail` hands the error, still `Transient`, to the caller. What the service refused
   * (throttled, full) goes again either way. Default: `repeat`, since delivery is at least once and most
   * callers would send again themselves.
   */
  readonly unsureSends?: "repeat" | "fail"
}

/** Operations as telemetry names them, where the method of the port is called otherwise. */
const telemetryNames: Readonly<Record<string, string>> = {
  acceptSession: "accept",
  renewLock: "renew"
}

const retries = Metric.counter("queue_runtime.retries", {
  description: "Calls tried again",
  incremental: true
})

type OnRetry = (error: QueueError.QueueError, delay: Duration.Duration) => Effect.Effect<void>

/** The receipts of a settlement go by themselves: which may overtake which is the provider's matter. */
const noSession = (): undefined => undefined

const isRetryable = ({ retry }: QueueError.QueueError): boolean => retry === "Transient"

/** What of a wait is left for an attempt that begins so many milliseconds into the call. */
const rest = <O extends { readonly wait: Duration.Duration }>(options: O, elapsed: number): O =>
  elapsed === 0
    ? options
    : {
        ...options,
        wait: Duration.millis(Math.max(0, Duration.toMillis(options.wait) - elapsed))
      }

/**
 * Wraps a provider: what {@link layer} does, for who holds the provider in hand.
 *
 * **Errors** ValidationFailed for an option out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: LayerOptions = {}
): Effect.fn.Return<QueueProvider.Service, QueueError.QueueError> {
  const limits = limitsOf(yield* policy(options))
  const repeatsUnsure = (options.unsureSends ?? "repeat") === "repeat"
  const labelOf = seriesLabel.make(Defaults.breakerQueuesMax)

  const watch =
    (operation: string, queue: QueueName.QueueName): OnRetry =>
    (error, delay) =>
      Effect.andThen(
        Metric.update(
          Metric.withAttributes(retries, {
            ...ProviderMetrics.attributes(provider.name, labelOf(queue)),
            "messaging.operation.name": telemetryNames[operation] ?? operation
          }),
          1
        ),
        Effect.annotateLogs(
          Effect.logWarning(
            `${operation} failed, again in ${Duration.format(delay)}: ${error.message}`
          ),
          { queue }
        )
      )

  const single = <A, R>(
    call: (elapsedMillis: number) => Effect.Effect<A, QueueError.QueueError, R>,
    onRetry: OnRetry,
    wait?: Duration.Duration
  ): Effect.Effect<A, QueueError.QueueError, R> => {
    type Judged = attempts.Again<A, QueueError.QueueError>
    const judge = (error: QueueError.QueueError): Effect.Effect<Judged, QueueError.QueueError> => {
      if (!isRetryable(error)) return Effect.fail(error)
      // Another holder is no failure of the call: only the caller's own wait is spent on it.
      const isHeld = wait !== undefined && error.reason._tag === "SessionLocked"
      return Effect.succeed(
        new attempts.Again<A, QueueError.QueueError>({
          error,
          retryAfter: error.retryAfter,
          within: isHeld ? wait : undefined,
          giveUp: Effect.fail(isHeld ? error : QueueError.exhausted(error))
        })
      )
    }
    return attempts.run(limits, call, judge, onRetry)
  }

  const send: QueueProvider.Service["send"] = (queue, messages) => {
    const entries = (): batches.Options<Message.Stamped, QueueProvider.Sent> => {
      const { deduplication, deduplicationWindow } = provider.capabilities(queue)
      const isSafe = (error: QueueError.QueueError): boolean =>
        repeatsUnsure || !batches.isUnsure(error) || Capabilities.isSupported(deduplication)
      return {
        items: messages,
        call: (going) => provider.send(queue, going),
        isRetryable: (error) => isRetryable(error) && isSafe(error),
        // Later than that the broker has forgotten the id, and the message would be a second one.
        within: (error) =>
          repeatsUnsure || !batches.isUnsure(error) ? undefined : deduplicationWindow,
        sessionOf: (message) => message.sessionId
      }
    }
    return batches.run(limits, entries, provider.send(queue, messages), watch("send", queue))
  }

  const batched = <A>(
    receipts: ReadonlyArray<Receipt.Receipt>,
    call: (
      receipts: ReadonlyArray<Receipt.Receipt>
    ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>,
    onRetry: OnRetry
  ) =>
    batches.run<Receipt.Receipt, A>(
      limits,
      () => ({ items: receipts, call, isRetryable, sessionOf: noSession }),
      call(receipts),
      onRetry
    )

  const session = (held: QueueSession.QueueSession): QueueSession.QueueSession => {
    const on = (operation: string) => watch(operation, held.queue)
    return {
      queue: held.queue,
      sessionId: held.sessionId,
      lockedUntil: held.lockedUntil,
      receive: (receive) =>
        single((elapsed) => held.receive(rest(receive, elapsed)), on("receive")),
      settle: (receipts, verdict) =>
        batched(receipts, (going) => held.settle(going, verdict), on("settle")),
      ...QueueSession.lostOf(held),
      renewLock: single(() => held.renewLock, on("renewLock")),
      state: single(() => held.state, on("state")),
      setState: (state) => single(() => held.setState(state), on("setState"))
    }
  }

  const ofReceipts = (operation: string, receipts: ReadonlyArray<Receipt.Receipt>): OnRetry => {
    const [first] = receipts
    return first === undefined ? () => Effect.void : watch(operation, first.address.queue)
  }

  return {
    name: provider.name,
    stack: ["retry", ...provider.stack],
    capabilities: provider.capabilities,
    send,
    receive: (address, receive) =>
      single(
        (elapsed) => provider.receive(address, rest(receive, elapsed)),
        watch("receive", address.queue)
      ),
    settle: (receipts, verdict) =>
      batched(receipts, (going) => provider.settle(going, verdict), ofReceipts("settle", receipts)),
    renewLock: (receipts) =>
      batched(receipts, provider.renewLock, ofReceipts("renewLock", receipts)),
    peek: (address, peek) =>
      single(() => provider.peek(address, peek), watch("peek", address.queue)),
    ...QueueProvider.mapDepth(provider, (call, { queue }) =>
      single(() => call, watch("depth", queue))
    ),
    acceptSession: (queue, accept) =>
      Effect.map(
        single(
          (elapsed) => ownScope(provider.acceptSession(queue, rest(accept, elapsed))),
          watch("acceptSession", queue),
          accept.wait
        ),
        Option.map(session)
      )
  }
})

/**
 * Retry around the provider below it. It stands between the circuit breaker, which sees one outcome a
 * call, and the time-out, which is of one attempt.
 *
 * **Errors** as {@link make}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, QueueProvider.QueueProvider> =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.flatMap(QueueProvider.QueueProvider, (provider) => make(provider, options))
  )
