/** Stale items a heap keeps without a look at their share: below it a rebuild saves nothing. */
const staleMin = 64

/**
 * A binary heap with lazy deletion: an item that lost its meaning stays until it comes up or until such
 * items outnumber the live ones, and then all of them go at once. Push and pop are O(log n), amortised.
 */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number
  readonly #isLive: (item: T) => boolean
  #items: Array<T> = []
  #stale = 0

  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare
    this.#isLive = isLive
  }

  /** Items held, stale ones included. */
  get length(): number {
    return this.#items.length
  }

  push(item: T): void {
    this.#items.push(item)
    this.#up(this.#items.length - 1, item)
  }

  /** The least live item; stale ones before it are dropped. */
  peek(): T | undefined {
    let top = this.#items[0]
    while (top !== undefined && !this.#isLive(top)) {
      this.#drop()
      this.#stale--
      top = this.#items[0]
    }
    return top
  }

  /** Takes the least live item. */
  pop(): T | undefined {
    const top = this.peek()
    if (top !== undefined) this.#drop()
    return top
  }

  /** To be called when an item of the heap has become stale. */
  forget(): void {
    this.#stale++
    if (this.#stale < staleMin || this.#stale * 2 <= this.#items.length) return
    // A sorted array is a heap.
    this.#items = this.#items.filter(this.#isLive).toSorted(this.#compare)
    this.#stale = 0
  }

  #drop(): void {
    const last = this.#items.pop()
    if (last !== undefined && this.#items.length > 0) this.#down(last)
  }

  #up(from: number, item: T): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#items[above]
      if (parent === undefined || this.#compare(item, parent) >= 0) break
      this.#items[at] = parent
      at = above
    }
    this.#items[at] = item
  }

  #down(item: T): void {
    const { length } = this.#items
    let at = 0
    for (;;) {
      const left = this.#items[2 * at + 1]
      if (left === undefined) break
      let below = 2 * at + 1
      let child = left
      const right = below + 1 < length ? this.#items[below + 1] : undefined
      if (right !== undefined && this.#compare(right, left) < 0) {
        below++
        child = right
      }
      if (this.#compare(child, item) >= 0) break
      this.#items[at] = child
      at = below
    }
    this.#items[at] = item
  }
}
