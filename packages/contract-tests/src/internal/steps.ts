/** What rules are written with: steps on the queue of the rule's world. */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  Capabilities,
  Message,
  MessageId,
  Outcome,
  QueueAddress,
  type QueueError,
  type QueueProvider,
  type QueueSession,
  type Receipt,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import type * as Rule from "../Rule.ts"
import * as World from "../World.ts"
import * as expect from "./expect.ts"

export type Received = ReceivedMessage.ReceivedMessage

export type Step<A, R = never> = Effect.fn.Return<A, Rule.Failure, World.World | R>

export const { World: world } = World

/** The time of the run moves on. What was started before comes to where it waits first. */
export const pass = Effect.fnUntraced(function* (duration: Duration.Duration): Step<void> {
  const { time } = yield* world
  yield* time.settle
  yield* time.advance(duration)
  yield* time.settle
})

/** To shortly before `duration` is over. */
export const passUntilJustBefore = Effect.fnUntraced(function* (
  duration: Duration.Duration
): Step<void> {
  const { time } = yield* world
  yield* pass(Duration.subtract(duration, Duration.times(time.precision, 2)))
})

/** From shortly before a time to shortly after it. */
export const passOver = Effect.flatMap(World.World, ({ time }) =>
  pass(Duration.times(time.precision, 4))
)

/** Until shortly after `duration`. */
export const passBeyond = Effect.fnUntraced(function* (duration: Duration.Duration): Step<void> {
  const { time } = yield* world
  yield* pass(Duration.sum(duration, Duration.times(time.precision, 2)))
})

/** The same, counted from `start`: what was done since then has taken its part of it. */
export const passBeyondSince = Effect.fnUntraced(function* (
  start: number,
  duration: Duration.Duration
): Step<void> {
  const passed = Duration.millis((yield* Clock.currentTimeMillis) - start)
  yield* passBeyond(Duration.max(Duration.subtract(duration, passed), Duration.zero))
})

/** Until every lock taken so far has run out. */
export const passLock = Effect.flatMap(World.World, ({ capabilities }) =>
  passBeyond(capabilities.lockDuration)
)

/** How far the virtual time jumps while something is waited for. */
const stride = Duration.millis(100)

/**
 * An effect that must end by itself: while it waits, the virtual time moves on. What does not end within
 * `wait` and the patience of the run breaks the rule.
 */
export const ends = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  wait: Duration.Duration = Duration.zero
): Effect.Effect<A, E | Rule.RuleFailed, R | World.World> =>
  Effect.flatMap(World.World, ({ time }) => {
    const limit = Duration.sum(wait, time.patience)
    const late = expect.fail(`a call that must end did not end within ${Duration.format(limit)}`)
    if (time.kind === "live")
      return Effect.timeoutOrElse(effect, { duration: limit, orElse: () => late })
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
      if (fiber.pollUnsafe() === undefined) yield* time.settle
      let passed = Duration.zero
      while (fiber.pollUnsafe() === undefined) {
        if (Duration.isGreaterThan(passed, limit)) {
          fiber.interruptUnsafe()
          return yield* late
        }
        yield* time.advance(stride)
        yield* time.settle
        passed = Duration.sum(passed, stride)
      }
      return yield* Fiber.join(fiber)
    })
  })

/** A call under way: it has come to where it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () =>
    Effect.flatMap(World.World, ({ time }) => time.settle)
  )

/** The result of a call under way, which must end by itself. */
export const join = <A, E>(fiber: Fiber.Fiber<A, E>, wait?: Duration.Duration) =>
  ends(Fiber.join(fiber), wait)

/** How long an effect takes on the clock of the run. */
export const timed = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, Duration.Duration], E, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (before) =>
    Effect.flatMap(effect, (result) =>
      Effect.map(
        Clock.currentTimeMillis,
        (after) => [result, Duration.millis(after - before)] as const
      )
    )
  )

/** A message whose text is its id. */
export const message = (
  id: string,
  options?: Message.Options
): Effect.Effect<Message.Stamped, QueueError.QueueError> =>
  Effect.map(Message.text(id, options), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

/** Messages in one call; each must be taken. */
export const sendAll = Effect.fnUntraced(function* (
  messages: ReadonlyArray<Message.Stamped>
): Step<ReadonlyArray<QueueProvider.Sent>> {
  const { provider, queue } = yield* world
  return yield* Outcome.all(yield* ends(provider.send(queue, messages)))
})

/** Messages by id, in one call. */
export const send = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>,
  options?: Message.Options
): Step<ReadonlyArray<QueueProvider.Sent>> {
  return yield* sendAll(yield* Effect.forEach(ids, (id) => message(id, options)))
})

/** A message of a session, whose text is its id. */
export const inSession = (session: string, id: string, options: Message.Options = {}) =>
  message(id, { ...options, sessionId: SessionId.makeUnsafe(session) })

/** Messages in as few calls as the queue takes. */
export const sendInCalls = Effect.fnUntraced(function* (
  messages: ReadonlyArray<Message.Stamped>
): Step<void> {
  const { capabilities } = yield* world
  const { sendCountMax } = capabilities
  for (let from = 0; from < messages.length; from += sendCountMax) {
    yield* sendAll(messages.slice(from, from + sendCountMax))
  }
})

/** Messages of one session, in one call. */
export const sendTo = (
  session: string,
  ids: ReadonlyArray<string>,
  options: Message.Options = {}
) => send(ids, { ...options, sessionId: SessionId.makeUnsafe(session) })

const mainAddress = Effect.map(World.World, ({ queue }) => QueueAddress.queue(queue))

/** The dead letters of the queue. */
export const deadLetters = Effect.map(World.World, ({ queue }) => QueueAddress.deadLetter(queue))

/** Asks until there are `count`, or none for the patience of the run. */
const collect = Effect.fnUntraced(function* (
  count: number,
  ask: (
    options: QueueProvider.ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<Received>, QueueError.QueueError>
): Step<ReadonlyArray<Received>> {
  const { time } = yield* world
  const all: Array<Received> = []
  while (all.length < count) {
    const wait = time.patience
    const some = yield* ends(ask({ max: count - all.length, wait }), wait)
    if (some.length === 0) break
    all.push(...some)
  }
  return all
})

/** Messages until there are `count`, or no more come. */
export const receive = Effect.fnUntraced(function* (
  count: number,
  from?: QueueAddress.QueueAddress
): Step<ReadonlyArray<Received>> {
  const { provider } = yield* world
  const address = from ?? (yield* mainAddress)
  return yield* collect(count, (options) => provider.receive(address, options))
})

/** The one message that must come. */
export const receiveOne = Effect.fnUntraced(function* (
  from?: QueueAddress.QueueAddress
): Step<Received> {
  const [first] = yield* receive(1, from)
  return yield* expect.present("a message that must be delivered", first)
})

/** Sends one message, and receives it. */
export const deliver = Effect.fnUntraced(function* (id: string): Step<Received> {
  yield* send([id])
  return yield* receiveOne()
})

/** Exactly these, in any order: a queue without sessions promises none. They are answered in this order. */
export const receiveIds = Effect.fnUntraced(function* (
  expected: ReadonlyArray<string>,
  from?: QueueAddress.QueueAddress
): Step<ReadonlyArray<Received>> {
  const received = yield* receive(expected.length, from)
  yield* expect.equal("the messages delivered", ids(received).toSorted(), expected.toSorted())
  return expected.flatMap((id) => received.find((one) => one.messageId === id) ?? [])
})

/** Asks once: nothing is there. */
export const receiveNoneNow = Effect.fnUntraced(function* (
  from?: QueueAddress.QueueAddress
): Step<void> {
  const { provider } = yield* world
  const address = from ?? (yield* mainAddress)
  const received = yield* ends(provider.receive(address, { max: 10, wait: Duration.zero }))
  yield* expect.equal("the messages delivered", ids(received), [])
})

/** Nothing comes for as long as the run waits for nothing. */
export const receiveNone = Effect.fnUntraced(function* (
  from?: QueueAddress.QueueAddress
): Step<void> {
  const { provider, time } = yield* world
  const address = from ?? (yield* mainAddress)
  const wait = time.quiet
  const received = yield* ends(provider.receive(address, { max: 10, wait }), wait)
  yield* expect.equal("the messages delivered", ids(received), [])
})

export const ids = (
  messages: ReadonlyArray<{ readonly messageId: string }>
): ReadonlyArray<string> => messages.map((one) => one.messageId)

/** `a1:2` is the second delivery of a1. */
export const counted = (
  messages: ReadonlyArray<{ readonly messageId: string; readonly deliveryCount: number }>
): ReadonlyArray<string> => messages.map((one) => `${one.messageId}:${one.deliveryCount}`)

/** `ok`, or the tag of the reason. */
export const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((one) => (Result.isSuccess(one) ? "ok" : one.failure.reason._tag))

/** The error of a call that must fail. */
export const failure = Effect.fnUntraced(function* <A, R>(
  what: string,
  effect: Effect.Effect<A, QueueError.QueueError, R>
): Step<QueueError.QueueError, R> {
  const result = yield* ends(Effect.result(effect))
  return Result.isFailure(result)
    ? result.failure
    : yield* expect.fail(`${what} succeeded and must fail`)
})

/** The call fails with this reason. */
export const failsWith = Effect.fnUntraced(function* <A, R>(
  what: string,
  reason: QueueError.Reason["_tag"],
  effect: Effect.Effect<A, QueueError.QueueError, R>
): Step<QueueError.QueueError, R> {
  const error = yield* failure(what, effect)
  yield* expect.equal(`the reason why ${what} fails`, error.reason._tag, reason)
  return error
})

type Settleable = ReadonlyArray<{ readonly receipt: Receipt.Receipt }>

type Settler = Pick<QueueSession.QueueSession, "settle">

/** What becomes of each settlement; by a session where one is given. */
export const settleTags = Effect.fnUntraced(function* (
  messages: Settleable,
  verdict: Verdict.Verdict,
  by?: Settler
): Step<ReadonlyArray<string>> {
  const { provider } = yield* world
  const receipts = messages.map(({ receipt }) => receipt)
  return tags(yield* ends((by ?? provider).settle(receipts, verdict)))
})

/** Settles each, which must succeed. */
export const settle = Effect.fnUntraced(function* (
  messages: Settleable,
  verdict: Verdict.Verdict,
  by?: Settler
): Step<void> {
  const outcomes = yield* settleTags(messages, verdict, by)
  const expected = messages.map(() => "ok")
  yield* expect.equal(`the outcomes of ${verdict._tag}`, outcomes, expected)
})

export const complete = (messages: Settleable, by?: Settler) =>
  settle(messages, Verdict.complete, by)

export const abandon = (messages: Settleable, by?: Settler) =>
  settle(messages, Verdict.abandon(), by)

/** Settling each fails with ReceiptExpired. */
export const settlesNothing = Effect.fnUntraced(function* (
  messages: Settleable,
  verdict: Verdict.Verdict,
  by?: Settler
): Step<void> {
  const outcomes = yield* settleTags(messages, verdict, by)
  const expected = messages.map(() => "ReceiptExpired")
  yield* expect.equal(`the outcomes of a late ${verdict._tag}`, outcomes, expected)
})

/** Asks for a session once, or waits. */
export const tryAccept = Effect.fnUntraced(function* (
  session?: string,
  wait: Duration.Duration = Duration.zero,
  by?: QueueProvider.Service
): Effect.fn.Return<
  Option.Option<QueueSession.QueueSession>,
  QueueError.QueueError | Rule.RuleFailed,
  World.World | Scope.Scope
> {
  const { provider, queue } = yield* world
  const which = session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }
  return yield* ends((by ?? provider).acceptSession(queue, { ...which, wait }), wait)
})

/** Accepts the next free session, which must be there. */
export const acceptNext = Effect.fnUntraced(function* (
  by?: QueueProvider.Service
): Step<QueueSession.QueueSession, Scope.Scope> {
  const { time } = yield* world
  const accepted = yield* tryAccept(undefined, time.patience, by)
  if (Option.isNone(accepted)) return yield* expect.fail("no session was granted, and one is free")
  return accepted.value
})

/**
 * Accepts a free session that has messages, by its id where the provider can; otherwise it must be the
 * next one.
 */
export const accept = Effect.fnUntraced(function* (
  session: string,
  by?: QueueProvider.Service
): Step<QueueSession.QueueSession, Scope.Scope> {
  const { capabilities, time } = yield* world
  const isById = Capabilities.isSupported(capabilities.acceptSpecific)
  const accepted = yield* tryAccept(isById ? session : undefined, time.patience, by)
  if (Option.isNone(accepted)) {
    return yield* expect.fail(`session "${session}" was not granted, and it is free`)
  }
  yield* expect.equal("the session granted", accepted.value.sessionId, session)
  return accepted.value
})

/** No session is free now. */
export const acceptNone = Effect.fnUntraced(function* (by?: QueueProvider.Service): Step<void> {
  const { time } = yield* world
  const accepted = yield* Effect.scoped(
    Effect.map(
      tryAccept(undefined, time.quiet, by),
      Option.map((session) => session.sessionId)
    )
  )
  yield* expect.equal("the session granted", Option.getOrUndefined(accepted), undefined)
})

/** Something that lives in a scope of its own, and the end of that scope. */
export const closable = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Scope.make()
  // A rule that fails leaves nothing open.
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const value = yield* Scope.provide(effect, scope)
  return { value, close: Scope.close(scope, Exit.void) } as const
})

/** The next messages of a session, until there are `count` or no more come. */
export const take = (session: QueueSession.QueueSession, count: number) =>
  collect(count, (options) => session.receive(options))

/** The next messages of a session are these, in this order. */
export const takeIds = Effect.fnUntraced(function* (
  session: QueueSession.QueueSession,
  expected: ReadonlyArray<string>
): Step<ReadonlyArray<Received>> {
  const received = yield* take(session, expected.length)
  yield* expect.equal("the session's messages", ids(received), expected)
  return received
})

/**
 * The messages of a session one after the other, each completed before the next: what was sent while one
 * was in hand comes on SQS only after it.
 */
export const takeInTurn = Effect.fnUntraced(function* (
  session: QueueSession.QueueSession,
  expected: ReadonlyArray<string>
): Step<ReadonlyArray<Received>> {
  const received: Array<Received> = []
  for (const id of expected) {
    const one = yield* takeIds(session, [id])
    yield* complete(one, session)
    received.push(...one)
  }
  return received
})

/** A session with these messages, accepted, and the first of them in hand: all, unless told. */
export const holding = Effect.fnUntraced(function* (
  name: string,
  sent: ReadonlyArray<string>,
  inHand: ReadonlyArray<string> = sent
): Step<
  { readonly session: QueueSession.QueueSession; readonly received: ReadonlyArray<Received> },
  Scope.Scope
> {
  yield* sendTo(name, sent)
  const session = yield* accept(name)
  return { session, received: yield* takeIds(session, inHand) }
})

/** The session that an accept answered, by its id. */
export const granted = (session: Option.Option<QueueSession.QueueSession>): string | undefined =>
  Option.getOrUndefined(Option.map(session, ({ sessionId }) => sessionId))

/** Asked for by its id the session of another is not granted: how that is said. */
export const refused = Effect.fnUntraced(function* (
  session: string,
  by: QueueProvider.Service
): Step<"None" | "SessionLocked"> {
  const asking = Effect.scoped(Effect.map(tryAccept(session, Duration.zero, by), granted))
  const result = yield* Effect.result(asking)
  if (Result.isSuccess(result)) {
    yield* expect.equal("the session granted", result.success, undefined)
    return "None"
  }
  if (result.failure._tag === "RuleFailed") return yield* result.failure
  yield* expect.equal("the reason", result.failure.reason._tag, "SessionLocked")
  return "SessionLocked"
})

/** The next messages of a session are these deliveries: `a1:2`. */
export const takeCounted = Effect.fnUntraced(function* (
  session: QueueSession.QueueSession,
  expected: ReadonlyArray<string>
): Step<ReadonlyArray<Received>> {
  const received = yield* take(session, expected.length)
  yield* expect.equal("the session's deliveries", counted(received), expected)
  return received
})

/** The session has no message to hand out now. */
export const takeNone = Effect.fnUntraced(function* (
  session: QueueSession.QueueSession
): Step<void> {
  const { time } = yield* world
  const wait = time.quiet
  const received = yield* ends(session.receive({ max: 10, wait }), wait)
  yield* expect.equal("the session's messages", ids(received), [])
})

/** The same time, as exactly as the broker's clock and ours agree: to the millisecond on a virtual one. */
export const isTime = Effect.fnUntraced(function* (
  what: string,
  actual: DateTime.Utc,
  expected: DateTime.Utc
): Step<void> {
  const { time } = yield* world
  const apart = Duration.abs(DateTime.distance(expected, actual))
  if (Duration.isGreaterThanOrEqualTo(apart, time.precision)) {
    yield* expect.equal(what, actual, expected)
  }
})

/** The one at this place. */
export const at = <A>(items: ReadonlyArray<A>, index: number): Effect.Effect<A, Rule.RuleFailed> =>
  expect.present(`message ${index}`, items[index])
