import type { Entry } from "./entry.ts"
import { Heap } from "./heap.ts"
import { Linked } from "./list.ts"
import type { Timer } from "./scheduler.ts"
import { SequenceIndex } from "./sequence.ts"
import type { Consumer } from "./subQueue.ts"

/** Somebody has a session, until the lock runs out. */
export class Hold {
  readonly session: Session
  lockedUntil: number
  isLive = true
  timer: Timer | undefined
  consumer: Consumer | undefined
  /** The connection and link that hold it; a request that names another one is not the holder's. */
  holder = ""
  /** Messages in the holder's hands. */
  readonly locked = new Set<Entry>()
  readonly onLost: () => void

  constructor(session: Session, lockedUntil: number, onLost: () => void) {
    this.session = session
    this.lockedUntil = lockedUntil
    this.onLost = onLost
  }
}

/** The messages of one session, its state and its holder. */
export class Session extends Linked<Session> {
  readonly id: string
  readonly ready = new Heap<Entry>()
  readonly index = new SequenceIndex<Entry>()
  hold: Hold | undefined
  state: Uint8Array | undefined
  /** When the state was last written. */
  updatedAt = 0

  constructor(id: string) {
    super()
    this.id = id
  }

  /** Nothing would be lost if it were forgotten. */
  get isEmpty(): boolean {
    return this.hold === undefined && this.state === undefined && this.index.size === 0
  }
}

/** Somebody who waits for the next free session. */
export class Acceptor extends Linked<Acceptor> {
  readonly grant: (hold: Hold) => void
  readonly onLost: () => void

  constructor(grant: (hold: Hold) => void, onLost: () => void) {
    super()
    this.grant = grant
    this.onLost = onLost
  }
}
