import TinyQueue from "tinyqueue"
import type { Steps } from "./steps.ts"

/** Stale items a heap keeps without a look at their share: below it a rebuild saves nothing. */
const staleMin = 32

/**
 * A binary heap with lazy deletion: an item that lost its meaning stays until it comes up or until such
 * items outnumber the live ones, and then all of them go at once. Push and pop are O(log n), amortised;
 * the heap is never larger than twice its live items and `staleMin`.
 */
export class Heap<T> {
  readonly #steps: Steps
  readonly #isLive: (item: T) => boolean
  readonly #compare: (a: T, b: T) => number
  #items: TinyQueue<T>
  #stale = 0

  constructor(steps: Steps, compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#steps = steps
    this.#isLive = isLive
    this.#compare = (a, b) => {
      steps.count++
      return compare(a, b)
    }
    this.#items = new TinyQueue<T>([], this.#compare)
  }

  /** Items held, stale ones included. */
  get length(): number {
    return this.#items.length
  }

  push(item: T): void {
    this.#steps.count++
    this.#items.push(item)
  }

  /** The least live item; stale ones before it are dropped. */
  peek(): T | undefined {
    this.#steps.count++
    let top = this.#items.peek()
    while (top !== undefined && !this.#isLive(top)) {
      this.#items.pop()
      this.#stale--
      top = this.#items.peek()
    }
    return top
  }

  /** Takes the least live item. */
  pop(): T | undefined {
    const top = this.peek()
    if (top !== undefined) this.#items.pop()
    return top
  }

  /** To be called when an item of the heap has become stale. */
  forget(): void {
    this.#stale++
    const { length } = this.#items
    if (this.#stale < staleMin || this.#stale * 2 <= length) return
    this.#steps.count += length
    this.#items = new TinyQueue(this.#items.data.filter(this.#isLive), this.#compare)
    this.#stale = 0
  }
}
