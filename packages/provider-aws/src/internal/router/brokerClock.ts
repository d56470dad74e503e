/** How far two clocks go apart while nothing compares them: a tenth of a millisecond a second. */
const drift = 1e-4

/** What one receive tells: when it was asked for and answered by our clock, and locked by the broker's. */
export interface Sighting {
  readonly sentAt: number
  readonly now: number
  /** Absent where nothing of it says so: the broker tells of first receives alone. */
  readonly lockedAt: number | undefined
  /** For how long it was locked, in milliseconds. */
  readonly lockMillis: number
}

/**
 * When a receive took effect. A poll waits at the broker and its answer may be late, so neither the time
 * of the request nor that of the answer says it; counted from the answer, a lock would hold longer here
 * than at the broker. The broker tells when it locked, by its own clock, and what lies between the clocks
 * is known from the receives before: each took effect after it was sent and before it was answered.
 */
export class BrokerClock {
  /** Ours is ahead of the broker's by this at least. */
  #ahead = Number.NEGATIVE_INFINITY
  #asOf = 0

  /** The earliest that it may have locked what it brought, by our clock. */
  startOf({ lockMillis, lockedAt, now, sentAt }: Sighting): number {
    // Never told, it costs half the lock at most: a long wait must not leave nothing of a short one. The
    // Date of the answer would not do: it says when that was made, and the lock is before it, nobody says
    // by how much.
    if (lockedAt === undefined) return Math.max(sentAt, now - lockMillis / 2)
    this.#age(now)
    // It cannot have locked after it answered: then a clock was set.
    this.#ahead = Math.min(Math.max(this.#ahead, sentAt - lockedAt), now - lockedAt)
    return lockedAt + this.#ahead
  }

  #age(now: number): void {
    this.#ahead -= Math.abs(now - this.#asOf) * drift
    this.#asOf = now
  }
}
