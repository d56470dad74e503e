import * as Clock from "effect/Clock"
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
      const leave = Effect.andThen(
        Effect.sync(() => this.#kept--),
        close
      )
      return Effect.sleep(pause).pipe(
        Effect.ensuring(leave),
        Effect.forkIn(this.#scope, { startImmediately: true }),
        Effect.as(true)
      )
    })
  }
}
