import { type Locks, Queue, type Settings } from "./queue.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"

/** The queues of a namespace. */
export class Broker {
  readonly scheduler: Scheduler
  /** By their names in lower case. */
  readonly queues = new Map<string, Queue>()
  readonly locks: Locks = { entries: new Map(), next: 0 }
  readonly #settings = new Map<string, Settings>()
  /** `sb://host:port`, as errors name the namespace. */
  endpoint = "sb://localhost"

  constructor(scheduler: Scheduler, queues: ReadonlyArray<Settings>) {
    this.scheduler = scheduler
    for (const settings of queues) this.addQueue(settings)
  }

  /** Adds a queue; one of this name is replaced. */
  addQueue(settings: Settings): void {
    const name = settings.name.toLowerCase()
    this.queues.get(name)?.clear()
    this.#settings.set(name, settings)
    this.queues.set(name, new Queue(settings, this.scheduler, this.locks))
  }

  /** Removes a queue with its messages; whether it was there. */
  removeQueue(name: string): boolean {
    const key = name.toLowerCase()
    this.queues.get(key)?.clear()
    this.#settings.delete(key)
    return this.queues.delete(key)
  }

  /** Forgets all messages and sessions. */
  reset(): void {
    for (const settings of this.#settings.values()) this.addQueue(settings)
  }

  notFound(entity: string): Refusal {
    return new Refusal(
      condition.notFound,
      `The messaging entity '${this.endpoint}/${entity}' could not be found. To know more visit https://aka.ms/sbResourceMgrExceptions.`
    )
  }
}
