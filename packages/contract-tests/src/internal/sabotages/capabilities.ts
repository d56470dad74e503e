import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Capabilities, QueueError } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** Capabilities that are not what the queue does. */
const declaring = (
  f: (capabilities: Capabilities.Capabilities) => Partial<Capabilities.Capabilities>
): Sabotage.Sabotage["make"] =>
  wrap.plain((provider) =>
    wrap.change(provider, {
      capabilities: (queue) => {
        const real = provider.capabilities(queue)
        return { ...real, ...f(real) }
      }
    })
  )

/** Something the queue can do and does not say. */
const undeclared = (
  id: string,
  feature: "peek" | "deadLetter" | "abandonDelay" | "scheduling" | "timeToLive" | "sessionState",
  caughtBy: ReadonlyArray<string>
): Sabotage.Sabotage => ({
  id,
  title: `${feature} is declared unsupported, and is done without a word`,
  source: "SPEC R3.11: asking for what is not there fails, never silently",
  caughtBy,
  make: declaring(() => ({ [feature]: "unsupported" }))
})

const unsupported = (provider: wrap.Provider, what: string) =>
  Effect.fail(
    QueueError.make(new QueueError.UnsupportedOperation({ what, provider: provider.name }))
  )

export const capabilities: ReadonlyArray<Sabotage.Sabotage> = [
  undeclared("peek-undeclared", "peek", ["RECEIVE-17"]),
  undeclared("dead-letter-undeclared", "deadLetter", ["DEAD-14", "DEAD-15"]),
  undeclared("abandon-delay-undeclared", "abandonDelay", ["REDELIVER-6"]),
  undeclared("scheduling-undeclared", "scheduling", ["SCHEDULE-7"]),
  undeclared("time-to-live-undeclared", "timeToLive", ["SCHEDULE-14"]),
  undeclared("session-state-undeclared", "sessionState", ["SESSION-24"]),
  {
    id: "delay-limits-not-kept",
    title: "longest delays are declared, and longer ones taken without a word",
    source: "SQS: 15 minutes of a message, 12 hours of an abandon",
    caughtBy: ["REDELIVER-11", "SCHEDULE-6"],
    make: declaring(() => ({
      delayMax: Duration.minutes(15),
      abandonDelayMax: Duration.hours(12)
    }))
  },
  {
    id: "lock-declared-longer",
    title: "a lock is declared that is longer than the one taken",
    source: "SQS: the default visibility declared, the queue's own in force",
    caughtBy: ["MODEL-1", "REDELIVER-3", "SESSION-40"],
    kind: "double holding",
    make: declaring(({ lockDuration }) => ({ lockDuration: Duration.times(lockDuration, 2) }))
  },
  {
    id: "empty-session-declared-otherwise",
    title: "an empty session is granted though the declaration says None",
    source: "SPEC R4.2: the rule follows the capability",
    caughtBy: ["SESSION-32"],
    make: declaring(({ ordered }) => (ordered ? { locksEmptySession: false } : {}))
  },
  {
    id: "capabilities-of-another-queue",
    title: "one queue's capabilities are declared for all",
    source: "ADR 0003: capabilities belong to a queue",
    caughtBy: ["LIFE-3"],
    make: declaring(({ ordered }) =>
      ordered ? { sessions: "native", deduplication: "native" } : { sessionState: "native" }
    )
  },
  {
    id: "capabilities-change",
    title: "capabilities say something else after the first call",
    source: "ADR 0003: read from the service when the first call is made",
    caughtBy: ["LIFE-2"],
    make: wrap.plain((provider) => {
      let isRead = false
      return wrap.change(provider, {
        capabilities: (queue) => {
          const real = provider.capabilities(queue)
          return isRead ? real : { ...real, receiveCountMax: 1 }
        },
        send: (queue, messages) => {
          isRead = true
          return provider.send(queue, messages)
        }
      })
    })
  },
  {
    id: "peek-declared-missing",
    title: "peek is declared, and is not there",
    source: "capabilities copied from another provider",
    caughtBy: ["RECEIVE-15", "RECEIVE-16"],
    make: wrap.plain((provider) =>
      wrap.change(provider, { peek: () => unsupported(provider, "peek") })
    )
  },
  {
    id: "session-state-declared-missing",
    title: "session state is declared, and is not there",
    source: "capabilities copied from another provider",
    caughtBy: ["SESSION-23", "LIFE-11"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, () => ({
        state: unsupported(provider, "session state"),
        setState: () => unsupported(provider, "session state")
      }))
    )
  },
  {
    id: "stack-hidden",
    title: "the stack does not end with the provider",
    source: "QueueProvider.stack replaced by a decorator instead of prolonged",
    caughtBy: ["LIFE-1"],
    make: wrap.plain((provider) => ({ ...wrap.change(provider, {}), stack: [] }))
  }
]
