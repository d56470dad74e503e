import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { QueueError } from "@queue-runtime/core"
import type { Connection } from "./connection.ts"
import type { List } from "./list.ts"
import type { Queue } from "./queue.ts"
import { Waiter } from "./waiter.ts"
import * as waiting from "./waiting.ts"

/** What to wait for, and how to give it back when the caller is no longer there. */
export interface Awaited<A> {
  readonly queue: Queue
  readonly connection: Connection
  readonly waitMillis: number
  /** Where to stand in line, or why there is no use in it. */
  readonly line: () => Result.Result<List<Waiter>, QueueError.QueueError>
  /** Takes it when it is there; called inside a turn. */
  readonly take: (now: number) => A | undefined
  /** Gives back what was taken; called inside a turn. */
  readonly undo: (taken: A, now: number) => void
  /** What a wait that ends with nothing answers. */
  readonly nothing: A
}

/**
 * Waits in line. What is taken for a caller reaches it or is given back: the value goes to the fiber in
 * one step, and an interruption that comes before that step finds the value here and undoes it.
 */
export const awaitTurn = <A>(options: Awaited<A>): Effect.Effect<A, QueueError.QueueError> =>
  Effect.withFiber((fiber) =>
    Effect.callback<A, QueueError.QueueError>((resume) => {
      const { queue } = options
      let taken: { readonly value: A } | undefined
      let waiter: Waiter | undefined
      // Resumed from the scheduler: nobody's code runs inside the turn of another caller.
      const finish = (effect: Effect.Effect<A, QueueError.QueueError>): void =>
        fiber.currentDispatcher.scheduleTask(() => resume(effect), 0)
      const take = (now: number): boolean => {
        const value = options.take(now)
        if (value === undefined) return false
        taken = { value }
        finish(Effect.succeed(value))
        return true
      }
      const end = (error: QueueError.QueueError | undefined): void =>
        finish(error === undefined ? Effect.succeed(options.nothing) : Effect.fail(error))
      waiting.turn(queue, (now) => {
        const line = options.line()
        if (Result.isFailure(line)) return end(line.failure)
        waiter = new Waiter(options.connection, now + options.waitMillis, take, end)
        return waiting.enter(queue, line.success, waiter)
      })
      return Effect.sync(() =>
        waiting.turn(queue, (now) => {
          if (waiter !== undefined) waiting.leave(queue, waiter)
          if (taken !== undefined) options.undo(taken.value, now)
        })
      )
    })
  )
