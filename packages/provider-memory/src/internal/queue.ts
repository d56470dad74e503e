import * as Duration from "effect/Duration"
import { QueueAddress } from "@queue-runtime/core"
import type { QueueName, SessionId } from "@queue-runtime/core"
import type * as MemoryConfig from "../MemoryConfig.ts"
import type { Broker } from "./broker.ts"
import { Deduplication } from "./deduplication.ts"
import type { Entry, EntryState } from "./entry.ts"
import { Heap } from "./heap.ts"
import { List } from "./list.ts"
import { Sequence } from "./sequence.ts"
import type { Session } from "./session.ts"
import type { Steps } from "./steps.ts"
import { Timers } from "./timers.ts"
import type { Waiter } from "./waiter.ts"

/** Whatever a queue's timers wake. */
export type Wakeable = Entry | Session | Waiter

/** A place messages stand in: the queue itself, or its dead letters. */
export class Shelf {
  readonly address: QueueAddress.QueueAddress
  readonly isDead: boolean
  /** Every message, whatever its state. */
  readonly index: Sequence<Entry>
  /** Those that may be delivered; unused on a queue with sessions, which have their own order. */
  readonly ready: Heap<Entry>
  readonly deliveries = new Map<string, Entry>()
  readonly waiters: List<Waiter>
  readonly counts: { [State in EntryState]: number } = {
    Scheduled: 0,
    Ready: 0,
    Delayed: 0,
    Locked: 0,
    Gone: 0
  }
  sequence = 0

  constructor(address: QueueAddress.QueueAddress, steps: Steps) {
    this.address = address
    this.isDead = address._tag === "DeadLetter"
    this.index = new Sequence(steps)
    this.waiters = new List(steps)
    this.ready = new Heap<Entry>(
      steps,
      (a, b) => a.sequence - b.sequence,
      (entry) => entry.state === "Ready"
    )
  }
}

/** One queue of the broker: its data; what is done with them stands in the modules beside. */
export class Queue {
  readonly broker: Broker
  readonly name: QueueName.QueueName
  readonly ordered: boolean
  readonly deliveriesMax: number
  readonly lockMillis: number
  /** Of messages that bring none. */
  readonly timeToLiveMillis: number
  readonly deadLetterExpired: boolean
  readonly main: Shelf
  readonly dead: Shelf
  readonly deduplication: Deduplication
  readonly sessions = new Map<SessionId.SessionId, Session>()
  /** Free sessions whose first message may be delivered, by when that became so. */
  readonly available: List<Session>
  /** Calls that wait for the next free session. */
  readonly acceptors: List<Waiter>
  readonly timers: Timers<Wakeable>
  /** Sessions to look at before the call under way ends. */
  touched: Array<Session> = []
  /** Calls that wait for anything of the queue. */
  waiting = 0
  /** When the alarm is set for; Infinity when it is not. */
  alarmAt = Infinity
  bytes = 0

  constructor(broker: Broker, name: QueueName.QueueName, config: MemoryConfig.QueueConfig) {
    const { steps } = broker
    this.broker = broker
    this.name = name
    this.ordered = config.sessions
    this.deliveriesMax = config.deliveriesMax
    this.lockMillis = Duration.toMillis(config.lockDuration)
    this.timeToLiveMillis =
      config.timeToLive === undefined ? Infinity : Duration.toMillis(config.timeToLive)
    this.deadLetterExpired = config.deadLetterExpired
    this.main = new Shelf(QueueAddress.queue(name), steps)
    this.dead = new Shelf(QueueAddress.deadLetter(name), steps)
    this.deduplication = new Deduplication(Duration.toMillis(config.deduplicationWindow), steps)
    this.available = new List(steps)
    this.acceptors = new List(steps)
    this.timers = new Timers(steps)
  }
}
