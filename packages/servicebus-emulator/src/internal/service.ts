/** What all connections share: the queues, the faults, who may do what, and what has happened. */
import type { Buffer } from "node:buffer"
import type { Address } from "./address.ts"
import type { Connection } from "./connection.ts"
import type { Entry } from "./entry.ts"
import type { Faults } from "./faults.ts"
import * as lockToken from "./lockToken.ts"
import type { Outgoing } from "./outgoing.ts"
import { Broker } from "./broker.ts"
import type { Settings } from "./queue.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"
import type { Consumer, SubQueue } from "./subQueue.ts"

/** How one delivery was settled. */
export interface Settlement {
  readonly queue: string
  readonly messageId: string | undefined
  readonly sequenceNumber: number
  readonly deliveryCount: number
  readonly outcome: "Complete" | "Abandon" | "Defer" | "Release" | "DeadLetter"
  /** The condition it was refused with. */
  readonly refused: string | undefined
}

/** Who may do what. */
export interface Access {
  /** Names and keys of shared access; absent: any token is good, and none is needed. */
  readonly keys: ReadonlyMap<string, string> | undefined
  /** How long a connection may be without a token; absent: as long as it likes. */
  readonly tokenMillis: number | undefined
}

/** A receiver's link with what the broker knows it by. */
export interface Receiver {
  readonly link: Outgoing
  readonly consumer: Consumer
}

/** A bound on what is remembered: the newest are kept. */
export class Recent<T> {
  readonly #max: number
  #items: Array<T> = []

  constructor(max: number) {
    this.#max = max
  }

  push(item: T): void {
    this.#items.push(item)
    if (this.#items.length >= this.#max * 2) this.#items = this.#items.slice(-this.#max)
  }

  get items(): ReadonlyArray<T> {
    return this.#items.slice(-this.#max)
  }
}

/** Settlements remembered for inspection. */
const settlementsMax = 10_000

export interface Parts {
  readonly scheduler: Scheduler
  readonly faults: Faults
  readonly access: Access
  readonly random: () => number
  readonly queues: ReadonlyArray<Settings>
}

export class Service extends Broker {
  readonly faults: Faults
  readonly access: Access
  readonly connections = new Set<Connection>()
  readonly receivers = new Set<Receiver>()
  /** Links that carry replies. */
  readonly replies = new Set<Outgoing>()
  readonly calls = new Map<string, number>()
  readonly settlements = new Recent<Settlement>(settlementsMax)
  readonly #prefix: Buffer
  readonly #random: () => number

  constructor(parts: Parts) {
    super(parts.scheduler, parts.queues)
    this.faults = parts.faults
    this.access = parts.access
    this.#random = parts.random
    this.#prefix = lockToken.makePrefix(parts.random)
  }

  count(call: string): void {
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1)
  }

  /** The queue or dead-letter queue that an address names. */
  find(address: Address): SubQueue | Refusal {
    switch (address._tag) {
      case "Cbs":
        return new Refusal(condition.notAllowed, "$cbs is not a queue.")
      case "Subscription":
        return new Refusal(
          condition.notImplemented,
          "Topics and subscriptions are out of scope: this emulator has queues only."
        )
      case "Management":
      case "Entity": {
        const queue = this.queues.get(address.entity)
        if (queue === undefined) return this.notFound(address.entity)
        if (address.sub === "Main") return queue.main
        return address.sub === "Dead" ? queue.dead : queue.transfer
      }
    }
  }

  makeId(): string {
    const digits = () =>
      Math.floor(this.#random() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, "0")
    return digits() + digits() + digits() + digits()
  }

  // ---- lock tokens

  tagOf(lock: number): Buffer {
    return lockToken.toTag(this.#prefix, lock)
  }

  uuidOf(lock: number): Buffer {
    return lockToken.toUuid(this.#prefix, lock)
  }

  /** The delivery that a token proves. */
  lockedBy(uuid: Uint8Array): { readonly entry: Entry; readonly lock: number } | undefined {
    const lock = lockToken.toLock(this.#prefix, uuid)
    const entry = this.locks.entries.get(lock)
    return entry === undefined ? undefined : { entry, lock }
  }

  /** A tag for a delivery without a lock; any unique one will do. */
  anyTag(): Buffer {
    return this.tagOf(++this.locks.next)
  }
}
