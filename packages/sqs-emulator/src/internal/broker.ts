/** All queues of one account, and the turns that calls on them take. */
import type { Input } from "./input.ts"
import * as limits from "./limits.ts"
import type { Content, Message } from "./message.ts"
import * as queues from "./queue.ts"
import type { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"
import * as settings from "./settings.ts"
import type { Waiter } from "./waiter.ts"

/** What the broker needs from the world around it. */
export interface Surroundings {
  readonly now: () => number
  /** Between 0 and 1; seeded. */
  readonly random: () => number
  /** Calls `ring` at the given time; an earlier alarm of the queue is replaced. */
  readonly setAlarm: (queue: Queue, at: number) => void
}

export interface Config {
  readonly region: string
  readonly account: string
  readonly inFlightMax: number
}

const hex = (random: () => number, digits: number): string =>
  Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("")

/** The broker. */
export class Broker {
  readonly config: Config
  readonly surroundings: Surroundings
  readonly queues = new Map<string, Queue>()
  /** When queues were deleted, by name; the oldest first. */
  readonly deleted = new Map<string, number>()
  /** Queues into which another queue's turn moved messages. */
  readonly touched = new Set<Queue>()
  /** Tells receipt handles of this broker from those of an earlier one. */
  readonly epoch: string
  readonly #idPrefix: string
  #uids = 0

  constructor(config: Config, surroundings: Surroundings) {
    this.config = config
    this.surroundings = surroundings
    this.epoch = hex(surroundings.random, 8)
    const { random } = surroundings
    this.#idPrefix = `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-a${hex(random, 3)}-`
  }

  /** A number never given before; of two the later is the greater. */
  nextUid(): number {
    this.#uids++
    return this.#uids
  }

  /** A UUID never given before. */
  nextId(): string {
    return this.#idPrefix + this.nextUid().toString(16).padStart(12, "0")
  }

  arnOf(name: string): string {
    return `arn:aws:sqs:${this.config.region}:${this.config.account}:${name}`
  }
}

/** The queue with this ARN, if there is one. */
export const byArn = (broker: Broker, arn: string): Queue | undefined => {
  const queue = broker.queues.get(arn.slice(arn.lastIndexOf(":") + 1))
  return queue?.arn === arn ? queue : undefined
}

/** The queue that a call names by its URL; the host of the URL does not matter. */
export const queueOf = (broker: Broker, input: Input): Queue => {
  const url = input["QueueUrl"]
  if (typeof url !== "string" || url === "") {
    return refusals.refuse(refusals.missing("QueueUrl"))
  }
  const end = url.lastIndexOf("/")
  const account = url.slice(url.lastIndexOf("/", end - 1) + 1, end)
  const queue = broker.queues.get(url.slice(end + 1))
  if (queue === undefined || (end !== -1 && account !== broker.config.account)) {
    return refusals.refuse(refusals.noQueue())
  }
  return queue
}

/** A message of one queue becomes one of another. */
export const move = (
  broker: Broker,
  from: Queue,
  message: Message,
  to: Queue,
  options: {
    readonly content: Content
    readonly enqueuedAt: number
    readonly sourceArn: string | undefined
    readonly receivesBefore: number
    readonly firstReceivedAt: number | undefined
    readonly now: number
  }
): void => {
  queues.remove(from, message)
  queues.enqueue(to, { ...options, uid: broker.nextUid(), visibleAt: options.now })
  broker.touched.add(to)
}

/** Moves a message that used up its receives to the dead-letter queue; false when it stays. */
export const bury = (broker: Broker, queue: Queue, message: Message, now: number): boolean => {
  const { redrive } = queue.settings
  if (redrive === undefined || message.receiveCount < redrive.receivesMax) return false
  const target = byArn(broker, redrive.targetArn)
  if (target === undefined || target.fifo !== queue.fifo) return false
  if (!settings.isAllowedSource(target.settings, queue.arn)) return false
  const { content } = message
  move(broker, queue, message, target, {
    // The dead-letter queue's deduplication must not swallow two messages that share an id.
    content: queue.fifo ? { ...content, deduplicationId: content.id } : content,
    enqueuedAt: queue.fifo ? now : message.enqueuedAt,
    sourceArn: queue.arn,
    receivesBefore: message.receivesBefore + message.receiveCount,
    firstReceivedAt: message.firstReceivedAt,
    now
  })
  return true
}

/** Ends a poll's wait; false when it waits no longer. */
export const leave = (queue: Queue, waiter: Waiter): boolean => {
  if (!queue.waiters.remove(waiter)) return false
  queue.timers.clear(waiter)
  return true
}

/** Lets a poll wait. */
export const enter = (queue: Queue, waiter: Waiter): void => {
  queue.waiters.append(waiter)
  queue.timers.set(waiter, waiter.deadline)
}

const serve = (queue: Queue, now: number): void => {
  for (let waiter = queue.waiters.first; waiter !== undefined; waiter = queue.waiters.first) {
    if (!waiter.take(now)) return
    leave(queue, waiter)
  }
}

const setAlarm = (broker: Broker, queue: Queue): void => {
  // An alarm that is no longer needed rings in vain, which costs less than taking it back.
  const at = queue.waiters.size === 0 ? undefined : queue.timers.next()
  if (at === undefined || at >= queue.alarmAt) return
  queue.alarmAt = at
  broker.surroundings.setAlarm(queue, at)
}

const settle = (broker: Broker, queue: Queue, now: number): void => {
  serve(queue, now)
  setAlarm(broker, queue)
}

/**
 * One call on a queue: what is due happens, then the call, then those who wait are served, first come,
 * first served, in this queue and in those into which messages were moved.
 */
export const turn = <A>(broker: Broker, queue: Queue, move_: (now: number) => A): A => {
  const now = broker.surroundings.now()
  const over: Array<Waiter> = []
  queues.catchUp(queue, now, (waiter) => over.push(waiter))
  // Those who wait were there before this call; what comes at the very end of a wait is still delivered.
  if (queue.waiters.size > 0) serve(queue, now)
  for (const waiter of over) if (leave(queue, waiter)) waiter.end("Over")
  const result = move_(now)
  settle(broker, queue, now)
  settleTouched(broker, now)
  return result
}

/** Serves those who wait where messages were moved to. */
export const settleTouched = (broker: Broker, now: number): void => {
  for (const touched of broker.touched) {
    broker.touched.delete(touched)
    if (!touched.deleted) settle(broker, touched, now)
  }
}

/** The alarm of a queue rang. */
export const ring = (broker: Broker, queue: Queue): void => {
  queue.alarmAt = Infinity
  if (!queue.deleted) turn(broker, queue, () => undefined)
}

/** Forgets the queues deleted long enough ago. */
export const forgetDeleted = (broker: Broker, now: number): void => {
  for (const [name, at] of broker.deleted) {
    if (at + limits.quietMillis > now) return
    broker.deleted.delete(name)
  }
}
