import type { Steps } from "./steps.ts"

/** What a {@link Sequence} holds: a number that never falls, and the slot the sequence gave it. */
export interface Sequenced {
  readonly sequence: number
  slot: number
}

/** Empty slots kept without a look at their share. */
const emptyMin = 32

/**
 * Items by their sequence number, for looking from any number on. Appending and removing are O(1)
 * amortised, a look at `max` items costs O(log n + max), amortised: an emptied slot points on to a later
 * one, and whoever follows such pointers shortens them. Emptied slots never outnumber the items by more
 * than `emptyMin`.
 */
export class Sequence<T extends Sequenced> {
  readonly #steps: Steps
  #numbers: Array<number> = []
  /** An item, or where to look on. */
  #slots: Array<T | number> = []
  #empty = 0

  constructor(steps: Steps) {
    this.#steps = steps
  }

  /** Slots held, emptied ones included. */
  get length(): number {
    return this.#slots.length
  }

  /** Appends an item whose number is above all others. */
  append(item: T): void {
    this.#steps.count++
    item.slot = this.#slots.length
    this.#slots.push(item)
    this.#numbers.push(item.sequence)
  }

  remove(item: T): void {
    this.#steps.count++
    this.#slots[item.slot] = item.slot + 1
    this.#empty++
    if (this.#empty >= emptyMin && this.#empty * 2 > this.#slots.length) this.#compact()
  }

  /** Up to `max` items numbered `from` or higher, in order, that `accept` takes. */
  take(from: number, max: number, accept: (item: T) => boolean): ReadonlyArray<T> {
    const taken: Array<T> = []
    let slot = this.#search(from)
    while (taken.length < max) {
      slot = this.#occupied(slot)
      const item = this.#slots[slot]
      if (item === undefined || typeof item === "number") return taken
      this.#steps.count++
      if (accept(item)) taken.push(item)
      slot++
    }
    return taken
  }

  /** The first slot with a number of `from` or higher. */
  #search(from: number): number {
    let low = 0
    let high = this.#numbers.length
    while (low < high) {
      this.#steps.count++
      const middle = (low + high) >>> 1
      if ((this.#numbers[middle] ?? 0) < from) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The first slot from `start` on that holds an item, or the end. */
  #occupied(start: number): number {
    let end = start
    let slot = this.#slots[end]
    while (typeof slot === "number") {
      this.#steps.count++
      end = slot
      slot = this.#slots[end]
    }
    let walked = start
    while (walked < end) {
      const next = this.#slots[walked]
      this.#slots[walked] = end
      walked = typeof next === "number" ? next : end
    }
    return end
  }

  #compact(): void {
    this.#steps.count += this.#slots.length
    const items = this.#slots.filter((slot) => typeof slot !== "number")
    for (const [slot, item] of items.entries()) item.slot = slot
    this.#numbers = items.map((item) => item.sequence)
    this.#slots = items
    this.#empty = 0
  }
}
