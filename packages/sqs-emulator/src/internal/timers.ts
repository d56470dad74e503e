import { Heap } from "./heap.ts"

/** A time at which something is to be looked at. */
export interface Timer<T> {
  readonly at: number
  /** Of two for the same time the one that was set first comes first. */
  readonly order: number
  readonly target: T
}

/** What can be woken. */
export interface Target<T> {
  timer: Timer<T> | undefined
}

/**
 * Times in order, one a target. A target is never woken late; it may be woken early, when it was put off
 * since, and then sets its timer anew. So a message that is extended a hundred times costs one timer.
 */
export class Timers<T extends Target<T>> {
  readonly #heap = new Heap<Timer<T>>(
    (a, b) => a.at - b.at || a.order - b.order,
    (timer) => timer.target.timer === timer
  )
  #made = 0

  /** Timers held, stale ones included. */
  get length(): number {
    return this.#heap.length
  }

  /** Wakes the target at this time, or before. */
  set(target: T, at: number): void {
    const { timer } = target
    if (timer !== undefined && timer.at <= at) return
    this.#made++
    target.timer = { at, order: this.#made, target }
    this.#heap.push(target.timer)
    if (timer !== undefined) this.#heap.forget()
  }

  clear(target: T): void {
    if (target.timer === undefined) return
    target.timer = undefined
    this.#heap.forget()
  }

  /** The next time at which somebody is to be woken. */
  next(): number | undefined {
    return this.#heap.peek()?.at
  }

  /** Takes the next target that is due by `now`. */
  due(now: number): T | undefined {
    const timer = this.#heap.peek()
    if (timer === undefined || timer.at > now) return undefined
    this.#heap.pop()
    timer.target.timer = undefined
    return timer.target
  }
}
