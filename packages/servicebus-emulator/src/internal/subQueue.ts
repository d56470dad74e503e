import type { Entry, State } from "./entry.ts"
import { Heap } from "./heap.ts"
import { Linked, List } from "./list.ts"
import type { Queue } from "./queue.ts"
import { SequenceIndex } from "./sequence.ts"
import type { Hold } from "./session.ts"

/** The messages themselves, or those that were dead-lettered. */
export class SubQueue {
  readonly queue: Queue
  readonly kind: "Main" | "Dead" | "Transfer"
  readonly index = new SequenceIndex<Entry>()
  /** Those that can be delivered; on a queue with sessions each session has its own. */
  readonly ready = new Heap<Entry>()
  /** Those who can take a message, in the order in which they are served. */
  readonly hungry = new List<Consumer>()
  readonly counts: Record<State, number> = {
    Ready: 0,
    Locked: 0,
    Scheduled: 0,
    Deferred: 0,
    LockedDeferred: 0,
    Gone: 0
  }

  constructor(queue: Queue, kind: "Main" | "Dead" | "Transfer") {
    this.queue = queue
    this.kind = kind
  }
}

/** One receiver. */
export class Consumer extends Linked<Consumer> {
  readonly sub: SubQueue
  readonly isPeekLock: boolean
  readonly hold: Hold | undefined
  readonly deliver: (entry: Entry) => void
  /** How many more messages it takes. */
  credit = 0
  /** It gets nothing, whatever its credit. */
  isSilent = false

  constructor(options: {
    readonly sub: SubQueue
    readonly isPeekLock: boolean
    readonly hold?: Hold | undefined
    readonly deliver: (entry: Entry) => void
  }) {
    super()
    this.sub = options.sub
    this.isPeekLock = options.isPeekLock
    this.hold = options.hold
    this.deliver = options.deliver
  }
}
