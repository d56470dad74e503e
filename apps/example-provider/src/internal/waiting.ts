/**
 * Calls that wait for something to come. They stand in lines, one for each thing to wait for, and are
 * served first come, first served: after every call of this connection, when something is due in the
 * queue, and when another connection has written.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { QueueError } from "@queue-runtime/core"
import type { Link } from "./connection.ts"

/** A call that waits. */
export interface Waiter {
  readonly link: Link
  readonly queue: string
  /** Those in one line wait for the same thing: when the first gets nothing, nobody does. */
  readonly line: string
  readonly deadline: number
  /** Takes what it waits for; true when the wait is over, by having it or by an error. */
  readonly attempt: () => boolean
  /** Ends the wait with nothing, or with an error. */
  readonly end: (error?: QueueError.QueueError) => void
}

/** What the room knows of the world. */
export interface Surroundings {
  readonly now: () => number
  /** Lets what is due happen, and says when the next thing is. */
  readonly catchUp: (queue: string) => number
  /** Changes whenever another connection has written. */
  readonly version: () => number | undefined
  readonly pollMillis: number
  /** Calls `ring` after this time, and no longer at the time set before. */
  readonly setAlarm: (millis: number) => void
  readonly clearAlarm: () => void
}

export class Room {
  readonly #surroundings: Surroundings
  readonly #lines = new Map<string, Set<Waiter>>()
  #serving = false
  #version: number | undefined
  /** When something happens by itself, or a wait ends. */
  #nextAt = Infinity

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** Puts a call in line. Whether it waits after this or was served at once, it is told. */
  enter(waiter: Waiter): void {
    const line = this.#lines.get(waiter.line) ?? new Set()
    this.#lines.set(waiter.line, line.add(waiter))
    this.changed()
  }

  leave(waiter: Waiter): void {
    const line = this.#lines.get(waiter.line)
    if (line?.delete(waiter) === true && line.size === 0) this.#lines.delete(waiter.line)
    if (this.#lines.size === 0) this.#surroundings.clearAlarm()
  }

  /** Something was done that those who wait may have waited for. */
  changed(): void {
    if (this.#serving || this.#lines.size === 0) return
    // Serving makes calls itself, and each of them says that something was done.
    this.#serving = true
    this.#serve()
    this.#serving = false
    this.#arm()
  }

  /** The alarm rang. */
  ring(): void {
    const { now, version } = this.#surroundings
    if (now() >= this.#nextAt || version() !== this.#version) this.changed()
    else this.#arm()
  }

  /** Ends the waits of a link. */
  close(link: Link, error: QueueError.QueueError): void {
    for (const waiter of this.#waiters()) {
      if (waiter.link !== link) continue
      this.leave(waiter)
      waiter.end(error)
    }
  }

  #waiters(): ReadonlyArray<Waiter> {
    return [...this.#lines.values()].flatMap((line) => Array.from(line))
  }

  #serve(): void {
    const { catchUp, now, version } = this.#surroundings
    // Read first: what is written after it is seen at the next ring.
    this.#version = version()
    const queues = new Set(this.#waiters().map(({ queue }) => queue))
    for (const queue of queues) catchUp(queue)
    for (const line of this.#lines.values()) {
      for (const waiter of line) {
        if (!waiter.attempt()) break
        this.leave(waiter)
      }
    }
    const at = now()
    for (const waiter of this.#waiters()) {
      if (waiter.deadline > at) continue
      this.leave(waiter)
      waiter.end()
    }
    const waiters = this.#waiters()
    const due = [...new Set(waiters.map(({ queue }) => queue))].map(catchUp)
    this.#nextAt = Math.min(...due, ...waiters.map(({ deadline }) => deadline))
  }

  #arm(): void {
    if (this.#lines.size === 0) return
    const { now, pollMillis, setAlarm } = this.#surroundings
    // A timer may be a moment early; it is then set once more.
    setAlarm(Math.max(1, Math.min(pollMillis, this.#nextAt - now())))
  }
}

/** What to wait for, and how to give it back when the caller is no longer there. */
export interface Wait<A> {
  readonly link: Link
  readonly queue: string
  readonly line: string
  readonly deadline: number
  /** Takes it when it is there. */
  readonly take: () => Result.Result<A | undefined, QueueError.QueueError>
  readonly undo: (taken: A) => void
  /** What a wait that ends with nothing answers. */
  readonly nothing: A
}

/**
 * Waits in line. What is taken for a caller reaches it or is given back: the value goes to the fiber in
 * one step, and an interruption that comes before that step finds the value here and undoes it.
 */
export const wait = <A>(room: Room, options: Wait<A>): Effect.Effect<A, QueueError.QueueError> =>
  Effect.withFiber((fiber) =>
    Effect.callback<A, QueueError.QueueError>((resume) => {
      const { deadline, line, link, nothing, queue } = options
      let taken: { readonly value: A } | undefined
      const finish = (effect: Effect.Effect<A, QueueError.QueueError>): void =>
        fiber.currentDispatcher.scheduleTask(() => resume(effect), 0)
      const waiter: Waiter = {
        link,
        queue,
        line,
        deadline,
        attempt: () => {
          const result = options.take()
          if (Result.isFailure(result)) {
            finish(Effect.fail(result.failure))
            return true
          }
          if (result.success === undefined) return false
          taken = { value: result.success }
          finish(Effect.succeed(result.success))
          return true
        },
        end: (error) => finish(error === undefined ? Effect.succeed(nothing) : Effect.fail(error))
      }
      room.enter(waiter)
      return Effect.sync(() => {
        room.leave(waiter)
        if (taken !== undefined) options.undo(taken.value)
      })
    })
  )
