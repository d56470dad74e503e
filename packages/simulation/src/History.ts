/**
 * What happened in a run, step by step, as those who took part saw it: what checkers judge and stories
 * are told from.
 *
 * **Details**
 *
 * Two places write it. At the bottom, right above the provider, stand the calls and what the broker
 * answered; at the top, around producers and handlers, what they were told and did. Between the two is the
 * code on trial, and the faults. A live run writes the same events from several processes, merged by their
 * times.
 *
 * @since 0.1.0
 */
import type { Verdict } from "@queue-runtime/core"

interface Step {
  /** Milliseconds since 1970; of the simulation's own time, which no process's clock need agree with. */
  readonly at: number
  /** The process: `p1` a producer, `w1.2` the second life of a worker, `world` whoever is outside. */
  readonly node: string
}

/**
 * A producer hands a message to the stack.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submitted extends Step {
  readonly _tag: "Submitted"
  readonly id: string
  readonly session?: string
  /** Grows with every submission of the process. */
  readonly order: number
  readonly delayMillis?: number
  readonly timeToLiveMillis?: number
  /** Of the body. */
  readonly digest: number
  /** Of a dead letter that is sent again: the message it is a copy of. */
  readonly of?: string
}

/**
 * The producer was told that the message is taken.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sent extends Step {
  readonly _tag: "Sent"
  readonly id: string
}

/**
 * The producer was told that it is not, or that nobody knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendFailed extends Step {
  readonly _tag: "SendFailed"
  readonly id: string
  readonly reason: string
}

/**
 * A message goes out to the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Storing extends Step {
  readonly _tag: "Storing"
  readonly id: string
  readonly digest: number
}

/**
 * The broker took a message; without a sequence number it knew it already, or tells none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stored extends Step {
  readonly _tag: "Stored"
  readonly id: string
  readonly session?: string
  readonly sequence?: number
  /** Of a duplicate that the broker makes: how many copies there are of this one send. */
  readonly copies?: number
}

/**
 * A copy of a message went to the queue that is configured for its dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copied extends Step {
  readonly _tag: "Copied"
  readonly id: string
}

/**
 * A message came up from the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivered extends Step {
  readonly _tag: "Delivered"
  readonly id: string
  readonly token: string
  readonly count: number
  readonly session?: string
  /** Which holding of the session it came by. */
  readonly hold?: string
  /** When the broker gave it; the process may have heard of it later. */
  readonly since: number
  readonly until: number
}

/**
 * What an operator does with the dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation = "replay" | "purge" | "list"

/**
 * An operator begins something with the dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operating extends Step {
  readonly _tag: "Operating"
  readonly what: Operation
  /** Of a selection: the ids of the messages that are meant. Absent: all. */
  readonly only?: ReadonlyArray<string>
  /** Of a purge: how long letters must have been there. */
  readonly olderThanMillis?: number
}

/**
 * An operation has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operated extends Step {
  readonly _tag: "Operated"
  readonly what: Operation
  /** The tag of the reason it ended with; absent: it went well. */
  readonly reason?: string
}

/**
 * A dead letter came up to an operator.
 *
 * @category models
 * @since 0.1.0
 */
export interface Taken extends Step {
  readonly _tag: "Taken"
  readonly id: string
  readonly token: string
  /** Where it stood in the queue it comes from, where that is known. */
  readonly sequence?: number
}

/**
 * A dead letter in an operator's hands was settled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unburied extends Step {
  readonly _tag: "Unburied"
  readonly id: string
  readonly token: string
  readonly verdict: Verdict.Verdict["_tag"]
  /** `ok`, or the tag of the reason. */
  readonly result: string
}

/**
 * What an operator was told of one letter: of a replay or a purge, that it is done with or not; of a
 * listing, that it is there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Told extends Step {
  readonly _tag: "Told"
  readonly id: string
  /** Of the letter itself: a message may be among the dead letters more than once. */
  readonly letter: string
  readonly session?: string
  readonly outcome: "done" | "failed" | "duplicated" | "listed"
}

/**
 * A handler began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started extends Step {
  readonly _tag: "Started"
  readonly id: string
  readonly token: string
  readonly count: number
  readonly session?: string
  readonly digest: number
}

/**
 * How a handler ended.
 *
 * @category models
 * @since 0.1.0
 */
export type Ending = "done" | "failed" | "permanent" | "defect" | "interrupted"

/**
 * A handler ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended extends Step {
  readonly _tag: "Ended"
  readonly id: string
  readonly token: string
  readonly how: Ending
  /** Of a permanent failure: what its dead letter is to say. */
  readonly reason?: string
}

/**
 * A handler did something that others can see: charged, wrote, posted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Applied extends Step {
  readonly _tag: "Applied"
  readonly key: string
}

/**
 * A settlement goes out to the broker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settling extends Step {
  readonly _tag: "Settling"
  readonly id: string
  readonly token: string
  readonly verdict: Verdict.Verdict["_tag"]
  readonly reason?: string
  readonly delayMillis?: number
}

/**
 * What became of a settlement.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled extends Step {
  readonly _tag: "Settled"
  readonly id: string
  readonly token: string
  readonly verdict: Verdict.Verdict["_tag"]
  readonly delayMillis?: number
  /** `ok`, or the tag of the reason. */
  readonly result: string
}

/**
 * A lock was extended: that of a delivery, or of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Renewed extends Step {
  readonly _tag: "Renewed"
  readonly token?: string
  readonly hold?: string
  readonly until: number
}

/**
 * A session was granted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted extends Step {
  readonly _tag: "Accepted"
  readonly session: string
  readonly hold: string
  readonly until: number
}

/**
 * A session is given back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Released extends Step {
  readonly _tag: "Released"
  readonly session: string
  readonly hold: string
}

/**
 * A holder is told that its session is lost; it may have been so for a while.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lost extends Step {
  readonly _tag: "Lost"
  readonly session: string
  readonly hold: string
}

/**
 * Something goes wrong on purpose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault extends Step {
  readonly _tag: "Fault"
  /** Of the decision: replaying a seed without this key leaves the fault out. */
  readonly key: string
  readonly kind: string
  /** What it befalls: one call, a handler, a process, or the world around them. */
  readonly on: "call" | "handler" | "process" | "world"
  readonly detail: string
  /** Ids of messages and tokens of deliveries it meets. */
  readonly refs: ReadonlyArray<string>
}

/**
 * A process began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Launched extends Step {
  readonly _tag: "Launched"
  readonly role: "producer" | "worker" | "operator"
  readonly skewMillis: number
}

/**
 * A worker was asked to end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Draining extends Step {
  readonly _tag: "Draining"
}

/**
 * A process ended by itself, or when asked to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finished extends Step {
  readonly _tag: "Finished"
  /** The tag of the reason it ended with; absent: it went well. */
  readonly reason?: string
}

/**
 * A process ended without a word.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crashed extends Step {
  readonly _tag: "Crashed"
}

/**
 * The broker noticed that a process is gone, or that its connection broke.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cut extends Step {
  readonly _tag: "Cut"
}

/**
 * A message that is in the queue when all is over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Left extends Step {
  readonly _tag: "Left"
  readonly id: string
  readonly place: "queue" | "deadLetters"
  readonly count: number
  readonly reason?: string
}

/**
 * A number that has a bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gauge extends Step {
  readonly _tag: "Gauge"
  readonly name: string
  readonly value: number
  readonly max: number
}

/**
 * The run could not end: nobody made progress, or somebody never stopped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stuck extends Step {
  readonly _tag: "Stuck"
  readonly why: "spinning" | "waiting" | "overtime"
}

/**
 * One step.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | Submitted
  | Sent
  | SendFailed
  | Storing
  | Stored
  | Copied
  | Operating
  | Operated
  | Taken
  | Unburied
  | Told
  | Delivered
  | Started
  | Ended
  | Applied
  | Settling
  | Settled
  | Renewed
  | Accepted
  | Released
  | Lost
  | Fault
  | Launched
  | Draining
  | Finished
  | Crashed
  | Cut
  | Left
  | Gauge
  | Stuck

/**
 * What the world promised, and so what may be asked of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Promises {
  /** Messages have sessions, and are handled in order inside one. */
  readonly ordered: boolean
  /** Of the workers and of the broker. */
  readonly deliveriesMax: number
  /**
   * Whether the bottom sees all that the broker does. Not so where a provider has a life of its own, or
   * where processes are killed: what it did not see may have happened.
   */
  readonly complete: boolean
  /** Whether an idle session is one holder's too, and not only one whose messages are in hand. */
  readonly exclusive: boolean
  /** Deliveries that one worker may have in hand. */
  readonly inHandMax: number
  /** Handlers that one worker may have at work side by side. */
  readonly handlersMax: number
  /** Whether all that is there in the end was looked at. */
  readonly inspected: boolean
  /** Whether effects of one key are to be applied once. */
  readonly idempotent: boolean
  /** Whether dead letters are sent to a queue of their own by the client. */
  readonly routed: boolean
  /** Whether bodies must not be readable at the bottom. */
  readonly sealed: boolean
  /** Times of two processes may disagree by this. */
  readonly toleranceMillis: number
  /** How long a lock lasts from its renewal on. */
  readonly lockMillis: number
}

/**
 * A run.
 *
 * @category models
 * @since 0.1.0
 */
export interface History {
  readonly promises: Promises
  readonly events: ReadonlyArray<Event>
}

/**
 * Promises with nothing special: what is given wins.
 *
 * **Example** (An ordered queue)
 *
 * ```ts
 * import { History } from "@queue-runtime/simulation"
 *
 * History.promises({ ordered: true }).deliveriesMax // => 5
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const promises = (given: Partial<Promises> = {}): Promises => ({
  ordered: false,
  deliveriesMax: 5,
  complete: true,
  exclusive: true,
  inHandMax: Infinity,
  handlersMax: Infinity,
  inspected: false,
  idempotent: false,
  routed: false,
  sealed: false,
  toleranceMillis: 0,
  lockMillis: 30_000,
  ...given
})

type Unstamped<E> = E extends Event ? Omit<E, "at"> : never

/**
 * Where events are written, in the order they happen.
 *
 * @category models
 * @since 0.1.0
 */
export class Recorder {
  readonly events: Array<Event> = []
  readonly #now: () => number
  readonly #write: ((event: Event) => void) | undefined

  /** With `write` events go there, and none is kept. */
  constructor(now: () => number, write?: (event: Event) => void) {
    this.#now = now
    this.#write = write
  }

  /** The time of what happens now. */
  get now(): number {
    return this.#now()
  }

  /** Writes one down, with the time. */
  add(event: Unstamped<Event>): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the time is all that an unstamped event lacks
    this.write(Object.assign(event, { at: this.#now() }) as Event)
  }

  /** Writes down one that has its time: made in one piece, it takes less room and is there sooner. */
  write(event: Event): void {
    if (this.#write === undefined) this.events.push(event)
    else this.#write(event)
  }
}
