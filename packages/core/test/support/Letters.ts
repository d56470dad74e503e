/** Dead letters on a scripted provider, and the service over it. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type * as Capabilities from "../../src/Capabilities.ts"
import * as DeadLetters from "../../src/DeadLetters.ts"
import * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import * as QueueAddress from "../../src/QueueAddress.ts"
import * as QueueClient from "../../src/QueueClient.ts"
import type * as ReceivedMessage from "../../src/ReceivedMessage.ts"
import * as Clients from "./Clients.ts"
import type * as ScriptedProvider from "./ScriptedProvider.ts"

export const { orders } = Clients

/** The dead letters of the queue. */
export const dead = QueueAddress.deadLetter(orders)

/** A provider that has to receive what it shows. */
export const blind = { peek: "unsupported" } satisfies Partial<Capabilities.Capabilities>

/** What is different about a letter. */
export interface Facts extends Partial<Omit<ReceivedMessage.DeadLetterInfo, "time">> {
  readonly session?: string
  readonly bytes?: number
  readonly at?: number
  readonly enqueuedAt?: number
  readonly heldUntil?: number
  readonly attributes?: Message.Attributes
}

export interface World {
  readonly broker: ScriptedProvider.ScriptedProvider
  readonly client: QueueClient.Service
  readonly letters: DeadLetters.Service
  /** Puts a message among the dead letters. */
  readonly put: (id: string, facts?: Facts) => void
  /** Ids of the dead letters that are left. */
  readonly left: () => ReadonlyArray<string>
  /** Ids of the messages in the queue as their receivers see them. */
  readonly there: Effect.Effect<ReadonlyArray<string>>
}

/** A queue with dead letters, and the service over it. */
export const make = Effect.fnUntraced(function* (
  capabilities: Partial<Capabilities.Capabilities> = {},
  provider: Omit<ScriptedProvider.Options, "queues"> = {},
  options: DeadLetters.Options = {},
  clientOptions: QueueClient.Options = {}
) {
  const queues = { orders: capabilities, aside: {} }
  const { broker, client } = yield* Clients.make({ queues, ...provider }, clientOptions)
  const letters = yield* DeadLetters.make(client, options)
  const seeing = yield* QueueClient.make({
    ...broker.service,
    capabilities: (queue) => ({ ...broker.service.capabilities(queue), peek: "native" })
  })
  const world: World = {
    broker,
    client,
    letters,
    put: (id, { at = 0, attributes = {}, bytes, enqueuedAt, heldUntil, session, ...info } = {}) => {
      const made = Clients.message(id, session, bytes)
      const message = new Message.Message({ ...made, attributes })
      broker.put(dead, Message.stamp(message, MessageId.makeUnsafe(id)), {
        ...(enqueuedAt === undefined ? {} : { enqueuedAt }),
        ...(heldUntil === undefined ? {} : { heldUntil }),
        deadLetter: {
          reason: "Bad",
          source: orders,
          deliveryCount: 1,
          ...info,
          time: DateTime.makeUnsafe(at)
        }
      })
    },
    left: () => broker.messages(dead).map(({ messageId }) => String(messageId)),
    there: Effect.map(Effect.orDie(seeing.peek(orders, { max: 1_000 })), (messages) =>
      messages.map(({ messageId }) => String(messageId))
    )
  }
  return world
})

/** While it runs, a second passes again and again. */
export const passing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(Duration.seconds(1))
    return yield* Fiber.join(fiber)
  })

/** All of a stream, while time passes. */
export const all = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> => passing(Stream.runCollect(stream))

/** `a done`, `b failed Throttled`. */
export const outcomes = (progress: ReadonlyArray<DeadLetters.Progress>): ReadonlyArray<string> =>
  progress.flatMap(({ last }) =>
    last === undefined
      ? []
      : `${last.messageId} ${last.outcome}${last.error === undefined ? "" : ` ${last.error.reason._tag}`}`
  )
