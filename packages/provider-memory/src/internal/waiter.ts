import type { QueueError } from "@queue-runtime/core"
import type { Connection } from "./connection.ts"
import type { Linked, List } from "./list.ts"
import type { Wakeable } from "./queue.ts"
import type { Target, Timer } from "./timers.ts"

/** A call that waits for something to come. */
export class Waiter implements Linked<Waiter>, Target<Wakeable> {
  readonly _tag = "Waiter"
  previous: Waiter | undefined
  next: Waiter | undefined
  list: List<Waiter> | undefined
  timer: Timer<Wakeable> | undefined
  readonly connection: Connection
  readonly deadline: number
  /** Takes what it waits for, when it is there. */
  readonly take: (now: number) => boolean
  /** Ends the wait with nothing, or with an error. */
  readonly end: (error: QueueError.QueueError | undefined) => void

  constructor(
    connection: Connection,
    deadline: number,
    take: (now: number) => boolean,
    end: (error: QueueError.QueueError | undefined) => void
  ) {
    this.connection = connection
    this.deadline = deadline
    this.take = take
    this.end = end
  }
}
