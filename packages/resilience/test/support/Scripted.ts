/** A provider that answers as a test says, and keeps a record of every call. */
import {
  Message,
  MessageId,
  QueueAddress,
  QueueError,
  QueueName,
  Receipt,
  SessionId
} from "@queue-runtime/core"
import type {
  Capabilities,
  Outcome,
  QueueProvider,
  QueueSession,
  ReceivedMessage
} from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"

export const orders = QueueName.makeUnsafe("orders")
export const address = QueueAddress.queue(orders)

export const transient = (retryAfter?: Duration.Duration) =>
  QueueError.make(
    new QueueError.ConnectionFailed({}),
    retryAfter === undefined ? {} : { retryAfter }
  )

export const throttled = (retryAfter?: Duration.Duration) =>
  QueueError.make(new QueueError.Throttled(), retryAfter === undefined ? {} : { retryAfter })

export const permanent = QueueError.make(new QueueError.PermissionDenied({ operation: "send" }))
export const expired = QueueError.make(new QueueError.ReceiptExpired())

export const message = (id: string, sessionId?: string): Message.Stamped =>
  Message.stamp(
    new Message.Message({ body: new Uint8Array() }),
    MessageId.makeUnsafe(id),
    sessionId === undefined ? undefined : SessionId.makeUnsafe(sessionId)
  )

export const receipt = (token: string): Receipt.Receipt => Receipt.make(address, token)

export const received = (id: string): ReceivedMessage.ReceivedMessage => {
  const now = DateTime.makeUnsafe(0)
  return {
    messageId: MessageId.makeUnsafe(id),
    body: new Uint8Array(),
    attributes: {},
    receipt: receipt(id),
    deliveryCount: 1,
    enqueuedAt: now,
    firstDeliveredAt: now,
    deliveredAt: now,
    lockedUntil: DateTime.makeUnsafe(30_000)
  }
}

export type Method =
  | "send"
  | "receive"
  | "settle"
  | "renewLock"
  | "peek"
  | "acceptSession"
  | "session.receive"
  | "session.settle"
  | "session.renewLock"
  | "session.state"
  | "session.setState"

export interface Call {
  readonly method: Method
  /** Which call of this method, from 1. */
  readonly nth: number
  /** Milliseconds of the test's clock. */
  readonly at: number
  /** Ids of the messages, or tokens of the receipts. */
  readonly ids: ReadonlyArray<string>
  readonly waitMillis?: number
}

/**
 * How a call ends: nothing is a success; an error fails the whole call; a record fails the entries of
 * these ids; `hang` never answers.
 */
export type Fate =
  | QueueError.QueueError
  | Readonly<Record<string, QueueError.QueueError>>
  | "hang"
  | undefined

export interface Options {
  readonly fate?: (call: Call) => Fate
  readonly capabilities?: Partial<Capabilities.Capabilities>
  /** Answers this many outcomes too few. */
  readonly outcomesMissing?: number
  /** Receives and accepts wait and find nothing. */
  readonly isEmpty?: boolean
}

const capabilities: Capabilities.Capabilities = {
  ordered: false,
  sessions: "native",
  acceptSpecific: "native",
  locksEmptySession: true,
  sessionState: "native",
  messageSizeMax: 1_000,
  sendCountMax: 10,
  sendSizeMax: 1_000,
  receiveCountMax: 10,
  settleCountMax: 10,
  receiveWaitMax: Duration.minutes(1),
  lockDuration: Duration.seconds(30),
  scheduling: "native",
  abandonDelay: "native",
  timeToLive: "native",
  deduplication: "unsupported",
  deadLetter: "native",
  peek: "native",
  deliveryCount: "exact"
}

export interface Scripted {
  readonly provider: QueueProvider.Service
  readonly calls: ReadonlyArray<Call>
  /** Sessions accepted and released, in order: `+A`, `-A`. */
  readonly sessions: ReadonlyArray<string>
  readonly of: (method: string) => ReadonlyArray<Call>
}

export const make = (options: Options = {}): Scripted => {
  const calls: Array<Call> = []
  const sessions: Array<string> = []
  const of = (method: string) => calls.filter((call) => call.method === method)

  const call = (method: Method, ids: ReadonlyArray<string> = [], wait?: Duration.Duration) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (
        at
      ): Effect.Effect<Readonly<Record<string, QueueError.QueueError>>, QueueError.QueueError> => {
        const one: Call = {
          method,
          nth: of(method).length + 1,
          at,
          ids,
          ...(wait === undefined ? {} : { waitMillis: Duration.toMillis(wait) })
        }
        calls.push(one)
        const fate = options.fate?.(one)
        if (fate === "hang") return Effect.never
        return fate instanceof QueueError.QueueError
          ? Effect.fail(fate)
          : Effect.succeed(fate ?? {})
      }
    )

  const each = <A>(
    method: Method,
    ids: ReadonlyArray<string>,
    value: (id: string) => A
  ): Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError> =>
    Effect.map(call(method, ids), (failures) =>
      ids.slice(options.outcomesMissing ?? 0).map((id): Outcome.Outcome<A> => {
        const error = failures[id]
        return error === undefined ? Result.succeed(value(id)) : Result.fail(error)
      })
    )

  const tokens = (receipts: ReadonlyArray<Receipt.Receipt>) => receipts.map(({ token }) => token)
  const lockedUntil = DateTime.makeUnsafe(30_000)

  const nothing = (method: Method, wait: Duration.Duration) =>
    Effect.andThen(
      call(method, [], wait),
      Effect.as(options.isEmpty === true ? Effect.sleep(wait) : Effect.void, [])
    )

  const session = (id: string): QueueSession.QueueSession => ({
    queue: orders,
    sessionId: SessionId.makeUnsafe(id),
    lockedUntil: Effect.succeed(lockedUntil),
    receive: ({ wait }) => nothing("session.receive", wait),
    settle: (receipts) => each("session.settle", tokens(receipts), () => undefined),
    renewLock: Effect.as(call("session.renewLock"), lockedUntil),
    state: Effect.as(call("session.state"), Option.none()),
    setState: () => Effect.asVoid(call("session.setState"))
  })

  const provider: QueueProvider.Service = {
    name: "scripted",
    stack: ["scripted"],
    capabilities: () => ({ ...capabilities, ...options.capabilities }),
    send: (_, messages) =>
      each(
        "send",
        messages.map(({ messageId }) => messageId),
        (id) => ({ messageId: MessageId.makeUnsafe(id) })
      ),
    receive: (_, { wait }) => nothing("receive", wait),
    settle: (receipts) => each("settle", tokens(receipts), () => undefined),
    renewLock: (receipts) => each("renewLock", tokens(receipts), () => lockedUntil),
    peek: () => Effect.as(call("peek"), []),
    acceptSession: (_, { sessionId = "A", wait }) =>
      options.isEmpty === true
        ? Effect.as(nothing("acceptSession", wait), Option.none())
        : Effect.andThen(
            // Acquired first: what fails behind it must be released all the same.
            Effect.acquireRelease(
              Effect.sync(() => sessions.push(`+${sessionId}`)),
              () => Effect.sync(() => sessions.push(`-${sessionId}`))
            ),
            Effect.as(call("acceptSession", [], wait), Option.some(session(sessionId)))
          )
  }
  return { provider, calls, sessions, of }
}

/** Accepts a session and keeps it until the answered scope is closed. */
export const accept = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  wait: Duration.Duration = Duration.zero
) {
  const scope = yield* Scope.make()
  const session = yield* Scope.provide(provider.acceptSession(orders, { wait }), scope)
  return { session: Option.getOrThrow(session), close: Scope.close(scope, Exit.void) }
})
