import * as Predicate from "effect/Predicate"

/** Who has to be told when something is lost, each once. */
export class Losses {
  readonly #listeners = new Set<() => void>()

  /** Answers how to forget it. */
  on(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** Tells when this emitter of the SDK's inside has one of these events; nothing where it is none. */
  watch(emitter: unknown, events: ReadonlyArray<string>): void {
    if (!Predicate.hasProperty(emitter, "once") || typeof emitter.once !== "function") return
    for (const event of events) emitter.once(event, () => this.tell())
  }
}
