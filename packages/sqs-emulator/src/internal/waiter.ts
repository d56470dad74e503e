import type { Linked, List } from "./list.ts"
import type { Wakeable } from "./queue.ts"
import type { Target, Timer } from "./timers.ts"

/** Why a wait ends with nothing: its time is over, or the queue or the whole server is gone. */
export type Ending = "Over" | "Deleted" | "Closed"

/** A long poll. */
export class Waiter implements Linked<Waiter>, Target<Wakeable> {
  readonly _tag = "Waiter"
  previous: Waiter | undefined
  next: Waiter | undefined
  list: List<Waiter> | undefined
  timer: Timer<Wakeable> | undefined
  readonly deadline: number
  /** Takes what is there; false when there is nothing for it. */
  readonly take: (now: number) => boolean
  /** Ends it. */
  readonly end: (why: Ending) => void

  constructor(deadline: number, take: (now: number) => boolean, end: (why: Ending) => void) {
    this.deadline = deadline
    this.take = take
    this.end = end
  }
}
