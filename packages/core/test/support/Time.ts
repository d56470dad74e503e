/** Virtual time, with the fibers given their turns before and after. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"

/** Lets what can run now run: chains of fibers that wake each other take a turn a link. */
export const quiet: Effect.Effect<void> = Effect.asVoid(
  Effect.repeat(Effect.yieldNow, { times: 50 })
)

/** Lets so much time go by. */
export const pass = (duration: Duration.Input): Effect.Effect<void> =>
  quiet.pipe(Effect.andThen(TestClock.adjust(duration)), Effect.andThen(quiet))
