import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  Defaults,
  type QueueAddress,
  type QueueError,
  type QueueProvider,
  type ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import { Bell } from "./bell.ts"
import { call, keeping, limited } from "./calls.ts"
import type { Context } from "./context.ts"
import { Delivery } from "./deliveries.ts"
import * as errors from "./errors.ts"
import { drainWithin, protect } from "./inside.ts"
import { Link } from "./link.ts"
import { longOf } from "./long.ts"
import * as wire from "./wire.ts"

type Messages = ReadonlyArray<ServiceBusReceivedMessage>

/** A receive that waits for its messages. */
class Waiter {
  readonly max: number
  readonly done = Deferred.makeUnsafe<ReadonlyArray<Delivery>, QueueError.QueueError>()
  /** What it was given, until its caller has it. */
  given: ReadonlyArray<Delivery> = []
  /** Whether the service was asked on its behalf since anything last changed. */
  isAsked = false
  /** Whether one answer is all it waits for. */
  isImpatient: boolean

  constructor(max: number, isImpatient: boolean) {
    this.max = max
    this.isImpatient = isImpatient
  }
}

const gatherMillis = Duration.toMillis(Defaults.serviceBusGatherWait)

/** Failures of the bell in a row after which its waiters hear of it. */
const bellFailuresMax = 3

/**
 * Receives from one plain queue, or from the dead letters of any, for all receivers of this process.
 *
 * One fiber serves them: it asks the service for as many messages as they want together, which takes
 * what is there and ends by draining the link's credit; when nothing is there, the bell waits for the
 * next message. So a receiver's wait can end at any moment, and what comes for nobody is kept for the
 * next one a moment and then given back.
 */
export class Source {
  readonly address: QueueAddress.QueueAddress
  readonly #context: Context
  readonly #path: string
  readonly #waiters = new Set<Waiter>()
  readonly #kick = Latch.makeUnsafe(false)
  /** What came for nobody. */
  #spares: Array<Delivery> = []
  #link: Link
  #bell: Bell | undefined
  /** Links that are running out, the oldest first. */
  #retired: Array<Link> = []
  #bellFailures = 0
  #isRunning = false
  #isDone = false
  #forgetLoss: () => void = () => undefined
  #rebuiltAt = Number.NEGATIVE_INFINITY
  /** Links that were rebuilt because they were silent beside a backlog. */
  rebuilds = 0

  constructor(context: Context, address: QueueAddress.QueueAddress, path: string) {
    this.#context = context
    this.address = address
    this.#path = path
    this.#link = this.#newLink()
  }

  #newLink(): Link {
    return new Link(this.#context, this.address, this.#path)
  }

  /** Whether closing it would disturb nobody. */
  isIdle(): boolean {
    const now = this.#context.now()
    return (
      this.#waiters.size === 0 &&
      this.#spares.length === 0 &&
      [this.#link, ...this.#retired, ...(this.#bell === undefined ? [] : [this.#bell.link])].every(
        (link) => link.isIdle(now)
      )
    )
  }

  #place(operation: string): errors.Place {
    return { operation, queue: this.address.queue }
  }

  receive(
    options: QueueProvider.ReceiveOptions
  ): Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.#context.isClosed) return Effect.fail(errors.closed(this.#place("receive")))
      const max = Math.min(options.max, Defaults.serviceBusReceiveCountMax)
      const waiter = new Waiter(max, Duration.isZero(options.wait))
      this.#waiters.add(waiter)
      this.#start()
      return restore(this.#wait(waiter, options.wait)).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            this.#waiters.delete(waiter)
            // Given at the moment it was interrupted: it is somebody else's now.
            if (exit._tag === "Failure") this.#spare(waiter.given)
            this.#kick.openUnsafe()
          })
        ),
        Effect.map((deliveries) => deliveries.map((delivery) => delivery.received()))
      )
    })
  }

  #wait(
    waiter: Waiter,
    wait: Duration.Duration
  ): Effect.Effect<ReadonlyArray<Delivery>, QueueError.QueueError> {
    const end = Deferred.await(waiter.done)
    if (waiter.isImpatient) return end
    return Effect.flatMap(
      Effect.timeoutOption(end, Duration.min(wait, Defaults.serviceBusReceiveWaitMax)),
      Option.match({
        onSome: (deliveries) => Effect.succeed(deliveries),
        onNone: () => {
          // A service that has not answered yet is not one that has nothing.
          waiter.isImpatient = true
          if (!waiter.isAsked) return end
          // In one step with reading what it was given: afterwards nothing is given any more.
          this.#waiters.delete(waiter)
          return Effect.succeed(waiter.given)
        }
      })
    )
  }

  #start(): void {
    this.#kick.openUnsafe()
    if (this.#isRunning) return
    this.#isRunning = true
    this.#context.shared.fork(this.#run)
  }

  /** Serves until the provider, or this alone, is closed. */
  get #run(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => !this.#isDone,
      body: () => Effect.catchDefect(this.#turn, (defect) => this.#broken(defect)),
      step: () => undefined
    })
  }

  /** The SDK threw where it should not: everything of it is made anew. */
  #broken(defect: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#bellEnded()
      const error = errors.fromThrown(defect, this.#place("receive"))
      this.#fail([...this.#waiters], error)
      return Effect.logError("receiving failed; its links are made anew", error)
    })
  }

  get #turn(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const idle = this.#bell?.isArmed === true && this.#waiters.size > 0
      const wait = idle
        ? Effect.timeoutOption(this.#kick.await, this.#context.config.watchdogInterval)
        : Effect.asSome(this.#kick.await)
      return Effect.flatMap(wait, (kicked) => {
        if (Option.isNone(kicked)) return this.#watch
        this.#kick.closeUnsafe()
        return this.#serve()
      })
    })
  }

  /** Does what there is to do for the receivers that wait now. */
  #serve(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#serveSpares()
      if (this.#waiters.size === 0) return this.#disarm
      for (const waiter of this.#waiters) {
        if (!waiter.isAsked) return Effect.andThen(this.#ask, this.#serve())
      }
      this.#arm()
      return Effect.void
    })
  }

  #serveSpares(): void {
    if (this.#spares.length === 0 || this.#waiters.size === 0) return
    this.#spare(this.#distribute(this.#spares.splice(0)))
  }

  /** Hands deliveries to those who wait, first come first served; what is left over. */
  #distribute(deliveries: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> {
    let left = deliveries
    for (const waiter of this.#waiters) {
      if (left.length === 0) break
      waiter.given = left.slice(0, waiter.max)
      left = left.slice(waiter.max)
      this.#waiters.delete(waiter)
      Deferred.doneUnsafe(waiter.done, Effect.succeed(waiter.given))
    }
    return left
  }

  #deliver(message: ServiceBusReceivedMessage, link: Link): Delivery {
    const { deliveries } = this.#context
    const now = this.#context.now()
    const lockMillis = Duration.toMillis(Defaults.serviceBusLockDuration)
    const delivery = new Delivery(message, this.address, link, {
      token: message.lockToken ?? `${deliveries.nextNumber()}`,
      now,
      lockedUntil: wire.lockedUntilOf(message) ?? now + lockMillis
    })
    link.add(delivery)
    deliveries.add(delivery)
    return delivery
  }

  /** Keeps what came for nobody a moment, and then gives it back. */
  #spare(deliveries: ReadonlyArray<Delivery>): void {
    if (deliveries.length === 0) return
    this.#spares.push(...deliveries)
    this.#kick.openUnsafe()
    this.#context.shared.fork(
      Effect.delay(
        Effect.suspend(() => this.#giveBack(deliveries)),
        Defaults.serviceBusSpareHold
      )
    )
  }

  #giveBack(deliveries: ReadonlyArray<Delivery>): Effect.Effect<void> {
    const left = deliveries.filter((delivery) => this.#spares.includes(delivery))
    this.#spares = this.#spares.filter((delivery) => !left.includes(delivery))
    return Effect.forEach(
      left,
      (delivery) => {
        this.#context.deliveries.remove(delivery)
        return Effect.ignore(
          delivery.owner.settle(delivery, Verdict.abandon(), this.#place("receive"))
        )
      },
      { concurrency: "unbounded", discard: true }
    )
  }

  /** Everything that came for nobody, when the provider closes. */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#forgetLoss()
      for (const waiter of this.#waiters) {
        Deferred.doneUnsafe(waiter.done, Effect.fail(errors.closed(this.#place("receive"))))
      }
      this.#waiters.clear()
      return Effect.andThen(
        this.#disarm,
        Effect.suspend(() => this.#giveBack(this.#spares))
      )
    })
  }

  /** Closes its links, for a queue that was not used for long. */
  close(): void {
    this.#isDone = true
    this.#forgetLoss()
    this.#kick.openUnsafe()
    for (const link of [this.#link, ...this.#retired]) link.discard()
    if (this.#bell !== undefined) this.#dropBell(this.#bell)
  }

  #wantedCount(): number {
    let wanted = 0
    for (const { max } of this.#waiters) wanted += max
    return Math.min(wanted, Defaults.serviceBusReceiveCountMax)
  }

  /** Asks the service once for what is there. */
  get #ask(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const asking = [...this.#waiters]
      const wanted = this.#wantedCount()
      this.#rotate(wanted)
      const link = this.#link
      return Effect.map(Effect.result(this.#grab(link, wanted)), (result) => {
        if (Result.isFailure(result)) {
          this.#replace(link)
          this.#fail(asking, result.failure)
          return
        }
        link.isWarm = true
        const deliveries = result.success.map((message) => this.#deliver(message, link))
        const left = this.#distribute(deliveries)
        this.#answered(asking, deliveries.length >= wanted)
        this.#spare(left)
      })
    })
  }

  #answered(asked: ReadonlyArray<Waiter>, isMoreLikely: boolean): void {
    for (const waiter of asked) {
      if (!this.#waiters.has(waiter)) continue
      if (waiter.isImpatient) {
        this.#waiters.delete(waiter)
        Deferred.doneUnsafe(waiter.done, Effect.succeed([]))
      } else {
        waiter.isAsked = !isMoreLikely
      }
    }
  }

  #fail(waiters: Iterable<Waiter>, error: QueueError.QueueError): void {
    for (const waiter of waiters) {
      this.#waiters.delete(waiter)
      Deferred.doneUnsafe(waiter.done, Effect.fail(error))
    }
  }

  #grab(link: Link, count: number): Effect.Effect<Messages, QueueError.QueueError> {
    const { config } = this.#context
    const timeout = link.isWarm ? config.requestTimeout : config.connectTimeout
    const place = { ...this.#place("receive"), timeout }
    const drainMillis = Duration.toMillis(config.requestTimeout) * Defaults.serviceBusDrainPart
    return keeping(
      link,
      place,
      () => {
        const receiving = link.receiver.receiveMessages(count, { maxWaitTimeInMs: gatherMillis })
        // What has that limit, and opens the links, is there from the first receive on.
        drainWithin(link.receiver, drainMillis)
        protect(link.receiver)
        return receiving
      },
      (late) => this.#spare(late.map((message) => this.#deliver(message, link)))
    ).pipe(limited(link, place, timeout))
  }

  /**
   * The next call has a link of its own: one that failed may hang for good, and opening it again under
   * its name while the service still detaches it does hang.
   */
  #replace(link: Link): void {
    if (this.#link !== link || this.#context.isClosed) return
    this.#retire(link)
    this.#link = this.#newLink()
  }

  /** It may still settle what came over it; one that is lost is gone with its client. */
  #retire(link: Link): void {
    if (!link.sdk.isLost) this.#retired.push(link)
  }

  /** Another link takes over before the deliveries of this one span too much. */
  #rotate(wanted: number): void {
    const { sdk, spread } = this.#link
    if (sdk.isLost || spread + wanted > Defaults.serviceBusLinkSpreadMax) this.#replace(this.#link)
    const now = this.#context.now()
    const left: Array<Link> = []
    for (const link of this.#retired) {
      if (link.isIdle(now)) link.discard()
      else if (!link.sdk.isLost) left.push(link)
    }
    const over = Math.max(0, left.length - Defaults.serviceBusRetiredLinksMax)
    for (const link of left.splice(0, over)) link.discard()
    this.#retired = left
  }

  #arm(): void {
    const old = this.#bell
    if (old !== undefined && old.link.spread >= Defaults.serviceBusLinkSpreadMax) {
      this.#dropBell(old)
    }
    this.#bell ??= this.#newBell()
    this.#bell.arm()
  }

  #newBell(): Bell {
    this.#forgetLoss()
    const link = this.#newLink()
    this.#forgetLoss = link.sdk.onLost(() => this.#bellEnded())
    return new Bell(this.#context, link, {
      rang: (message, from) => this.#rang(message, from),
      failed: (thrown) => this.#bellFailed(thrown)
    })
  }

  #dropBell(bell: Bell): void {
    bell.discard()
    this.#retire(bell.link)
    if (this.#bell !== bell) return
    this.#bell = undefined
    this.#forgetLoss()
  }

  /** Lets nothing more come; a bell that does not say that it stopped is of no use any more. */
  get #disarm(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const bell = this.#bell
      if (bell === undefined) return Effect.void
      return Effect.map(bell.disarm, (isDisarmed) => {
        if (!isDisarmed) this.#dropBell(bell)
      })
    })
  }

  #rang(message: ServiceBusReceivedMessage, link: Link): void {
    this.#bellFailures = 0
    link.sdk.isUp()
    this.#spare(this.#distribute([this.#deliver(message, link)]))
    // Where one came there may be more.
    for (const waiter of this.#waiters) waiter.isAsked = false
    this.#kick.openUnsafe()
  }

  #bellFailed(thrown: unknown): void {
    if (this.#context.isClosed) return
    this.#bellFailures++
    if (this.#bellFailures > bellFailuresMax) {
      this.#bellFailures = 0
      const lostBy = this.#bell?.link.sdk.lostBy
      this.#fail([...this.#waiters], errors.fromThrown(thrown, this.#place("receive"), lostBy))
    }
    this.#bellEnded()
  }

  #bellEnded(): void {
    if (this.#context.isClosed) return
    if (this.#bell !== undefined) this.#dropBell(this.#bell)
    // What ended one link has most likely ended the other.
    this.#replace(this.#link)
    // The next ask tells whether the queue itself is out of reach.
    for (const waiter of this.#waiters) waiter.isAsked = false
    this.#kick.openUnsafe()
  }

  /**
   * The bell has been silent for long. Where there are messages, a receive over a link of its own tells
   * whether it is the bell's fault or they are locked by others.
   */
  get #watch(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { config } = this.#context
      const place = this.#place("watchdog")
      const peek = call(this.#context, place, config.requestTimeout, () =>
        this.#context
          .peeker(this.#path, this.address)
          .peekMessages(1, { fromSequenceNumber: longOf(0n) })
      )
      return Effect.flatMap(Effect.result(peek), (peeked) =>
        Result.isFailure(peeked) || peeked.success.length === 0 ? Effect.void : this.#probe
      )
    })
  }

  get #probe(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const fresh = this.#newLink()
      return Effect.flatMap(
        Effect.result(this.#grab(fresh, Math.max(1, this.#wantedCount()))),
        (result) => {
          if (Result.isFailure(result) || result.success.length === 0) {
            fresh.discard()
            return Effect.void
          }
          fresh.isWarm = true
          this.#retire(fresh)
          const deliveries = result.success.map((message) => this.#deliver(message, fresh))
          this.#spare(this.#distribute(deliveries))
          return this.#rebuild(fresh)
        }
      )
    })
  }

  #rebuild(fresh: Link): Effect.Effect<void> {
    const now = this.#context.now()
    const interval = Duration.toMillis(this.#context.config.rebuildInterval)
    this.#kick.openUnsafe()
    if (now - this.#rebuiltAt < interval) return Effect.void
    this.#rebuiltAt = now
    this.rebuilds++
    this.#retired = [...this.#retired.filter((link) => link !== fresh), this.#link]
    this.#link = fresh
    if (this.#bell !== undefined) this.#dropBell(this.#bell)
    for (const waiter of this.#waiters) waiter.isAsked = false
    return Effect.logWarning("a receiver was silent beside a backlog; its links were rebuilt").pipe(
      Effect.annotateLogs({ "queue.name": this.address.queue })
    )
  }
}
