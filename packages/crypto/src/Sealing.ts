/**
 * Sealing of bodies: what is sent is encrypted or signed once, above every retry, and what is received is
 * opened, each message alone.
 *
 * **Details**
 *
 * | what comes in | what becomes of it |
 * |---|---|
 * | sealed or signed, and untampered | it is opened and handed out |
 * | tampered, of an unknown version, stale, copied, or plaintext where that is rejected | it is dead-lettered with the failure as its reason |
 * | sealed with a key that is not known, or that cannot be asked for now | it is abandoned, with a delay where the queue has one: keys may be on their way |
 *
 * A message that is put aside takes nothing with it. In a session it stops what is behind it only while
 * it is to come again, as an abandoned message does. Without dead letters a rejected one is abandoned. What
 * could not be put aside in a session is put aside before its next receive, which fails until then. A
 * receive that is interrupted while bodies are opened gives their messages back.
 *
 * Bound to a body, so that none of it can be changed: message id, session id, correlation id, the id of
 * the key and the time. Attributes are not, and stay readable. `docs/sealed-messages.md` has the bytes.
 *
 * **Freshness** is measured from sealing, or from the time the sender scheduled the message for, to the
 * moment the broker took it: a backlog is not an attack, and a redelivery is judged as the first delivery
 * was. A sender's retries count: they must end before a message is stale.
 *
 * **Dead letters** are opened whatever their age: they were judged when they came. What cannot be opened
 * there is handed out as it lies there, with an attribute `queue-runtime-unopened` that says why; it
 * cannot be sent again before its key is known.
 *
 * **Gotchas**
 *
 * A body is never handed out in plaintext when anything failed. With `mode: "off"` bodies are sent as
 * they are, and what comes in sealed is still opened.
 *
 * **Source** SPEC R8
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import {
  type Capabilities,
  CryptoProvider,
  Defaults,
  HandlerFailure,
  KeyProvider,
  type Message,
  NonceStore,
  Options as CoreOptions,
  PutAside,
  type QueueAddress,
  QueueError,
  QueueName,
  QueueProvider,
  QueueSession,
  type ReceivedMessage,
  SendCalls,
  type Verdict
} from "@queue-runtime/core"
import { attributeNames } from "./internal/attributes.ts"
import * as cryptoMetrics from "./internal/cryptoMetrics.ts"
import * as envelope from "./internal/envelope.ts"
import * as failures from "./internal/failures.ts"
import * as policies from "./internal/policy.ts"
import * as sealer from "./internal/sealer.ts"
import { makeWarnings } from "./internal/warnings.ts"

/**
 * What is done with the bodies of a queue.
 *
 * @category options
 * @since 0.1.0
 */
export interface PolicyOptions {
  /**
   * `encrypt`: nobody without a key reads the body. `sign`: everybody reads it, and nobody without a key
   * changes it. `off`: it is sent as it is. Default: encrypt.
   */
  readonly mode?: "encrypt" | "sign" | "off"
  /**
   * What nothing protects is handed out with a warning, handed out with an error in the log, or
   * dead-lettered. Default: reject; of a queue that is off, allow. The others are for migration: a
   * flipped marker turns a sealed body into a plaintext one.
   */
  readonly plaintext?: "allow" | "alert" | "reject"
  /** How old a body may be when the broker takes it. Default: 5 minutes. */
  readonly freshness?: Duration.Input | "off"
  /** Until when its age is measured: the broker's clock, or the first delivery. Default: enqueued. */
  readonly freshnessFrom?: "enqueued" | "received"
  /** Whether a body that comes in a second message is rejected. Default: false. */
  readonly nonceTracking?: boolean
  /** How long a nonce is remembered. Default: 10 minutes. */
  readonly nonceWindow?: Duration.Input
}

/**
 * The policy of all queues, and those of queues that have their own.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends PolicyOptions {
  /** By queue; what one leaves out is as for all. */
  readonly queues?: Readonly<Record<string, PolicyOptions>>
}

/** What a queue takes when bodies grow by so many bytes. */
const smallerBy = (
  overhead: number,
  below: Capabilities.Capabilities
): Capabilities.Capabilities => {
  const messageSizeMax = Math.max(1, below.messageSizeMax - overhead)
  const sendSizeMax = below.sendSizeMax - overhead * below.sendCountMax
  return { ...below, messageSizeMax, sendSizeMax: Math.max(messageSizeMax, sendSizeMax) }
}

/** {@link smallerBy} of what is below. It is asked for at every call, and mostly is the same object. */
const makeSmaller = (overhead: number) => {
  const known = new WeakMap<Capabilities.Capabilities, Capabilities.Capabilities>()
  let last: readonly [below: unknown, smaller: Capabilities.Capabilities] | undefined
  return (below: Capabilities.Capabilities): Capabilities.Capabilities => {
    if (last?.[0] === below) return last[1]
    const smaller = known.get(below) ?? smallerBy(overhead, below)
    known.set(below, smaller)
    last = [below, smaller]
    return smaller
  }
}

const loadPolicies = Effect.fnUntraced(function* ({ queues = {}, ...common }: Options) {
  const own = new Map<string, policies.Policy>()
  // Callers without types exist.
  const given: ReadonlyArray<readonly [string, PolicyOptions | undefined]> = Object.entries(queues)
  for (const [name, options = {}] of given) {
    if (!QueueName.is(name)) {
      return yield* Effect.fail(
        QueueError.configurationInvalid(`queues.${name}`, "must be the name of a queue")
      )
    }
    const whole = { ...common, ...CoreOptions.defined(options) }
    own.set(name, yield* policies.make(`queues.${name}.`, whole))
  }
  const others = yield* policies.make("", common)
  return {
    all: [others, ...own.values()],
    of: (queue: QueueName.QueueName): policies.Policy => own.get(queue) ?? others
  }
})

const reserved = (messages: ReadonlyArray<Message.Stamped>): QueueError.QueueError | undefined => {
  for (const { attributes } of messages) {
    const why = attributes[attributeNames.unopened]
    if (why !== undefined) {
      const problem =
        `the message could not be opened (${why}) and cannot be sent again: ` +
        "make its key known and receive it once more"
      return QueueError.validationFailed("attributes", problem)
    }
    if (attributes[attributeNames.signature] !== undefined) {
      const problem = `"${attributeNames.signature}" is an attribute of the library`
      return QueueError.validationFailed("attributes", problem)
    }
  }
  return undefined
}

type NotOpened = Extract<sealer.Opened<unknown>, { readonly _tag: "Rejected" | "Later" }>

/** What does not simply open. */
type Troubled = Exclude<sealer.Opened<ReceivedMessage.ReceivedMessage>, { readonly _tag: "Opened" }>

/** What became of it in the end. */
type Judged =
  | { readonly _tag: "Opened"; readonly message: ReceivedMessage.ReceivedMessage }
  | NotOpened

/** The failure by its name. */
const whyNot = (opened: NotOpened): string => {
  if (opened._tag === "Rejected") return failures.describe(opened.failure)[0]
  const { reason } = opened.error
  return reason._tag === "CryptoFailed" ? reason.failure : reason._tag
}

/** What nothing protects is handed out as any other, or rejected, as its queue wants it. */
const admitted = <M>({ message }: { readonly message: M }, { plaintext }: policies.Policy) =>
  plaintext === "reject"
    ? ({ _tag: "Rejected", failure: new QueueError.UnencryptedMessage() } as const)
    : ({ _tag: "Opened", message } as const)

/**
 * Sealing around a provider.
 *
 * **Errors** ConfigurationInvalid for an option out of its range, with its path · then, of every send,
 * those of the key provider; ConfigurationInvalid when the current key has expired
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  self: QueueProvider.Service,
  options: Options = {}
): Effect.fn.Return<
  QueueProvider.Service,
  QueueError.QueueError,
  KeyProvider.KeyProvider | CryptoProvider.CryptoProvider
> {
  const policy = yield* loadPolicies(options)
  const nonces = yield* Effect.serviceOption(NonceStore.NonceStore)
  if (Option.isNone(nonces) && policy.all.some(({ nonceWindow }) => nonceWindow !== undefined)) {
    return yield* Effect.fail(
      QueueError.configurationInvalid("nonceTracking", "needs a NonceStore: provide one")
    )
  }
  const tools: sealer.Tools = {
    keys: yield* KeyProvider.KeyProvider,
    cipher: yield* CryptoProvider.CryptoProvider,
    nonces: Option.getOrUndefined(nonces)
  }
  const metricsOf = cryptoMetrics.make(self.name, Defaults.sessionsTrackedMax)
  const warnings = makeWarnings()

  const overheads = {
    encrypt: envelope.overheadMax("encrypt", tools.keys.wrappedSizeMax),
    sign: envelope.overheadMax("sign", tools.keys.wrappedSizeMax)
  }

  const smaller = {
    encrypt: makeSmaller(overheads.encrypt),
    sign: makeSmaller(overheads.sign)
  }

  const capabilities = (queue: QueueName.QueueName): Capabilities.Capabilities => {
    const below = self.capabilities(queue)
    const { mode } = policy.of(queue)
    return mode === "off" ? below : smaller[mode](below)
  }

  const sealAll = (
    queue: QueueName.QueueName,
    mode: "encrypt" | "sign",
    messages: ReadonlyArray<Message.Stamped>
  ): Effect.Effect<ReadonlyArray<Message.Stamped>, QueueError.QueueError> =>
    Effect.withFiber((fiber) => {
      const metrics = metricsOf(queue)
      const clock = fiber.getRef(Clock.Clock)
      const start = clock.monotonicTimeNanosUnsafe()
      const now = clock.currentTimeMillisUnsafe()
      const measured = (sealed: ReadonlyArray<Message.Stamped>) => {
        const seconds = Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9
        metrics.sealed.updateUnsafe(seconds, fiber.context)
        return sealed
      }
      return Effect.flatMap(tools.keys.current(queue), (key) => {
        const { createdAt } = key
        if (createdAt !== undefined) {
          const age = (now - DateTime.toEpochMillis(createdAt)) / 1_000
          metrics.keyAge.updateUnsafe(age, fiber.context)
        }
        const expired = sealer.expiryOf(key, now)
        if (expired !== undefined) return Effect.fail(expired)
        const sealed: Array<Message.Stamped> = []
        const sealFrom = (
          index: number
        ): Effect.Effect<ReadonlyArray<Message.Stamped>, QueueError.QueueError> => {
          const message = messages[index]
          if (message === undefined) return Effect.succeed(measured(sealed))
          return sealer.seal(tools, mode, key, message, now, (one) => {
            sealed.push(one)
            return sealFrom(index + 1)
          })
        }
        return sealFrom(0)
      })
    })

  const sendPlain = (queue: QueueName.QueueName, messages: ReadonlyArray<Message.Stamped>) =>
    Metric.update(metricsOf(queue).plaintextSent, messages.length).pipe(
      Effect.andThen(warnings.sent(queue)),
      Effect.andThen(self.send(queue, messages))
    )

  const send: QueueProvider.Service["send"] = (queue, messages) => {
    const problem = reserved(messages)
    if (problem !== undefined) return Effect.fail(problem)
    const { mode } = policy.of(queue)
    if (mode === "off") return sendPlain(queue, messages)
    // What would not fit when it has grown: refused before anything is sent, as the port has it.
    const refused = SendCalls.refusal(messages, capabilities(queue))
    if (refused !== undefined) return Effect.fail(QueueError.make(refused))
    const sealing = sealAll(queue, mode, messages)
    const sendAll = (sealed: ReadonlyArray<Message.Stamped>) => SendCalls.send(self, queue, sealed)
    return Effect.matchEffect(sealing, {
      onSuccess: sendAll,
      onFailure: (error) =>
        // A rotation came between the lookup and the use: nothing is sent yet, so all of it again.
        failures.isKeyNotFound(error) ? Effect.flatMap(sealing, sendAll) : Effect.fail(error)
    })
  }

  /** What is to be said of a message that does not simply open. */
  const noted = Effect.fnUntraced(function* (
    queue: QueueName.QueueName,
    opened: Troubled
  ): Effect.fn.Return<Judged> {
    const metrics = metricsOf(queue)
    if (opened._tag === "Plaintext") {
      const own = policy.of(queue)
      yield* Metric.update(metrics.plaintextReceived, 1)
      yield* warnings.received(queue, own.plaintext)
      return admitted(opened, own)
    }
    yield* metrics.failed(whyNot(opened))
    return opened
  })

  /** Each alone, one after the other, until one of them ends it. */
  const openEach = (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
    aside: (
      message: ReceivedMessage.ReceivedMessage,
      opened: NotOpened
    ) => Effect.Effect<"go on" | "stop">
  ): Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>> =>
    Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const start = clock.monotonicTimeNanosUnsafe()
      const open = sealer.opener<ReceivedMessage.ReceivedMessage>(
        tools,
        queue,
        policy.of(queue),
        false
      )
      const found: Array<ReceivedMessage.ReceivedMessage> = []

      const end = (): Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>> => {
        const seconds = Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9
        metricsOf(queue).opened.updateUnsafe(seconds, fiber.context)
        return Effect.succeed(found)
      }
      const openFrom = (index: number): ReturnType<typeof end> => {
        const message = messages[index]
        if (message === undefined) return end()
        return open(message, (opened) =>
          opened._tag === "Opened" ? take(index, opened.message) : troubled(index, message, opened)
        )
      }
      const take = (index: number, message: ReceivedMessage.ReceivedMessage) => {
        found.push(message)
        return openFrom(index + 1)
      }
      const troubled = (
        index: number,
        message: ReceivedMessage.ReceivedMessage,
        opened: Troubled
      ) =>
        Effect.flatMap(noted(queue, opened), (judged) =>
          judged._tag === "Opened"
            ? take(index, judged.message)
            : Effect.flatMap(aside(message, judged), (next) =>
                next === "stop" ? end() : openFrom(index + 1)
              )
        )
      return openFrom(0)
    })

  /** As they lie there, with why; of those that can be opened what is in them. */
  const shown = <M extends sealer.Taken>(
    queue: QueueName.QueueName,
    messages: ReadonlyArray<M>
  ): Effect.Effect<ReadonlyArray<M>> => {
    const own = policy.of(queue)
    const open = sealer.opener<M>(tools, queue, own, true)
    return Effect.forEach(messages, (message) =>
      open(message, (opened) => {
        const found = opened._tag === "Plaintext" ? admitted(opened, own) : opened
        if (found._tag === "Opened") return Effect.succeed(found.message)
        const attributes = { ...message.attributes, [attributeNames.unopened]: whyNot(found) }
        return Effect.succeed({ ...message, attributes })
      })
    )
  }

  /** What is to become of a message that does not open, said in the log. */
  const verdictOn = (
    { messageId, receipt: { address } }: ReceivedMessage.ReceivedMessage,
    opened: NotOpened
  ): Effect.Effect<Verdict.Verdict> => {
    const { queue } = address
    const below = self.capabilities(queue)
    const delay = Defaults.cryptoKeyMissingDelay
    const annotated = Effect.annotateLogs({ queue, messageId })
    if (opened._tag === "Later") {
      const log = Effect.logWarning(`a message cannot be opened yet: ${opened.error.message}`)
      return Effect.as(annotated(log), PutAside.later(below, delay))
    }
    const [reason, description] = failures.describe(opened.failure)
    const why = HandlerFailure.format({ reason, description })
    const log = Effect.logError(`a message was rejected: ${why}`)
    return Effect.as(annotated(log), PutAside.rejected(below, { reason, description, delay }))
  }

  const receivePlain = (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ) => {
    const aside: Array<PutAside.PutAside> = []
    const opening = openEach(queue, messages, (message, opened) =>
      Effect.map(verdictOn(message, opened), (verdict) => {
        aside.push({ message, verdict })
        return "go on"
      })
    )
    return Effect.flatMap(opening, (found) =>
      aside.length === 0
        ? Effect.succeed(found)
        : Effect.as(PutAside.settleAll(self.settle, aside), found)
    )
  }

  const receive: QueueProvider.Service["receive"] = (address, asked) =>
    PutAside.handOver({
      take: self.receive(address, asked),
      open: (messages) =>
        address._tag === "DeadLetter"
          ? shown(address.queue, messages)
          : receivePlain(address.queue, messages),
      settle: self.settle,
      settleCountMax: () => self.capabilities(address.queue).settleCountMax
    })

  const sessionOf = (session: QueueSession.QueueSession): QueueSession.QueueSession => {
    const debts = PutAside.makeDebts(session.settle)

    /** Those that open, up to the first that is to come again: what is behind it was taken back. */
    const openInOrder = (messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>) =>
      openEach(session.queue, messages, (message, opened) =>
        Effect.flatMap(verdictOn(message, opened), (verdict) =>
          Effect.as(
            debts.settle({ message, verdict }),
            verdict._tag === "Abandon" ? "stop" : "go on"
          )
        )
      )

    return {
      queue: session.queue,
      sessionId: session.sessionId,
      lockedUntil: session.lockedUntil,
      settle: session.settle,
      ...QueueSession.lostOf(session),
      renewLock: session.renewLock,
      state: session.state,
      setState: session.setState,
      receive: (asked) =>
        Effect.andThen(
          debts.pay,
          PutAside.handOver({
            take: session.receive(asked),
            open: openInOrder,
            settle: session.settle,
            settleCountMax: () => self.capabilities(session.queue).settleCountMax
          })
        )
    }
  }

  return {
    name: self.name,
    stack: ["sealing", ...self.stack],
    capabilities,
    send,
    receive,
    settle: self.settle,
    renewLock: self.renewLock,
    peek: (address: QueueAddress.QueueAddress, asked) =>
      Effect.flatMap(self.peek(address, asked), (messages) => shown(address.queue, messages)),
    ...QueueProvider.mapDepth(self, (call) => call),
    acceptSession: (queue, asked) =>
      Effect.map(self.acceptSession(queue, asked), Option.map(sessionOf))
  }
})

/**
 * Sealing as a layer around the provider below it.
 *
 * **Errors** as {@link make}
 *
 * **Example** (What the broker sees, and what the receiver)
 *
 * ```ts
 * import { Message, QueueClient, QueueName } from "@queue-runtime/core"
 * import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const material = Redacted.make(crypto.getRandomValues(new Uint8Array(32)))
 * const keys = KeyProviderMemory.layer({ keys: [{ id: "k1", material }], current: "k1" })
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(Sealing.layer()),
 *   Layer.provide([MemoryProvider.layer({ queues: { orders: {} } }), keys, NodeCrypto.layer])
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const queue = yield* QueueName.make("orders")
 *   yield* client.send(queue, yield* Message.text("a secret"))
 *   const [received] = yield* client.receive(queue, { wait: 0 })
 *   return new TextDecoder().decode(received?.body)
 * })
 * await Effect.runPromise(Effect.provide(program, live)) // => "a secret"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider | KeyProvider.KeyProvider | CryptoProvider.CryptoProvider
> =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.flatMap(QueueProvider.QueueProvider, (self) => make(self, options))
  )
