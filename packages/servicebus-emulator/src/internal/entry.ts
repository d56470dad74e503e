import type { HeapNode } from "./heap.ts"
import type { Session } from "./session.ts"
import type { SubQueue } from "./subQueue.ts"
import type { Timer } from "./scheduler.ts"

/** What a sender gives; the body and what belongs to it are the caller's own and never looked into. */
export interface Content {
  readonly messageId?: string | undefined
  readonly sessionId?: string | undefined
  /** Milliseconds; the smaller of it and the queue's own counts. */
  readonly timeToLive?: number | undefined
  /** Milliseconds since 1970; not deliverable before. */
  readonly scheduledAt?: number | undefined
  /** Bytes, as the service counts them. */
  readonly size: number
  readonly payload: unknown
}

/** Properties that a settlement adds to a message. */
export type Properties = ReadonlyMap<string, unknown>

/** Where a message is. */
export type State = "Ready" | "Locked" | "Scheduled" | "Deferred" | "LockedDeferred" | "Gone"

/** One message in a queue. */
export class Entry {
  sequence = 0
  readonly content: Content
  enqueuedAt: number
  expiresAt = Infinity
  state: State = "Gone"
  /** It was scheduled once; the service goes on saying so. */
  wasScheduled = false
  /** Deliveries that failed so far. */
  deliveryCount = 0
  /** The number of the lock; 0 without one. */
  lock = 0
  lockedUntil = 0
  sub: SubQueue
  session: Session | undefined
  /** Its place among those that can be delivered. */
  ready: HeapNode<Entry> | undefined
  /** When it becomes due, expires or loses its lock, whichever its state is about. */
  timer: Timer | undefined
  /** What settlements added. */
  added: Map<string, unknown> | undefined
  /** A cache of its user's: what the message is encoded to. Cleared when `added` changes. */
  encoded: unknown

  constructor(content: Content, sub: SubQueue, enqueuedAt: number) {
    this.content = content
    this.sub = sub
    this.enqueuedAt = enqueuedAt
  }

  add(properties: Properties | undefined): void {
    if (properties === undefined || properties.size === 0) return
    this.added ??= new Map()
    for (const [name, value] of properties) this.added.set(name, value)
    this.encoded = undefined
  }
}
