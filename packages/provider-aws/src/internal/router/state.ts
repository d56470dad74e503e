import * as Deferred from "effect/Deferred"
import type { QueueError } from "@queue-runtime/core"
import type { Delivery } from "./delivery.ts"
import { Group } from "./group.ts"

/** A caller who wants a session: one of an id, or any. */
export class Acceptor {
  /** The group, by the broker's name; absent: the next free one. */
  readonly groupId: string | undefined
  /** When its wait is over. */
  readonly until: number
  readonly answer = Deferred.makeUnsafe<void, QueueError.QueueError>()
  granted: Group | undefined = undefined

  constructor(groupId: string | undefined, until: number) {
    this.groupId = groupId
    this.until = until
  }
}

/**
 * What a router knows: the groups it has, and who wants one. Its transitions take no time and make no
 * calls; what is to be done at the broker they answer.
 */
export class State {
  /** Buffered and held ones by id, one an id, longest here first. */
  readonly groups = new Map<string, Group>()
  /** Given back, and the call that does so under way: how many of an id. */
  readonly draining = new Map<string, number>()
  /** Those who take any, longest waiting first. */
  readonly acceptors = new Set<Acceptor>()
  /** Those who want one of an id, which is reserved for them in this process. */
  readonly reserved = new Map<string, Acceptor>()
  /** Held groups whose holder waits for messages that the broker has: until when. */
  readonly listening = new Map<Group, number>()
  /** Since when nobody wants anything; absent while somebody does. */
  idleSince: number | undefined = undefined

  /** Buffered groups. */
  get buffered(): ReadonlyArray<Group> {
    return [...this.groups.values()].filter(({ phase }) => phase === "Buffered")
  }

  get isWanted(): boolean {
    return this.acceptors.size > 0 || this.reserved.size > 0 || this.listening.size > 0
  }

  /** Why a session of this id cannot be waited for in this process: until when, if that is known. */
  lockOf(id: string): { readonly lockedUntil: number | undefined } | undefined {
    const group = this.groups.get(id)
    if (group?.phase === "Held") return { lockedUntil: group.lockedUntil }
    return this.reserved.has(id) ? { lockedUntil: undefined } : undefined
  }

  /** Who waits for one of these gets it when the call is over; without a wait there is nothing yet. */
  isGoingBack(id: string): boolean {
    return this.draining.has(id)
  }

  enter(acceptor: Acceptor): void {
    if (acceptor.groupId === undefined) this.acceptors.add(acceptor)
    else this.reserved.set(acceptor.groupId, acceptor)
    this.idleSince = undefined
  }

  leave(acceptor: Acceptor, now: number): void {
    this.acceptors.delete(acceptor)
    if (acceptor.groupId !== undefined && this.reserved.get(acceptor.groupId) === acceptor) {
      this.reserved.delete(acceptor.groupId)
    }
    this.#rest(now)
  }

  listen(group: Group, until: number): void {
    this.listening.set(group, until)
    this.idleSince = undefined
  }

  hush(group: Group, now: number): void {
    this.listening.delete(group)
    this.#rest(now)
  }

  #rest(now: number): void {
    if (!this.isWanted) this.idleSince ??= now
  }

  /**
   * Messages of one group have come: where they are now. A group that cannot take them is lost by then:
   * what is unsettled here blocks its group at the broker, so more of it comes after its lock has ended
   * alone.
   */
  arrive(id: string, deliveries: ReadonlyArray<Delivery>): Group {
    const known = this.groups.get(id)
    if (known?.takes(deliveries)) {
      known.append(deliveries)
      this.listening.delete(known)
      return known
    }
    const group = new Group(id, deliveries)
    // At the end: the longest waiting is accepted first.
    this.groups.delete(id)
    this.groups.set(id, group)
    return group
  }

  /** Grants what is free to those who want it. */
  grant(
    isReady: (group: Group) => boolean,
    now: number,
    lockMillis: number
  ): ReadonlyArray<Acceptor> {
    const granted: Array<Acceptor> = []
    const give = (acceptor: Acceptor, group: Group): void => {
      group.hold(now + lockMillis)
      acceptor.granted = group
      granted.push(acceptor)
      this.leave(acceptor, now)
    }
    for (const [id, acceptor] of this.reserved) {
      const group = this.groups.get(id)
      if (group?.phase === "Buffered" && isReady(group)) give(acceptor, group)
    }
    for (const acceptor of this.acceptors) {
      const group = this.buffered.find((one) => !this.reserved.has(one.id) && isReady(one))
      if (group === undefined) break
      give(acceptor, group)
    }
    return granted
  }

  /** Given back: from here on what comes of it is another group. Answers what is to be released. */
  drain(group: Group): ReadonlyArray<Delivery> {
    this.#remove(group)
    this.draining.set(group.id, (this.draining.get(group.id) ?? 0) + 1)
    return group.drain()
  }

  /** The call that gave it back is over. */
  drained(group: Group): void {
    const left = (this.draining.get(group.id) ?? 1) - 1
    if (left === 0) this.draining.delete(group.id)
    else this.draining.set(group.id, left)
  }

  /** Not ours from a place on. Answers what was lost. */
  lose(group: Group, from: number): ReadonlyArray<Delivery> {
    const lost = group.lose(from)
    if (group.isOver) this.#remove(group)
    return lost
  }

  #remove(group: Group): void {
    if (this.groups.get(group.id) === group) this.groups.delete(group.id)
    this.listening.delete(group)
  }

  /** An empty group that nobody holds is none. */
  sweep(group: Group): void {
    if (group.phase === "Buffered" && group.deliveries.length === 0) this.#remove(group)
  }
}
