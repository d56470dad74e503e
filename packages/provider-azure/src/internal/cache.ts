import { Defaults } from "@queue-runtime/core"

/** What is open on a queue. */
export interface Item {
  /** Whether closing it would disturb nobody. */
  readonly isIdle: () => boolean
  readonly close: () => void
}

/** Things of queues, made with their first use; the least recently used is closed when there are many. */
export class Cache<A extends Item> {
  readonly #items = new Map<string, A>()

  get(key: string, make: () => A): A {
    const item = this.#items.get(key) ?? make()
    // The most recently used one is the last.
    this.#items.delete(key)
    this.#items.set(key, item)
    if (this.#items.size > Defaults.serviceBusQueuesMax) this.#evict(item)
    return item
  }

  #evict(kept: A): void {
    for (const [key, item] of this.#items) {
      if (item === kept || !item.isIdle()) continue
      this.#items.delete(key)
      item.close()
      return
    }
  }

  values(): ReadonlyArray<A> {
    return [...this.#items.values()]
  }
}
