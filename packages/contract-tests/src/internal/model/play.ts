/** What models of one kind of queue and another share. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Capabilities, type QueueProvider, Verdict } from "@queue-runtime/core"
import * as Rule from "../../Rule.ts"
import type * as World from "../../World.ts"
import type * as Scope from "effect/Scope"
import * as steps from "../steps.ts"

/** Sequences of commands on a queue against a model of it. */
export interface Play<Command> {
  readonly run: (
    commands: ReadonlyArray<Command>
  ) => Effect.Effect<void, Rule.Failure, World.World | Scope.Scope>
  readonly describe: (command: Command) => string
}

/** Who, of the two clients. */
export const Client = Schema.Literals([0, 1])

export const int = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

export const VerdictName = Schema.Literals(["complete", "abandon", "abandon later", "dead-letter"])

/** A part of the lock duration; no sum of these is a whole one, or the delay of an abandon. */
export const Part = Schema.Literals([0.3, 0.6, 1.1])

const delayPart = 0.45

/** A message of the model. */
export interface Item {
  readonly id: string
  /** Deliveries so far. */
  count: number
  /** When it may be delivered; in hand, when its lock ends. */
  freeAt: number
}

/** What the queue under test can do, and the clock the model goes by. */
export interface Table {
  readonly clients: readonly [QueueProvider.Service, QueueProvider.Service]
  readonly lockMillis: number
  readonly delayMillis: number
  /** Deliveries of one message; without dead letters there is no end. */
  readonly deliveriesMax: number
  readonly hasDeadLetters: boolean
  readonly delays: boolean
}

export const table = Effect.fnUntraced(function* (needsNativeDelay: boolean) {
  const { capabilities, connect, options, provider } = yield* steps.world
  const lockMillis = Duration.toMillis(capabilities.lockDuration)
  const hasDeadLetters = Capabilities.isSupported(capabilities.deadLetter)
  const made: Table = {
    clients: [provider, yield* connect],
    lockMillis,
    delayMillis: lockMillis * delayPart,
    deliveriesMax: hasDeadLetters ? options.deliveriesMax : Number.POSITIVE_INFINITY,
    hasDeadLetters,
    // A delay that the library emulates may be cut short by whoever lets go of the message.
    delays: needsNativeDelay
      ? capabilities.abandonDelay === "native"
      : Capabilities.isSupported(capabilities.abandonDelay)
  }
  return made
})

/** What the queue can do of a verdict: the nearest thing it has. */
export const verdictOf = (
  { delayMillis, delays, hasDeadLetters }: Table,
  name: typeof VerdictName.Type
): Verdict.Verdict => {
  if (name === "complete") return Verdict.complete
  if (name === "dead-letter" && hasDeadLetters) return Verdict.deadLetter("Model", "by a model")
  return Verdict.abandon(
    name === "abandon later" && delays ? Duration.millis(delayMillis) : undefined
  )
}

export const delayOf = (verdict: Verdict.Verdict): number =>
  verdict._tag === "Abandon" ? Duration.toMillis(verdict.delay) : 0

export const now = Clock.currentTimeMillis

/** Lets a little time pass while something is about to happen: a model says what was, not what may be. */
export const clearOf = Effect.fnUntraced(function* (
  borders: () => ReadonlyArray<number>
): steps.Step<void> {
  const { time } = yield* steps.world
  const margin = Duration.toMillis(time.precision) * 3
  while (true) {
    const at = yield* now
    if (!borders().some((border) => Math.abs(border - at) <= margin)) return
    yield* steps.pass(Duration.millis(margin))
  }
})

/** Names the step in whatever it fails with. */
export const atStep = <A, R>(
  index: number,
  text: string,
  step: Effect.Effect<A, Rule.Failure, R>
): Effect.Effect<A, Rule.Failure, R> =>
  Effect.mapError(step, (error) =>
    error._tag === "QueueError"
      ? new Rule.RuleFailed({ what: `${index + 1}. ${text}: ${error.message}`, cause: error })
      : error._tag === "RuleFailed"
        ? new Rule.RuleFailed({ ...error, what: `${index + 1}. ${text}: ${error.what}` })
        : error
  )
