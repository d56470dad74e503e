/** Sends of one session in the order they were called, though the body of one takes long to be put. */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** A send of a session: those behind it wait until it has ended, and what it waits for. */
interface Turn {
  before: ReadonlyArray<Turn>
  readonly ended: Latch.Latch
}

/** One that was interrupted while it waited still stands between those before it and those behind. */
const awaitTurn = (turn: Turn): Effect.Effect<void> =>
  Effect.andThen(
    Effect.suspend(() => awaitAll(turn.before)),
    turn.ended.await
  )

const awaitAll = (turns: ReadonlyArray<Turn>): Effect.Effect<void> =>
  Effect.forEach(turns, awaitTurn, { discard: true })

/** Bounded by the calls that are under way: what has ended is forgotten. */
export class Lanes {
  readonly #last = new Map<string, Turn>()

  /**
   * Runs a send behind those of its sessions that put bodies. One that puts none itself goes at once where
   * there are none, and nobody waits for it: what is below keeps the order of what was called.
   */
  run<A, E, R>(
    sessions: ReadonlyArray<string>,
    puts: boolean,
    call: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const own = new Set(sessions)
      const before = [...own].flatMap((session) => this.#last.get(session) ?? [])
      if (before.length === 0 && (!puts || own.size === 0)) return call
      const turn: Turn = { before, ended: Latch.makeUnsafe(false) }
      for (const session of own) this.#last.set(session, turn)
      const wait = Effect.andThen(
        awaitAll(before),
        Effect.sync(() => {
          // Else each would hold all that ever were before it.
          turn.before = []
        })
      )
      const forget = Effect.sync(() => {
        for (const session of own) {
          if (this.#last.get(session) === turn) this.#last.delete(session)
        }
      })
      const end = Effect.suspend(() => {
        turn.ended.openUnsafe()
        return turn.before.length === 0
          ? forget
          : Effect.forkDetach(Effect.andThen(awaitAll(turn.before), forget))
      })
      return Effect.ensuring(Effect.andThen(wait, call), end)
    })
  }
}
