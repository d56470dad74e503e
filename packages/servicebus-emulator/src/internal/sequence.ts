/** What has a number of its own in a queue. */
export interface Numbered {
  readonly sequence: number
}

/** Dead numbers a list keeps without a look at their share: below it a rebuild saves nothing. */
const deadMin = 64

/**
 * Messages by sequence number. Numbers mostly come in order, so they stand in one sorted array; those
 * of removed messages stay in it until they are half of it. Adding in order and removing are O(1),
 * amortised; finding a place is O(log n).
 */
export class SequenceIndex<T extends Numbered> {
  readonly #items = new Map<number, T>()
  #numbers: Array<number> = []

  get size(): number {
    return this.#items.size
  }

  get(sequence: number): T | undefined {
    return this.#items.get(sequence)
  }

  values(): IterableIterator<T> {
    return this.#items.values()
  }

  add(item: T): void {
    const { sequence } = item
    const last = this.#numbers.at(-1)
    if (last === undefined || sequence > last) this.#numbers.push(sequence)
    else {
      const at = this.#seek(sequence)
      if (this.#numbers[at] !== sequence) this.#numbers.splice(at, 0, sequence)
    }
    this.#items.set(sequence, item)
  }

  delete(item: T): void {
    if (this.#items.get(item.sequence) !== item) return
    this.#items.delete(item.sequence)
    const dead = this.#numbers.length - this.#items.size
    if (dead < deadMin || dead * 2 <= this.#numbers.length) return
    this.#numbers = this.#numbers.filter((sequence) => this.#items.has(sequence))
  }

  /** The first items from a number on that a test lets through. */
  from(sequence: number, max: number, isWanted: (item: T) => boolean): ReadonlyArray<T> {
    const found: Array<T> = []
    for (let at = this.#seek(sequence); at < this.#numbers.length && found.length < max; at++) {
      const item = this.#items.get(this.#numbers[at] ?? -1)
      if (item !== undefined && isWanted(item)) found.push(item)
    }
    return found
  }

  /** The place of the first number that is not below this one. */
  #seek(sequence: number): number {
    let low = 0
    let high = this.#numbers.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#numbers[middle] ?? 0) < sequence) low = middle + 1
      else high = middle
    }
    return low
  }
}
