import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Defaults, type QueueName } from "@queue-runtime/core"
import type { Policy } from "./policy.ts"

/** What is said of plaintext: once in a while for a queue, however much of it there is. */
export interface Warnings {
  readonly sent: (queue: QueueName.QueueName) => Effect.Effect<void>
  readonly received: (
    queue: QueueName.QueueName,
    policy: Policy["plaintext"]
  ) => Effect.Effect<void>
}

export const makeWarnings = (): Warnings => {
  const lastAt = new Map<string, number>()
  const pause = Duration.toMillis(Defaults.cryptoWarningPause)

  const seldom = (what: string, log: Effect.Effect<void>): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const last = lastAt.get(what)
      if (last !== undefined && now - last < pause) return Effect.void
      // Names come from outside: beyond the bound everything may be said again.
      if (lastAt.size >= Defaults.sessionsTrackedMax) lastAt.clear()
      lastAt.set(what, now)
      return log
    })

  return {
    sent: (queue) =>
      seldom(
        `sent ${queue}`,
        Effect.logWarning("bodies are sent in plaintext").pipe(Effect.annotateLogs({ queue }))
      ),
    received: (queue, policy) =>
      seldom(
        `received ${queue}`,
        (policy === "alert" ? Effect.logError : Effect.logWarning)(
          "a body that nothing protects was received"
        ).pipe(Effect.annotateLogs({ queue, policy }))
      )
  }
}
