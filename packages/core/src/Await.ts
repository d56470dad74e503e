/**
 * Waiting for the first of several, without a fiber for each of them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/**
 * What ends once, and can be waited for by many: of a `Deferred` the part that does not depend on what
 * it is of.
 *
 * @category models
 * @since 0.1.0
 */
export type Awaitable =
  | Fiber.Fiber<unknown, unknown>
  | { effect?: unknown; resumes?: Array<(effect: never) => void> | undefined }

const isDone = (one: Awaitable): boolean =>
  "pollUnsafe" in one ? one.pollUnsafe() !== undefined : one.effect !== undefined

/**
 * Ends as soon as one of these fibers or deferreds is done, however that one ended.
 *
 * **Details**
 *
 * Which one it was is theirs to tell (`Deferred.isDoneUnsafe`, `fiber.pollUnsafe()`), and where several
 * are done, which of them counts is for the caller to say. None of them is interrupted.
 * `Effect.raceAllFirst` runs each of its effects in a fiber of its own, which for five events that
 * mostly do not happen is five fibers a message.
 *
 * **Gotchas** With an empty list it never ends.
 *
 * **Example** (A fiber or a sign to stop, whichever comes first)
 *
 * ```ts
 * import { Await } from "@queue-runtime/core"
 * import { Deferred, Effect, Fiber } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const stop = yield* Deferred.make<string>()
 *   const work = yield* Effect.forkChild(Effect.never)
 *   yield* Deferred.succeed(stop, "enough")
 *   yield* Await.any([work, stop])
 *   yield* Fiber.interrupt(work)
 *   return Deferred.isDoneUnsafe(stop)
 * })
 * await Effect.runPromise(program) // => true
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const any = (all: ReadonlyArray<Awaitable>): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (all.some(isDone)) return resume(Effect.void)
    const stops: Array<() => void> = []
    const forget = (): void => {
      for (const stop of stops) stop()
      for (const one of all) {
        // One that is done lets go of all, and may be calling them back right now.
        if ("pollUnsafe" in one || isDone(one)) continue
        one.resumes?.splice(one.resumes.indexOf(wake), 1)
      }
    }
    const wake = (): void => {
      forget()
      resume(Effect.void)
    }
    for (const one of all) {
      if ("pollUnsafe" in one) stops.push(one.addObserver(wake))
      else (one.resumes ??= []).push(wake)
    }
    return Effect.sync(forget)
  })
