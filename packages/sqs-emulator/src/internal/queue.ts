/**
 * One queue and the moves of its messages. A standard queue keeps what is visible in a heap; a FIFO queue
 * keeps each group's messages in a list and lines up the groups whose *first* message is visible, which is
 * all that the prefix rule asks for: a receive takes a group's messages up to the first invisible one.
 */
import { Group } from "./group.ts"
import { Heap } from "./heap.ts"
import * as limits from "./limits.ts"
import { List } from "./list.ts"
import { type Content, Message, type State } from "./message.ts"
import type { Settings } from "./settings.ts"
import type { Task } from "./tasks.ts"
import { Timers } from "./timers.ts"
import type { Waiter } from "./waiter.ts"

export type Wakeable = Message | Waiter

/** What a deduplication id stands for. */
export interface Sent {
  readonly messageId: string
  readonly sequenceNumber: string
  readonly at: number
}

/** What a receive attempt was given. */
export interface Attempt {
  readonly at: number
  readonly messages: ReadonlyArray<{
    readonly message: Message
    readonly generation: number
    readonly changes: number
  }>
}

/** A queue. */
export class Queue {
  readonly uid: number
  readonly name: string
  readonly arn: string
  readonly fifo: boolean
  readonly createdAt: number
  modifiedAt: number
  /** The attributes as they were set. */
  readonly attributes: Map<string, string>
  settings: Settings
  readonly tags = new Map<string, string>()
  readonly messages = new Map<number, Message>()
  readonly ready = new Heap<Message>(
    (a, b) => a.order - b.order,
    ({ state }) => state === "Visible"
  )
  readonly groups = new Map<string, Group>()
  /** Groups whose first message is visible, the one that waits longest first. */
  readonly available = new List<Group>()
  readonly timers = new Timers<Wakeable>()
  readonly ages = new Heap<Message>(
    (a, b) => a.enqueuedAt - b.enqueuedAt || a.uid - b.uid,
    ({ state }) => state !== "Gone"
  )
  readonly waiters = new List<Waiter>()
  readonly counts = { Delayed: 0, Visible: 0, InFlight: 0 }
  /** In the order they were sent, so that the oldest are the first to go. */
  readonly sent = new Map<string, Sent>()
  readonly attempts = new Map<string, Attempt>()
  readonly tasks: Array<Task> = []
  purgedAt = -Infinity
  alarmAt = Infinity
  deleted = false
  #sequence = 0

  constructor(options: {
    readonly uid: number
    readonly name: string
    readonly arn: string
    readonly fifo: boolean
    readonly now: number
    readonly attributes: Map<string, string>
    readonly settings: Settings
  }) {
    this.uid = options.uid
    this.name = options.name
    this.arn = options.arn
    this.fifo = options.fifo
    this.createdAt = options.now
    this.modifiedAt = options.now
    this.attributes = options.attributes
    this.settings = options.settings
  }

  /** The next sequence number: 20 digits, growing with gaps. */
  nextSequenceNumber(): string {
    this.#sequence += 256
    return `18849${String(this.#sequence).padStart(15, "0")}`
  }
}

const setState = ({ counts }: Queue, message: Message, state: State): void => {
  if (message.state !== "Gone") counts[message.state]--
  if (state !== "Gone") counts[state]++
  message.state = state
}

const groupOf = (queue: Queue, content: Content): Group | undefined => {
  const { groupId } = content
  if (!queue.fifo || groupId === undefined) return undefined
  const found = queue.groups.get(groupId)
  if (found !== undefined) return found
  const made = new Group(groupId)
  queue.groups.set(groupId, made)
  return made
}

/** Lines a group up when its first message is visible, and takes it out of line otherwise. */
const lineUp = (queue: Queue, group: Group): void => {
  const { first } = group.messages
  if (first?.state === "Visible") {
    if (group.list === undefined) queue.available.append(group)
    return
  }
  queue.available.remove(group)
  if (first === undefined) queue.groups.delete(group.id)
}

/** Makes a message visible. */
export const show = (queue: Queue, message: Message): void => {
  queue.timers.clear(message)
  setState(queue, message, "Visible")
  if (message.group === undefined) queue.ready.push(message)
  else lineUp(queue, message.group)
}

/** Holds a message that is in flight until the given time. */
export const holdUntil = (queue: Queue, message: Message, at: number): void => {
  message.visibleAt = at
  queue.timers.set(message, at)
}

/** Puts a message into a queue. */
export const enqueue = (
  queue: Queue,
  options: {
    readonly content: Content
    readonly uid: number
    readonly enqueuedAt: number
    readonly visibleAt: number
    readonly now: number
    readonly order?: number | undefined
    readonly sourceArn?: string | undefined
    readonly receivesBefore?: number
    readonly firstReceivedAt?: number | undefined
  }
): Message => {
  const { content, now, visibleAt } = options
  const group = groupOf(queue, content)
  const message = new Message({
    ...options,
    group,
    sequenceNumber: queue.fifo ? queue.nextSequenceNumber() : undefined
  })
  if (options.order !== undefined) message.order = options.order
  queue.messages.set(message.uid, message)
  queue.ages.push(message)
  group?.messages.append(message)
  if (visibleAt <= now) show(queue, message)
  else {
    setState(queue, message, "Delayed")
    queue.timers.set(message, visibleAt)
  }
  return message
}

/** Takes a message out for good. */
export const remove = (queue: Queue, message: Message): void => {
  const { group, state } = message
  if (state === "Gone") return
  setState(queue, message, "Gone")
  queue.messages.delete(message.uid)
  queue.timers.clear(message)
  queue.ages.forget()
  if (group === undefined) {
    if (state === "Visible") queue.ready.forget()
    return
  }
  group.messages.remove(message)
  lineUp(queue, group)
}

/** Hands a message out; it has been taken out of line. */
const deliver = (queue: Queue, message: Message, until: number, now: number): void => {
  message.receiveCount++
  message.generation++
  message.firstReceivedAt ??= now
  message.receivedAt = now
  setState(queue, message, "InFlight")
  holdUntil(queue, message, until)
}

/** What a receive takes, and where worn-out messages go. */
export interface Taking {
  readonly max: number
  readonly visibilityMillis: number
  /** Moves a message whose deliveries are used up to its dead-letter queue; false when it stays. */
  readonly bury: (message: Message) => boolean
  /** Changes the order in which a standard queue hands messages out. */
  readonly shuffle?: ((messages: Array<Message>) => Array<Message>) | undefined
}

/** How many messages beyond those asked for a shuffled receive looks at. */
const shuffleWindow = 50

/** A buried message has left the queue, and the heap drops it as stale. */
const nextReady = (queue: Queue, taking: Taking): Message | undefined => {
  let message = queue.ready.peek()
  while (message !== undefined && taking.bury(message)) message = queue.ready.peek()
  return queue.ready.pop()
}

const takeReady = (queue: Queue, taking: Taking, max: number, now: number): Array<Message> => {
  const taken: Array<Message> = []
  const looked = taking.shuffle === undefined ? max : max + shuffleWindow
  while (taken.length < looked) {
    const message = nextReady(queue, taking)
    if (message === undefined) break
    taken.push(message)
  }
  const order = taking.shuffle === undefined ? taken : taking.shuffle(taken)
  for (const message of order.slice(max)) queue.ready.push(message)
  const chosen = order.slice(0, max)
  for (const message of chosen) deliver(queue, message, now + taking.visibilityMillis, now)
  return chosen
}

const takeGroup = (
  queue: Queue,
  group: Group,
  taking: Taking,
  max: number,
  now: number
): Array<Message> => {
  const taken: Array<Message> = []
  let message = group.messages.first
  while (message?.state === "Visible" && taken.length < max) {
    const { next } = message
    if (!taking.bury(message)) {
      deliver(queue, message, now + taking.visibilityMillis, now)
      taken.push(message)
    }
    message = next
  }
  lineUp(queue, group)
  return taken
}

const takeGroups = (queue: Queue, taking: Taking, max: number, now: number): Array<Message> => {
  const taken: Array<Message> = []
  while (taken.length < max) {
    const group = queue.available.first
    if (group === undefined) break
    taken.push(...takeGroup(queue, group, taking, max - taken.length, now))
  }
  return taken
}

/** Hands out messages, by the rule of the queue's type. */
export const take = (queue: Queue, taking: Taking, now: number): Array<Message> => {
  const room = Math.min(taking.max, queue.settings.inFlightMax - queue.counts.InFlight)
  if (room <= 0) return []
  const taken = queue.fifo
    ? takeGroups(queue, taking, room, now)
    : takeReady(queue, taking, room, now)
  if (taking.visibilityMillis === 0) for (const message of taken) show(queue, message)
  return taken
}

const forgetOld = (entries: Map<string, { readonly at: number }>, now: number): void => {
  for (const [key, { at }] of entries) {
    if (at + limits.windowMillis > now) return
    entries.delete(key)
  }
}

/** Lets time pass: what is over its visibility timeout, delay, retention or window. */
export const catchUp = (queue: Queue, now: number, over: (waiter: Waiter) => void): void => {
  let target = queue.timers.due(now)
  for (; target !== undefined; target = queue.timers.due(now)) {
    if (target._tag === "Waiter") over(target)
    else if (target.visibleAt > now) queue.timers.set(target, target.visibleAt)
    else show(queue, target)
  }
  let oldest = queue.ages.peek()
  while (oldest !== undefined && oldest.enqueuedAt + queue.settings.retentionMillis <= now) {
    remove(queue, oldest)
    oldest = queue.ages.peek()
  }
  if (queue.sent.size > 0) forgetOld(queue.sent, now)
  if (queue.attempts.size > 0) forgetOld(queue.attempts, now)
}
