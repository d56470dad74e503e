import { QueueName } from "@queue-runtime/core"
import type * as MemoryConfig from "../MemoryConfig.ts"
import type { Faults } from "./faults.ts"
import { connectionClosed } from "./errors.ts"
import type { Connection } from "./connection.ts"
import { Queue } from "./queue.ts"
import { Steps } from "./steps.ts"
import * as waiting from "./waiting.ts"

/** Tells the receipts of one broker from those of another; nothing else hangs on it. */
let made = 0

/** What the broker needs from where it runs. */
export interface Surroundings {
  readonly now: () => number
  /** Rings once at the given time; an alarm set before for the queue is off. */
  readonly setAlarm: (queue: Queue, at: number) => void
  readonly clearAlarm: (queue: Queue) => void
}

/** Everything one broker holds, its queues and its totals. */
export class Broker {
  readonly id: number
  readonly steps = new Steps()
  readonly config: MemoryConfig.MemoryConfig
  readonly surroundings: Surroundings
  readonly queues: ReadonlyMap<QueueName.QueueName, Queue>
  readonly connections = new Set<Connection>()
  faults: Faults
  closed = false
  messages = 0
  bytes = 0
  sessions = 0
  deduplicationIds = 0
  /** Deliveries made so far; their numbers make the tokens. */
  deliveries = 0

  constructor(config: MemoryConfig.MemoryConfig, faults: Faults, surroundings: Surroundings) {
    made++
    this.id = made
    this.config = config
    this.faults = faults
    this.surroundings = surroundings
    this.queues = new Map(
      Object.entries(config.queues).map(([key, options]) => {
        // Checked with the options.
        const name = QueueName.makeUnsafe(key)
        return [name, new Queue(this, name, options)]
      })
    )
  }
}

/** Closes the broker for all its connections. */
export const close = (broker: Broker): void => {
  broker.closed = true
  for (const connection of broker.connections) {
    waiting.close(broker, connection, connectionClosed("receive"))
  }
}
