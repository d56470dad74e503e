/** What sabotages are made with: a provider of which some methods are changed. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  Message,
  type MessageId,
  type Outcome,
  QueueAddress,
  QueueError,
  type QueueName,
  QueueProvider,
  QueueSession,
  type Receipt,
  ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"

export type Provider = QueueProvider.Service

export type Session = QueueSession.QueueSession

export type Received = ReceivedMessage.ReceivedMessage

export type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

export type Receive = (options: QueueProvider.ReceiveOptions) => Failing<ReadonlyArray<Received>>

export type Settle = Session["settle"]

/** A provider with some methods changed. Written out: a provider may be an instance of a class. */
export const change = (provider: Provider, changes: Partial<Provider>): Provider => ({
  name: provider.name,
  stack: provider.stack,
  capabilities: (queue) => provider.capabilities(queue),
  send: (queue, messages) => provider.send(queue, messages),
  receive: (address, options) => provider.receive(address, options),
  settle: (receipts, verdict) => provider.settle(receipts, verdict),
  renewLock: (receipts) => provider.renewLock(receipts),
  peek: (address, options) => provider.peek(address, options),
  ...QueueProvider.mapDepth(provider, (call) => call),
  acceptSession: (queue, options) => provider.acceptSession(queue, options),
  ...changes
})

/** A session with some methods changed. */
export const changeSession = (session: Session, changes: Partial<Session>): Session => ({
  queue: session.queue,
  sessionId: session.sessionId,
  lockedUntil: session.lockedUntil,
  receive: (options) => session.receive(options),
  settle: (receipts, verdict) => session.settle(receipts, verdict),
  ...QueueSession.lostOf(session),
  renewLock: session.renewLock,
  state: session.state,
  setState: (state) => session.setState(state),
  ...changes
})

/** The same fault in every connection; they share nothing. */
export const plain = (f: (provider: Provider) => Provider): Sabotage.Sabotage["make"] =>
  Effect.succeed((provider) => Effect.sync(() => f(provider)))

/** A fault with a memory that all connections share. */
export const remembering = <S>(
  memory: () => S,
  f: (provider: Provider, memory: S) => Provider
): Sabotage.Sabotage["make"] =>
  Effect.sync(() => {
    const shared = memory()
    return (provider) => Effect.sync(() => f(provider, shared))
  })

/** A fault that does something beside the calls, for as long as the connection is open. */
export const background = (
  f: (provider: Provider, scope: Scope.Scope) => Provider
): Sabotage.Sabotage["make"] =>
  Effect.succeed((provider) => Effect.map(Effect.scope, (scope) => f(provider, scope)))

/** Changes every session that is accepted. */
export const withSessions = (
  provider: Provider,
  f: (session: Session) => Partial<Session>
): Provider =>
  change(provider, {
    acceptSession: (queue, options) =>
      Effect.map(
        provider.acceptSession(queue, options),
        Option.map((session) => changeSession(session, f(session)))
      )
  })

/** Changes every receive: of the queue, of its dead letters, of sessions. */
export const withReceives = (
  provider: Provider,
  f: (receive: Receive, address: QueueAddress.QueueAddress) => Receive
): Provider =>
  change(
    withSessions(provider, (session) => ({
      receive: f((options) => session.receive(options), QueueAddress.queue(session.queue))
    })),
    {
      receive: (address, options) =>
        f((inner) => provider.receive(address, inner), address)(options)
    }
  )

/** Changes every message that is received. */
export const withMessages = (provider: Provider, f: (message: Received) => Received): Provider =>
  withReceives(
    provider,
    (receive) => (options) => Effect.map(receive(options), (messages) => messages.map(f))
  )

/** Changes every settlement: by the provider and by sessions. */
export const withSettles = (provider: Provider, f: (settle: Settle) => Settle): Provider =>
  change(
    withSessions(provider, (session) => ({
      settle: f((receipts, verdict) => session.settle(receipts, verdict))
    })),
    { settle: f((receipts, verdict) => provider.settle(receipts, verdict)) }
  )

/** Changes the settlements with one kind of verdict. */
export const withVerdicts = <Tag extends Verdict.Verdict["_tag"]>(
  provider: Provider,
  tag: Tag,
  f: (
    settle: Settle,
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Extract<Verdict.Verdict, { readonly _tag: Tag }>
  ) => ReturnType<Settle>
): Provider =>
  withSettles(
    provider,
    (settle) => (receipts, verdict) =>
      isTagged(verdict, tag) ? f(settle, receipts, verdict) : settle(receipts, verdict)
  )

const isTagged = <Tag extends Verdict.Verdict["_tag"]>(
  verdict: Verdict.Verdict,
  tag: Tag
): verdict is Extract<Verdict.Verdict, { readonly _tag: Tag }> => verdict._tag === tag

/** Changes every message on its way to the broker. */
export const withSent = (
  provider: Provider,
  f: (message: Message.Stamped) => Message.Stamped
): Provider =>
  change(provider, { send: (queue, messages) => provider.send(queue, messages.map(f)) })

/** The message with some fields changed or, as undefined, taken away. */
export const edit = (
  message: Message.Stamped,
  changes: { readonly [Key in keyof Message.Message]?: Message.Message[Key] | undefined }
): Message.Stamped => {
  const fields = Object.entries({ ...message, ...changes }).filter(
    ([, value]) => value !== undefined
  )
  const { body, messageId } = { ...message, ...changes }
  const made = new Message.Message({ ...Object.fromEntries(fields), body: body ?? message.body })
  return Message.stamp(made, messageId ?? message.messageId)
}

/** A delivery as it was handed out. */
export interface Delivery {
  readonly message: Received
  /** What was received together, in order. */
  readonly batch: ReadonlyArray<Received>
}

/** What was delivered, by the token of its receipt. */
export type Deliveries = Map<string, Delivery>

/** Remembers what is delivered. */
export const recording = (provider: Provider, deliveries: Deliveries): Provider =>
  withReceives(
    provider,
    (receive) => (options) =>
      Effect.tap(receive(options), (batch) =>
        Effect.sync(() => {
          for (const message of batch) deliveries.set(message.receipt.token, { message, batch })
        })
      )
  )

/** A fault that knows what all connections were handed. */
export const recorded = (
  f: (provider: Provider, deliveries: Deliveries) => Provider
): Sabotage.Sabotage["make"] =>
  remembering(
    (): Deliveries => new Map(),
    (provider, deliveries) => f(recording(provider, deliveries), deliveries)
  )

/** A delivered message as it can be sent again. */
export const copyOf = (message: Received): Message.Stamped =>
  Message.stamp(ReceivedMessage.toMessage(message), message.messageId)

/** Sends a copy of a message and puts it among the dead letters of its queue, which is not ordered. */
export const buryCopy = Effect.fnUntraced(function* (
  provider: Provider,
  message: Received,
  verdict: Verdict.Verdict
): Effect.fn.Return<void, QueueError.QueueError> {
  const { queue } = message.receipt.address
  yield* provider.send(queue, [copyOf(message)])
  const received = yield* provider.receive(QueueAddress.queue(queue), {
    max: 10,
    wait: Duration.zero
  })
  const isCopy = ({ messageId }: Received) => messageId === message.messageId
  const receipts = (messages: ReadonlyArray<Received>) => messages.map(({ receipt }) => receipt)
  yield* provider.settle(receipts(received.filter(isCopy)), verdict)
  yield* provider.settle(receipts(received.filter((one) => !isCopy(one))), Verdict.abandon())
})

export const ok: Outcome.Outcome<void> = Result.succeed(undefined)

/** What is answered of a message that was taken. */
export const sent = (messageId: MessageId.MessageId): Outcome.Outcome<QueueProvider.Sent> =>
  Result.succeed({ messageId })

/** Success for each receipt, and nothing done. */
export const pretend = (receipts: ReadonlyArray<Receipt.Receipt>): ReturnType<Settle> =>
  Effect.succeed(receipts.map(() => ok))

export const isReason = (tag: QueueError.Reason["_tag"]) => (error: QueueError.QueueError) =>
  error.reason._tag === tag

/** The end of a lock that begins now. */
export const lockFromNow = (
  provider: Provider,
  queue: QueueName.QueueName
): Effect.Effect<DateTime.Utc> =>
  Effect.map(DateTime.now, (now) =>
    DateTime.addDuration(now, provider.capabilities(queue).lockDuration)
  )

/** Changes every error, as a failure of a call and as one message's outcome. */
export const withErrors = (
  provider: Provider,
  f: (error: QueueError.QueueError) => QueueError.QueueError
): Provider => {
  const call = <A, R>(effect: Failing<A, R>): Failing<A, R> => Effect.mapError(effect, f)
  const batch = <A>(effect: Failing<ReadonlyArray<Outcome.Outcome<A>>>) =>
    call(Effect.map(effect, (outcomes) => outcomes.map((one) => Result.mapError(one, f))))
  return change(
    withSessions(
      change(provider, {
        acceptSession: (queue, options) => call(provider.acceptSession(queue, options))
      }),
      (session) => ({
        receive: (options) => call(session.receive(options)),
        settle: (receipts, verdict) => batch(session.settle(receipts, verdict)),
        renewLock: call(session.renewLock),
        state: call(session.state),
        setState: (state) => call(session.setState(state))
      })
    ),
    {
      send: (queue, messages) => batch(provider.send(queue, messages)),
      receive: (address, options) => call(provider.receive(address, options)),
      settle: (receipts, verdict) => batch(provider.settle(receipts, verdict)),
      renewLock: (receipts) => batch(provider.renewLock(receipts)),
      peek: (address, options) => call(provider.peek(address, options)),
      ...QueueProvider.mapDepth(provider, call)
    }
  )
}

/** An error of the service that nobody translated. */
export const untranslated = (
  provider: Provider,
  code: string,
  error: Omit<QueueError.Context, "retry"> = {}
): QueueError.QueueError =>
  QueueError.make(new QueueError.ProviderFailure({ provider: provider.name, code }), error)
