/**
 * The port: what a provider implements, a policy wraps and the client calls.
 *
 * **Details**
 *
 * Few methods, batch-shaped, and honest by message: `send`, `settle` and `renewLock` answer one outcome
 * a message, in order, and fail as a whole only when nothing took effect or nobody can tell. Provisional
 * until SQS and Service Bus pass the contract; ADR 0001 lists what each does on partial failure, a lost
 * reply and interruption.
 *
 * Every method may run concurrently with every other. None retries: that is a policy's work. All are
 * interruptible; an interrupted receive or accept leaves nothing locked.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Capabilities from "./Capabilities.ts"
import type * as Message from "./Message.ts"
import type * as MessageId from "./MessageId.ts"
import * as Operation from "./Operation.ts"
import type * as Outcome from "./Outcome.ts"
import * as QueueAddress from "./QueueAddress.ts"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueSession from "./QueueSession.ts"
import type * as Receipt from "./Receipt.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import type * as SessionId from "./SessionId.ts"
import type * as Verdict from "./Verdict.ts"

/**
 * What the broker says of a message it took.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sent {
  readonly messageId: MessageId.MessageId
  /** The broker's number; absent where it gives none, and for a duplicate it dropped. */
  readonly sequenceNumber?: bigint
}

/**
 * How much to receive and how long to wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** At least 1; a provider may return fewer, never more. */
  readonly max: number
  /** How long to wait for the first message; zero asks once. At most `receiveWaitMax` is waited. */
  readonly wait: Duration.Duration
}

/**
 * Where to look from, and how far.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeekOptions {
  /** At least 1. */
  readonly max: number
  /** Only messages with this sequence number or a higher one. */
  readonly fromSequenceNumber?: bigint
}

/**
 * How many messages there are. What a service only estimates (SQS) is that estimate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Depth {
  /** To be received now. */
  readonly available: number
  /** Received by somebody and not settled. */
  readonly locked: number
  /** Not due yet. */
  readonly delayed: number
}

/**
 * Which session to accept, and how long to wait for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions {
  /** Absent: the next free session that has messages. */
  readonly sessionId?: SessionId.SessionId
  /** Zero asks once. At most `receiveWaitMax` is waited. */
  readonly wait: Duration.Duration
}

/**
 * The methods of a provider.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /** The provider's name: `memory`, `aws-sqs`, `azure-service-bus`. */
  readonly name: string
  /** The names of the decorators around the provider, outermost first, and the provider's own last. */
  readonly stack: ReadonlyArray<string>
  /** What a queue can do. Pure and known without a call; a queue that does not exist gets the defaults. */
  readonly capabilities: (queue: QueueName.QueueName) => Capabilities.Capabilities
  /**
   * Sends in order, at most `sendCountMax` messages and `sendSizeMax` bytes. One outcome a message. In
   * one session nothing is sent behind a failure: those messages fail with the same error.
   *
   * **Errors** QueueNotFound · MessageTooLarge and ValidationFailed for the whole call, before anything
   * is sent · QuotaExceeded · Throttled · ConnectionFailed. A message that an error names is named by its
   * place in `messages`, in an outcome too: whoever cuts or merges calls moves it (`QueueError.mapIndex`)
   */
  readonly send: (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Stamped>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<Sent>>, QueueError.QueueError>
  /**
   * Messages that are there, or the first ones to come within `wait`; none is an empty answer, not an
   * error. An ordered queue has its sessions accepted instead (UnsupportedOperation); its dead letters
   * are received like any others.
   */
  readonly receive: (
    address: QueueAddress.QueueAddress,
    options: ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  /** Settles deliveries, at most `settleCountMax`. A used or expired receipt's outcome is ReceiptExpired. */
  readonly settle: (
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Verdict.Verdict
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>
  /** Locks deliveries for `lockDuration` from now, not on top of what is left; the new end of each. */
  readonly renewLock: (
    receipts: ReadonlyArray<Receipt.Receipt>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<DateTime.Utc>>, QueueError.QueueError>
  /** Messages by sequence number, locked and scheduled ones included; nothing is received or locked. */
  readonly peek: (
    address: QueueAddress.QueueAddress,
    options: PeekOptions
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.PeekedMessage>, QueueError.QueueError>
  /** How many messages there are; absent where the service does not tell without receiving them. */
  readonly depth?: (
    address: QueueAddress.QueueAddress
  ) => Effect.Effect<Depth, QueueError.QueueError>
  /**
   * A session, held until its scope closes; `None` when there is nothing to accept within `wait`.
   *
   * **Errors** SessionLocked for a session that another holds · UnsupportedOperation for a queue without
   * sessions
   */
  readonly acceptSession: (
    queue: QueueName.QueueName,
    options: AcceptOptions
  ) => Effect.Effect<Option.Option<QueueSession.QueueSession>, QueueError.QueueError, Scope.Scope>
}

/**
 * The port's tag. A provider's `layer` provides it, `QueueClient` needs it.
 *
 * @category ports
 * @since 0.1.0
 */
export class QueueProvider extends Context.Service<QueueProvider, Service>()(
  "@queue-runtime/core/QueueProvider"
) {}

/**
 * A policy: a function over one call. It may retry the call, delay it, cut it short, watch it or refuse
 * it; what the call is, `Operation` says.
 *
 * @category decorators
 * @since 0.1.0
 */
export type CallTransform = <A, R>(
  call: Effect.Effect<A, QueueError.QueueError, R>,
  operation: Operation.Operation<A>
) => Effect.Effect<A, QueueError.QueueError, R>

const transformSession = (
  session: QueueSession.QueueSession,
  f: CallTransform
): QueueSession.QueueSession => {
  const address = QueueAddress.queue(session.queue)
  const common = { address, sessionId: session.sessionId, isIdempotent: true } as const
  const { noFailures: failuresOf } = Operation
  return {
    queue: session.queue,
    sessionId: session.sessionId,
    lockedUntil: session.lockedUntil,
    receive: (options) =>
      f(session.receive(options), { ...common, _tag: "Receive", wait: options.wait, failuresOf }),
    settle: (receipts, verdict) =>
      f(session.settle(receipts, verdict), {
        ...common,
        _tag: "Settle",
        verdict: verdict._tag,
        count: receipts.length,
        failuresOf: Operation.batchFailures
      }),
    ...QueueSession.lostOf(session),
    renewLock: f(session.renewLock, { ...common, _tag: "RenewSessionLock", failuresOf }),
    state: f(session.state, { ...common, _tag: "GetSessionState", failuresOf }),
    setState: (state) =>
      f(session.setState(state), { ...common, _tag: "SetSessionState", failuresOf })
  }
}

/**
 * `depth` of a provider with each call changed, or nothing where it has none: for a decorator that writes
 * its methods out.
 *
 * **Example** (As it is)
 *
 * ```ts
 * import { QueueProvider } from "@queue-runtime/core"
 *
 * const named = (provider: QueueProvider.Service): QueueProvider.Service => ({
 *   ...provider,
 *   name: "mine",
 *   ...QueueProvider.mapDepth(provider, (call) => call)
 * })
 * ```
 *
 * @category decorators
 * @since 0.1.0
 */
export const mapDepth = (
  self: Service,
  f: (
    call: Effect.Effect<Depth, QueueError.QueueError>,
    address: QueueAddress.QueueAddress
  ) => Effect.Effect<Depth, QueueError.QueueError>
): Pick<Service, "depth"> => {
  // Its methods may be those of a class.
  const depth = self.depth?.bind(self)
  return depth === undefined ? {} : { depth: (address) => f(depth(address), address) }
}

/**
 * Wraps every method of a provider, and of every session it accepts, with one policy.
 *
 * @category decorators
 * @since 0.1.0
 */
export const transform = (self: Service, name: string, f: CallTransform): Service => {
  const { noFailures } = Operation
  // Receipts of one call are of one address: the client groups them.
  const addressOf = (receipts: ReadonlyArray<Receipt.Receipt>) => receipts[0]?.address
  return {
    name: self.name,
    stack: [name, ...self.stack],
    capabilities: self.capabilities,
    send: (queue, messages) =>
      f(self.send(queue, messages), {
        _tag: "Send",
        address: QueueAddress.queue(queue),
        count: messages.length,
        isIdempotent: self.capabilities(queue).deduplication !== "unsupported",
        failuresOf: Operation.batchFailures
      }),
    receive: (address, options) =>
      f(self.receive(address, options), {
        _tag: "Receive",
        address,
        wait: options.wait,
        isIdempotent: true,
        failuresOf: noFailures
      }),
    settle: (receipts, verdict) => {
      const address = addressOf(receipts)
      if (address === undefined) return Effect.succeed([])
      return f(self.settle(receipts, verdict), {
        _tag: "Settle",
        address,
        verdict: verdict._tag,
        count: receipts.length,
        isIdempotent: true,
        failuresOf: Operation.batchFailures
      })
    },
    renewLock: (receipts) => {
      const address = addressOf(receipts)
      if (address === undefined) return Effect.succeed([])
      return f(self.renewLock(receipts), {
        _tag: "RenewLock",
        address,
        count: receipts.length,
        isIdempotent: true,
        failuresOf: Operation.batchFailures
      })
    },
    peek: (address, options) =>
      f(self.peek(address, options), {
        _tag: "Peek",
        address,
        isIdempotent: true,
        failuresOf: noFailures
      }),
    ...mapDepth(self, (call, address) =>
      f(call, { _tag: "Peek", address, isIdempotent: true, failuresOf: noFailures })
    ),
    acceptSession: (queue, options) =>
      f(self.acceptSession(queue, options), {
        _tag: "AcceptSession",
        address: QueueAddress.queue(queue),
        ...(options.sessionId === undefined ? {} : { sessionId: options.sessionId }),
        wait: options.wait,
        isIdempotent: true,
        failuresOf: noFailures
      }).pipe(Effect.map(Option.map((session) => transformSession(session, f))))
  }
}

/**
 * A policy as a layer: takes the provider below it and provides the wrapped one.
 *
 * **Gotchas** Layers are memoized by reference: the same layer value twice in a chain applies once.
 * `stack` says which decorators really are there.
 *
 * **Example** (Counting calls)
 *
 * ```ts
 * import { QueueProvider } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * let calls = 0
 * const counting = QueueProvider.layerTransform(
 *   "counting",
 *   Effect.succeed((call) => Effect.suspend(() => (calls++, call)))
 * )
 * ```
 *
 * @category decorators
 * @since 0.1.0
 */
export const layerTransform = <E, R>(
  name: string,
  make: Effect.Effect<CallTransform, E, R>
): Layer.Layer<QueueProvider, E, Exclude<R, Scope.Scope> | QueueProvider> =>
  Layer.effect(
    QueueProvider,
    Effect.gen(function* () {
      const self = yield* QueueProvider
      return transform(self, name, yield* make)
    })
  )
