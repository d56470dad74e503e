import type { QueueName, SessionId } from "@queue-runtime/core"
import * as Option from "effect/Option"
import * as linkedList from "./linkedList.ts"

interface Entry {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly expiresAtMillis: number
}

interface Place {
  /** In the order of all queues: the oldest is the first to expire and to make room. */
  readonly overall: linkedList.Node<Entry>
  readonly inQueue: linkedList.Node<Entry>
}

interface Remembered {
  readonly places: Map<SessionId.SessionId, Place>
  readonly order: linkedList.LinkedList<Entry>
}

/**
 * What the affinity hint remembers, without a clock: `now` is handed in. Each method is one
 * synchronous step, so that fibers never see half of one. All entries live equally long, so the
 * oldest expires first; a clock that is set back keeps those behind it for as long.
 */
export class RecentSessions {
  readonly #max: number
  readonly #timeToLiveMillis: number
  readonly #overall = linkedList.make<Entry>()
  readonly #queues = new Map<QueueName.QueueName, Remembered>()
  #size = 0

  constructor(max: number, timeToLiveMillis: number) {
    this.#max = max
    this.#timeToLiveMillis = timeToLiveMillis
  }

  gaveUp(queue: QueueName.QueueName, sessionId: SessionId.SessionId, now: number): void {
    this.#expire(now)
    this.forget(queue, sessionId)
    const entry = { queue, sessionId, expiresAtMillis: now + this.#timeToLiveMillis }
    const remembered = this.#queues.get(queue) ?? { places: new Map(), order: linkedList.make() }
    this.#queues.set(queue, remembered)
    const overall = linkedList.append(this.#overall, entry)
    const inQueue = linkedList.append(remembered.order, entry)
    remembered.places.set(sessionId, { overall, inQueue })
    this.#size += 1
    this.#forgetOldestWhile(() => this.#size > this.#max)
  }

  candidate(queue: QueueName.QueueName, now: number): Option.Option<SessionId.SessionId> {
    this.#expire(now)
    const last = this.#queues.get(queue)?.order.last
    if (last === undefined) return Option.none()
    this.forget(queue, last.value.sessionId)
    return Option.some(last.value.sessionId)
  }

  forget(queue: QueueName.QueueName, sessionId: SessionId.SessionId): void {
    const remembered = this.#queues.get(queue)
    const place = remembered?.places.get(sessionId)
    if (remembered === undefined || place === undefined) return
    linkedList.remove(this.#overall, place.overall)
    linkedList.remove(remembered.order, place.inQueue)
    remembered.places.delete(sessionId)
    if (remembered.places.size === 0) this.#queues.delete(queue)
    this.#size -= 1
  }

  size(now: number): number {
    this.#expire(now)
    return this.#size
  }

  /** How many queues have a place here; names come and go, and must not pile up. */
  get queueCount(): number {
    return this.#queues.size
  }

  #expire(now: number): void {
    this.#forgetOldestWhile((oldest) => oldest.expiresAtMillis <= now)
  }

  #forgetOldestWhile(isOver: (oldest: Entry) => boolean): void {
    let oldest = this.#overall.first
    while (oldest !== undefined && isOver(oldest.value)) {
      this.forget(oldest.value.queue, oldest.value.sessionId)
      oldest = this.#overall.first
    }
  }
}
