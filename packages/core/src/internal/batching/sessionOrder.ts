import type * as SessionId from "../../SessionId.ts"
import * as LinkedList from "./linkedList.ts"

/** One session: who waits for it, in order, and whether a call with something of it is under way. */
interface Line<E> {
  readonly session: SessionId.SessionId
  readonly waiting: LinkedList.LinkedList<E>
  isBusy: boolean
}

/** Where something stands in the line of one of its sessions. */
export interface Place<E> {
  readonly line: Line<E>
  readonly node: LinkedList.Node<E>
}

/** What stands in the lines of its sessions. */
export interface Ordered<E> {
  readonly sessions: ReadonlyArray<SessionId.SessionId>
  /** Written here alone. */
  places: ReadonlyArray<Place<E>>
  /** The lines it does not head, or whose session is busy. Zero: it may go out. */
  blockers: number
}

/** Told when something may go out, and when it no longer may. */
export interface Listener<E> {
  readonly ready: (entry: E) => void
  readonly unready: (entry: E) => void
}

/**
 * Who may go out so that every session keeps its order: one call with something of a session is under
 * way at a time, and what waits for a session goes out in the order it came. What has several sessions
 * waits for all of them; it joins their lines at once, so that no two wait for each other.
 */
export class SessionOrder<E extends Ordered<E>> {
  readonly #lines = new Map<SessionId.SessionId, Line<E>>()
  readonly #listener: Listener<E>
  readonly #shares: boolean

  /** With `shares`, several of one session may go out in one call. */
  constructor(listener: Listener<E>, shares: boolean) {
    this.#listener = listener
    this.#shares = shares
  }

  /** Joins the lines of its sessions. */
  add(entry: E): void {
    if (entry.sessions.length > 0) {
      entry.places = entry.sessions.map((session) => {
        const line = this.#line(session)
        if (line.isBusy || line.waiting.first !== undefined) entry.blockers++
        return { line, node: LinkedList.append(line.waiting, entry) }
      })
    }
    if (entry.blockers === 0) this.#listener.ready(entry)
  }

  /** Something that waits will not go out. */
  remove(entry: E): void {
    for (const { line, node } of entry.places) {
      const wasFirst = line.waiting.first === node
      LinkedList.remove(line.waiting, node)
      // Whoever comes first in a busy line still waits, now for the call and not for this one.
      if (wasFirst && !line.isBusy) this.#next(line)
    }
  }

  /** It goes out: its sessions are busy. What follows in them may share the call that is being made up. */
  take(entry: E): void {
    for (const { line, node } of entry.places) {
      LinkedList.remove(line.waiting, node)
      line.isBusy = true
      if (this.#shares) this.#unblock(line)
    }
  }

  /** The call is made up: what follows in its sessions and is not in it waits for it. */
  close(entries: ReadonlyArray<E>): void {
    if (!this.#shares) return
    for (const line of linesOf(entries)) {
      const head = line.waiting.first?.value
      if (head === undefined) continue
      if (head.blockers === 0) this.#listener.unready(head)
      head.blockers++
    }
  }

  /** The call is over, well or not. */
  release(entries: ReadonlyArray<E>): void {
    for (const line of linesOf(entries)) {
      line.isBusy = false
      this.#next(line)
    }
  }

  #line(session: SessionId.SessionId): Line<E> {
    const known = this.#lines.get(session)
    if (known !== undefined) return known
    const line: Line<E> = { session, waiting: LinkedList.make(), isBusy: false }
    this.#lines.set(session, line)
    return line
  }

  #next(line: Line<E>): void {
    if (line.waiting.first === undefined) this.#lines.delete(line.session)
    else this.#unblock(line)
  }

  #unblock(line: Line<E>): void {
    const head = line.waiting.first?.value
    if (head === undefined) return
    head.blockers--
    if (head.blockers === 0) this.#listener.ready(head)
  }
}

/** Each once; mostly there is no session to keep in order. */
const linesOf = <E extends Ordered<E>>(entries: ReadonlyArray<E>): ReadonlySet<Line<E>> => {
  const lines = new Set<Line<E>>()
  for (const { places } of entries) for (const { line } of places) lines.add(line)
  return lines
}
