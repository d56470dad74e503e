/** What models of one kind of queue and another share. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  Capabilities,
  type Message,
  type QueueError,
  type QueueProvider,
  Verdict
} from "@queue-runtime/core"
import * as Rule from "../../Rule.ts"
import type * as Time from "../../Time.ts"
import type * as World from "../../World.ts"
import * as expect from "../expect.ts"
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

/** What the queue under test can do, and the clock the model goes by. */
export interface Table {
  readonly clients: readonly [QueueProvider.Service, QueueProvider.Service]
  /** Closes the connection of the second client, and gives it another. */
  readonly reconnect: Effect.Effect<void, Rule.Failure, World.World | Scope.Scope>
  readonly lockMillis: number
  readonly delayMillis: number
  /** Deliveries of one message; without dead letters there is no end. */
  readonly deliveriesMax: number
  readonly hasDeadLetters: boolean
  readonly delays: boolean
}

/** The next time that a broker which tells times this exactly can keep. */
export const told = (millis: number, { precision }: Time.Time): number => {
  const step = Duration.toMillis(precision)
  return Math.ceil(millis / step) * step
}

export const table = Effect.fnUntraced(function* (needsNativeDelay: boolean) {
  const { capabilities, connect, options, provider, time } = yield* steps.world
  const lockMillis = Duration.toMillis(capabilities.lockDuration)
  let second = yield* steps.closable(connect)
  const clients: [QueueProvider.Service, QueueProvider.Service] = [provider, second.value]
  const hasDeadLetters = Capabilities.isSupported(capabilities.deadLetter)
  const made: Table = {
    clients,
    reconnect: Effect.gen(function* () {
      yield* steps.ends(second.close)
      second = yield* steps.closable(connect)
      clients[1] = second.value
    }),
    lockMillis,
    delayMillis: told(lockMillis * delayPart, time),
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

/** More than one batch of SQS, and more sessions than one page of a listing may hold. */
export const manyMax = 12

/** One of those there are, whatever number was drawn. */
export const at = <A>(items: ReadonlyArray<A>, which: number): A | undefined =>
  items[which % Math.max(1, items.length)]

/** In as few calls as the queue takes; each message must be taken. */
export const sendAllBy = Effect.fnUntraced(function* (
  client: QueueProvider.Service,
  messages: ReadonlyArray<Message.Stamped>
): steps.Step<void> {
  const { capabilities, queue } = yield* steps.world
  const { sendCountMax } = capabilities
  for (let from = 0; from < messages.length; from += sendCountMax) {
    const some = messages.slice(from, from + sendCountMax)
    const outcomes = yield* steps.ends(client.send(queue, some))
    const expected = some.map(() => "ok")
    yield* expect.equal("the outcomes", steps.tags(outcomes), expected)
  }
})

/** Two sends that meet, each by a client of its own. */
export const sendTogether = Effect.fnUntraced(function* (
  clients: Table["clients"],
  batches: readonly [ReadonlyArray<Message.Stamped>, ReadonlyArray<Message.Stamped>]
): steps.Step<void> {
  const { queue } = yield* steps.world
  const sends = [clients[0].send(queue, batches[0]), clients[1].send(queue, batches[1])]
  const outcomes = yield* steps.ends(Effect.all(sends, { concurrency: "unbounded" }))
  for (const [index, batch] of batches.entries()) {
    const expected = batch.map(() => "ok")
    yield* expect.equal("the outcomes", steps.tags(outcomes[index] ?? []), expected)
  }
})

/** A call that is interrupted while it waits, or an answer that was quicker. */
export const interrupted = Effect.fnUntraced(function* <A>(
  call: Effect.Effect<A, QueueError.QueueError>
): steps.Step<Option.Option<A>> {
  const fiber = yield* steps.start(call)
  fiber.interruptUnsafe()
  const exit = yield* steps.ends(Fiber.await(fiber))
  if (Exit.isSuccess(exit)) return Option.some(exit.value)
  if (Exit.hasInterrupts(exit)) return Option.none()
  return yield* Effect.map(exit, Option.some)
})

export const now = Clock.currentTimeMillis

/** Lets a little time pass while something is about to happen: a model says what was, not what may be. */
export const clearOf = Effect.fnUntraced(function* (
  borders: () => ReadonlyArray<number>
): steps.Step<void> {
  const { time: clock } = yield* steps.world
  const margin = Duration.toMillis(clock.precision) * 3
  while (true) {
    const time = yield* now
    if (!borders().some((border) => Math.abs(border - time) <= margin)) return
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
