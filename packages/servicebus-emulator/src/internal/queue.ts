import { Deduplication } from "./deduplication.ts"
import { type Content, Entry, type Properties, type State } from "./entry.ts"
import { List } from "./list.ts"
import { condition, messageLockLost, Refusal, sessionLockLost } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"
import { type Acceptor, Hold, Session } from "./session.ts"
import { type Consumer, SubQueue } from "./subQueue.ts"

/** A queue's settings, resolved: milliseconds and bytes. */
export interface Settings {
  readonly name: string
  readonly requiresSession: boolean
  readonly maxDeliveryCount: number
  readonly lockMillis: number
  readonly timeToLiveMillis: number
  readonly deduplicationMillis: number
  readonly deadLettersExpired: boolean
  readonly messageBytesMax: number
  readonly queueBytesMax: number
  readonly sessionStateBytesMax: number
}

/** What a settlement asks for. */
export type Verdict =
  | { readonly _tag: "Complete" }
  | { readonly _tag: "Abandon"; readonly properties?: Properties | undefined }
  | { readonly _tag: "Defer"; readonly properties?: Properties | undefined }
  | { readonly _tag: "Release" }
  | {
      readonly _tag: "DeadLetter"
      readonly reason?: string | undefined
      readonly description?: string | undefined
      readonly properties?: Properties | undefined
    }

/** Draws the numbers of locks; no two of one broker are the same. */
export interface Locks {
  readonly entries: Map<number, Entry>
  next: number
}

/** One queue with its dead-letter queue: what happens to a message, and when. */
export class Queue {
  readonly settings: Settings
  readonly main: SubQueue
  readonly dead: SubQueue
  readonly transfer: SubQueue
  readonly sessions = new Map<string, Session>()
  /** Sessions that may be accepted as the next one: free, and with something to deliver. */
  readonly free = new List<Session>()
  readonly acceptors = new List<Acceptor>()
  readonly #scheduler: Scheduler
  readonly #locks: Locks
  readonly #deduplication: Deduplication | undefined
  #sequence = 0
  #bytes = 0

  constructor(settings: Settings, scheduler: Scheduler, locks: Locks) {
    this.settings = settings
    this.#scheduler = scheduler
    this.#locks = locks
    this.main = new SubQueue(this, "Main")
    this.dead = new SubQueue(this, "Dead")
    this.transfer = new SubQueue(this, "Transfer")
    this.#deduplication =
      settings.deduplicationMillis > 0 ? new Deduplication(settings.deduplicationMillis) : undefined
  }

  /** Bytes of all messages, dead letters included. */
  get bytes(): number {
    return this.#bytes
  }

  /** Forgets everything; no timer of it goes off any more. */
  clear(): void {
    for (const { index } of [this.main, this.dead, this.transfer]) {
      for (const entry of index.values()) this.#remove(entry)
    }
    for (const { hold } of this.sessions.values()) {
      if (hold === undefined) continue
      hold.isLive = false
      this.#scheduler.cancel(hold.timer)
    }
    this.sessions.clear()
  }

  // ---- sending

  /**
   * Why a message would not be taken; nothing is changed. `size` is that of all messages taken with it,
   * its own included.
   */
  refuses(content: Content, size = content.size): Refusal | undefined {
    const { messageBytesMax, queueBytesMax, requiresSession } = this.settings
    if (content.size > messageBytesMax) {
      return new Refusal(
        condition.linkSizeExceeded,
        `The received message (delivery-id:0, size:${content.size} bytes) exceeds the limit (${messageBytesMax} bytes) currently allowed on the link.`
      )
    }
    if (requiresSession && (content.sessionId === undefined || content.sessionId === "")) {
      return new Refusal(
        condition.notAllowed,
        "The SessionId was not set on a message, and it cannot be sent to the entity. Entities that have session support enabled can only receive messages that have the SessionId set to a valid value."
      )
    }
    if (content.sessionId !== undefined && content.sessionId.length > 128) {
      return new Refusal(condition.argument, "The SessionId is longer than 128 characters.")
    }
    if (this.#bytes + size > queueBytesMax) {
      return new Refusal(
        condition.quotaExceeded,
        `The maximum entity size has been reached or exceeded. Size of entity in bytes:${this.#bytes}, Max entity size in bytes:${queueBytesMax}.`
      )
    }
    return undefined
  }

  /** Takes a message; `undefined` for a duplicate, which is dropped. Call {@link refuses} first. */
  enqueue(content: Content): Entry | undefined {
    const now = this.#scheduler.now()
    const { messageId } = content
    if (this.#deduplication !== undefined && messageId !== undefined && messageId !== "") {
      if (!this.#deduplication.remember(messageId, now)) return undefined
    }
    const entry = new Entry(content, this.main, now)
    this.#bytes += content.size
    if (this.settings.requiresSession) entry.session = this.#sessionOf(content.sessionId ?? "")
    entry.sequence = ++this.#sequence
    this.#add(entry)
    if (content.scheduledAt !== undefined && content.scheduledAt > now) {
      entry.wasScheduled = true
      this.#enter(entry, "Scheduled")
      entry.timer = this.#scheduler.at(content.scheduledAt, () => this.#activate(entry))
      return entry
    }
    this.#startLife(entry, now)
    this.#makeReady(entry)
    return entry
  }

  /** Takes back a scheduled message. */
  cancel(sequence: number): boolean {
    const entry = this.main.index.get(sequence)
    if (entry?.state !== "Scheduled") return false
    this.#remove(entry)
    return true
  }

  // ---- receiving

  /** Sets what a consumer still takes, and gives it what there is. */
  feed(consumer: Consumer, credit: number): void {
    consumer.credit = credit
    this.wake(consumer)
  }

  /** Gives a consumer what there is. */
  wake(consumer: Consumer): void {
    const { hold, sub } = consumer
    if (hold !== undefined) this.#pumpSession(hold)
    else {
      if (consumer.credit > 0 && !consumer.isSilent) sub.hungry.append(consumer)
      else sub.hungry.remove(consumer)
      this.#pump(sub)
    }
  }

  /** A consumer takes nothing any more; what it has stays locked. */
  leave(consumer: Consumer): void {
    consumer.credit = 0
    consumer.isSilent = true
    consumer.sub.hungry.remove(consumer)
  }

  /** Takes deferred messages by their numbers, all or none. */
  receiveDeferred(
    sub: SubQueue,
    sequences: ReadonlyArray<number>,
    options: { readonly isPeekLock: boolean; readonly hold: Hold | undefined }
  ): ReadonlyArray<Entry> | Refusal {
    const entries: Array<Entry> = []
    const now = this.#scheduler.now()
    for (const sequence of sequences) {
      const entry = sub.index.get(sequence)
      const isThere = entry?.state === "Deferred" && entry.session === options.hold?.session
      // An expired deferred message stays until somebody asks for it.
      if (entry !== undefined && isThere && entry.expiresAt <= now) this.#expire(entry)
      else if (entry !== undefined && isThere) entries.push(entry)
    }
    if (entries.length < sequences.length) {
      return new Refusal(
        condition.messageNotFound,
        `Failed to lock one or more specified messages. The message does not exist: ${sequences.join(", ")}.`
      )
    }
    for (const entry of entries) {
      if (options.isPeekLock) this.#lock(entry, "LockedDeferred", options.hold)
      else this.#remove(entry)
    }
    return entries
  }

  /** Messages by number, wherever they are; nothing changes. */
  peek(
    sub: SubQueue,
    options: {
      readonly from: number
      readonly max: number
      readonly sessionId?: string | undefined
    }
  ): ReadonlyArray<Entry> {
    const { from, max, sessionId } = options
    if (sessionId === undefined) return sub.index.from(from, max, () => true)
    const session = sub.kind === "Main" ? this.sessions.get(sessionId) : undefined
    return session === undefined
      ? sub.index.from(from, max, ({ content }) => content.sessionId === sessionId)
      : session.index.from(from, max, () => true)
  }

  // ---- settling

  /** Settles the delivery that has this lock. */
  settle(entry: Entry | undefined, lock: number, verdict: Verdict): Refusal | undefined {
    if (entry === undefined || lock === 0 || entry.lock !== lock) {
      return this.settings.requiresSession && entry?.sub.kind !== "Dead"
        ? sessionLockLost
        : messageLockLost
    }
    switch (verdict._tag) {
      case "Complete":
        this.#remove(entry)
        return undefined
      case "Abandon":
        entry.add(verdict.properties)
        this.#fail(entry)
        return undefined
      case "Defer":
        entry.add(verdict.properties)
        this.#unlock(entry)
        this.#count(entry)
        this.#enter(entry, "Deferred")
        return undefined
      case "Release":
        this.#putBack(entry)
        return undefined
      case "DeadLetter":
        if (entry.sub.kind !== "Main") {
          this.#putBack(entry)
          return new Refusal(
            condition.notAllowed,
            "A message of a dead-letter queue cannot be dead-lettered."
          )
        }
        entry.add(verdict.properties)
        this.#bury(entry, verdict.reason, verdict.description)
        return undefined
    }
  }

  /** Locks a delivery anew, from now; the time until which. */
  renew(entry: Entry | undefined, lock: number): number | Refusal {
    if (entry === undefined || lock === 0 || entry.lock !== lock) return messageLockLost
    const hold = entry.session?.hold
    if (hold !== undefined) return hold.lockedUntil
    entry.lockedUntil = this.#scheduler.now() + this.settings.lockMillis
    this.#restartLock(entry)
    return entry.lockedUntil
  }

  /** Lets a delivery's lock run out now. */
  expireLock(entry: Entry): void {
    if (entry.lock !== 0 && entry.session === undefined) this.#fail(entry)
  }

  // ---- sessions

  /** Accepts a session by its id. */
  accept(id: string, onLost: () => void): Hold | Refusal {
    const existing = this.sessions.get(id)
    if (existing?.hold !== undefined) {
      return new Refusal(
        condition.sessionCannotBeLocked,
        `The requested session '${id}' cannot be accepted. It may be locked by another receiver.`
      )
    }
    return this.#hold(existing ?? this.#sessionOf(id), onLost)
  }

  /** Accepts the next free session, now or when there is one. */
  acceptNext(acceptor: Acceptor): void {
    const { first } = this.free
    if (first === undefined) this.acceptors.append(acceptor)
    else acceptor.grant(this.#hold(first, acceptor.onLost))
  }

  renewSession(hold: Hold): number | Refusal {
    if (!hold.isLive) return sessionLockLost
    hold.lockedUntil = this.#scheduler.now() + this.settings.lockMillis
    for (const entry of hold.locked) entry.lockedUntil = hold.lockedUntil
    this.#restartHold(hold)
    return hold.lockedUntil
  }

  /** Gives a session back; what its holder had returns and counts nothing. */
  release(hold: Hold): void {
    if (hold.isLive) this.#endHold(hold, (entry) => this.#putBack(entry))
  }

  /** The holder loses the session, and what it had counts as failed. */
  expireSession(hold: Hold): void {
    if (!hold.isLive) return
    this.#endHold(hold, (entry) => this.#fail(entry))
    hold.onLost()
  }

  setState(session: Session, state: Uint8Array | undefined): Refusal | undefined {
    const { sessionStateBytesMax } = this.settings
    if (state !== undefined && state.length > sessionStateBytesMax) {
      return new Refusal(
        condition.argument,
        `The session state of ${state.length} bytes exceeds the limit of ${sessionStateBytesMax} bytes.`
      )
    }
    session.state = state
    session.updatedAt = this.#scheduler.now()
    return undefined
  }

  /** Ids of sessions: with messages, or, since a time, with state written after it. */
  listSessions(updatedAfter: number | undefined): ReadonlyArray<string> {
    const ids: Array<string> = []
    for (const session of this.sessions.values()) {
      const isListed =
        updatedAfter === undefined
          ? session.index.size > 0
          : session.state !== undefined && session.updatedAt > updatedAfter
      if (isListed) ids.push(session.id)
    }
    return ids
  }

  // ---- what happens to one message

  #sessionOf(id: string): Session {
    const existing = this.sessions.get(id)
    if (existing !== undefined) return existing
    const session = new Session(id)
    this.sessions.set(id, session)
    return session
  }

  #add(entry: Entry): void {
    entry.sub.index.add(entry)
    entry.session?.index.add(entry)
  }

  #takeOut(entry: Entry): void {
    entry.sub.index.delete(entry)
    const { session } = entry
    if (session === undefined) return
    session.index.delete(entry)
    this.#tidy(session)
  }

  /** Every change of state passes here, so that the counts are right. */
  #enter(entry: Entry, state: State): void {
    const { counts } = entry.sub
    if (entry.state !== "Gone") counts[entry.state]--
    if (state !== "Gone") counts[state]++
    entry.state = state
  }

  #startLife(entry: Entry, now: number): void {
    const own = entry.content.timeToLive ?? Infinity
    entry.expiresAt = now + Math.min(own, this.settings.timeToLiveMillis)
  }

  #activate(entry: Entry): void {
    const now = this.#scheduler.now()
    entry.timer = undefined
    // As if it were sent now: it gets a new number and stands behind what came in between.
    entry.sub.index.delete(entry)
    entry.session?.index.delete(entry)
    entry.sequence = ++this.#sequence
    entry.enqueuedAt = now
    this.#add(entry)
    this.#startLife(entry, now)
    this.#makeReady(entry)
  }

  #makeReady(entry: Entry): void {
    const { session, sub } = entry
    if (entry.expiresAt <= this.#scheduler.now()) {
      this.#expire(entry)
      return
    }
    this.#enter(entry, "Ready")
    if (entry.expiresAt !== Infinity) {
      entry.timer = this.#scheduler.at(entry.expiresAt, () => this.#expire(entry))
    }
    if (session === undefined) {
      entry.ready = sub.ready.push(entry.sequence, entry)
      this.#pump(sub)
      return
    }
    entry.ready = session.ready.push(entry.sequence, entry)
    if (session.hold === undefined) this.#offer(session)
    else this.#pumpSession(session.hold)
  }

  #leaveReady(entry: Entry): void {
    const { ready, session, sub } = entry
    if (ready === undefined) return
    entry.ready = undefined
    const heap = session === undefined ? sub.ready : session.ready
    heap.remove(ready)
    if (session !== undefined && session.ready.size === 0) this.free.remove(session)
  }

  #stopTimer(entry: Entry): void {
    this.#scheduler.cancel(entry.timer)
    entry.timer = undefined
  }

  /** Out of the queue for good. */
  #remove(entry: Entry): void {
    this.#unlock(entry)
    this.#leaveReady(entry)
    this.#enter(entry, "Gone")
    this.#takeOut(entry)
    this.#bytes -= entry.content.size
  }

  #expire(entry: Entry): void {
    entry.timer = undefined
    if (this.settings.deadLettersExpired) {
      this.#bury(entry, "TTLExpiredException", "The message expired and was dead lettered.")
    } else {
      this.#remove(entry)
    }
  }

  /** Into the dead-letter queue, where nothing expires and no session holds it. */
  #bury(entry: Entry, reason: string | undefined, description: string | undefined): void {
    this.#unlock(entry)
    this.#leaveReady(entry)
    this.#enter(entry, "Gone")
    this.#takeOut(entry)
    const properties = new Map<string, unknown>()
    if (reason !== undefined) properties.set("DeadLetterReason", reason)
    if (description !== undefined) properties.set("DeadLetterErrorDescription", description)
    entry.add(properties)
    entry.session = undefined
    entry.expiresAt = Infinity
    entry.sub = this.dead
    this.#add(entry)
    this.#makeReady(entry)
  }

  #deliver(entry: Entry, consumer: Consumer): void {
    consumer.credit--
    this.#leaveReady(entry)
    if (consumer.isPeekLock) this.#lock(entry, "Locked", consumer.hold)
    else this.#remove(entry)
    consumer.deliver(entry)
  }

  #lock(entry: Entry, state: "Locked" | "LockedDeferred", hold: Hold | undefined): void {
    this.#stopTimer(entry)
    this.#enter(entry, state)
    entry.lock = ++this.#locks.next
    this.#locks.entries.set(entry.lock, entry)
    if (hold === undefined) {
      entry.lockedUntil = this.#scheduler.now() + this.settings.lockMillis
      this.#restartLock(entry)
    } else {
      entry.lockedUntil = hold.lockedUntil
      hold.locked.add(entry)
    }
  }

  #restartLock(entry: Entry): void {
    this.#stopTimer(entry)
    entry.timer = this.#scheduler.at(entry.lockedUntil, () => this.#fail(entry))
  }

  #unlock(entry: Entry): void {
    this.#stopTimer(entry)
    if (entry.lock === 0) return
    this.#locks.entries.delete(entry.lock)
    entry.lock = 0
    entry.session?.hold?.locked.delete(entry)
  }

  /** Counts a failed delivery; in a dead-letter queue nothing is counted. */
  #count(entry: Entry): void {
    if (entry.sub.kind !== "Main") return
    entry.deliveryCount++
  }

  #fail(entry: Entry): void {
    this.#count(entry)
    if (entry.sub.kind === "Main" && entry.deliveryCount >= this.settings.maxDeliveryCount) {
      this.#bury(
        entry,
        "MaxDeliveryCountExceeded",
        `Message could not be consumed after ${this.settings.maxDeliveryCount} delivery attempts.`
      )
    } else {
      this.#putBack(entry)
    }
  }

  #putBack(entry: Entry): void {
    const wasDeferred = entry.state === "LockedDeferred"
    this.#unlock(entry)
    if (wasDeferred) this.#enter(entry, "Deferred")
    else this.#makeReady(entry)
  }

  // ---- who gets what

  #pump(sub: SubQueue): void {
    for (;;) {
      const consumer = sub.hungry.first
      const entry = sub.ready.first?.item
      if (consumer === undefined || entry === undefined) return
      sub.hungry.remove(consumer)
      if (consumer.credit > 1) sub.hungry.append(consumer)
      this.#deliver(entry, consumer)
    }
  }

  #pumpSession(hold: Hold): void {
    const { consumer } = hold
    if (consumer === undefined) return
    while (hold.isLive && consumer.credit > 0 && !consumer.isSilent) {
      const entry = hold.session.ready.first?.item
      if (entry === undefined) return
      this.#deliver(entry, consumer)
    }
  }

  /** A free session with something to deliver goes to whoever waits, or to the end of the line. */
  #offer(session: Session): void {
    if (session.ready.size === 0) return
    const acceptor = this.acceptors.first
    if (acceptor === undefined) this.free.append(session)
    else {
      this.acceptors.remove(acceptor)
      acceptor.grant(this.#hold(session, acceptor.onLost))
    }
  }

  #hold(session: Session, onLost: () => void): Hold {
    this.free.remove(session)
    const hold = new Hold(session, this.#scheduler.now() + this.settings.lockMillis, onLost)
    session.hold = hold
    this.#restartHold(hold)
    return hold
  }

  #restartHold(hold: Hold): void {
    this.#scheduler.cancel(hold.timer)
    hold.timer = this.#scheduler.at(hold.lockedUntil, () => this.expireSession(hold))
  }

  #endHold(hold: Hold, giveBack: (entry: Entry) => void): void {
    const { session } = hold
    hold.isLive = false
    this.#scheduler.cancel(hold.timer)
    // The hold stands until all is back: else the first message would be offered to the next holder.
    for (const entry of hold.locked) giveBack(entry)
    session.hold = undefined
    this.#offer(session)
    this.#tidy(session)
  }

  #tidy(session: Session): void {
    if (session.isEmpty && this.sessions.get(session.id) === session) {
      this.sessions.delete(session.id)
    }
  }
}
