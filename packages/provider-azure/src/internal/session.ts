import type { ServiceBusReceivedMessage, ServiceBusSessionReceiver } from "@azure/service-bus"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import {
  Defaults,
  type Outcome,
  QueueAddress,
  QueueError,
  type QueueName,
  type QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  type SessionId,
  Verdict
} from "@queue-runtime/core"
import type { Grant } from "./accepting.ts"
import { call, closing, connectionOf, limited, type Line } from "./calls.ts"
import type { Context } from "./context.ts"
import { Delivery, type Owner } from "./deliveries.ts"
import * as errors from "./errors.ts"
import { drainWithin, endPending, protect } from "./inside.ts"
import { amqpLinkOf, isLinkOpen, settlement } from "./link.ts"
import { Losses } from "./losses.ts"
import type { SdkClient } from "./sdkClient.ts"
import * as sessionState from "./sessionState.ts"
import { Settlements } from "./settlements.ts"
import * as wire from "./wire.ts"

type Received = ReadonlyArray<ReceivedMessage.ReceivedMessage>

const gatherMillis = Duration.toMillis(Defaults.serviceBusGatherWait)

const sliceMillis = Duration.toMillis(Defaults.serviceBusSessionSlice)

/** Over its link, or by its lock token where that is gone; the service asks for the session too. */
const live = (delivery: Delivery): ServiceBusReceivedMessage =>
  delivery.isSpent || isLinkOpen(amqpLinkOf(delivery.message)) === false
    ? Object.assign({ ...delivery.message }, { delivery: {} })
    : delivery.message

/** What is known of one receive: when its wait ends, and whether the service was asked. */
interface Wish {
  readonly max: number
  readonly end: number
  isAsked: boolean
}

/**
 * A session that the service granted us.
 *
 * What it sent and nobody has in hand is kept here, in order. A failed message alone is abandoned at the
 * service, so that its count is true, and fetched again before anything behind it is handed out; those
 * behind it stay locked here, unseen and uncounted. The delay of an abandon is waited out before that.
 */
export class Session implements Owner, Line {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly #address: QueueAddress.QueueAddress
  readonly #context: Context
  readonly #receiver: ServiceBusSessionReceiver
  readonly sdk: SdkClient
  readonly #forgetLoss: () => void
  readonly #settlements = new Settlements()
  readonly #losses = new Losses()
  #amqpLink: unknown
  /** Sent by the service, in nobody's hands, in order. */
  #ready: Array<ServiceBusReceivedMessage> = []
  readonly #inHand = new Set<Delivery>()
  /** Failed messages whose delay is not over, and what waits for it. */
  readonly #delayed = new Map<bigint, { readonly delivery: Delivery; fiber?: Fiber.Fiber<void> }>()
  /** Abandoned messages that the service has to send again before anything else. */
  #owed = 0
  readonly #kick = Latch.makeUnsafe(false)
  /** What the service is being asked for: what is there now, or the next message to come. */
  #fetching: "Now" | "Next" | undefined
  #fetchStartedAt = 0
  #fetchError: QueueError.QueueError | undefined
  #lockedUntil: number
  #end: "Lost" | "Released" | undefined

  constructor(context: Context, queue: QueueName.QueueName, { receiver, sdk }: Grant) {
    this.#context = context
    this.queue = queue
    this.#address = QueueAddress.queue(queue)
    this.#receiver = receiver
    this.sdk = sdk
    this.#forgetLoss = sdk.onLost(() => this.#finish("Lost"))
    protect(receiver)
    const requestMillis = Duration.toMillis(context.config.requestTimeout)
    drainWithin(receiver, requestMillis * Defaults.serviceBusSessionDrainPart)
    this.sessionId = wire.sessionIdOf(receiver.sessionId)
    this.#lockedUntil = receiver.sessionLockedUntilUtc.getTime()
  }

  #place(operation: string): errors.Place {
    return { operation, queue: this.queue, sessionId: this.sessionId }
  }

  /** Whether it is no longer ours, as far as can be told here. */
  #isLost(): boolean {
    if (this.#end !== undefined) return true
    const isHeld = this.#context.now() < this.#lockedUntil && !this.sdk.isLost
    if (isHeld && !this.#receiver.isClosed) return false
    this.#finish("Lost")
    return true
  }

  #finish(how: "Lost" | "Released"): void {
    if (this.#end !== undefined) return
    this.#end = how
    this.#forgetLoss()
    for (const delivery of this.#inHand) this.#context.deliveries.remove(delivery)
    for (const [, { fiber }] of this.#delayed) fiber?.interruptUnsafe()
    this.#inHand.clear()
    this.#delayed.clear()
    this.#ready = []
    this.#kick.openUnsafe()
    if (how === "Lost") this.#context.discard(this.#receiver, this.sdk)
  }

  #lost(operation: string): QueueError.QueueError {
    const place = this.#place(operation)
    if (this.#context.isClosed) return errors.closed(place)
    return errors.error(new QueueError.SessionLockLost({ sessionId: this.sessionId }), place)
  }

  /** A failure that says that the session is gone ends it here as well. */
  #notice(error: QueueError.QueueError): void {
    if (error.reason._tag === "SessionLockLost") this.#finish("Lost")
    else this.#isLost()
  }

  /** A call that only the session's holder may make. */
  #asHolder<A>(
    operation: string,
    start: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.suspend(() => {
      if (this.#isLost()) return Effect.fail(this.#lost(operation))
      const { requestTimeout } = this.#context.config
      return call(this, this.#place(operation), requestTimeout, start).pipe(
        Effect.tapError((error) => Effect.sync(() => this.#notice(error)))
      )
    })
  }

  /** The port's own shape of it. */
  handle(settle: QueueSession.QueueSession["settle"]): QueueSession.QueueSession {
    return {
      queue: this.queue,
      sessionId: this.sessionId,
      lockedUntil: Effect.sync(() => DateTime.makeUnsafe(this.#lockedUntil)),
      receive: (options) => this.#receive(options),
      settle,
      lost: this.#whenLost,
      renewLock: Effect.map(this.#renewed, DateTime.makeUnsafe),
      state: Effect.map(
        this.#asHolder("getState", (abortSignal) =>
          this.#receiver.getSessionState({ abortSignal })
        ),
        sessionState.fromWire
      ),
      setState: (state) => {
        const bytes = Option.getOrNull(Option.map(state, sessionState.toWire))
        return this.#asHolder("setState", (abortSignal) =>
          this.#receiver.setSessionState(bytes, { abortSignal })
        )
      }
    }
  }

  /** Told by the connection and by the link, not by a call. */
  readonly #whenLost = Effect.callback<QueueError.QueueError>((resume) => {
    const tell = (): void => {
      this.#finish("Lost")
      if (this.#end === "Lost") resume(Effect.succeed(this.#lost("renewLock")))
    }
    if (this.#end === "Lost") return tell()
    const forget = this.onLost(tell)
    return Effect.sync(forget)
  })

  /** The error of every call of a holder that lost it. */
  lockLost(operation: string): QueueError.QueueError | undefined {
    return this.#isLost() ? this.#lost(operation) : undefined
  }

  get #renewed(): Effect.Effect<number, QueueError.QueueError> {
    return Effect.map(
      this.#asHolder("renewLock", (abortSignal) =>
        this.#receiver.renewSessionLock({ abortSignal })
      ),
      (until) => {
        this.#lockedUntil = Math.max(this.#lockedUntil, until.getTime())
        this.#kick.openUnsafe()
        return this.#lockedUntil
      }
    )
  }

  renew(): Effect.Effect<number, QueueError.QueueError> {
    return this.#renewed
  }

  #receive(options: QueueProvider.ReceiveOptions): Effect.Effect<Received, QueueError.QueueError> {
    return Effect.suspend(() => {
      const place = this.#place("receive")
      const problem = errors.problemOfReceive(options, place)
      if (problem !== undefined) return Effect.fail(problem)
      const wait = Duration.min(options.wait, Defaults.serviceBusReceiveWaitMax)
      return this.#next({
        max: Math.min(options.max, Defaults.serviceBusReceiveCountMax),
        end: this.#context.now() + Duration.toMillis(wait),
        isAsked: false
      })
    })
  }

  #next(wish: Wish): Effect.Effect<Received, QueueError.QueueError> {
    return Effect.suspend(() => {
      if (this.#isLost()) return Effect.fail(this.#lost("receive"))
      const error = this.#fetchError
      this.#fetchError = undefined
      if (error !== undefined) return Effect.fail(error)
      if (this.#owed === 0) {
        const taken = this.#take(wish.max)
        if (taken.length > 0) return Effect.succeed(taken)
      }
      const now = this.#context.now()
      const isBlocked = this.#delayed.size > 0 && this.#owed === 0
      if (now >= wish.end && (isBlocked || this.#isAnswered(wish, now))) return Effect.succeed([])
      if (!isBlocked) this.#ask(wish, now)
      this.#kick.closeUnsafe()
      return Effect.andThen(this.#pause(wish, now, isBlocked), this.#next(wish))
    })
  }

  /** Whether the service has said that there is nothing; one that still waits for the next has. */
  #isAnswered(wish: Wish, now: number): boolean {
    if (this.#owed > 0) return false
    return this.#fetching === undefined
      ? wish.isAsked
      : this.#fetching === "Next" && now - this.#fetchStartedAt > gatherMillis
  }

  /** Until something changes, the wait is over or the session is lost. */
  #pause(wish: Wish, now: number, isBlocked: boolean): Effect.Effect<void> {
    const left = wish.end - now
    const isEnding = left <= 0 && !isBlocked
    // What is under way is waited for: it has a limit of its own.
    const limit = this.#fetching === "Next" ? gatherMillis : Number.POSITIVE_INFINITY
    const until = Math.min(isEnding ? limit : left, this.#lockedUntil - now)
    return Effect.asVoid(Effect.timeoutOption(this.#kick.await, Math.max(1, until)))
  }

  /** The next of what is here, up to the first message whose delay is not over. */
  #take(max: number): Received {
    const free = this.#delayed.size === 0 ? max : Math.min(max, this.#countBeforeDelayed())
    return this.#ready.splice(0, free).map((message) => this.#deliver(message).received())
  }

  #countBeforeDelayed(): number {
    const border = [...this.#delayed.keys()].reduce<bigint | undefined>(
      (lowest, sequence) => (lowest === undefined || sequence < lowest ? sequence : lowest),
      undefined
    )
    const behind = this.#ready.findIndex(
      (message) => border !== undefined && wire.sequenceOf(message) > border
    )
    return behind < 0 ? this.#ready.length : behind
  }

  get isClosed(): boolean {
    return this.#context.isClosed
  }

  /** A link that the service detaches takes with it what was under way, and the SDK does not say so. */
  onLost(listener: () => void): () => void {
    const forgets = [this.sdk.onLost(listener), this.#losses.on(listener)]
    return () => {
      for (const forget of forgets) forget()
    }
  }

  #deliver(message: ServiceBusReceivedMessage): Delivery {
    const amqpLink = amqpLinkOf(message)
    if (amqpLink !== this.#amqpLink) {
      this.#amqpLink = amqpLink
      this.#losses.watch(amqpLink, ["receiver_close"])
    }
    const { deliveries } = this.#context
    const delivery = new Delivery(message, this.#address, this, {
      // The same lock may be handed out again, under a receipt of its own.
      token: `${message.lockToken ?? ""}#${deliveries.nextNumber()}`,
      now: this.#context.now(),
      lockedUntil: this.#lockedUntil
    })
    this.#inHand.add(delivery)
    deliveries.add(delivery)
    return delivery
  }

  /** Has the service asked: first for what is there, then for the next message to come. */
  #ask(wish: Wish, now: number): void {
    if (this.#fetching !== undefined) return
    const isOwed = this.#owed > 0
    const isFirst = isOwed || !wish.isAsked
    const max = isOwed ? this.#owed : isFirst ? wish.max : 1
    const wait = isFirst ? gatherMillis : Math.min(sliceMillis, Math.max(1, wish.end - now))
    if (!isOwed) wish.isAsked = true
    this.#fetchStartedAt = now
    this.#fetching = isFirst ? "Now" : "Next"
    this.#context.shared.fork(this.#fetch(max, wait, isOwed))
  }

  #fetch(max: number, waitMillis: number, isOwed: boolean): Effect.Effect<void> {
    const { requestTimeout } = this.#context.config
    const place = this.#place("receive")
    const limit = Duration.sum(requestTimeout, Duration.millis(waitMillis))
    return call(connectionOf(this), place, limit, () =>
      this.#receiver.receiveMessages(max, { maxWaitTimeInMs: waitMillis })
    ).pipe(
      Effect.matchEffect({
        onSuccess: (messages) =>
          Effect.sync(() => {
            this.#add(messages)
            // What the service owed and did not send is among the dead letters.
            if (isOwed) this.#owed = 0
            this.#isLost()
          }),
        onFailure: (error) =>
          Effect.sync(() => {
            this.#notice(error)
            this.#fetchError = error
          })
      }),
      Effect.ensuring(
        Effect.sync(() => {
          this.#fetching = undefined
          this.#kick.openUnsafe()
        })
      )
    )
  }

  /** Puts messages where they belong. */
  #add(messages: ReadonlyArray<ServiceBusReceivedMessage>): void {
    if (this.#end !== undefined || messages.length === 0) return
    this.#ready = [...this.#ready, ...messages].toSorted((one, other) =>
      wire.isBefore(one, other) ? -1 : 1
    )
  }

  settle(
    delivery: Delivery,
    verdict: Verdict.Verdict,
    place: errors.Place
  ): Effect.Effect<void, QueueError.QueueError> {
    return Effect.suspend(() => {
      if (this.#isLost()) return Effect.fail(errors.expired(place))
      if (verdict._tag !== "Abandon") return this.#settled(delivery, verdict, place)
      this.#takeBack(delivery)
      return Duration.isZero(verdict.delay)
        ? this.#abandoned(delivery, place)
        : Effect.sync(() => this.#delay(delivery, verdict.delay, place))
    })
  }

  complete(
    deliveries: ReadonlyArray<Delivery>,
    place: errors.Place
  ): Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>> {
    return Effect.suspend(() => {
      if (this.#isLost())
        return Effect.succeed(deliveries.map(() => Result.fail(errors.expired(place))))
      const complete = (delivery: Delivery): Promise<void> =>
        this.#receiver.completeMessage(live(delivery))
      const { requestTimeout } = this.#context.config
      const at = { ...this.#place(place.operation) }
      return Effect.tap(
        this.#settlements.completeAll(this, at, requestTimeout, deliveries, complete),
        (outcomes) =>
          Effect.sync(() => {
            for (const [index, delivery] of deliveries.entries()) {
              this.#ended(delivery, outcomes[index] ?? Result.void)
            }
          })
      )
    })
  }

  /** What a settlement leaves of a delivery. */
  #ended(delivery: Delivery, outcome: Outcome.Outcome<void>): void {
    if (Result.isSuccess(outcome)) {
      this.#inHand.delete(delivery)
      return
    }
    delivery.isSpent = true
    this.#notice(outcome.failure)
  }

  #settled(
    delivery: Delivery,
    verdict: Verdict.Verdict,
    place: errors.Place
  ): Effect.Effect<void, QueueError.QueueError> {
    const { requestTimeout } = this.#context.config
    const make = (): Promise<unknown> =>
      settlement(this.#receiver, delivery, live(delivery), verdict, this.#context.now())
    return this.#settlements
      .settle(
        this,
        { ...this.#place(place.operation), timeout: requestTimeout },
        verdict._tag === "Complete",
        make
      )
      .pipe(
        limited(this, place, requestTimeout),
        Effect.result,
        Effect.tap((outcome) => Effect.sync(() => this.#ended(delivery, outcome))),
        Effect.flatMap(Effect.fromResult)
      )
  }

  #abandoned(delivery: Delivery, place: errors.Place): Effect.Effect<void, QueueError.QueueError> {
    return Effect.map(this.#settled(delivery, Verdict.abandon(), place), () => {
      this.#owed++
      this.#kick.openUnsafe()
    })
  }

  /** What is in hand behind a failed message comes again behind it. */
  #takeBack(delivery: Delivery): void {
    if (!this.#inHand.has(delivery)) return
    const behind = [...this.#inHand].filter(
      ({ message, state }) => state === "Open" && wire.isBefore(delivery.message, message)
    )
    for (const other of behind) {
      this.#context.deliveries.remove(other)
      this.#inHand.delete(other)
    }
    this.#add(behind.map(({ message }) => message))
  }

  /** Keeps a failed message for its delay, and abandons it then. */
  #delay(delivery: Delivery, delay: Duration.Duration, place: errors.Place): void {
    const sequence = wire.sequenceOf(delivery.message)
    this.#inHand.delete(delivery)
    const held: { readonly delivery: Delivery; fiber?: Fiber.Fiber<void> } = { delivery }
    this.#delayed.set(sequence, held)
    const again = this.#settled(delivery, Verdict.abandon(), place).pipe(
      Effect.retry({
        schedule: Schedule.spaced(Defaults.retryDelay),
        while: QueueError.isTransient
      }),
      Effect.ignore
    )
    held.fiber = this.#context.shared.fork(
      Effect.delay(again, delay).pipe(
        Effect.andThen(
          Effect.sync(() => {
            if (this.#delayed.delete(sequence)) this.#owed++
            this.#kick.openUnsafe()
          })
        )
      )
    )
  }

  /**
   * Gives the session back. A message whose delay is not over is abandoned first, so that its failure
   * counts; the others come again uncounted.
   */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#end !== undefined) return Effect.void
      const failedOnes = [...this.#delayed.values()]
      const place = this.#place("release")
      for (const { fiber } of failedOnes) fiber?.interruptUnsafe()
      const abandons = Effect.forEach(
        failedOnes,
        ({ delivery }) => Effect.ignore(this.#settled(delivery, Verdict.abandon(), place)),
        { concurrency: "unbounded", discard: true }
      )
      this.#finish("Released")
      // A session is gone with its connection.
      if (this.sdk.isLost) return Effect.void
      return abandons.pipe(
        Effect.timeoutOption(Defaults.serviceBusCloseWait),
        Effect.andThen(closing(this.sdk, () => this.#receiver.close())),
        Effect.andThen(Effect.sync(() => endPending(this.#receiver)))
      )
    })
  }
}
