import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Defaults, QueueError, type QueueSession, type SessionStore } from "@queue-runtime/core"
import type * as leaseMetrics from "./leaseMetrics.ts"
import { type Time, time } from "./time.ts"

/** What a lease is kept with. */
export interface Keeping {
  /** Those of the queue, and the store with them. */
  readonly metrics: leaseMetrics.LeaseMetrics
  readonly duration: Duration.Duration
  /** The name of the provider, for errors. */
  readonly provider: string
  /** Of the layer: what ends a session outlives whoever found out. */
  readonly scope: Scope.Scope
}

/** The broker's session, its lease, and the scope that gives it back to the broker. */
export interface Granted {
  readonly session: QueueSession.QueueSession
  readonly lease: SessionStore.Lease
  readonly inner: Scope.Closeable
  /** When it was asked for: its holder counts from there. */
  readonly askedAt: Time
}

/** Where it is reported as lost, and by whom: it is the same for all of them. */
const isLost = ({ reason }: QueueError.QueueError): boolean => reason._tag === "SessionLockLost"

/** A session with its lease: it ends with the first of the two that ends. */
export class HeldLease {
  readonly session: QueueSession.QueueSession
  readonly token: number
  readonly #keeping: Keeping
  readonly #inner: Scope.Closeable
  readonly #lost = Deferred.makeUnsafe<QueueError.QueueError>()
  readonly #ended = Deferred.makeUnsafe<void>()
  readonly #grantedAt: number
  #lease: SessionStore.Lease
  /** When the grant, or the last renewal, was asked for. */
  #since: Time
  #error: QueueError.QueueError | undefined
  #isEnding = false

  constructor(keeping: Keeping, { askedAt, inner, lease, session }: Granted) {
    this.#keeping = keeping
    this.session = session
    this.token = lease.token
    this.#inner = inner
    this.#grantedAt = askedAt.now
    this.#lease = lease
    this.#since = askedAt
  }

  /** Ends when the session is lost, with why. */
  get lost(): Effect.Effect<QueueError.QueueError> {
    return Deferred.await(this.#lost)
  }

  get lease(): SessionStore.Lease {
    return this.#lease
  }

  /**
   * What is left of it, in milliseconds, by the faster of two clocks: the one that is never set stands still
   * while the machine is suspended, and others go on counting.
   */
  #left({ now, wall }: Time): number {
    const passed = Math.max(now - this.#since.now, wall - this.#since.wall)
    return Duration.toMillis(this.#keeping.duration) - passed
  }

  #lockLost(operation: string): QueueError.QueueError {
    const { queue, sessionId } = this.#lease
    const { provider } = this.#keeping
    return QueueError.make(new QueueError.SessionLockLost({ sessionId }), {
      provider,
      operation,
      queue
    })
  }

  /** It is held from now on, and `end` is called once it is not. */
  readonly begin: Effect.Effect<void> = Effect.withFiber(({ context }) => {
    const { acquired, active } = this.#keeping.metrics
    acquired.updateUnsafe(1, context)
    // Moved, not set: other connections of this process hold leases of the queue.
    active.modifyUnsafe(1, context)
    return Effect.void
  })

  readonly #counted: Effect.Effect<void> = Effect.flatMap(time, ({ now }) =>
    Effect.withFiber(({ context }) => {
      const { active, lasted, released } = this.#keeping.metrics
      active.modifyUnsafe(-1, context)
      lasted.updateUnsafe(Math.max(0, now - this.#grantedAt) / 1_000, context)
      if (this.#error === undefined) released.updateUnsafe(1, context)
      return Effect.void
    })
  )

  /** Gives up the lease, then the broker's session: nobody meets the one without the other. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isEnding) return Deferred.await(this.#ended)
    this.#isEnding = true
    // A store that does not answer must not keep a worker from ending: the lease runs out.
    const release = this.#keeping.metrics.store
      .release(this.#lease)
      .pipe(Effect.timeoutOption(Defaults.sessionStoreTimeout), Effect.exit)
    // Whoever is interrupted meanwhile: what is half given up would stay with the broker.
    return Effect.uninterruptible(
      Effect.andThen(this.#counted, release).pipe(
        Effect.andThen(Scope.close(this.#inner, Exit.void)),
        Effect.ensuring(Deferred.succeed(this.#ended, undefined))
      )
    )
  })

  /** The session is somebody else's, or may be from now on. */
  lose(error: QueueError.QueueError, cause: leaseMetrics.Cause): Effect.Effect<void> {
    return Effect.withFiber(({ context }) => {
      if (this.#error !== undefined || this.#isEnding) return Effect.void
      this.#error = error
      this.#keeping.metrics.lost[cause].updateUnsafe(1, context)
      Deferred.doneUnsafe(this.#lost, Exit.succeed(error))
      return Effect.asVoid(Effect.forkIn(this.end, this.#keeping.scope, { startImmediately: true }))
    })
  }

  /** Fails when the session is not ours any more. */
  check(operation: string): Effect.Effect<void, QueueError.QueueError> {
    return Effect.flatMap(time, (now) => {
      if (this.#error === undefined && this.#left(now) > 0) return Effect.void
      const error = this.#lockLost(operation)
      return Effect.andThen(this.lose(error, "expired"), Effect.fail(error))
    })
  }

  /** What a call says of the loss counts for all. */
  #heeding<A>(
    call: Effect.Effect<A, QueueError.QueueError>,
    cause: leaseMetrics.Cause
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.tapError(call, (error) => (isLost(error) ? this.lose(error, cause) : Effect.void))
  }

  /** A call of the broker's session, or of the store. */
  guarded<A>(
    operation: string,
    call: Effect.Effect<A, QueueError.QueueError>,
    asked: "broker" | "store" = "broker"
  ): Effect.Effect<A, QueueError.QueueError> {
    const heeded = this.#heeding(call, asked === "store" ? "taken" : "broker")
    return Effect.andThen(this.check(operation), heeded).pipe(
      Effect.mapError((error) =>
        this.#error === undefined || isLost(error) ? error : this.#lockLost(operation)
      )
    )
  }

  /**
   * A call that waits: what it brings after the session is lost is nobody's, and goes back with it. Closing
   * the broker's session ends the wait; racing it would lose what an interruption crosses.
   */
  waiting<A>(
    operation: string,
    call: Effect.Effect<A, QueueError.QueueError>
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.flatMap(this.guarded(operation, call), (found) =>
      this.#error === undefined ? Effect.succeed(found) : Effect.fail(this.#lockLost(operation))
    )
  }

  /** Until when both are ours. */
  get lockedUntil(): Effect.Effect<DateTime.Utc> {
    return Effect.zipWith(this.session.lockedUntil, time, (broker, now) =>
      DateTime.min(broker, now.date(now.now + this.#left(now)))
    )
  }

  /** The broker's lock is renewed when the lease would outlive it: it may be far longer. */
  get renewed(): Effect.Effect<DateTime.Utc, QueueError.QueueError> {
    const {
      duration,
      metrics: { store }
    } = this.#keeping
    const renewBroker = Effect.zipWith(this.session.lockedUntil, DateTime.now, (until, now) =>
      DateTime.isLessThan(until, DateTime.addDuration(now, duration))
        ? Effect.asVoid(this.session.renewLock)
        : Effect.void
    ).pipe(Effect.flatten)
    const renewLease = Effect.flatMap(time, (now) =>
      Effect.map(this.#heeding(store.renew(this.#lease, duration), "taken"), (lease) => {
        this.#lease = lease
        this.#since = now
      })
    )
    return this.guarded("renewLock", Effect.andThen(renewBroker, renewLease)).pipe(
      // It may have been lost while the store was asked.
      Effect.andThen(this.check("renewLock")),
      Effect.andThen(this.lockedUntil)
    )
  }

  /** Lost when its time is over, whoever looks; or when the broker says so. */
  get watch(): Effect.Effect<void> {
    const own = Effect.gen({ self: this }, function* () {
      while (!this.#isEnding) {
        const left = this.#left(yield* time)
        if (left <= 0) return this.#lockLost("renewLock")
        yield* Effect.sleep(left)
      }
      return yield* Effect.never
    })
    const ofOwn = Effect.map(own, (error) => ({ error, cause: "expired" }) as const)
    const { lost } = this.session
    const first =
      lost === undefined
        ? ofOwn
        : Effect.raceFirst(
            ofOwn,
            Effect.map(lost, (error) => ({ error, cause: "broker" }) as const)
          )
    return Effect.flatMap(first, ({ cause, error }) =>
      Effect.andThen(
        Effect.logWarning(`a session is lost: ${error.message}`).pipe(
          Effect.annotateLogs({ queue: this.#lease.queue, sessionId: this.#lease.sessionId })
        ),
        this.lose(error, cause)
      )
    )
  }
}
