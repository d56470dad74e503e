/** What was last seen of a lease, and when by a clock of this process. */
export interface Seen {
  /** Another one with every grant and every renewal. */
  readonly version: string
  /** In milliseconds of the clock that is never set. */
  readonly at: number
  readonly millis: number
}

/** When its holder has been silent for long enough. */
export const overAt = ({ at, millis }: Seen): number => at + millis

/**
 * Leases as they were last seen. A holder says nothing about the time: that its lease ran out is known by
 * its record staying the same for the lease's duration, from when it was seen first.
 */
export class Observed {
  readonly #seen = new Map<string, Seen>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  get(key: string): Seen | undefined {
    return this.#seen.get(key)
  }

  /** As it is known: seen before, or seen now for the first time. */
  see(key: string, now: Seen): Seen {
    const before = this.#seen.get(key)
    // A lease that was made shorter or longer without another version is none of ours.
    if (before?.version === now.version && before.millis === now.millis) return before
    this.#seen.delete(key)
    this.#seen.set(key, now)
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= this.#max) break
      this.#seen.delete(oldest)
    }
    return now
  }

  forget(key: string): void {
    this.#seen.delete(key)
  }
}
