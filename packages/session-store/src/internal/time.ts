import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"

/** A moment of the clock that is never set, which leases are counted by. */
export interface Time {
  /** In milliseconds, since nobody knows when. */
  readonly now: number
  /** In milliseconds of the clock on the wall: it goes on while the machine is suspended. */
  readonly wall: number
  /** What the other clock says at a time of this one. */
  readonly date: (at: number) => DateTime.Utc
}

export const time: Effect.Effect<Time> = Clock.clockWith((clock) =>
  Effect.sync(() => {
    const now = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
    const wall = clock.currentTimeMillisUnsafe()
    return { now, wall, date: (at) => DateTime.makeUnsafe(Math.round(at + wall - now)) }
  })
)
