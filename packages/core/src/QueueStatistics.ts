/**
 * What a queue holds, in figures: for an operator, a dashboard, a gauge.
 *
 * **Details**
 *
 * What a service tells differs: SQS counts about and knows no age, Service Bus shows messages without
 * counting them. So every figure may be absent, which means that nobody can tell, never zero; and each
 * says how exact it is. Where the provider tells its depth that is what counts, as a guess unless it also
 * shows its messages; what a peek shows is looked through for the rest, up to a bound.
 *
 * Nothing is received or locked.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as CoreOptions from "./Options.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueClient from "./QueueClient.ts"
import type * as QueueError from "./QueueError.ts"
import * as QueueName from "./QueueName.ts"
import type * as QueueProvider from "./QueueProvider.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"

/**
 * A number, and how far to trust it: `approximate` is the service's own guess, `atLeast` is where counting
 * stopped.
 *
 * @category models
 * @since 0.1.0
 */
export const Figure = Schema.Struct({
  value: Schema.Natural,
  precision: Schema.Literals(["exact", "approximate", "atLeast"])
})

/**
 * The type of {@link Figure}.
 *
 * @category models
 * @since 0.1.0
 */
export type Figure = typeof Figure.Type

/**
 * One queue at one time. What is absent cannot be told.
 *
 * @category models
 * @since 0.1.0
 */
export const Snapshot = Schema.Struct({
  queue: QueueName.QueueName,
  at: Schema.DateTimeUtc,
  /** All of the queue, its dead letters aside: waiting, in somebody's hands, scheduled. */
  messages: Schema.optionalKey(Figure),
  /** Those that may be delivered, now or after the delay of an abandon. */
  waiting: Schema.optionalKey(Figure),
  /** Those in somebody's hands. */
  locked: Schema.optionalKey(Figure),
  scheduled: Schema.optionalKey(Figure),
  deadLetters: Schema.optionalKey(Figure),
  /** Sessions that have messages. */
  sessions: Schema.optionalKey(Figure),
  /** When the oldest message that is not scheduled was taken; also absent where there is none. */
  oldest: Schema.optionalKey(Schema.DateTimeUtc),
  /**
   * The broker's number of the last message sent. Where it counts up by one, as on the memory provider and
   * an unpartitioned Service Bus queue, two of them tell how many were sent between.
   */
  lastSequenceNumber: Schema.optionalKey(Schema.BigInt)
})

/**
 * The type of {@link Snapshot}.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot = typeof Snapshot.Type

/**
 * The methods of the service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /**
   * The figures of a queue and of its dead letters, now.
   *
   * **Errors** QueueNotFound · those of the calls it is made of
   */
  readonly snapshot: (queue: QueueName.QueueName) => Effect.Effect<Snapshot, QueueError.QueueError>
}

/**
 * The tag of the service.
 *
 * @category services
 * @since 0.1.0
 */
export class QueueStatistics extends Context.Service<QueueStatistics, Service>()(
  "@queue-runtime/core/QueueStatistics"
) {}

/**
 * How far to count.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Messages looked at, and as many dead letters; beyond it a figure is `atLeast`. Default: 1,000. */
  readonly messagesMax?: number
}

/**
 * A figure that is sure.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exact = (value: number): Figure => ({ value, precision: "exact" })

/**
 * A figure that the service guesses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const approximate = (value: number): Figure => ({ value, precision: "approximate" })

/**
 * For people: `12`, `~12`, `≥12`.
 *
 * **Example** (Where counting stopped)
 *
 * ```ts
 * import { QueueStatistics } from "@queue-runtime/core"
 *
 * QueueStatistics.format({ value: 1000, precision: "atLeast" }) // => "≥1000"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = ({ precision, value }: Figure): string =>
  `${{ exact: "", approximate: "~", atLeast: "≥" }[precision]}${value}`

/** What a walk along a queue has seen; bodies are let go page by page. */
class Seen {
  readonly #now: number
  readonly #sessions = new Set<string>()
  #messages = 0
  #scheduled = 0
  #oldest: DateTime.Utc | undefined
  #last: bigint | undefined

  constructor(now: DateTime.Utc) {
    this.#now = DateTime.toEpochMillis(now)
  }

  add({ enqueuedAt, scheduledAt, sequenceNumber, sessionId }: ReceivedMessage.PeekedMessage): void {
    this.#messages++
    this.#last = sequenceNumber
    if (sessionId !== undefined) this.#sessions.add(sessionId)
    if (scheduledAt !== undefined && DateTime.toEpochMillis(scheduledAt) > this.#now) {
      this.#scheduled++
    } else {
      this.#oldest =
        this.#oldest === undefined ? enqueuedAt : DateTime.min(this.#oldest, enqueuedAt)
    }
  }

  figures(isComplete: boolean, isOrdered: boolean): Omit<Snapshot, "at" | "queue"> {
    const precision = isComplete ? "exact" : "atLeast"
    const figure = (value: number): Figure => ({ value, precision })
    return {
      messages: figure(this.#messages),
      scheduled: figure(this.#scheduled),
      ...CoreOptions.defined({
        sessions: isOrdered ? figure(this.#sessions.size) : undefined,
        oldest: this.#oldest,
        lastSequenceNumber: isComplete ? this.#last : undefined
      })
    }
  }
}

/** Shows messages from the first on; whether the end was reached. */
const walk = Effect.fnUntraced(function* (
  client: QueueClient.Service,
  address: QueueAddress.QueueAddress,
  max: number,
  see: (message: ReceivedMessage.PeekedMessage) => void
) {
  let from = 0n
  let left = max
  while (left > 0) {
    const asked = Math.min(left, Defaults.statisticsPageMax)
    const page = yield* client.peek(address, { max: asked, fromSequenceNumber: from })
    for (const message of page) see(message)
    left -= page.length
    const last = page.at(-1)?.sequenceNumber
    // Without numbers there is no second page to ask for.
    if (last === undefined) return page.length < asked
    from = last + 1n
  }
  return false
})

const sum = ({ available, delayed, locked }: QueueProvider.Depth): number =>
  available + delayed + locked

/** A service that shows its messages has counted them; one that does not (SQS) guesses. */
const figureOf = (canPeek: boolean): ((value: number) => Figure) => (canPeek ? exact : approximate)

const told = (canPeek: boolean) => (depth: QueueProvider.Depth) => {
  const figure = figureOf(canPeek)
  return {
    messages: figure(sum(depth)),
    waiting: figure(depth.available),
    locked: figure(depth.locked),
    scheduled: figure(depth.delayed)
  }
}

/** A queue need not have a place for dead letters; providers say so in two ways. */
const orNone = (error: QueueError.QueueError): Effect.Effect<undefined, QueueError.QueueError> =>
  error.reason._tag === "UnsupportedOperation" || error.reason._tag === "ConfigurationInvalid"
    ? Effect.undefined
    : Effect.fail(error)

/**
 * Makes the service over a client: what `layer` does, for who holds the client in hand. Where there is
 * neither a depth nor a peek no figure is told.
 *
 * **Errors** ValidationFailed for a bound that is none
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  client: QueueClient.Service,
  options: Options = {}
): Effect.fn.Return<Service, QueueError.QueueError> {
  const max = yield* Check.wholeNumber(
    "messagesMax",
    options.messagesMax ?? Defaults.statisticsMessagesMax
  )

  const deadLetters = Effect.fnUntraced(function* (
    queue: QueueName.QueueName,
    canPeek: boolean
  ): Effect.fn.Return<Figure | undefined, QueueError.QueueError> {
    const address = QueueAddress.deadLetter(queue)
    const depth = yield* client.depth(address)
    if (Option.isSome(depth)) return figureOf(canPeek)(sum(depth.value))
    if (!canPeek) return undefined
    let value = 0
    const isComplete = yield* walk(client, address, max, () => value++)
    return { value, precision: isComplete ? "exact" : "atLeast" }
  })

  const seen = Effect.fnUntraced(function* (queue: QueueName.QueueName, at: DateTime.Utc) {
    const all = new Seen(at)
    const isComplete = yield* walk(client, QueueAddress.queue(queue), max, (one) => all.add(one))
    return all.figures(isComplete, client.capabilities(queue).ordered)
  })

  const snapshot = Effect.fnUntraced(function* (queue: QueueName.QueueName) {
    const at = yield* DateTime.now
    const canPeek = Capabilities.isSupported(client.capabilities(queue).peek)
    const depth = yield* client.depth(queue)
    const dead = yield* deadLetters(queue, canPeek).pipe(Effect.catch(orNone))
    return {
      queue,
      at,
      ...(canPeek ? yield* seen(queue, at) : {}),
      ...Option.match(depth, { onNone: () => ({}), onSome: told(canPeek) }),
      ...CoreOptions.defined({ deadLetters: dead })
    }
  })

  return { snapshot }
})

/**
 * The service over the client below it.
 *
 * **Errors** as {@link make}
 *
 * **Example** (How deep a queue is)
 *
 * ```ts
 * import { Message, QueueClient, QueueName, QueueStatistics } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * const orders = QueueName.makeUnsafe("orders")
 * const live = QueueStatistics.layer().pipe(
 *   Layer.provideMerge(QueueClient.layer()),
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   yield* client.send(orders, yield* Message.text("hello"))
 *   const statistics = yield* QueueStatistics.QueueStatistics
 *   return (yield* statistics.snapshot(orders)).messages
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => { value: 1, precision: "exact" }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<QueueStatistics, QueueError.QueueError, QueueClient.QueueClient> =>
  Layer.effect(
    QueueStatistics,
    Effect.flatMap(QueueClient.QueueClient, (client) => make(client, options))
  )
