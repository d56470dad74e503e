import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Defaults } from "@queue-runtime/core"

interface Refusals {
  readonly count: number
  readonly last: number
}

const longest = Duration.toMillis(Defaults.sessionLeaseAsideMax)

/** One that is kept: asked back, and given back. */
interface Kept {
  readonly wanted: Deferred.Deferred<void>
  readonly back: Deferred.Deferred<void>
}

/** After so long without one, refusals are counted anew. */
const forgottenAfter = 2 * longest

/**
 * Sessions that came along and are held elsewhere. Given back at once, such a one would come again at once,
 * a receive each time; kept, its holder would wait. So it is kept for a moment, and longer each time it
 * comes again: a living holder gets its message, and a dead one's costs little until its lease is over.
 */
export class Aside {
  readonly #refusals = new Map<string, Refusals>()
  readonly #scope: Scope.Scope
  readonly #keptBy = new Map<string, Kept>()
  #kept = 0

  constructor(scope: Scope.Scope) {
    this.#scope = scope
  }

  /** How long it is kept. */
  #pause(key: string, now: number): number {
    const before = this.#refusals.get(key)
    const isRecent = before !== undefined && now - before.last < forgottenAfter
    const count = isRecent ? before.count + 1 : 0
    this.#refusals.delete(key)
    this.#refusals.set(key, { count, last: now })
    for (const oldest of this.#refusals.keys()) {
      if (this.#refusals.size <= Defaults.sessionsTrackedMax) break
      this.#refusals.delete(oldest)
    }
    const first = Duration.toMillis(Defaults.sessionLeaseAside)
    return Math.min(longest, first * 2 ** Math.min(count, 20))
  }

  /** It was granted after all. */
  forget(key: string): void {
    this.#refusals.delete(key)
  }

  /**
   * Closes the scope of the broker's session, after a while if there is room for it; whether it is kept.
   * Not longer than half of its lock: it is not renewed.
   */
  put(
    key: string,
    session: Scope.Closeable,
    lockDuration: Duration.Duration
  ): Effect.Effect<boolean> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const pause = Math.min(this.#pause(key, now), Duration.toMillis(lockDuration) / 2)
      const close = Scope.close(session, Exit.void)
      if (this.#kept >= Defaults.sessionLeasesAsideMax) return Effect.as(close, false)
      this.#kept++
      const kept: Kept = { wanted: Deferred.makeUnsafe(), back: Deferred.makeUnsafe() }
      this.#keptBy.set(key, kept)
      const leave = Effect.suspend(() => {
        this.#kept--
        if (this.#keptBy.get(key) === kept) this.#keptBy.delete(key)
        return Effect.ensuring(close, Deferred.succeed(kept.back, undefined))
      })
      return Effect.raceFirst(Effect.sleep(pause), Deferred.await(kept.wanted)).pipe(
        Effect.ensuring(leave),
        Effect.forkIn(this.#scope, { startImmediately: true }),
        Effect.as(true)
      )
    })
  }

  /** Gives it back now, for who asks by its id; whether it was here. */
  giveBack(key: string): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const kept = this.#keptBy.get(key)
      if (kept === undefined) return Effect.succeed(false)
      Deferred.doneUnsafe(kept.wanted, Effect.void)
      return Effect.as(Deferred.await(kept.back), true)
    })
  }
}
