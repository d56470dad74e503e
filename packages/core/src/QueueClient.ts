/**
 * What an application uses: sends, receives and settles on whatever provider is below.
 *
 * **Details**
 *
 * The client stamps ids, refuses what the queue cannot do before anything is sent, cuts batches to the
 * provider's limits and puts the outcomes together again, waits longer than one poll of the provider
 * may, and routes dead letters to a queue where the provider has none.
 *
 * Delivery is at least once: a handler may see a message twice.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as deadLetterRoute from "./internal/deadLetterRoute.ts"
import * as receiving from "./internal/receiving.ts"
import * as replayed from "./internal/replayed.ts"
import * as sending from "./internal/sending.ts"
import * as settling from "./internal/settling.ts"
import type * as Message from "./Message.ts"
import * as CoreOptions from "./Options.ts"
import * as Outcome from "./Outcome.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueProvider from "./QueueProvider.ts"
import * as QueueSession from "./QueueSession.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as SendCalls from "./SendCalls.ts"
import type * as SessionId from "./SessionId.ts"
import * as Verdict from "./Verdict.ts"

/**
 * Settings of a client.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long `receive` and `acceptSession` wait when the call does not say. Default: 30 s. */
  readonly wait?: Duration.Input
  /**
   * What becomes of a message without a session id on an ordered queue: refused (the default), put into
   * a session of its own named by its message id, or into the one given.
   */
  readonly missingSession?: sending.MissingSession
  /**
   * Where dead letters go on a provider that has none, queue by queue. Sent there before the original is
   * completed: a crash between the two duplicates and never loses. Default: none, and dead-lettering there
   * is UnsupportedOperation.
   */
  readonly deadLetterQueues?: Readonly<Record<string, QueueName.QueueName>>
}

/**
 * How much to receive, and how long to wait for it.
 *
 * @category options
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** Default: 1. */
  readonly max?: number
  /** Default: the client's. Zero asks once. */
  readonly wait?: Duration.Input
}

/**
 * Which session to accept, and how long to wait for it.
 *
 * @category options
 * @since 0.1.0
 */
export interface AcceptOptions {
  /** Absent: the next free one that has messages. */
  readonly sessionId?: SessionId.SessionId
  /** Default: the client's. Zero asks once. */
  readonly wait?: Duration.Input
}

/**
 * Why a message is put aside.
 *
 * @category options
 * @since 0.1.0
 */
export interface DeadLetterOptions {
  /** A short, stable word: what an operator groups by. */
  readonly reason: string
  /** For people. */
  readonly description?: string
  /** What else is known of the failure. */
  readonly details?: ReceivedMessage.DeadLetterDetails
}

/**
 * Settling deliveries: by the client any, by a session its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  /** The message is done and never comes back. */
  readonly complete: (
    message: ReceivedMessage.ReceivedMessage
  ) => Effect.Effect<void, QueueError.QueueError>
  /** Deliver it again, at once or after a delay, with a count one higher. */
  readonly abandon: (
    message: ReceivedMessage.ReceivedMessage,
    options?: { readonly delay?: Duration.Input }
  ) => Effect.Effect<void, QueueError.QueueError>
  /** Put it aside with a reason, a short stable word, and a description for people. */
  readonly deadLetter: (
    message: ReceivedMessage.ReceivedMessage,
    options: DeadLetterOptions
  ) => Effect.Effect<void, QueueError.QueueError>
  /** Many at once: one outcome a message, in their order. */
  readonly settle: (
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
    verdict: Verdict.Verdict
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>>
}

/**
 * An accepted session in an application's hand; released with the scope it was accepted in. The rules
 * of order are those of the port, `QueueSession`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session extends Settlement, Pick<QueueSession.QueueSession, "lost"> {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly lockedUntil: Effect.Effect<DateTime.Utc>
  /** The next messages, in order; none when the wait ends with none. */
  readonly receive: (
    options?: ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  /** Extends the session's lock from now. */
  readonly renewLock: Effect.Effect<DateTime.Utc, QueueError.QueueError>
  readonly state: Effect.Effect<Option.Option<Uint8Array>, QueueError.QueueError>
  readonly setState: (
    state: Option.Option<Uint8Array>
  ) => Effect.Effect<void, QueueError.QueueError>
}

/**
 * The methods of the client. Where a queue is asked for, its name means the queue and a `QueueAddress`
 * may name its dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service extends Settlement {
  /** The provider's name. */
  readonly provider: string
  /** The decorators around the provider, outermost first, and the provider last. */
  readonly stack: ReadonlyArray<string>
  readonly capabilities: (queue: QueueName.QueueName) => Capabilities.Capabilities
  /** Sends one message. */
  readonly send: (
    queue: QueueName.QueueName,
    message: Message.Message
  ) => Effect.Effect<QueueProvider.Sent, QueueError.QueueError>
  /**
   * Sends many, as `sendOutcomes` does, and fails unless all were taken: `BatchPartiallyFailed` says
   * which were not. Other failures mean that nothing was sent.
   */
  readonly sendBatch: (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Message>
  ) => Effect.Effect<ReadonlyArray<QueueProvider.Sent>, QueueError.QueueError>
  /**
   * Sends many, one outcome a message; fails only when nothing was sent. In order on an ordered queue and
   * where a message has a session. On another, what is more than one call takes goes out in several side
   * by side (`Defaults.batchCallsMax`), begun in order.
   */
  readonly sendOutcomes: (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Message>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>, QueueError.QueueError>
  /** Messages that are there, or the first ones to come within the wait; none is no error. */
  readonly receive: (
    source: QueueName.QueueName | QueueAddress.QueueAddress,
    options?: ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  /** Messages one after the other, for ever; received when pulled, so that none waits locked. */
  readonly stream: (
    source: QueueName.QueueName | QueueAddress.QueueAddress
  ) => Stream.Stream<ReceivedMessage.ReceivedMessage, QueueError.QueueError>
  /** Extends the lock of one delivery from now. */
  readonly renewLock: (
    message: ReceivedMessage.ReceivedMessage
  ) => Effect.Effect<DateTime.Utc, QueueError.QueueError>
  /** Many at once: one outcome a message, in their order. */
  readonly renewLocks: (
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<DateTime.Utc>>>
  /** How many messages there are; `None` where the service does not tell without receiving them. */
  readonly depth: (
    source: QueueName.QueueName | QueueAddress.QueueAddress
  ) => Effect.Effect<Option.Option<QueueProvider.Depth>, QueueError.QueueError>
  /** Looks at messages without receiving them. */
  readonly peek: (
    source: QueueName.QueueName | QueueAddress.QueueAddress,
    options?: { readonly max?: number; readonly fromSequenceNumber?: bigint }
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.PeekedMessage>, QueueError.QueueError>
  /** A session held until the scope closes; `None` when there is nothing to accept within the wait. */
  readonly acceptSession: (
    queue: QueueName.QueueName,
    options?: AcceptOptions
  ) => Effect.Effect<Option.Option<Session>, QueueError.QueueError, Scope.Scope>
}

/**
 * The client's tag.
 *
 * **Example** (Send, receive, complete)
 *
 * ```ts
 * import { Message, QueueClient, QueueName } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const orders = yield* QueueName.make("orders")
 *   yield* client.send(orders, yield* Message.text("hello"))
 *   const [message] = yield* client.receive(orders)
 *   if (message !== undefined) yield* client.complete(message)
 *   return message?.deliveryCount
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => 1
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class QueueClient extends Context.Service<QueueClient, Service>()(
  "@queue-runtime/core/QueueClient"
) {}

type Route = (queue: QueueName.QueueName) => QueueName.QueueName | undefined

const unsupported = (
  provider: string,
  queue: QueueName.QueueName,
  what: string,
  remedy?: string
): QueueError.QueueError => {
  const reason = CoreOptions.defined({ what, provider, remedy })
  return QueueError.make(new QueueError.UnsupportedOperation(reason), { provider, queue })
}

/** What to do instead. */
const remedies = {
  byId: "leave the id out and accept the next one that is free",
  deadLetters: "name a queue for dead letters in deadLetterQueues of the client",
  peek: "receive messages and abandon them; each counts one delivery more then",
  state: "put a store beside the queue: SessionLeases of @queue-runtime/session-store"
} as const

const settlement = (
  provider: QueueProvider.Service,
  settleCall: QueueProvider.Service["settle"],
  route: Route
): Settlement => {
  const countMax = (address: QueueAddress.QueueAddress): number =>
    provider.capabilities(address.queue).settleCountMax

  /** Sends the copy, then completes the original; in that order nothing is lost. */
  const routeOne = Effect.fnUntraced(function* (
    message: ReceivedMessage.ReceivedMessage,
    verdict: Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>
  ) {
    const { queue } = message.receipt.address
    const target = route(queue)
    if (target === undefined) {
      return yield* Effect.fail(
        unsupported(provider.name, queue, "dead-lettering", remedies.deadLetters)
      )
    }
    const send = (less: typeof message, why: typeof verdict) =>
      Effect.flatMap(deadLetterRoute.toRouted(less, why), (copy) =>
        Effect.flatMap(provider.send(target, [copy]), Outcome.single)
      )
    yield* Effect.catchIf(
      send(message, verdict),
      ({ reason }) => reason._tag === "MessageTooLarge",
      () => {
        // Put aside with less is better than never: it would come again and again.
        const { history: _, ...less } = message
        const { details: __, ...why } = verdict
        return send(less, why)
      }
    )
    yield* Effect.flatMap(settleCall([message.receipt], Verdict.complete), Outcome.single)
  })

  /** What of this verdict the queue cannot do. */
  const refusal = (
    verdict: Verdict.Verdict,
    queue: QueueName.QueueName
  ): QueueError.QueueError | undefined => {
    if (verdict._tag !== "Abandon" || Duration.isZero(verdict.delay)) return undefined
    const { abandonDelay, abandonDelayMax } = provider.capabilities(queue)
    if (!Capabilities.isSupported(abandonDelay)) {
      return unsupported(provider.name, queue, "abandoning with a delay")
    }
    if (abandonDelayMax === undefined) return undefined
    return Duration.isGreaterThan(verdict.delay, abandonDelayMax)
      ? unsupported(
          provider.name,
          queue,
          `abandoning with a delay above ${Duration.format(abandonDelayMax)}`
        )
      : undefined
  }

  const settleBatch =
    (verdict: Verdict.Verdict): settling.Call<void> =>
    (messages, { _tag, queue }) => {
      const refused = refusal(verdict, queue)
      if (refused !== undefined) return Effect.fail(refused)
      const { deadLetter } = provider.capabilities(queue)
      if (verdict._tag === "DeadLetter" && _tag === "Queue" && deadLetter === "unsupported") {
        return Effect.forEach(messages, (message) => Effect.result(routeOne(message, verdict)))
      }
      return settleCall(
        messages.map(({ receipt }) => receipt),
        verdict
      )
    }

  const settleChecked: Settlement["settle"] = (messages, verdict) =>
    settling.inBatches(messages, countMax, settleBatch(verdict))

  const settle: Settlement["settle"] = (messages, verdict) =>
    verdict._tag === "Abandon"
      ? Effect.flatMap(Effect.result(Check.duration("delay", verdict.delay)), (delay) =>
          Result.isFailure(delay)
            ? Effect.succeed(messages.map(() => Result.fail(delay.failure)))
            : settleChecked(messages, verdict)
        )
      : settleChecked(messages, verdict)

  const settleOne = (
    message: ReceivedMessage.ReceivedMessage,
    verdict: Verdict.Verdict
  ): Effect.Effect<void, QueueError.QueueError> =>
    Effect.flatMap(settleBatch(verdict)([message], message.receipt.address), Outcome.single)

  return {
    settle,
    complete: (message) => settleOne(message, Verdict.complete),
    abandon: (message, options) =>
      Effect.flatMap(Check.duration("delay", options?.delay ?? 0), (delay) =>
        settleOne(message, Verdict.abandon(delay))
      ),
    deadLetter: (message, { description, details, reason }) =>
      settleOne(message, Verdict.deadLetter(reason, description, details))
  }
}

const isAny = (messages: ReadonlyArray<unknown>): boolean => messages.length > 0

const isAccepted = (session: Option.Option<QueueSession.QueueSession>): boolean =>
  Option.isSome(session)

const fromRouted = <M extends ReceivedMessage.PeekedMessage>(message: M): M =>
  deadLetterRoute.fromRouted(replayed.fromWire(message))

const receiver =
  (
    wait: Duration.Duration,
    waitMax: Duration.Duration,
    receive: QueueSession.QueueSession["receive"]
  ): Session["receive"] =>
  (options = {}) =>
    Effect.flatMap(Check.wholeNumber("max", options.max ?? 1, 1), (max) =>
      Effect.flatMap(Check.duration("wait", options.wait ?? wait), (checked) =>
        receiving.untilThere(checked, waitMax, isAny, (rest) => receive({ max, wait: rest }))
      )
    )

/**
 * Makes a client over a provider: what `layer` does, for who holds the provider in hand.
 *
 * **Errors** ValidationFailed for a wait that is none · ConfigurationInvalid for a dead-letter queue
 * that is ordered: ten dead letters of one session would hide the rest.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: Options = {}
) {
  const defaultWait = yield* Check.duration("wait", options.wait ?? Defaults.receiveWait)
  const routes = new Map(Object.entries(options.deadLetterQueues ?? {}))
  for (const [queue, target] of routes) {
    if (provider.capabilities(target).ordered) {
      return yield* Effect.fail(
        QueueError.configurationInvalid(
          `deadLetterQueues.${queue}`,
          `must name a queue without sessions; "${target}" is ordered`
        )
      )
    }
  }
  const route: Route = (queue) => routes.get(queue)

  /** Where the dead letters of a queue are: the provider's own, or the queue they are routed to. */
  const resolve = (source: QueueName.QueueName | QueueAddress.QueueAddress) => {
    const address = QueueAddress.from(source)
    const target = route(address.queue)
    const isRouted =
      address._tag === "DeadLetter" &&
      target !== undefined &&
      provider.capabilities(address.queue).deadLetter === "unsupported"
    return isRouted
      ? { address: QueueAddress.queue(target), up: fromRouted }
      : { address, up: replayed.fromWire }
  }

  const requires = (
    queue: QueueName.QueueName,
    support: Capabilities.Support,
    what: string,
    remedy?: string
  ): Effect.Effect<void, QueueError.QueueError> =>
    Capabilities.isSupported(support)
      ? Effect.void
      : Effect.fail(unsupported(provider.name, queue, what, remedy))

  const requiresDeadLetters = (address: QueueAddress.QueueAddress) =>
    address._tag === "Queue"
      ? Effect.void
      : requires(
          address.queue,
          provider.capabilities(address.queue).deadLetter,
          "reading dead letters",
          remedies.deadLetters
        )

  const requiresState = (queue: QueueName.QueueName) =>
    requires(queue, provider.capabilities(queue).sessionState, "session state", remedies.state)

  const prepare = (queue: QueueName.QueueName, messages: ReadonlyArray<Message.Message>) =>
    sending.prepare(provider, queue, messages, options.missingSession ?? "refuse")

  const sendOutcomes: Service["sendOutcomes"] = (queue, messages) =>
    Effect.flatMap(prepare(queue, messages), (stamped) =>
      sending.sendCalls(provider, queue, SendCalls.cut(stamped, provider.capabilities(queue)))
    )

  const receive: Service["receive"] = (source, receiveOptions) => {
    const { address, up } = resolve(source)
    const { receiveWaitMax } = provider.capabilities(address.queue)
    const ask = receiver(defaultWait, receiveWaitMax, (one) => provider.receive(address, one))
    const received = Effect.map(ask(receiveOptions), (messages) => messages.map(up))
    return address._tag === "Queue"
      ? received
      : Effect.andThen(requiresDeadLetters(address), received)
  }

  const toSession = (session: QueueSession.QueueSession): Session => ({
    queue: session.queue,
    sessionId: session.sessionId,
    lockedUntil: session.lockedUntil,
    receive: receiver(defaultWait, provider.capabilities(session.queue).receiveWaitMax, (one) =>
      Effect.map(session.receive(one), (messages) => messages.map(replayed.fromWire))
    ),
    ...QueueSession.lostOf(session),
    renewLock: session.renewLock,
    state: Effect.andThen(requiresState(session.queue), session.state),
    setState: (state) => Effect.andThen(requiresState(session.queue), session.setState(state)),
    ...settlement(provider, session.settle, route)
  })

  const acceptSession: Service["acceptSession"] = (queue, accept = {}) => {
    const { acceptSpecific, receiveWaitMax, sessions } = provider.capabilities(queue)
    const { sessionId } = accept
    // A queue without sessions the provider refuses itself: it alone knows one that does not exist.
    const checked =
      sessionId === undefined || sessions === "unsupported"
        ? Effect.void
        : requires(queue, acceptSpecific, "accepting a session by its id", remedies.byId)
    return checked.pipe(
      Effect.andThen(Check.duration("wait", accept.wait ?? defaultWait)),
      Effect.flatMap((wait) =>
        receiving.untilThere(wait, receiveWaitMax, isAccepted, (rest) =>
          provider.acceptSession(queue, { ...CoreOptions.defined({ sessionId }), wait: rest })
        )
      ),
      Effect.map(Option.map(toSession))
    )
  }

  const client: Service = {
    provider: provider.name,
    stack: provider.stack,
    capabilities: provider.capabilities,
    send: (queue, message) =>
      Effect.flatMap(prepare(queue, [message]), (stamped) =>
        Effect.flatMap(provider.send(queue, stamped), Outcome.single)
      ),
    sendBatch: (queue, messages) => Effect.flatMap(sendOutcomes(queue, messages), Outcome.all),
    sendOutcomes,
    receive,
    stream: (source) => Stream.fromIterableEffectRepeat(receiving.unhurried(receive(source))),
    ...settlement(provider, provider.settle, route),
    renewLock: ({ receipt }) => Effect.flatMap(provider.renewLock([receipt]), Outcome.single),
    renewLocks: (messages) =>
      settling.inBatches(
        messages,
        ({ queue }) => provider.capabilities(queue).settleCountMax,
        (some) => provider.renewLock(some.map(({ receipt }) => receipt))
      ),
    depth: (source) => {
      const { address } = resolve(source)
      return provider.depth === undefined
        ? Effect.succeedNone
        : Effect.andThen(
            requiresDeadLetters(address),
            Effect.map(provider.depth(address), Option.some)
          )
    },
    peek: (source, peekOptions = {}) => {
      const { address, up } = resolve(source)
      return requiresDeadLetters(address).pipe(
        Effect.andThen(
          requires(address.queue, provider.capabilities(address.queue).peek, "peek", remedies.peek)
        ),
        Effect.andThen(Check.wholeNumber("max", peekOptions.max ?? 1, 1)),
        Effect.flatMap((max) => provider.peek(address, { ...peekOptions, max })),
        Effect.map((messages) => messages.map(up))
      )
    },
    acceptSession
  }
  yield* Effect.logDebug("queue client made").pipe(
    Effect.annotateLogs({ provider: provider.name, stack: provider.stack.join(" > ") })
  )
  return client
})

/**
 * The client over the provider below it.
 *
 * **Errors** as {@link make}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<QueueClient, QueueError.QueueError, QueueProvider.QueueProvider> =>
  Layer.effect(
    QueueClient,
    Effect.flatMap(QueueProvider.QueueProvider, (provider) => make(provider, options))
  )
