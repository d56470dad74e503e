import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as LockKeeper from "../LockKeeper.ts"
import type * as QueueError from "../QueueError.ts"

/** The lock of one delivery, while it is kept. */
export class KeptLock {
  /** Done when the lock is lost, with why. */
  readonly lost = Deferred.makeUnsafe<QueueError.QueueError>()
  readonly #renew: LockKeeper.Lock["renew"]
  readonly since: number
  /** When a fiber of its own has to keep it. */
  readonly dueAt: number
  lockedUntil: DateTime.Utc
  keeper: Fiber.Fiber<unknown> | undefined = undefined

  constructor(lockedUntil: DateTime.Utc, renew: LockKeeper.Lock["renew"], since: number) {
    this.#renew = renew
    this.lockedUntil = lockedUntil
    this.since = since
    this.dueAt = LockKeeper.idleUntil(lockedUntil, since)
  }

  /** Renews it in time, until it is lost. */
  keep(renewalMax: Duration.Duration): Effect.Effect<unknown> {
    const { lockedUntil, since } = this
    const renew = Effect.map(this.#renew, (until) => (this.lockedUntil = until))
    return Effect.flatMap(LockKeeper.keep({ lockedUntil, renew, renewalMax, since }), (error) =>
      Deferred.succeed(this.lost, error)
    )
  }
}

/**
 * The locks of many deliveries. Most are settled long before half of their lock is over, so that one
 * timer stands for all of them, and a lock has a fiber of its own when that time has come.
 */
export class KeptLocks {
  readonly #waiting = new Set<KeptLock>()
  readonly #renewalMax: Duration.Duration
  readonly #scope: Scope.Scope
  #alarm: Fiber.Fiber<unknown> | undefined = undefined
  /** When the alarm goes off. */
  #alarmAt = Infinity
  /** The earliest of those that wait, or earlier. */
  #dueAt = Infinity

  constructor(renewalMax: Duration.Duration, scope: Scope.Scope) {
    this.#renewalMax = renewalMax
    this.#scope = scope
  }

  /** From now on; `watch` is to be called when all that came together are added. */
  add(lockedUntil: DateTime.Utc, renew: LockKeeper.Lock["renew"], now: number): KeptLock {
    const lock = new KeptLock(lockedUntil, renew, now)
    this.#waiting.add(lock)
    this.#dueAt = Math.min(this.#dueAt, lock.dueAt)
    return lock
  }

  /** No renewal is begun any more, nor under way when this ends. */
  stop(lock: KeptLock): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#waiting.delete(lock)
      return lock.keeper === undefined ? Effect.void : Fiber.interrupt(lock.keeper)
    })
  }

  /** Sets the alarm, unless it goes off early enough. */
  readonly watch: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#alarmAt <= this.#dueAt) return Effect.void
    this.#alarm?.interruptUnsafe()
    this.#alarmAt = this.#dueAt
    return Effect.map(Effect.forkIn(this.#ringing, this.#scope), (fiber) => {
      this.#alarm = fiber
    })
  })

  /** Those that are due are kept one by one; the alarm is set for the next of the others. */
  readonly #ringing: Effect.Effect<void> = Effect.suspend(() => {
    const at = this.#alarmAt
    return Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.andThen(Effect.sleep(Math.max(0, at - now)), this.#ring(at))
    )
  })

  #ring(at: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#alarm = undefined
      this.#alarmAt = Infinity
      this.#dueAt = Infinity
      const due: Array<KeptLock> = []
      for (const lock of this.#waiting) {
        if (lock.dueAt <= at) due.push(lock)
        else this.#dueAt = Math.min(this.#dueAt, lock.dueAt)
      }
      return Effect.andThen(
        Effect.forEach(due, (lock) => this.#promote(lock), { discard: true }),
        this.#dueAt < Infinity ? this.watch : Effect.void
      )
    })
  }

  /** Unless it was let go meanwhile. */
  #promote(lock: KeptLock): Effect.Effect<unknown> {
    const keeping = Effect.map(
      Effect.forkIn(lock.keep(this.#renewalMax), this.#scope),
      (fiber) => (lock.keeper = fiber)
    )
    return Effect.when(
      keeping,
      Effect.sync(() => this.#waiting.delete(lock))
    )
  }
}
