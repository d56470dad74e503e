import type { SessionId } from "@queue-runtime/core"
import type { Connection } from "./connection.ts"
import type { Entry } from "./entry.ts"
import { List, type Linked } from "./list.ts"
import type { Steps } from "./steps.ts"
import type { Target, Timer } from "./timers.ts"
import type { Wakeable } from "./queue.ts"
import type { Waiter } from "./waiter.ts"

/**
 * One session of a queue. Its messages stand in one list by sequence number: those in hand first, then
 * from `cursor` on those still to be delivered. That there is never one in hand behind one that is not
 * is what order means here, and it makes every operation O(1) a message.
 */
export class Session implements Linked<Session>, Target<Wakeable> {
  readonly _tag = "Session"
  readonly id: SessionId.SessionId
  previous: Session | undefined
  next: Session | undefined
  list: List<Session> | undefined
  timer: Timer<Wakeable> | undefined
  readonly messages: List<Entry>
  /** The first message that is not in hand. */
  cursor: Entry | undefined
  /** Messages of the session that are scheduled, and not yet among its messages. */
  scheduled = 0
  hold: Hold | undefined
  state: Uint8Array | undefined
  /** Whether the queue is to look at the session again before the call under way ends. */
  touched = false

  constructor(id: SessionId.SessionId, steps: Steps) {
    this.id = id
    this.messages = new List(steps)
  }
}

/** A session in somebody's hands. */
export class Hold {
  readonly session: Session
  readonly connection: Connection
  readonly waiters: List<Waiter>
  lockedUntil: number

  constructor(session: Session, connection: Connection, lockedUntil: number, steps: Steps) {
    this.session = session
    this.connection = connection
    this.lockedUntil = lockedUntil
    this.waiters = new List(steps)
  }
}
