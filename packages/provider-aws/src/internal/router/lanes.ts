import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

interface Lane {
  readonly turn: Semaphore.Semaphore
  users: number
}

/** One call at a time on each of several names; a name nobody uses costs nothing. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()

  get size(): number {
    return this.#lanes.size
  }

  /** Alone on all of these, taken in one order, so that no two calls block each other. */
  within<A, E, R>(names: Iterable<string>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return [...new Set(names)]
      .toSorted()
      .reduceRight((inner, name) => this.#within(name, inner), effect)
  }

  #within<A, E, R>(name: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.#enter(name)),
      (lane) => lane.turn.withPermit(effect),
      (lane) => Effect.sync(() => this.#leave(name, lane))
    )
  }

  #enter(name: string): Lane {
    const known = this.#lanes.get(name)
    const lane = known ?? { turn: Semaphore.makeUnsafe(1), users: 0 }
    if (known === undefined) this.#lanes.set(name, lane)
    lane.users++
    return lane
  }

  #leave(name: string, lane: Lane): void {
    lane.users--
    if (lane.users === 0) this.#lanes.delete(name)
  }
}
