/** Remembers message ids for a window. Each call is O(1), amortised. */
export class Deduplication {
  readonly #windowMillis: number
  readonly #seen = new Set<string>()
  #order: Array<{ readonly id: string; readonly until: number }> = []
  #head = 0

  constructor(windowMillis: number) {
    this.#windowMillis = windowMillis
  }

  /** Ids remembered. */
  get size(): number {
    return this.#seen.size
  }

  /** Remembers an id; false when it was remembered already. */
  remember(id: string, now: number): boolean {
    this.#forget(now)
    if (this.#seen.has(id)) return false
    this.#seen.add(id)
    this.#order.push({ id, until: now + this.#windowMillis })
    return true
  }

  #forget(now: number): void {
    for (;;) {
      const oldest = this.#order[this.#head]
      if (oldest === undefined || oldest.until > now) break
      this.#seen.delete(oldest.id)
      this.#head++
    }
    if (this.#head * 2 <= this.#order.length) return
    this.#order = this.#order.slice(this.#head)
    this.#head = 0
  }
}
