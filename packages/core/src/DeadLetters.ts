/**
 * What was put aside, for an operator: listed, counted, looked at, replayed, removed, exported and
 * summed up, the same way on every provider.
 *
 * **Details**
 *
 * A replay sends before it removes: a crash between the two duplicates and never loses. Each is sent
 * under a deduplication id of its own, made of the message, the delivery that failed and how often it was
 * replayed: no broker takes it for the first sending, and after a crash it is the same, so that a broker
 * which deduplicates drops the second copy. The message id of the application travels beside it and comes
 * back (`QueueClient` puts it there again), and so does what happened before, as `history`.
 *
 * Inside a session letters go back in the order they were first sent, one at a time: the next is sent when
 * the one before is removed. A letter that could not be sent holds back those behind it.
 *
 * Where the service lets one look (`peek`), nothing is locked to list. Where it does not (SQS) a listing
 * receives everything, shows it and gives it back, which costs each letter a receive count and hides it
 * from others meanwhile.
 *
 * **Gotchas** One replay or purge of a queue at a time: what one holds the other waits for. Queues whose
 * dead letters go to one and the same queue share them: a purge of one removes those of all, unless it is
 * told which by their `source`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import * as schema from "./internal/deadLetters/schema.ts"
import * as service from "./internal/deadLetters/service.ts"
import * as Message from "./Message.ts"
import type * as MessageId from "./MessageId.ts"
import * as QueueClient from "./QueueClient.ts"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"

/**
 * One message that was put aside, and why.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetter = schema.DeadLetter

/**
 * The type of {@link DeadLetter}.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetter = typeof DeadLetter.Type

/**
 * A dead letter as JSON text and back, the body in base64: one line of an export.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DeadLetterFromJson = schema.DeadLetterFromJson

/**
 * Which dead letters are meant.
 *
 * @category models
 * @since 0.1.0
 */
export type Selection =
  | { readonly _tag: "All" }
  | { readonly _tag: "Ids"; readonly ids: ReadonlyArray<string> }
  | { readonly _tag: "Where"; readonly predicate: (letter: DeadLetter) => boolean }

/**
 * All of them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: Selection = { _tag: "All" }

/**
 * Those of these ids.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ids = (of: ReadonlyArray<string>): Selection => ({ _tag: "Ids", ids: of })

/**
 * Those that meet a condition.
 *
 * **Example** (By reason)
 *
 * ```ts
 * import { DeadLetters } from "@queue-runtime/core"
 *
 * DeadLetters.where(({ reason }) => reason === "UnknownEvent")._tag // => "Where"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const where = (predicate: (letter: DeadLetter) => boolean): Selection => ({
  _tag: "Where",
  predicate
})

/**
 * Where to begin, and how far to go.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListOptions {
  /** Behind this: the `next` of a page. Absent: from the first. */
  readonly from?: string
  /** At most so many. Default: all. */
  readonly max?: number
  /** Only those that meet this. Default: all. */
  readonly filter?: (letter: DeadLetter) => boolean
}

/**
 * Which page.
 *
 * @category options
 * @since 0.1.0
 */
export interface PageOptions {
  /** The `next` of the page before; absent: the first page. */
  readonly cursor?: string
  /** Default: 50. */
  readonly size?: number
}

/**
 * One page of dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly letters: ReadonlyArray<DeadLetter>
  /** The cursor of the next page; absent on the last. */
  readonly next?: string
  /** Whether the service could show everything there is. */
  readonly complete: boolean
}

/**
 * How many there are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Count {
  readonly count: number
  /** Whether that is all: `false` where others hold some, or where the service cannot show them. */
  readonly complete: boolean
}

/**
 * Changes a message before it is sent again.
 *
 * @category options
 * @since 0.1.0
 */
export type Edit = (
  message: Message.Message,
  letter: DeadLetter
) => Effect.Effect<Message.Message, QueueError.QueueError>

/**
 * How to replay.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReplayOptions {
  /** Changes each message before it is sent; see {@link editAttributes}. Default: sent as they are. */
  readonly edit?: Edit
  /** At most so many a second. Default: as fast as it goes. */
  readonly rate?: number
  /** Says what would be replayed, and changes nothing. Default: `false`. */
  readonly dryRun?: boolean
  /**
   * Whether deliveries are counted from 1 again. Default: `true`. With `false` those before the replay
   * count too, and a letter that had used up its deliveries is put aside again at once.
   */
  readonly restartDeliveryCount?: boolean
  /** How many are sent and not yet removed at most: what a crash may duplicate. Default: 100. */
  readonly concurrency?: number
  /** Where to send them. Default: to the queue each comes from. */
  readonly to?: QueueName.QueueName
}

/**
 * How to purge.
 *
 * @category options
 * @since 0.1.0
 */
export interface PurgeOptions {
  /** Only those that were put aside longer ago than this. Default: all. */
  readonly olderThan?: Duration.Input
  /** Says what would be removed, and changes nothing. Default: `false`. */
  readonly dryRun?: boolean
}

/**
 * What became of one letter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item {
  readonly id: string
  readonly messageId: MessageId.MessageId
  readonly sessionId?: string
  readonly reason: string
  /**
   * `done`: replayed, removed or imported; of a dry run: would be. `failed`: it stays. `duplicated`: sent
   * again, and could not be removed: a replay soon after is dropped by a broker that deduplicates.
   */
  readonly outcome: "done" | "failed" | "duplicated"
  /** Of one that is not done. */
  readonly error?: QueueError.QueueError
}

/**
 * How far it got: one for each letter, one before the first, and one at the end, which says whether that
 * was everything.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly done: number
  readonly failed: number
  /** How many there are to do, where that is known. */
  readonly total?: number
  /** The failures so far, by their reason's tag. */
  readonly failures: Readonly<Record<string, number>>
  /** The last letter; absent before the first, and at the end. */
  readonly last?: Item
  /**
   * At the end, and only there: whether it came to all that was asked for. `false` where others hold some,
   * where one that stays in hand hides those behind it, and where the service cannot tell.
   */
  readonly complete?: boolean
}

/**
 * How many were put aside in one hour.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hour {
  /** Its beginning. */
  readonly start: DateTime.Utc
  readonly count: number
}

/**
 * Dead letters summed up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statistics extends Count {
  /** The commonest first; what is beyond `Defaults.deadLetterGroupsMax` of them is under `other`. */
  readonly byReason: Readonly<Record<string, number>>
  /** By what `service` of the details says, `unknown` where nothing; otherwise as `byReason`. */
  readonly byService: Readonly<Record<string, number>>
  /** The hours that have any, the oldest first; at most `Defaults.deadLetterHoursMax`, the newest. */
  readonly byHour: ReadonlyArray<Hour>
  readonly oldest?: DateTime.Utc
  readonly newest?: DateTime.Utc
}

/**
 * Settings of the service.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Letters held at a time at most, where a replay has to hold all to bring them into order: a provider
   * without peek, sessions. Beyond it the replay fails before anything is sent. Default: 20,000.
   */
  readonly heldMax?: number
  /** The same in bytes of bodies and attributes. Default: 256 MiB. */
  readonly heldSizeMax?: number
}

/**
 * The methods on dead letters. Each takes the name of the queue, not of its dead letters.
 *
 * **Errors** of every method: QueueNotFound · UnsupportedOperation where the provider has no dead letters
 * and the client no `deadLetterQueues` · those of the provider's receive and peek
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** The letters, in no order that holds on every provider; nothing is removed. */
  readonly list: (
    queue: QueueName.QueueName,
    options?: ListOptions
  ) => Stream.Stream<DeadLetter, QueueError.QueueError>
  /** The letters page by page. Without peek each page reads all, and keeps no more than it shows. */
  readonly page: (
    queue: QueueName.QueueName,
    options?: PageOptions
  ) => Effect.Effect<Page, QueueError.QueueError>
  readonly count: (queue: QueueName.QueueName) => Effect.Effect<Count, QueueError.QueueError>
  /** The letter of an id; `None` when there is none. */
  readonly get: (
    queue: QueueName.QueueName,
    id: string
  ) => Effect.Effect<Option.Option<DeadLetter>, QueueError.QueueError>
  /** Sends letters again, then removes each. What fails stays, is told, and stops its session alone. */
  readonly replay: (
    queue: QueueName.QueueName,
    selection: Selection,
    options?: ReplayOptions
  ) => Stream.Stream<Progress, QueueError.QueueError>
  /** Removes letters for good. */
  readonly purge: (
    queue: QueueName.QueueName,
    selection: Selection,
    options?: PurgeOptions
  ) => Stream.Stream<Progress, QueueError.QueueError>
  /** Removes those past their retention, 30 days unless told otherwise. Never done by itself. */
  readonly cleanUp: (
    queue: QueueName.QueueName,
    options?: { readonly retention?: Duration.Input }
  ) => Stream.Stream<Progress, QueueError.QueueError>
  /** The letters as lines of JSON ({@link DeadLetterFromJson}), each with its line feed. */
  readonly exportNdjson: (
    queue: QueueName.QueueName,
    options?: ListOptions
  ) => Stream.Stream<string, QueueError.QueueError>
  /**
   * Sends what was exported as a replay does, each session in its order; text may be cut anywhere. All of
   * it is read before the first is sent, within the bounds of what is held.
   *
   * **Errors** SerializationFailed for a line that is no dead letter, naming its number · ValidationFailed
   * for more than may be held; nothing is sent then
   */
  readonly importNdjson: <E>(
    queue: QueueName.QueueName,
    lines: Stream.Stream<string, E>,
    options?: Omit<ReplayOptions, "dryRun">
  ) => Stream.Stream<Progress, QueueError.QueueError | E>
  readonly statistics: (
    queue: QueueName.QueueName
  ) => Effect.Effect<Statistics, QueueError.QueueError>
}

/**
 * The tag of the service.
 *
 * **Example** (Looking, and sending again)
 *
 * ```ts
 * import { DeadLetters, Message, QueueClient, QueueName } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer, Stream } from "effect"
 *
 * const live = DeadLetters.layer().pipe(
 *   Layer.provideMerge(QueueClient.layer()),
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const letters = yield* DeadLetters.DeadLetters
 *   const orders = yield* QueueName.make("orders")
 *   yield* client.send(orders, yield* Message.text("o-1"))
 *   const [message] = yield* client.receive(orders)
 *   if (message !== undefined) yield* client.deadLetter(message, { reason: "NoStock" })
 *   const { byReason } = yield* letters.statistics(orders)
 *   yield* Stream.runDrain(letters.replay(orders, DeadLetters.all))
 *   return [byReason, (yield* client.receive(orders)).length]
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => [{ NoStock: 1 }, 1]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class DeadLetters extends Context.Service<DeadLetters, Service>()(
  "@queue-runtime/core/DeadLetters"
) {}

/**
 * An edit that sets attributes, and removes those set to `undefined`.
 *
 * **Errors** ValidationFailed for what is no attribute
 *
 * @category constructors
 * @since 0.1.0
 */
export const editAttributes =
  (changes: Readonly<Record<string, string | undefined>>): Edit =>
  (message) => {
    const { attributes, body, ...rest } = message
    const changed = Object.entries({ ...attributes, ...changes }).filter(
      (entry): entry is [string, string] => entry[1] !== undefined
    )
    return Message.bytes(body, { ...rest, attributes: Object.fromEntries(changed) })
  }

/**
 * Makes the service over a client: what `layer` does, for who holds the client in hand.
 *
 * **Errors** ValidationFailed for an option out of its range
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  client: QueueClient.Service,
  options?: Options
) => Effect.Effect<Service, QueueError.QueueError> = service.make

/**
 * The service over the client below it.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<DeadLetters, QueueError.QueueError, QueueClient.QueueClient> =>
  Layer.effect(
    DeadLetters,
    Effect.flatMap(QueueClient.QueueClient, (client) => make(client, options))
  )
