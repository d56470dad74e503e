/**
 * One queue: send, receive, consume.
 *
 * @since 0.1.0
 */
import {
  Check,
  Defaults,
  type Message,
  MessageId,
  QueueAddress,
  QueueClient,
  QueueError,
  type QueueName,
  type QueueProvider,
  QueueWorker,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { SessionWorker } from "@queue-runtime/sessions"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Consumer from "./Consumer.ts"
import * as Delivery from "./Delivery.ts"
import type * as coding from "./internal/coding.ts"
import { plain } from "./internal/plain.ts"
import type * as Runner from "./internal/runner.ts"
import * as thrown from "./internal/thrown.ts"
import * as Session from "./Session.ts"

/**
 * What goes with a value: all of it optional, and what is undefined is not there.
 *
 * @category options
 * @since 0.1.0
 */
export interface SendOptions {
  /** 1 to 128 printable ASCII characters; made when absent. */
  readonly messageId?: string | undefined
  /** Messages that share one are delivered in the order they were sent. */
  readonly sessionId?: string | undefined
  readonly correlationId?: string | undefined
  /** A media type. Default: `application/json`, of text `text/plain; charset=utf-8`, of bytes none. */
  readonly contentType?: string | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** Not delivered when older than this. */
  readonly timeToLive?: Duration.Input | undefined
  /** Not delivered before this long after the send. Not together with `scheduledAt`. */
  readonly delay?: Duration.Input | undefined
  /** Not delivered before. */
  readonly scheduledAt?: Date | undefined
}

/**
 * A value and what goes with it.
 *
 * @category options
 * @since 0.1.0
 */
export interface Sending<In> extends SendOptions {
  readonly value: In
}

/**
 * Where to look.
 *
 * @category options
 * @since 0.1.0
 */
export interface Source {
  /** Among the queue's dead letters instead. Default: `false`. */
  readonly deadLetters?: boolean
}

/**
 * What a handler gets besides the delivery.
 *
 * @category models
 * @since 0.1.0
 */
export interface Context {
  /** Fires when the handler has to end: its time is up, the lock is lost, the consumer stops. */
  readonly signal: AbortSignal
}

/**
 * Handles one delivery. The consumer settles it: completed when the handler ends, abandoned with backoff
 * when it throws, put aside when it throws `HandlerFailure.Permanent` or has failed too often.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<Out> = (
  value: Out,
  message: Delivery.ReceivedDetails,
  context: Context
) => unknown

/**
 * Limits of a consumer; those of `QueueWorker`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConsumeOptions
  extends
    Omit<QueueWorker.Options<thrown.Failure>, "handler" | "onHandled" | "queue" | "ready">,
    Source,
    Runner.Signal {}

/**
 * Limits of a consumer of sessions; those of `SessionWorker`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConsumeSessionsOptions
  extends
    Omit<SessionWorker.Options<thrown.Failure>, "handler" | "onHandled" | "queue" | "ready">,
    Runner.Signal {}

const duration = Effect.fnUntraced(function* (field: string, given: Duration.Input | undefined) {
  if (given === undefined) return {}
  return { [field]: yield* Check.duration(field, given) }
})

const dateTime = (field: string, date: Date): Effect.Effect<DateTime.Utc, QueueError.QueueError> =>
  Option.match(DateTime.make(date), {
    onNone: () => Effect.fail(QueueError.validationFailed(field, "must be a valid date")),
    onSome: (made) => Effect.succeed(DateTime.toUtc(made))
  })

const messageOptions = Effect.fnUntraced(function* (options: SendOptions) {
  const { attributes, contentType, correlationId, messageId, scheduledAt, sessionId } = options
  const given: Message.Options = {
    ...(attributes === undefined ? {} : { attributes }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(messageId === undefined ? {} : { messageId: yield* MessageId.make(messageId) }),
    ...(sessionId === undefined ? {} : { sessionId: yield* SessionId.make(sessionId) }),
    ...(scheduledAt === undefined
      ? {}
      : { scheduledAt: yield* dateTime("scheduledAt", scheduledAt) }),
    ...(yield* duration("timeToLive", options.timeToLive)),
    ...(yield* duration("delay", options.delay))
  }
  return given
})

const settledResult = <A>(
  outcome: Result.Result<A, QueueError.QueueError>
): PromiseSettledResult<A> =>
  Result.isSuccess(outcome)
    ? { status: "fulfilled", value: outcome.success }
    : { status: "rejected", reason: outcome.failure }

/** The handler as an effect; what it throws is its failure, and its signal fires when it has to end. */
const handling =
  <Out>(handler: Handler<Out>) =>
  (value: Out, received: ReceivedMessage.ReceivedMessage): Effect.Effect<unknown, thrown.Failure> =>
    Effect.tryPromise({
      try: (signal) => Promise.resolve(handler(value, Delivery.detailsOf(received), { signal })),
      catch: thrown.from
    })

/**
 * A queue of values: bytes, or what its schema says.
 *
 * @category models
 * @since 0.1.0
 */
export class Queue<In, Out> {
  readonly name: QueueName.QueueName
  readonly #runner: Runner.Runner
  readonly #coding: coding.Coding<In, Out>

  /** @internal */
  constructor(runner: Runner.Runner, name: QueueName.QueueName, values: coding.Coding<In, Out>) {
    this.#runner = runner
    this.name = name
    this.#coding = values
  }

  /** Sends one value. */
  send(value: In, options: SendOptions & Runner.Signal = {}): Promise<QueueProvider.Sent> {
    return this.#runner.run(
      Effect.flatMap(this.#encode({ ...options, value }), (message) =>
        QueueClient.QueueClient.use((client) => client.send(this.name, message))
      ),
      options
    )
  }

  /**
   * Sends many in order, and is rejected unless all were taken: `BatchPartiallyFailed` says which were
   * not. Nothing is sent when one cannot be encoded.
   */
  sendBatch(
    values: ReadonlyArray<Sending<In>>,
    options: Runner.Signal = {}
  ): Promise<ReadonlyArray<QueueProvider.Sent>> {
    return this.#runner.run(
      Effect.flatMap(this.#encodeAll(values), (messages) =>
        QueueClient.QueueClient.use((client) => client.sendBatch(this.name, messages))
      ),
      options
    )
  }

  /** The same, with one result a value, as of `Promise.allSettled`; rejected when nothing was sent. */
  sendOutcomes(
    values: ReadonlyArray<Sending<In>>,
    options: Runner.Signal = {}
  ): Promise<ReadonlyArray<PromiseSettledResult<QueueProvider.Sent>>> {
    return this.#runner.run(
      Effect.flatMap(this.#encodeAll(values), (messages) =>
        QueueClient.QueueClient.use((client) => client.sendOutcomes(this.name, messages))
      ).pipe(Effect.map((outcomes) => outcomes.map(settledResult))),
      options
    )
  }

  /**
   * Messages that are there, or the first to come within the wait; none is no error. What cannot be
   * decoded is put aside with the reason, and not handed out.
   */
  receive(
    options: QueueClient.ReceiveOptions & Source & Runner.Signal = {}
  ): Promise<ReadonlyArray<Delivery.Delivery<Out>>> {
    return this.#runner.run(this.#receive(options), options)
  }

  /** Messages one after the other, for ever; received when asked for, so that none waits locked. */
  messages(options: Source & Runner.Signal = {}): AsyncIterable<Delivery.Delivery<Out>> {
    // Waits of its own: those of the client may be none, and it must not spin.
    const received = this.#receive({ ...options, max: 1, wait: Defaults.receiveWait })
    const one: Effect.Effect<
      IteratorResult<Delivery.Delivery<Out>>,
      QueueError.QueueError,
      QueueClient.QueueClient
    > = Effect.flatMap(received, ([delivery]) =>
      delivery === undefined ? one : Effect.succeed({ value: delivery })
    )
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#runner.run(one, options) }) }
  }

  /** Looks at messages without receiving them, where the service can. */
  peek(
    options: {
      /** Default: 1. */
      readonly max?: number
      /** Only those with this number or a higher one. Default: all. */
      readonly fromSequenceNumber?: bigint
    } & Source &
      Runner.Signal = {}
  ): Promise<ReadonlyArray<Delivery.Details>> {
    const peeked = QueueClient.QueueClient.use((client) =>
      client.peek(this.#address(options), options)
    )
    return this.#runner.run(
      Effect.map(peeked, (messages) => messages.map((message) => plain(message))),
      options
    )
  }

  /** How many messages there are; `undefined` where the service does not tell. */
  depth(options: Source & Runner.Signal = {}): Promise<QueueProvider.Depth | undefined> {
    const depth = QueueClient.QueueClient.use((client) => client.depth(this.#address(options)))
    return this.#runner.run(Effect.map(depth, Option.getOrUndefined), options)
  }

  /** A session by its id, or the next free one; `undefined` when there is none within the wait. */
  acceptSession(
    options: { readonly sessionId?: string; readonly wait?: Duration.Input } & Runner.Signal = {}
  ): Promise<Session.Session<Out> | undefined> {
    return this.#runner.run(this.#accept(options), options)
  }

  /** Handles messages side by side until it is stopped; see {@link Handler} for how each ends. */
  consume(handler: Handler<Out>, options: ConsumeOptions = {}): Consumer.Consumer {
    const worker = QueueWorker.run({
      ...options,
      queue: this.#address(options),
      handler: this.#coding.handler(handling(handler))
    })
    return new Consumer.Consumer(this.#runner, worker, options.signal)
  }

  /** The same of an ordered queue: each session in order, sessions side by side. */
  consumeSessions(handler: Handler<Out>, options: ConsumeSessionsOptions = {}): Consumer.Consumer {
    const worker = SessionWorker.run({
      ...options,
      queue: this.name,
      handler: this.#coding.handler(handling(handler))
    })
    return new Consumer.Consumer(this.#runner, worker, options.signal)
  }

  #encode({
    value,
    ...options
  }: Sending<In>): Effect.Effect<Message.Message, QueueError.QueueError> {
    return Effect.flatMap(messageOptions(options), (known) => this.#coding.encode(value, known))
  }

  #encodeAll(values: ReadonlyArray<Sending<In>>) {
    return Effect.forEach(values, (value) => this.#encode(value))
  }

  #address({ deadLetters = false }: Source): QueueAddress.QueueAddress {
    return deadLetters ? QueueAddress.deadLetter(this.name) : QueueAddress.queue(this.name)
  }

  #receive(options: QueueClient.ReceiveOptions & Source) {
    const address = this.#address(options)
    return QueueClient.QueueClient.use((client) =>
      this.#coding.receiveFrom(
        { ...client, receive: (given) => client.receive(address, given) },
        options
      )
    ).pipe(
      Effect.map((all) =>
        all.map(({ message, value }) => new Delivery.Delivery(this.#runner, value, message))
      )
    )
  }

  readonly #accept = Effect.fnUntraced(
    { self: this },
    function* ({
      sessionId,
      wait
    }: {
      readonly sessionId?: string
      readonly wait?: Duration.Input
    }) {
      const client = yield* QueueClient.QueueClient
      const id = sessionId === undefined ? {} : { sessionId: yield* SessionId.make(sessionId) }
      const scope = yield* Scope.make()
      const accepted = yield* client
        .acceptSession(this.name, { ...id, ...(wait === undefined ? {} : { wait }) })
        .pipe(
          Scope.provide(scope),
          Effect.onExit((exit) =>
            Exit.isSuccess(exit) && Option.isSome(exit.value)
              ? Effect.void
              : Scope.close(scope, exit)
          )
        )
      return Option.getOrUndefined(
        Option.map(
          accepted,
          (session) => new Session.Session(this.#runner, session, scope, this.#coding.receiveFrom)
        )
      )
    }
  )
}
