/**
 * Spans, metrics and log lines of what goes through a queue, by the OpenTelemetry messaging conventions.
 *
 * **Details**
 *
 * Two decorators of the provider. {@link layer} stands right above it, below retry: a span and a duration
 * for each attempt. {@link layerCreate} stands right below the client, above batching: the span of the
 * logical call, `create`, whose context the messages carry. With the latter left out, a message carries
 * the context of the call that sent it. A worker adds `process`, in the trace of the message.
 *
 * | span | kind | where | parent |
 * |---|---|---|---|
 * | `create orders` | producer | each call of `send` | the span at work |
 * | `send orders` | client; producer without `create` | each attempt | `create` |
 * | `receive orders` | client | each receive that brings something | the span at work; links to the messages |
 * | `process orders` | consumer | each delivery to a handler | what the message carries |
 * | `settle orders` | client | each attempt | `process`; what was merged: the message's |
 * | `accept`, `renew`, `peek`, `state`, `setState` | client | each attempt | the span at work |
 *
 * Whether there is a tracer, a reader of metrics or a log of level Debug is decided when the layer, or
 * the worker, is built. With none of them the provider below is handed out as it is.
 *
 * Metrics: `messaging.client.operation.duration`, `messaging.client.sent.messages`,
 * `messaging.client.consumed.messages`, `messaging.process.duration`; and of our own, in
 * `queue_runtime.*`: `settled.messages`, `dead_lettered.messages`, `failed.messages`, `lock.renewals`,
 * `errors`, `sessions.accepted`, `sessions.closed`, `sessions.active`, `session.duration`, and the gauges
 * of {@link gauge}. Retries and breakers are counted where they are, in `@queue-runtime/resilience`.
 *
 * **Gotchas**
 *
 * No body, no key, and no value of an attribute but the trace context is ever in any of it; ids, sizes
 * and names are. An error is told by the name of its reason and its text, out of which secrets are cut.
 *
 * A message grows by its trace context: a queue takes that much less. What the layers put into the
 * attributes they take out again, and it stands in `traceContext` of what is received; who receives
 * without them sees `traceparent` and `tracestate` among the attributes.
 *
 * **Source** OpenTelemetry semantic conventions 1.44, messaging spans and metrics
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as carrying from "./internal/telemetry/carrying.ts"
import { systemOf } from "./internal/telemetry/conventions.ts"
import type { Counted } from "./internal/telemetry/metrics.ts"
import * as observing from "./internal/telemetry/observing.ts"
import * as signals from "./internal/telemetry/signals.ts"
import type * as Message from "./Message.ts"
import * as Operation from "./Operation.ts"
import * as Options from "./Options.ts"
import type * as Outcome from "./Outcome.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueProvider from "./QueueProvider.ts"
import * as QueueSession from "./QueueSession.ts"
import type * as Receipt from "./Receipt.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as SendCalls from "./SendCalls.ts"
import * as TraceContext from "./TraceContext.ts"

/**
 * Whether somebody reads the metrics. `auto`, the default, takes a tracer, or a registry of the
 * application's own, for a sign of it: nothing else tells, so that who reads the metrics of the common
 * registry says `true`.
 *
 * **Example** (Metrics for Prometheus, without a tracer)
 *
 * ```ts
 * import { Telemetry } from "@queue-runtime/core"
 * import { Layer } from "effect"
 *
 * const reading = Layer.succeed(Telemetry.MetricsRead, true)
 * Layer.isLayer(reading) // => true
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const MetricsRead: Context.Reference<boolean | "auto"> = signals.MetricsRead

/** `QRE1`: how the body of a sealed message begins. */
const isSealed = ({ body }: Pick<Message.Message, "body">): boolean =>
  body[0] === 0x51 && body[1] === 0x52 && body[2] === 0x45 && body[3] === 0x31

const stage = "telemetry"

/** Room for the trace context: what is checked above must still fit here. */
const roomier = (below: Capabilities.Capabilities): Capabilities.Capabilities => {
  const messageSizeMax = Math.max(1, below.messageSizeMax - carrying.overheadMax)
  const sendSizeMax = Math.max(
    messageSizeMax,
    below.sendSizeMax - carrying.overheadMax * below.sendCountMax
  )
  return { ...below, messageSizeMax, sendSizeMax }
}

/** {@link roomier} of what is below. It is asked for at every call, and mostly is the same object. */
const withRoom = (
  of: QueueProvider.Service["capabilities"]
): QueueProvider.Service["capabilities"] => {
  const known = new WeakMap<Capabilities.Capabilities, Capabilities.Capabilities>()
  let last: readonly [below: unknown, room: Capabilities.Capabilities] | undefined
  return (queue) => {
    const below = of(queue)
    if (last?.[0] === below) return last[1]
    const room = known.get(below) ?? roomier(below)
    known.set(below, room)
    last = [below, room]
    return room
  }
}

const injecting =
  (
    provider: QueueProvider.Service,
    declared: QueueProvider.Service["capabilities"],
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Stamped>
  ) =>
  (span: Tracer.Span | undefined): ReturnType<QueueProvider.Service["send"]> => {
    if (span === undefined) return provider.send(queue, messages)
    // What is over the limits declared here is refused here: below there is more room.
    const reason = SendCalls.refusal(messages, declared(queue), carrying.size)
    if (reason !== undefined) {
      const place = { provider: provider.name, operation: "send", queue }
      return Effect.fail(QueueError.make(reason, place))
    }
    return Effect.withFiber((fiber) => {
      const context = carrying.contextOfSpan(span, fiber.getRef(TraceContext.State))
      const all = context === undefined ? messages : carrying.inject(messages, context)
      return provider.send(queue, all)
    })
  }

const sessionIdOf = (messages: ReadonlyArray<Message.Message>): string | undefined => {
  const [first] = messages
  return first !== undefined && messages.every(({ sessionId }) => sessionId === first.sessionId)
    ? first.sessionId
    : undefined
}

const sendCall = (
  operation: "create" | "send",
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Stamped>,
  linked: ReadonlyArray<Tracer.SpanLink> = []
): observing.Call<ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>> => {
  const contexts = carrying.contextsOf(messages, linked)
  // A message that carries a context is sent by the span of that; this one is of the call.
  const isCarried = operation === "send" && contexts.length === messages.length
  return {
    operation,
    type: operation,
    kind: isCarried ? "client" : "producer",
    address: QueueAddress.queue(queue),
    count: messages.length,
    sessionId: sessionIdOf(messages),
    messageId: messages.length === 1 ? messages[0]?.messageId : undefined,
    contexts,
    failuresOf: Operation.batchFailures
  }
}

const errorTypeOf = (outcome: Outcome.Outcome<unknown> | undefined): string | undefined =>
  outcome !== undefined && Result.isFailure(outcome) ? outcome.failure.reason._tag : undefined

/** How many there are of each kind. */
const tally = (
  messages: ReadonlyArray<Message.Message>,
  errorTypeAt?: (index: number) => string | undefined
): ReadonlyArray<Counted> => {
  const kinds: Array<{ count: number } & Omit<Counted, "count">> = []
  let index = 0
  for (const message of messages) {
    const errorType = errorTypeAt?.(index++)
    const isOne = isSealed(message)
    const kind = kinds.find((one) => one.isSealed === isOne && one.errorType === errorType)
    if (kind === undefined) kinds.push({ count: 1, isSealed: isOne, errorType })
    else kind.count++
  }
  return kinds
}

/** What a receipt was received with. */
interface Known {
  readonly context: TraceContext.TraceContext | undefined
  readonly messageId: string
  readonly sessionId: string | undefined
  readonly correlationId: string | undefined
}

/**
 * A receipt that says, here alone, what it was received with. In a weak map that lives through the next
 * young collections after its receipt is gone: nearly half of what the whole stack spent on them.
 */
class KnownReceipt implements Receipt.Receipt {
  readonly address: QueueAddress.QueueAddress
  readonly token: string
  readonly #known: Known

  constructor({ address, token }: Receipt.Receipt, known: Known) {
    this.address = address
    this.token = token
    this.#known = known
  }

  static of(receipt: Receipt.Receipt): Known | undefined {
    return #known in receipt ? receipt.#known : undefined
  }
}

const contextsIn = (all: ReadonlyArray<Known>): ReadonlyArray<TraceContext.TraceContext> => {
  const contexts: Array<TraceContext.TraceContext> = []
  for (const { context } of all) if (context !== undefined) contexts.push(context)
  return contexts
}

type Ids = Pick<Known, "messageId"> & Partial<Pick<Known, "correlationId" | "sessionId">>

const debug = (text: string, queue: string, all: ReadonlyArray<Ids>): Effect.Effect<void> =>
  Effect.forEach(
    all,
    ({ correlationId, messageId, sessionId }) =>
      Effect.annotateLogs(Effect.logDebug(text), {
        queue,
        messageId,
        ...Options.defined({ sessionId, correlationId })
      }),
    { discard: true }
  )

/** The provider as it is, under one more name; its methods may be those of a class. */
const named = (name: string, provider: QueueProvider.Service): QueueProvider.Service => ({
  name: provider.name,
  stack: [name, ...provider.stack],
  capabilities: (queue) => provider.capabilities(queue),
  send: (queue, messages) => provider.send(queue, messages),
  receive: (address, options) => provider.receive(address, options),
  settle: (receipts, verdict) => provider.settle(receipts, verdict),
  renewLock: (receipts) => provider.renewLock(receipts),
  peek: (address, options) => provider.peek(address, options),
  ...QueueProvider.mapDepth(provider, (call) => call),
  acceptSession: (queue, options) => provider.acceptSession(queue, options)
})

/**
 * Wraps a provider: what {@link layer} does, for who holds the provider in hand. With nobody to tell it
 * is the provider, under one more name of its `stack`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (provider: QueueProvider.Service) {
  const heard = yield* signals.decide
  const { isLogged, isMeasured, tracer } = heard
  const base = named(stage, provider)
  if (tracer === undefined && !isMeasured && !isLogged) return base

  const capabilities = tracer === undefined ? base.capabilities : withRoom(base.capabilities)
  const { metrics, watch } = observing.make(provider.name, heard)
  const { batchFailures, noFailures } = Operation

  /** After the call that it tells of, and nothing around it where nobody reads. */
  const logged = <A, E, R>(
    call: Effect.Effect<A, E, R>,
    text: string,
    address: QueueAddress.QueueAddress,
    idsOf: (result: A) => ReadonlyArray<Ids>
  ): Effect.Effect<A, E, R> =>
    isLogged
      ? Effect.tap(call, (result) => debug(text, QueueAddress.format(address), idsOf(result)))
      : call

  const knownOf = (receipts: ReadonlyArray<Receipt.Receipt>): ReadonlyArray<Known> => {
    const all: Array<Known> = []
    for (const receipt of receipts) {
      const known = KnownReceipt.of(receipt)
      if (known !== undefined) all.push(known)
    }
    return all
  }

  /** As {@link carrying.extract}, in the one copy that is made anyway. */
  const remembered = (message: ReceivedMessage.ReceivedMessage): typeof message => {
    const { correlationId, messageId, sessionId } = message
    const own = carrying.extracted(message.attributes)
    const context = own?.traceContext ?? carrying.contextOf(message)
    const known = { context, messageId, sessionId, correlationId }
    const receipt = new KnownReceipt(message.receipt, known)
    if (own === undefined) return { ...message, receipt }
    const { attributes, traceContext } = own
    return traceContext === undefined
      ? { ...message, attributes, receipt }
      : { ...message, attributes, traceContext, receipt }
  }

  const take = (
    queue: string,
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ): ReadonlyArray<ReceivedMessage.ReceivedMessage> => {
    const isAskedLater = tracer !== undefined || isLogged
    const all = messages.map(isAskedLater ? remembered : carrying.extract)
    if (metrics !== undefined) {
      for (const counted of tally(all)) metrics.consumed(queue, counted)
    }
    return all
  }

  const receive = (
    address: QueueAddress.QueueAddress,
    sessionId: string | undefined,
    call: Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  ) => {
    const watched = watch(
      {
        operation: "receive",
        type: "receive",
        address,
        sessionId,
        failuresOf: noFailures,
        countOf: (messages) => messages.length,
        contextsOf: carrying.contextsOf
      },
      () => Effect.map(call, (messages) => take(QueueAddress.format(address), messages))
    )
    return logged(watched, "message received", address, (messages) => messages)
  }

  /** Counts each message, as it was sent or why it was not. */
  const counting = (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Stamped>,
    call: ReturnType<QueueProvider.Service["send"]>
  ): typeof call => {
    if (metrics === undefined) return call
    const count = (errorTypes?: (index: number) => string | undefined): void => {
      for (const counted of tally(messages, errorTypes)) metrics.sent(queue, counted)
    }
    return Effect.matchEffect(call, {
      onSuccess: (outcomes) => {
        const isDone = outcomes.every(Result.isSuccess)
        count(isDone ? undefined : (index) => errorTypeOf(outcomes[index]))
        return Effect.succeed(outcomes)
      },
      onFailure: (error) => {
        count(() => error.reason._tag)
        return Effect.fail(error)
      }
    })
  }

  /** A call about receipts: beside the messages they are of. */
  const about = <A>(
    receipts: ReadonlyArray<Receipt.Receipt>,
    address: QueueAddress.QueueAddress,
    facts: Pick<observing.Call<A>, "operation" | "sessionId" | "type" | "verdict">,
    failuresOf: (result: A) => ReadonlyArray<QueueError.QueueError>
  ): observing.Call<A> => {
    const known = knownOf(receipts)
    return {
      ...facts,
      address,
      count: receipts.length,
      messageId: receipts.length === 1 ? known[0]?.messageId : undefined,
      contexts: contextsIn(known),
      failuresOf
    }
  }

  const settle = (
    [receipts, verdict]: Parameters<QueueProvider.Service["settle"]>,
    address: QueueAddress.QueueAddress,
    sessionId: string | undefined,
    call: ReturnType<QueueProvider.Service["settle"]>
  ) => {
    const { _tag } = verdict
    const facts = { operation: "settle", type: "settle", sessionId, verdict: _tag } as const
    const queue = QueueAddress.format(address)
    const counted =
      metrics === undefined
        ? call
        : Effect.map(call, (outcomes) => {
            const done = outcomes.filter(Result.isSuccess).length
            if (done > 0) metrics.settled(queue, _tag, done)
            return outcomes
          })
    const watched = watch(about(receipts, address, facts, batchFailures<void>), () => counted)
    return logged(watched, `message settled: ${_tag}`, address, (outcomes) =>
      knownOf(receipts.filter((_, index) => errorTypeOf(outcomes[index]) === undefined))
    )
  }

  const session = (held: QueueSession.QueueSession): QueueSession.QueueSession => {
    const address = QueueAddress.queue(held.queue)
    const { sessionId } = held
    const on = <A>(operation: string): observing.Call<A> => ({
      operation,
      address,
      sessionId,
      failuresOf: noFailures
    })
    return {
      queue: held.queue,
      sessionId,
      lockedUntil: held.lockedUntil,
      receive: (options) => receive(address, sessionId, held.receive(options)),
      settle: (receipts, verdict) =>
        settle([receipts, verdict], address, sessionId, held.settle(receipts, verdict)),
      ...QueueSession.lostOf(held),
      renewLock: watch(
        on<Effect.Success<typeof held.renewLock>>("renew"),
        () => held.renewLock
      ).pipe(
        Effect.tap(() => Effect.sync(() => metrics?.renewed(held.queue, undefined))),
        Effect.tapError(({ reason }) =>
          Effect.sync(() => metrics?.renewed(held.queue, reason._tag))
        )
      ),
      state: watch(on("state"), () => held.state),
      setState: (state) => watch(on("setState"), () => held.setState(state))
    }
  }

  /** Counts a session for as long as it is held. */
  const opened = (
    held: QueueSession.QueueSession
  ): Effect.Effect<QueueSession.QueueSession, never, Scope.Scope> =>
    metrics === undefined
      ? Effect.succeed(session(held))
      : Effect.as(
          Effect.acquireRelease(
            Effect.map(Clock.currentTimeMillis, (start) => {
              metrics.accepted(held.queue)
              return start
            }),
            (start) =>
              Effect.map(Clock.currentTimeMillis, (now) =>
                metrics.closed(held.queue, (now - start) / 1_000)
              )
          ),
          session(held)
        )

  const send = (
    linked: ReadonlyArray<Tracer.SpanLink>,
    ...[queue, messages]: Parameters<QueueProvider.Service["send"]>
  ): ReturnType<QueueProvider.Service["send"]> => {
    const call = sendCall("send", queue, messages, linked)
    const watched = watch(call, injecting(provider, capabilities, queue, messages))
    return logged(counting(queue, messages, watched), "message sent", call.address, (outcomes) =>
      messages.filter((_, index) => errorTypeOf(outcomes[index]) === undefined)
    )
  }

  const renewLock: QueueProvider.Service["renewLock"] = (receipts) => {
    const [first] = receipts
    if (first === undefined) return provider.renewLock(receipts)
    const { address } = first
    const call = about(receipts, address, { operation: "renew" }, batchFailures<DateTime.Utc>)
    const queue = QueueAddress.format(address)
    return watch(call, () => provider.renewLock(receipts)).pipe(
      Effect.tap((outcomes) =>
        Effect.sync(() => {
          for (const outcome of outcomes) metrics?.renewed(queue, errorTypeOf(outcome))
        })
      ),
      Effect.tapError(({ reason }) =>
        Effect.sync(() => {
          for (const _ of receipts) metrics?.renewed(queue, reason._tag)
        })
      )
    )
  }

  const service: QueueProvider.Service = {
    ...base,
    capabilities,
    send: (queue, messages) =>
      Effect.withFiber((fiber) => send(fiber.getRef(References.TracerSpanLinks), queue, messages)),
    receive: (address, options) => receive(address, undefined, provider.receive(address, options)),
    settle: (receipts, verdict) =>
      Effect.suspend(() => {
        const [first] = receipts
        const call = provider.settle(receipts, verdict)
        return first === undefined
          ? call
          : settle([receipts, verdict], first.address, undefined, call)
      }),
    renewLock: (receipts) => Effect.suspend(() => renewLock(receipts)),
    peek: (address, options) =>
      watch({ operation: "peek", address, failuresOf: noFailures }, () =>
        Effect.map(provider.peek(address, options), (messages) => messages.map(carrying.extract))
      ),
    acceptSession: (queue, options) =>
      Effect.flatMap(
        watch(
          {
            operation: "accept",
            address: QueueAddress.queue(queue),
            sessionId: options.sessionId,
            failuresOf: noFailures,
            countOf: (found) => (Option.isSome(found) ? 1 : 0)
          },
          () => provider.acceptSession(queue, options)
        ),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (held) => Effect.asSome(opened(held))
        })
      )
  }
  return service
})

/**
 * Telemetry of each attempt: between retry and the provider.
 *
 * **Example** (With nobody to tell, the provider as it is)
 *
 * ```ts
 * import { QueueProvider, Telemetry } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * const live = Telemetry.layer().pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.map(QueueProvider.QueueProvider, ({ stack }) => stack)
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => ["telemetry", "memory"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (): Layer.Layer<
  QueueProvider.QueueProvider,
  never,
  QueueProvider.QueueProvider
> => Layer.effect(QueueProvider.QueueProvider, Effect.flatMap(QueueProvider.QueueProvider, make))

/**
 * Wraps a provider: what {@link layerCreate} does, for who holds the provider in hand.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeCreate = Effect.fnUntraced(function* (provider: QueueProvider.Service) {
  const heard = yield* signals.decide
  const base = named("create", provider)
  if (heard.tracer === undefined) return base
  // A layer of telemetry below has made room already.
  const capabilities = provider.stack.includes(stage)
    ? base.capabilities
    : withRoom(base.capabilities)
  // Attempts are measured below.
  const { watch } = observing.make(provider.name, { ...heard, isMeasured: false })
  const service: QueueProvider.Service = {
    ...base,
    capabilities,
    send: (queue, messages) =>
      watch(sendCall("create", queue, messages), injecting(provider, capabilities, queue, messages))
  }
  return service
})

/**
 * The span of each logical send, and its context in the messages: between the client and everything that
 * merges, repeats or delays a call.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCreate = (): Layer.Layer<
  QueueProvider.QueueProvider,
  never,
  QueueProvider.QueueProvider
> =>
  Layer.effect(QueueProvider.QueueProvider, Effect.flatMap(QueueProvider.QueueProvider, makeCreate))

/**
 * What only the application, or the service's own interface, can tell.
 *
 * @category options
 * @since 0.1.0
 */
export interface GaugeOptions<E, R> {
  /** Messages in a queue, connections in use, links in use. */
  readonly of: "depth" | "connections" | "links"
  /** The provider's name. */
  readonly provider: string
  readonly queue?: QueueName.QueueName
  /** Asked again and again; while it fails the gauge stays where it was. */
  readonly read: Effect.Effect<number, E, R>
  /** How often. Default: 15 s. */
  readonly every?: Duration.Input
}

const gauges = {
  depth: Metric.gauge("queue_runtime.queue.depth", { description: "Messages in a queue" }),
  connections: Metric.gauge("queue_runtime.connections", { description: "Connections in use" }),
  links: Metric.gauge("queue_runtime.links", { description: "Links in use" })
} as const

/**
 * Shows a number that no call of the port tells, until the scope closes: how deep a queue is, where the
 * service says so.
 *
 * **Errors** ValidationFailed for an interval that is none.
 *
 * @category running
 * @since 0.1.0
 */
export const gauge = Effect.fnUntraced(function* <E, R>(options: GaugeOptions<E, R>) {
  const { of, provider, queue, read } = options
  const every = yield* Check.duration(
    "every",
    options.every ?? Defaults.telemetryGaugeInterval,
    Duration.millis(1)
  )
  const shown = Metric.withAttributes(gauges[of], {
    "messaging.system": systemOf(provider),
    ...Options.defined({ "messaging.destination.name": queue })
  })
  yield* Effect.flatMap(read, (value) => Metric.update(shown, value)).pipe(
    Effect.ignoreCause({ log: "Debug", message: `the gauge of ${of} could not be read` }),
    Effect.andThen(Effect.sleep(every)),
    Effect.forever,
    Effect.forkScoped
  )
})
