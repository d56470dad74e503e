/**
 * Runs a handler over the sessions of a queue: up to n sessions side by side, in order inside each.
 *
 * **Details**
 *
 * A slot accepts the next free session and handles its messages one after the other; the next one
 * starts only after the settlement of the one before is confirmed. An idle session is given up for
 * another. A failed message comes first again after its backoff, and those behind it wait: meanwhile the
 * session is parked, still held, and its slot serves others, so that a bad session stops nobody else.
 * An always-failing message is dead-lettered after its maximum of deliveries and the next ones are
 * handled.
 *
 * When others wait, a session is given up after a stated number of messages or time.
 *
 * A connection that fails is waited for, with backoff, and told once for all slots while it lasts; an
 * error that no waiting mends (a missing queue) ends the worker after its handlers. Refused credentials
 * end one that was never let in, so that a mistake shows at the start; one that was at work waits until
 * they are right again, and says so as an error, once.
 *
 * Interruption drains: nothing more is accepted, running handlers get the grace period, what is not done
 * by then is abandoned, and all sessions are released.
 *
 * **Gotchas**
 *
 * A handler runs at least once for a message. Two holders of one session at once are possible only while
 * a lost lock goes unnoticed; the handler is then interrupted and nothing is settled.
 *
 * @since 0.1.0
 */
import {
  Await,
  Backoff,
  Capabilities,
  Check,
  Defaults,
  HandlerFailure,
  MessageHandler,
  Outcome,
  QueueClient,
  QueueError,
  Verdict
} from "@queue-runtime/core"
import type { QueueName, ReceivedMessage } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Dispatch, type Mailbox } from "./internal/dispatch.ts"
import * as heldSession from "./internal/heldSession.ts"
import type * as SessionAffinity from "./SessionAffinity.ts"
import * as SessionLifecycle from "./SessionLifecycle.ts"

/**
 * A queue, its handler, and the limits of the work.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never> extends MessageHandler.Options<E> {
  readonly queue: QueueName.QueueName
  readonly handler: MessageHandler.MessageHandler<E, R>
  /** Sessions at work side by side. Default: 10. */
  readonly concurrency?: number
  /** How long one accept waits for a session. Default: 30 s. */
  readonly wait?: Duration.Input
  /**
   * A session without a message for this long is given up; sooner when another one is there. Default:
   * 5 s.
   */
  readonly sessionIdle?: Duration.Input
  /** Messages of one session before others that wait get their turn. Default: 1,000. */
  readonly sessionMessagesMax?: number
  /** Time with one session before others that wait get their turn. Default: 5 minutes. */
  readonly sessionDurationMax?: Duration.Input
  /** Sessions held while their failed message backs off; beyond it they are given up. Default: 100. */
  readonly parkedMax?: number
  /** Messages of one session received at once. Default: 10. */
  readonly prefetch?: number
  /** How long handlers may go on after the worker was interrupted. Default: 20 s. */
  readonly gracePeriod?: Duration.Input
  /** Sessions to ask for first when a slot is idle. Default: none. */
  readonly affinity?: SessionAffinity.SessionAffinity
  /**
   * Pauses the worker: waited for before a session is accepted and before each message is handled; what
   * it answers is for workers without sessions. Sessions in hand are kept, and a message that waits here
   * is not counted as delivered again. Default: never pauses.
   */
  readonly ready?: Effect.Effect<number>
}

const limits = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  return {
    concurrency: yield* Check.wholeNumber(
      "concurrency",
      options.concurrency ?? Defaults.concurrency
    ),
    wait: yield* Check.duration("wait", options.wait ?? Defaults.receiveWait),
    idle: yield* Check.duration("sessionIdle", options.sessionIdle ?? Defaults.sessionIdle),
    messagesMax: yield* Check.wholeNumber(
      "sessionMessagesMax",
      options.sessionMessagesMax ?? Defaults.sessionMessagesMax
    ),
    durationMax: yield* Check.duration(
      "sessionDurationMax",
      options.sessionDurationMax ?? Defaults.sessionDurationMax
    ),
    parkedMax: yield* Check.wholeNumber(
      "parkedMax",
      options.parkedMax ?? Defaults.sessionsParkedMax
    ),
    prefetch: yield* Check.wholeNumber("prefetch", options.prefetch ?? Defaults.sessionPrefetch),
    grace: yield* Check.duration("gracePeriod", options.gracePeriod ?? Defaults.gracePeriod)
  }
})

/** Ends a fiber that is no longer needed. A defect that ended it before is also whose it was. */
const endOf = (fiber: Fiber.Fiber<unknown>): Effect.Effect<void> =>
  Effect.suspend(() => fiber.pollUnsafe() ?? Fiber.interrupt(fiber))

/** Why a slot is done with a session. */
type Parting =
  | { readonly _tag: "Idle" }
  /** Idle, and another one is there. */
  | { readonly _tag: "Replaced"; readonly next: heldSession.HeldSession }
  | { readonly _tag: "Turn" }
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Parked"; readonly delay: Duration.Duration }
  | { readonly _tag: "Lost"; readonly error: QueueError.QueueError }

/** A worker is mostly forked, and nobody looks at its fiber: what ends it is told. */
const failed = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Effect.logError(
        `session worker failed: ${HandlerFailure.format(HandlerFailure.describe(Cause.squash(cause)))}`
      )

/**
 * Why there is no work on a queue without sessions. One that does not exist has none either: the service
 * alone can tell, and is asked.
 */
const withoutSessions = (
  client: QueueClient.Service,
  queue: QueueName.QueueName
): Effect.Effect<never, QueueError.QueueError> => {
  const reason = new QueueError.UnsupportedOperation({
    what: "a session worker",
    provider: client.provider,
    remedy: "it has no sessions; switch them on in its options, or run a QueueWorker"
  })
  const unsupported = QueueError.make(reason, { queue })
  return client.acceptSession(queue, { wait: 0 }).pipe(
    Effect.scoped,
    Effect.timeoutOption(Defaults.timeoutCall),
    Effect.matchEffect({
      onSuccess: () => Effect.fail(unsupported),
      onFailure: (error) => Effect.fail(error.reason._tag === "QueueNotFound" ? error : unsupported)
    })
  )
}

/**
 * Runs until it is interrupted, and then drains. Fails only with what no waiting mends, and only after
 * its handlers are done; the log says with what, as an error, before they are.
 *
 * **Errors** ValidationFailed for an option out of its range, before anything is accepted ·
 * UnsupportedOperation for a queue without sessions · QueueNotFound · AuthenticationFailed and
 * PermissionDenied before its first accept
 *
 * **Example** (Two sessions, each in order)
 *
 * ```ts
 * import { Message, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { SessionWorker } from "@queue-runtime/sessions"
 * import { Effect, Fiber, Layer, Queue } from "effect"
 *
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { events: { sessions: true } } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const queue = yield* QueueName.make("events")
 *   const handled = yield* Queue.unbounded<string>()
 *   for (const text of ["a", "b"]) {
 *     const sessionId = yield* SessionId.make("acme/shop/pull/42")
 *     yield* client.send(queue, yield* Message.text(text, { sessionId }))
 *   }
 *   const worker = yield* Effect.forkChild(
 *     SessionWorker.run({
 *       queue,
 *       handler: ({ body }) => Queue.offer(handled, new TextDecoder().decode(body))
 *     })
 *   )
 *   const order = yield* Queue.takeN(handled, 2)
 *   yield* Fiber.interrupt(worker)
 *   return order
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => ["a", "b"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  options: Options<E, R>
): Effect.Effect<never, QueueError.QueueError, QueueClient.QueueClient | R> =>
  Effect.flatten(Effect.tapCause(begin(options), failed)).pipe(
    Effect.annotateLogs({ queue: options.queue })
  )

/** Checks the options and the queue, and answers the work. */
const begin = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  const client = yield* QueueClient.QueueClient
  const lifecycle = yield* Effect.serviceOption(SessionLifecycle.SessionLifecycle)
  const limit = yield* limits(options)
  const handle = yield* MessageHandler.make(options.handler, options)
  const { affinity, queue, ready } = options
  const capabilities = client.capabilities(queue)
  const dispatch = new Dispatch()
  const stopping = yield* Deferred.make<void>()
  const graceOver = yield* Deferred.make<void>()
  const fatal = yield* Deferred.make<never, QueueError.QueueError>()
  const scope = yield* Scope.make()
  const pause = Backoff.exponential()

  const isStopping = (): boolean => Deferred.isDoneUnsafe(stopping)

  /** Whether the service has let it in, and whether it does now. */
  let access: "unknown" | "granted" | "refused" = "unknown"
  let refusals = 0

  /** What accepting fails with since it last went well: told once, by whichever slot meets it first. */
  const told = new Set<string>()
  let failures = 0
  let failuresBefore = 0

  /** What no waiting mends ends the worker; refused credentials only one that was never let in. */
  const isFatal = (error: QueueError.QueueError): boolean =>
    !QueueError.isTransient(error) && (access === "unknown" || !QueueError.isRefused(error))

  /** What an unlucky call costs: time, never a busy loop. */
  const unlucky = Effect.fnUntraced(function* (error: QueueError.QueueError, nth: number) {
    const asked = error.retryAfter ?? (yield* pause(nth))
    const delay = Duration.max(asked, Defaults.idlePause)
    const isRefused = QueueError.isRefused(error)
    if (isRefused) refusals++
    failures++
    const isTold = told.has(error.reason._tag)
    told.add(error.reason._tag)
    if (isRefused && access === "granted") {
      access = "refused"
      yield* Effect.logError(`access is refused, and asked for until it is not: ${error.message}`)
    } else {
      yield* Effect.logWithLevel(isTold ? "Debug" : "Warn")(
        `accepting a session failed, again in ${Duration.format(delay)}: ${error.message}`
      )
    }
    yield* Effect.sleep(delay)
  })

  /** The service answers again: how often it did not. */
  const reached = Effect.suspend(() => {
    const missed = failures - failuresBefore
    failuresBefore = failures
    told.clear()
    return Effect.logInfo(
      `sessions are accepted again; accepting failed ${missed} ${missed === 1 ? "time" : "times"}`
    )
  })

  /**
   * An accept that the service answers says that it lets us in, unless a later one was refused; and that it
   * is there again, unless a later one failed.
   */
  const letIn = <A, R2>(accept: Effect.Effect<A, QueueError.QueueError, R2>) =>
    Effect.suspend(() => {
      const refusalsBefore = refusals
      const before = failures
      return Effect.tap(accept, () => {
        if (refusalsBefore !== refusals) return Effect.void
        const wasRefused = access === "refused"
        access = "granted"
        const granted = wasRefused ? Effect.logInfo("access is granted again") : Effect.void
        return before === failures && failures !== failuresBefore
          ? Effect.andThen(granted, reached)
          : granted
      })
    })

  /** A defect ends the worker: a slot that dies unseen would leave one that handles less and less. */
  const broken = (defect: unknown) => Deferred.die(fatal, defect)

  type HandOver = (held: heldSession.HeldSession) => void

  /** A session given up with work left, if it is free: a hint, so any failure just means no. */
  const acceptKnown = (handOver: HandOver): Effect.Effect<boolean> =>
    affinity === undefined || !Capabilities.isSupported(capabilities.acceptSpecific)
      ? Effect.succeed(false)
      : Effect.flatMap(affinity.candidate(queue), (sessionId) => {
          if (Option.isNone(sessionId)) return Effect.succeed(false)
          const acceptSession = client.acceptSession(queue, { sessionId: sessionId.value, wait: 0 })
          return Effect.orElseSucceed(
            heldSession.accept({ acceptSession, lifecycle, isGuess: true, handOver }),
            () => false
          )
        })

  const acceptNext = (wait: Duration.Duration, handOver: HandOver) =>
    heldSession.accept({
      acceptSession: letIn(client.acceptSession(queue, { wait })),
      lifecycle,
      isGuess: false,
      handOver
    })

  /** Accepts for one idle slot, through lost connections and empty waits, until it has a session. */
  const acceptFor = Effect.fnUntraced(function* (handOver: HandOver) {
    let inARow = 0
    let isThere = false
    while (!isThere) {
      if (ready !== undefined) yield* ready
      if (yield* acceptKnown(handOver)) return
      const before = yield* Clock.currentTimeMillis
      const accepted = yield* Effect.result(acceptNext(limit.wait, handOver))
      if (Result.isFailure(accepted)) {
        if (isFatal(accepted.failure)) {
          yield* Deferred.fail(fatal, accepted.failure)
          return
        }
        inARow++
        yield* unlucky(accepted.failure, inARow)
        continue
      }
      // With one that is there the slot ends this from outside, mostly before it comes here.
      isThere = accepted.success
      inARow = 0
      const waited = (yield* Clock.currentTimeMillis) - before
      if (waited < Duration.toMillis(Defaults.idlePause)) yield* Effect.sleep(Defaults.idlePause)
    }
  })

  /** Asks for a session on behalf of a slot, until it is interrupted; it comes into the mailbox. */
  const seek = (mailbox: Mailbox) =>
    Effect.suspend(() =>
      dispatch.open(mailbox)
        ? Effect.never
        : Effect.andThen(
            acceptFor((held) => dispatch.deliver(held, mailbox)),
            Effect.never
          )
    )

  /**
   * Waits for one of these or a session in the mailbox, for which it asks meanwhile. That ends by itself
   * only by a defect, which is then the slot's.
   */
  const seekUntil = Effect.fnUntraced(function* (
    mailbox: Mailbox,
    others: ReadonlyArray<Await.Awaitable>,
    delay: Duration.Duration
  ) {
    const seeking = yield* Effect.forkChild(Effect.delay(seek(mailbox), delay), {
      startImmediately: true
    })
    yield* Effect.onExit(Await.any([...others, mailbox, seeking]), () => endOf(seeking))
  })

  /** Takes what is in the mailbox, and closes it. */
  const take = (mailbox: Mailbox): Effect.Effect<heldSession.HeldSession> =>
    Effect.map(Deferred.await(mailbox), (held) => {
      dispatch.taken(mailbox)
      dispatch.close(mailbox)
      return held
    })

  /** The next session for a slot that has none. */
  const nextSession = Effect.gen(function* () {
    if (isStopping()) return Option.none<heldSession.HeldSession>()
    const mailbox = Deferred.makeUnsafe<heldSession.HeldSession>()
    yield* seekUntil(mailbox, [stopping], Duration.zero)
    if (Deferred.isDoneUnsafe(mailbox)) return Option.some(yield* take(mailbox))
    dispatch.close(mailbox)
    return Option.none()
  })

  /** The verdict as the queue can do it: what it cannot delay is delayed by the parked session alone. */
  const feasible = (verdict: Verdict.Verdict): Verdict.Verdict => {
    if (verdict._tag !== "Abandon") return verdict
    const { abandonDelay, abandonDelayMax = verdict.delay } = capabilities
    return Capabilities.isSupported(abandonDelay)
      ? Verdict.abandon(Duration.min(verdict.delay, abandonDelayMax))
      : Verdict.abandon()
  }

  const handleOne = Effect.fnUntraced(function* (
    { lockLost, session }: heldSession.HeldSession,
    message: ReceivedMessage.ReceivedMessage
  ) {
    const { sessionId } = session
    if (Option.isSome(lifecycle)) yield* lifecycle.value.handling(queue, sessionId)
    const disposition = yield* handle({
      message,
      settle: (verdict) =>
        Effect.flatMap(session.settle([message], feasible(verdict)), Outcome.single),
      lockLost,
      lockedUntil: session.lockedUntil,
      graceOver
    })
    if (Option.isSome(lifecycle)) {
      yield* lifecycle.value.handled(queue, sessionId, disposition._tag === "Completed")
    }
    return disposition
  })

  /** Whether the session has had its turn and another one waits; that one then gets this slot. */
  const turnIsOver = (held: heldSession.HeldSession): Effect.Effect<boolean> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { messages, since } = held.turn
      const isOver =
        messages >= limit.messagesMax || now - since >= Duration.toMillis(limit.durationMax)
      return isOver ? otherTurn(held, now) : Effect.succeed(false)
    })

  const otherTurn = Effect.fnUntraced(function* (held: heldSession.HeldSession, now: number) {
    if (dispatch.waiting > 0) return true
    const accepted = yield* Effect.orElseSucceed(
      acceptNext(Duration.zero, (other) => dispatch.deliver(other)),
      () => false
    )
    if (!accepted) held.turn = { since: now, messages: 0 }
    return accepted
  })

  /** Why to part from a session, whatever it would still bring. */
  const partingFrom = ({
    closeAsked,
    lockLost
  }: heldSession.HeldSession): Effect.Effect<Parting | undefined> => {
    if (Deferred.isDoneUnsafe(lockLost)) {
      return Effect.map(Deferred.await(lockLost), (error) => ({ _tag: "Lost", error }))
    }
    return isStopping() || Deferred.isDoneUnsafe(closeAsked)
      ? Effect.succeed({ _tag: "Asked" })
      : Effect.undefined
  }

  /**
   * The next messages, or why there is nothing more to do here. A slot whose session is empty does not
   * just wait: it looks for another session as well, and whichever comes first is next. One that may have
   * more gets a moment's start.
   */
  const receive = Effect.fnUntraced(function* (held: heldSession.HeldSession) {
    const asked = yield* partingFrom(held)
    if (asked !== undefined) return asked
    const wait = held.isGuess ? Duration.zero : limit.idle
    held.isGuess = false
    // No more than the turn has left: giving up messages in hand costs some brokers a delivery of each.
    const left = Math.max(1, limit.messagesMax - held.turn.messages)
    const max = Math.min(limit.prefetch, capabilities.receiveCountMax, left)
    const receiving = yield* Effect.forkChild(held.session.receive({ max, wait }), {
      startImmediately: true
    })
    if (receiving.pollUnsafe() === undefined) {
      const parting = yield* receiveOrPart(held, receiving)
      if (parting !== undefined) return parting
    }
    const idle: Parting = { _tag: "Idle" }
    return yield* Effect.match(Fiber.join(receiving), {
      onFailure: (error): Parting => ({ _tag: "Lost", error }),
      onSuccess: (messages) => {
        held.expectsMore = messages.length === max
        return messages.length === 0 ? idle : messages
      }
    })
  })

  /** Waits for what a session brings, unless there is something to part for. */
  const receiveOrPart = Effect.fnUntraced(function* (
    held: heldSession.HeldSession,
    receiving: Fiber.Fiber<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  ) {
    const { closeAsked, expectsMore, lockLost } = held
    const mailbox = Deferred.makeUnsafe<heldSession.HeldSession>()
    yield* Effect.ensuring(
      seekUntil(
        mailbox,
        [receiving, lockLost, closeAsked, stopping],
        expectsMore ? Defaults.idlePause : Duration.zero
      ),
      Fiber.interrupt(receiving)
    )
    const parting = yield* partingFrom(held)
    const exit = receiving.pollUnsafe()
    const isThere = exit !== undefined && Exit.isSuccess(exit) && exit.value.length > 0
    if (parting === undefined && !isThere && Deferred.isDoneUnsafe(mailbox)) {
      return { _tag: "Replaced", next: yield* take(mailbox) } satisfies Parting
    }
    dispatch.close(mailbox)
    return parting
  })

  /** Waits while the worker is paused; a reason to part meanwhile ends it. */
  const resumed = Effect.fnUntraced(function* (
    { closeAsked, lockLost }: heldSession.HeldSession,
    isReady: Effect.Effect<number>
  ) {
    const waiting = yield* Effect.forkChild(isReady, { startImmediately: true })
    yield* Effect.onExit(Await.any([waiting, lockLost, closeAsked, stopping]), () => endOf(waiting))
  })

  /** Messages received together, one after the other, up to the first that does not go well. */
  const handleAll = Effect.fnUntraced(function* (
    held: heldSession.HeldSession,
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ): Effect.fn.Return<Parting | undefined, never, R> {
    for (const message of messages) {
      if (isStopping()) return { _tag: "Asked" } satisfies Parting
      if (ready !== undefined) {
        yield* resumed(held, ready)
        const parting = yield* partingFrom(held)
        if (parting !== undefined) return parting
      }
      const disposition = yield* handleOne(held, message)
      held.turn = { ...held.turn, messages: held.turn.messages + 1 }
      switch (disposition._tag) {
        case "Completed":
        case "DeadLettered":
          if (yield* turnIsOver(held)) return { _tag: "Turn" } satisfies Parting
          continue
        case "Abandoned":
          return { _tag: "Parked", delay: disposition.delay } satisfies Parting
        case "Released":
          return { _tag: "Asked" } satisfies Parting
        default:
          return { _tag: "Lost", error: disposition.error } satisfies Parting
      }
    }
    return undefined
  })

  /** Works on one session until there is a reason to part. */
  const serve = Effect.fnUntraced(function* (held: heldSession.HeldSession) {
    while (true) {
      const received = yield* receive(held)
      if ("_tag" in received) return received
      const parting = yield* handleAll(held, received)
      if (parting !== undefined) return parting
    }
  })

  /** Keeps a session whose message backs off, without a slot; then it waits for one like any other. */
  const park = Effect.fnUntraced(function* (
    held: heldSession.HeldSession,
    delay: Duration.Duration
  ) {
    if (Duration.isZero(delay)) return dispatch.deliver(held)
    if (dispatch.parked >= limit.parkedMax) return yield* held.close
    dispatch.park(held)
    const isDue = Effect.gen(function* () {
      const time = yield* Effect.forkChild(Effect.sleep(delay), { startImmediately: true })
      yield* Await.any([time, held.lockLost, held.closeAsked])
      return time.pollUnsafe() !== undefined
    })
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(isDue), (due) => {
        dispatch.unpark(held)
        return due ? Effect.sync(() => dispatch.deliver(held)) : held.close
      })
    ).pipe(Effect.forkIn(scope))
  })

  const part = Effect.fnUntraced(function* (held: heldSession.HeldSession, parting: Parting) {
    const { sessionId } = held.session
    if (parting._tag === "Parked" && !isStopping()) return yield* park(held, parting.delay)
    // A lock that counts as lost runs out by itself: releasing it in time would not count the delivery
    // that its handler has seen, and a message that costs its lock each time would come for ever.
    const isLockLost = parting._tag === "Lost" && parting.error.reason._tag === "SessionLockLost"
    if (isLockLost) yield* Effect.sleep(Defaults.lockMargin)
    yield* held.close
    if (parting._tag === "Turn" && affinity !== undefined) yield* affinity.gaveUp(queue, sessionId)
    if (parting._tag === "Lost") {
      yield* Effect.logWarning(`session given up: ${parting.error.message}`).pipe(
        Effect.annotateLogs({ sessionId })
      )
    }
  })

  /**
   * Serves a session and parts from it. Whatever ends the slot meanwhile, what it holds is released: a
   * lock that is renewed for nobody is renewed for ever.
   */
  const served = (held: heldSession.HeldSession) =>
    Effect.onError(
      Effect.tap(serve(held), (parting) =>
        Effect.onError(part(held, parting), () =>
          parting._tag === "Replaced" ? parting.next.close : Effect.void
        )
      ),
      () => held.close
    )

  /** One session at a time, for ever. A session that is lost again and again costs time. */
  const slot = Effect.gen(function* () {
    let lost = 0
    let next = yield* nextSession
    while (Option.isSome(next)) {
      const parting = yield* served(next.value)
      lost = parting._tag === "Lost" ? lost + 1 : 0
      if (lost > 0) {
        const delay = yield* pause(lost)
        yield* Effect.raceFirst(Effect.sleep(delay), Deferred.await(stopping))
      }
      next = parting._tag === "Replaced" ? Option.some(parting.next) : yield* nextSession
    }
  })

  const drain = Effect.fnUntraced(function* (slots: Fiber.Fiber<unknown, unknown>) {
    yield* Effect.logInfo("session worker drains")
    yield* Deferred.succeed(stopping, undefined)
    const done = yield* Effect.timeoutOption(Fiber.await(slots), limit.grace)
    if (Option.isNone(done)) {
      yield* Effect.logWarning("the grace period is over: the rest is abandoned")
      yield* Deferred.succeed(graceOver, undefined)
      yield* Effect.timeoutOption(Fiber.await(slots), Defaults.releaseWait)
    }
    yield* Effect.forEach(dispatch.drain(), (held) => held.close, {
      concurrency: "unbounded",
      discard: true
    })
    yield* Scope.close(scope, Exit.void)
    yield* Effect.logInfo("session worker ended")
  })

  if (!Capabilities.isSupported(capabilities.sessions)) {
    return yield* withoutSessions(client, queue)
  }
  yield* Effect.logInfo("session worker started").pipe(
    Effect.annotateLogs({
      concurrency: limit.concurrency,
      stack: client.stack.join(" > ")
    })
  )
  return Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const slots = yield* Effect.replicateEffect(
        Effect.catchDefect(slot, broken),
        limit.concurrency,
        {
          concurrency: "unbounded",
          discard: true
        }
      ).pipe(Effect.forkIn(scope))
      const work = Effect.tapCause(restore(Deferred.await(fatal)), failed)
      return yield* Effect.ensuring(work, drain(slots))
    })
  )
})

/**
 * A session worker that lives as long as the layer. One that ends by an error says so in the log alone; use
 * {@link run} where the application should end with its worker.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  options: Options<E, R>
): Layer.Layer<never, never, QueueClient.QueueClient | R> =>
  Layer.effectDiscard(Effect.forkScoped(run(options)))
