import type { Hold } from "./session.ts"
import type { Waiter } from "./waiter.ts"
import type { Queue } from "./queue.ts"

/** One provider's connection to the broker: what is cut when it breaks, and ends when it closes. */
export class Connection {
  closed = false
  readonly waiters = new Map<Waiter, Queue>()
  readonly holds = new Map<Hold, Queue>()
}
