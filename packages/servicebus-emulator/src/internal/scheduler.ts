import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import type * as Scope from "effect/Scope"
import { Heap, type HeapNode } from "./heap.ts"

/** Something that is to happen at a time; it may be taken back. */
export type Timer = HeapNode<() => void>

/** Sets one alarm for the soonest time; a later call replaces it. */
type SetAlarm = (at: number, ring: () => void) => void

/** What is to happen later, in order of time; of two for one time, the one set first comes first. */
export class Scheduler {
  readonly now: () => number
  readonly #setAlarm: SetAlarm
  readonly #timers = new Heap<() => void>()
  #alarmAt = Infinity
  #stopped = false

  constructor(now: () => number, setAlarm: SetAlarm) {
    this.now = now
    this.#setAlarm = setAlarm
  }

  /** Timers that have not gone off. */
  get size(): number {
    return this.#timers.size
  }

  at(time: number, run: () => void): Timer {
    const timer = this.#timers.push(time, run)
    this.#arm()
    return timer
  }

  after(millis: number, run: () => void): Timer {
    return this.at(this.now() + millis, run)
  }

  cancel(timer: Timer | undefined): void {
    if (timer !== undefined) this.#timers.remove(timer)
  }

  /** Runs whatever is due. */
  turn(): void {
    for (;;) {
      const { first } = this.#timers
      if (first === undefined || first.key > this.now() || this.#stopped) break
      this.#timers.remove(first)
      first.item()
    }
    this.#arm()
  }

  /** Nothing happens any more. */
  stop(): void {
    this.#stopped = true
  }

  #arm(): void {
    const { first } = this.#timers
    // An alarm that comes too early finds nothing due and sets the next one.
    if (first === undefined || first.key >= this.#alarmAt || this.#stopped) return
    this.#alarmAt = first.key
    this.#setAlarm(first.key, () => {
      this.#alarmAt = Infinity
      this.turn()
    })
  }
}

const makeWith = Effect.fnUntraced(function* (clock: typeof Clock.Clock.Service) {
  const handle = yield* FiberHandle.make<void, never>()
  const run = yield* FiberHandle.runtime(handle)()
  const scheduler = new Scheduler(
    () => clock.currentTimeMillisUnsafe(),
    (at, ring) => {
      // At least a millisecond: a clock with parts of one can end a sleep a hair before its time, and a
      // shorter one would then not move it at all.
      const left = Math.max(1, at - clock.currentTimeMillisUnsafe())
      run(Effect.flatMap(clock.sleep(Duration.millis(left)), () => Effect.sync(ring)))
    }
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => scheduler.stop()))
  return scheduler
})

/** A scheduler on the clock of the fiber that makes it: virtual under TestClock. */
export const make: Effect.Effect<Scheduler, never, Scope.Scope> = Effect.flatMap(
  Clock.Clock,
  makeWith
)

/** A scheduler on the machine's clock, for what the other end of a socket measures with its own. */
export const makeLive: Effect.Effect<Scheduler, never, Scope.Scope> = Effect.suspend(() =>
  makeWith(Context.get(Context.empty(), Clock.Clock))
)
