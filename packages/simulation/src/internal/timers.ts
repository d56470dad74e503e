/** What is to happen at a time; cancelled, it stays in the heap until it comes up. */
export interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
  /** Whose it is: told when it is due, and asked for when all of his are to go. */
  readonly owner: Owner | undefined
  isLive: boolean
}

/** Who may have timers: whatever is due goes through him. */
export interface Owner {
  readonly due: (run: () => void) => void
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order)

/** Below so many stale timers a clean-up saves nothing. */
const staleMin = 64

/** A binary heap of timers: by time, and those of one time in the order they were set. */
export class Timers {
  #heap: Array<Timer> = []
  #order = 0
  #live = 0

  /** Timers that are still to happen. */
  get live(): number {
    return this.#live
  }

  set(at: number, run: () => void, owner?: Owner): Timer {
    this.#order++
    const timer: Timer = { at, order: this.#order, run, owner, isLive: true }
    this.#live++
    this.#push(timer)
    return timer
  }

  cancel(timer: Timer): void {
    if (!timer.isLive) return
    timer.isLive = false
    this.#live--
    if (this.#heap.length - this.#live > staleMin && this.#heap.length > this.#live * 2) {
      const live = this.#heap.filter(({ isLive }) => isLive)
      this.#heap = []
      for (const one of live) this.#push(one)
    }
  }

  /** Cancels all of his: looked for, since that is rare, and a list of them would be kept all the time. */
  cancelOf(owner: Owner): void {
    const own = this.#heap.filter((timer) => timer.owner === owner)
    for (const timer of own) this.cancel(timer)
  }

  /** When the next one is due. */
  next(): number | undefined {
    let first = this.#heap[0]
    while (first !== undefined && !first.isLive) {
      this.#pop()
      first = this.#heap[0]
    }
    return first?.at
  }

  /** Takes the next one that is due by now. */
  due(now: number): Timer | undefined {
    const at = this.next()
    if (at === undefined || at > now) return undefined
    const timer = this.#pop()
    if (timer !== undefined) {
      timer.isLive = false
      this.#live--
    }
    return timer
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    let place = heap.length
    heap.push(timer)
    while (place > 0) {
      const above = (place - 1) >>> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(timer, parent)) break
      heap[place] = parent
      place = above
    }
    heap[place] = timer
  }

  #pop(): Timer | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let place = 0
    while (true) {
      const left = heap[2 * place + 1]
      const right = heap[2 * place + 2]
      if (left === undefined) break
      const isRight = right !== undefined && isBefore(right, left)
      const least = isRight ? right : left
      if (!isBefore(least, last)) break
      heap[place] = least
      place = 2 * place + (isRight ? 2 : 1)
    }
    heap[place] = last
    return top
  }
}
