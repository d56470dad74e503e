/**
 * Whether the queues of an application can be used, and whether the process that uses them is well: what
 * an orchestrator asks for as readiness and liveness.
 *
 * **Details**
 *
 * | | asks | is down when |
 * |---|---|---|
 * | readiness | every queue: a peek at one message, which locks and counts nothing | the queue cannot be reached or used, or the circuit is open |
 * | liveness | nobody | a probe did not end though it was interrupted: the client hangs, and only a restart helps |
 *
 * A probe has a time limit, and its answer holds for a while: however often somebody asks, and however
 * many at once, a queue has one probe under way at most.
 *
 * Where the provider has no peek (SQS) no call costs nothing: a receive would lock a message and count.
 * There readiness goes by the calls that the application makes anyway, the last one of a while; before
 * the first one ended it is `unknown`, which counts as ready. A `probe` of the application's own, for
 * instance by the client of the provider, is used instead if there is one.
 *
 * A queue that is down says nothing of liveness: no restart mends a broker.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as HandlerFailure from "./HandlerFailure.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueProvider from "./QueueProvider.ts"

/**
 * Which queues, and how they are asked.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly queues: ReadonlyArray<QueueName.QueueName>
  /** How long a probe may take. Default: 2 s. */
  readonly timeout?: Duration.Input
  /** How long an answer holds. Default: 5 s. */
  readonly freshFor?: Duration.Input
  /** How long the last call of the application tells of a queue that cannot be probed. Default: 1 minute. */
  readonly observedFor?: Duration.Input
  /** Asks a queue in another way. Default: a peek where the provider has one. */
  readonly probe?: (queue: QueueName.QueueName) => Effect.Effect<unknown, QueueError.QueueError>
}

/**
 * How one queue is.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueHealth {
  readonly provider: string
  readonly queue: QueueName.QueueName
  /** `unknown`: nothing was tried yet that would tell. */
  readonly status: "up" | "down" | "unknown"
  /** Whether it was asked, or seen at work. */
  readonly by: "probe" | "traffic"
  /** When that was. */
  readonly at: DateTime.Utc
  /** Of one that is down: the reason's tag and its text, without secrets. */
  readonly problem?: HandlerFailure.Description
}

/**
 * How all of them are together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  /** `down` if one queue is. */
  readonly status: "up" | "down"
  readonly queues: ReadonlyArray<QueueHealth>
}

/**
 * The methods of health. None fails, and each ends within the time limit of a probe.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** Whether messages can be sent and received. */
  readonly readiness: Effect.Effect<Report>
  /** Whether the process should go on. */
  readonly liveness: Effect.Effect<Report>
}

/**
 * The tag of health.
 *
 * @category services
 * @since 0.1.0
 */
export class Health extends Context.Service<Health, Service>()("@queue-runtime/core/Health") {}

/** The queue cannot be used. Whatever else it says, it answered. */
const outages: ReadonlySet<QueueError.Reason["_tag"]> = new Set([
  "QueueNotFound",
  "Timeout",
  "ConnectionFailed",
  "AuthenticationFailed",
  "PermissionDenied",
  "CircuitOpen",
  "ConfigurationInvalid",
  "ProviderFailure"
] as const)

const isOutage = ({ reason }: QueueError.QueueError): boolean => outages.has(reason._tag)

type Finding = Pick<QueueHealth, "status" | "problem">

const up: Finding = { status: "up" }

const down = (error: unknown): Finding => ({
  status: "down",
  problem: HandlerFailure.describe(error)
})

const findingOf = (
  exit: Exit.Exit<unknown, QueueError.QueueError>,
  failures: ReadonlyArray<QueueError.QueueError>
): Finding => {
  if (Exit.isSuccess(exit)) {
    const outage = failures.find(isOutage)
    return outage === undefined ? up : down(outage)
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error === undefined) return down(Cause.squash(exit.cause))
  return isOutage(error) ? down(error) : up
}

interface Limits {
  readonly timeout: Duration.Duration
  readonly freshFor: Duration.Duration
  readonly observedFor: Duration.Duration
}

/** A probe that was interrupted and did not end. */
interface Hung {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly since: number
}

/** One queue that is asked. */
class Asked {
  #last: QueueHealth | undefined
  #pending: Fiber.Fiber<QueueHealth> | undefined
  #hung: Hung | undefined
  readonly #about: Pick<QueueHealth, "provider" | "queue">
  readonly #probe: Effect.Effect<unknown, QueueError.QueueError>
  readonly #limits: Limits
  readonly #scope: Scope.Scope

  constructor(
    about: Pick<QueueHealth, "provider" | "queue">,
    probe: Effect.Effect<unknown, QueueError.QueueError>,
    limits: Limits,
    scope: Scope.Scope
  ) {
    this.#about = about
    this.#probe = probe
    this.#limits = limits
    this.#scope = scope
  }

  readonly readiness: Effect.Effect<QueueHealth> = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) => {
      const last = this.#last
      const freshFor = Duration.toMillis(this.#limits.freshFor)
      if (last !== undefined && now - DateTime.toEpochMillis(last.at) < freshFor) {
        return Effect.succeed(last)
      }
      // Whoever asks may leave; the answer is for the others too.
      return this.#pending === undefined
        ? Effect.flatMap(this.#started, Fiber.join)
        : Fiber.join(this.#pending)
    }
  )

  readonly liveness: Effect.Effect<QueueHealth> = Effect.map(Clock.currentTimeMillis, (now) => {
    const hung = this.#stillHung()
    const isStuck =
      hung !== undefined && now - hung.since >= Duration.toMillis(Defaults.interruptionWait)
    return this.#health(now, isStuck ? this.#tooLate() : up)
  })

  readonly #started: Effect.Effect<Fiber.Fiber<QueueHealth>> = Effect.suspend(() =>
    Effect.map(
      Effect.forkIn(
        Effect.map(this.#ask, (health) => {
          this.#last = health
          this.#pending = undefined
          return health
        }),
        this.#scope
      ),
      (fiber) => {
        this.#pending = fiber
        return fiber
      }
    )
  )

  readonly #ask: Effect.Effect<QueueHealth> = Effect.suspend(() =>
    // One that hangs is not joined by another.
    this.#stillHung() === undefined ? this.#asking : Effect.succeed(this.#tooLate())
  ).pipe(
    Effect.flatMap((finding) =>
      Effect.map(Clock.currentTimeMillis, (now) => this.#health(now, finding))
    )
  )

  /** Never waited for: what hangs must not keep the scope from closing. */
  readonly #asking: Effect.Effect<Finding> = Effect.suspend(() =>
    Effect.flatMap(Effect.forkDetach(this.#probe, { startImmediately: true }), (fiber) =>
      Effect.timeoutOption(Fiber.await(fiber), this.#limits.timeout).pipe(
        Effect.onInterrupt(() => Effect.sync(() => fiber.interruptUnsafe())),
        Effect.flatMap((ended) =>
          Option.isSome(ended)
            ? Effect.succeed(findingOf(ended.value, []))
            : Effect.map(Clock.currentTimeMillis, (since) => {
                this.#hung = { fiber, since }
                fiber.interruptUnsafe()
                return this.#tooLate()
              })
        )
      )
    )
  )

  #tooLate(): Finding {
    const after = this.#limits.timeout
    return down(QueueError.make(new QueueError.Timeout({ after }), { operation: "probe" }))
  }

  #stillHung(): Hung | undefined {
    if (this.#hung?.fiber.pollUnsafe() !== undefined) this.#hung = undefined
    return this.#hung
  }

  #health(now: number, finding: Finding): QueueHealth {
    return { ...this.#about, by: "probe", at: DateTime.makeUnsafe(now), ...finding }
  }
}

/** One queue that is seen at work. */
class Observed {
  #last: QueueHealth | undefined
  readonly #about: Pick<QueueHealth, "provider" | "queue">
  readonly #limits: Limits

  constructor(about: Pick<QueueHealth, "provider" | "queue">, limits: Limits) {
    this.#about = about
    this.#limits = limits
  }

  readonly readiness: Effect.Effect<QueueHealth> = Effect.map(Clock.currentTimeMillis, (now) => {
    const last = this.#last
    const observedFor = Duration.toMillis(this.#limits.observedFor)
    return last === undefined || now - DateTime.toEpochMillis(last.at) > observedFor
      ? this.#health(now, { status: "unknown" })
      : last
  })

  readonly liveness: Effect.Effect<QueueHealth> = Effect.map(Clock.currentTimeMillis, (now) =>
    this.#health(now, up)
  )

  ended<A>(
    exit: Exit.Exit<A, QueueError.QueueError>,
    failuresOf: (result: A) => ReadonlyArray<QueueError.QueueError>
  ): Effect.Effect<void> {
    // What somebody cut short tells nothing.
    if (Exit.hasInterrupts(exit)) return Effect.void
    const failures = Exit.isSuccess(exit) ? failuresOf(exit.value) : []
    return Effect.map(Clock.currentTimeMillis, (now) => {
      this.#last = this.#health(now, findingOf(exit, failures))
    })
  }

  #health(now: number, finding: Finding): QueueHealth {
    return { ...this.#about, by: "traffic", at: DateTime.makeUnsafe(now), ...finding }
  }
}

const reportOf = (
  queues: ReadonlyArray<{ readonly [Kind in keyof Service]: Effect.Effect<QueueHealth> }>,
  kind: keyof Service
): Effect.Effect<Report> =>
  Effect.map(
    Effect.forEach(queues, (queue) => queue[kind], { concurrency: "unbounded" }),
    (all) => ({
      status: all.some(({ status }) => status === "down") ? "down" : "up",
      queues: all
    })
  )

/**
 * Health, and the provider that it watches where it cannot ask: what {@link layer} does, for who holds
 * the provider in hand. A probe under way ends with the scope.
 *
 * **Errors** ValidationFailed for a time that is none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: Options
) {
  const shortest = Duration.millis(1)
  const limits: Limits = {
    timeout: yield* Check.duration("timeout", options.timeout ?? Defaults.healthTimeout, shortest),
    freshFor: yield* Check.duration("freshFor", options.freshFor ?? Defaults.healthFreshFor),
    observedFor: yield* Check.duration(
      "observedFor",
      options.observedFor ?? Defaults.healthObservedFor
    )
  }
  const scope = yield* Scope.Scope
  const observed = new Map<string, Observed>()

  const probeOf = (
    queue: QueueName.QueueName
  ): Effect.Effect<unknown, QueueError.QueueError> | undefined => {
    const { probe } = options
    if (probe !== undefined) return Effect.suspend(() => probe(queue))
    const { peek } = provider.capabilities(queue)
    return Capabilities.isSupported(peek)
      ? Effect.suspend(() => provider.peek(QueueAddress.queue(queue), { max: 1 }))
      : undefined
  }

  const watched = [...new Set(options.queues)].map((queue) => {
    const about = { provider: provider.name, queue }
    const probe = probeOf(queue)
    if (probe !== undefined) return new Asked(about, probe, limits, scope)
    const seen = new Observed(about, limits)
    observed.set(queue, seen)
    return seen
  })

  const health: Service = {
    readiness: reportOf(watched, "readiness"),
    liveness: reportOf(watched, "liveness")
  }
  const watching = QueueProvider.transform(provider, "health", (call, { address, failuresOf }) => {
    const seen = observed.get(address.queue)
    return seen === undefined ? call : Effect.onExit(call, (exit) => seen.ended(exit, failuresOf))
  })
  return { health, provider: watching }
})

/**
 * Health, and the provider it watches. It stands above the circuit breaker, so that an open circuit is
 * seen; `Layer.provideMerge` in a stack hands the health on.
 *
 * **Errors** as {@link make}.
 *
 * **Example** (A queue that is there)
 *
 * ```ts
 * import { Health, QueueName } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * const live = Health.layer({ queues: [QueueName.makeUnsafe("orders")] }).pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Health.Health.use((health) => health.readiness)
 * const report = await Effect.runPromise(program.pipe(Effect.provide(live)))
 * report.status // => "up"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<
  Health | QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const below = yield* QueueProvider.QueueProvider
      const { health, provider } = yield* make(below, options)
      return Context.make(Health, health).pipe(Context.add(QueueProvider.QueueProvider, provider))
    })
  )
