import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  Defaults,
  type QueueError,
  type QueueProvider,
  type ReceivedMessage
} from "@queue-runtime/core"
import * as arriving from "./arriving.ts"
import { Attempts } from "./attempts.ts"
import * as burying from "./burying.ts"
import type { Delivery } from "./delivery.ts"
import type { Line } from "./line.ts"
import { type Demand, Poller } from "./poller.ts"

type Received = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/** A caller who waits. */
class Waiter {
  /** Messages it has room for: more than one receive brings, when it will ask again for the rest. */
  readonly max: number
  /** When its wait is over. */
  readonly until: number
  readonly answer = Deferred.makeUnsafe<void, QueueError.QueueError>()
  given: ReadonlyArray<Delivery> = []
  /** Its time no longer runs. */
  stop: () => void = () => undefined

  constructor(max: number, until: number) {
    this.max = max
    this.until = until
  }
}

const second = 1_000
const batchMax = Defaults.sqsBatchCountMax
const keepMillis = Duration.toMillis(Defaults.sqsBufferIdle)

/**
 * Receiving without sessions: from a standard queue, or from any dead-letter queue. Polls go on when
 * their callers are gone; what they bring is for whoever waits then, or released. Behind a caller who was
 * given something, and had room for more, it is kept a moment for its next call.
 */
export class Plain {
  readonly #line: Line
  readonly #waiters = new Set<Waiter>()
  /** Nobody was there for them yet, in the order they came. */
  #kept: ReadonlyArray<Delivery> = []
  #isTended = false
  /** Until when somebody who has room is expected to call again. */
  #expectedUntil = 0
  readonly #poller: Poller
  readonly #attempts: Attempts

  constructor(line: Line) {
    this.#line = line
    this.#attempts = new Attempts(line)
    this.#poller = new Poller({
      pollersMax: line.settings.pollersMax,
      scope: line.shared.scope,
      demand: (now, _, coming) => this.#demand(now, coming),
      poll: (demand) => this.#attempts.receive(demand),
      arrived: (answer, demand, now) => this.#arrived(answer, demand, now),
      failed: (error) => this.fail(error)
    })
  }

  get isIdle(): boolean {
    return this.#waiters.size === 0 && this.#poller.polls === 0 && this.#kept.length === 0
  }

  /** Messages that are there, or the first to come within the wait. */
  receive(options: QueueProvider.ReceiveOptions): Effect.Effect<Received, QueueError.QueueError> {
    const { max } = options
    const wait = Duration.toMillis(Duration.min(options.wait, Defaults.sqsReceiveWaitMax))
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const kept = this.#takeKept(max, now)
        if (kept.length > 0) return Effect.succeed(this.#hand(kept, max, now))
        const waiter = new Waiter(max, now + wait)
        this.#waiters.add(waiter)
        const asked = wait === 0 ? this.#askOnce(waiter) : this.#await(waiter, wait)
        return restore(asked).pipe(
          Effect.onError(() => this.#leave(waiter)),
          Effect.andThen(Clock.currentTimeMillis),
          Effect.map((at) => {
            waiter.stop()
            this.#waiters.delete(waiter)
            return this.#hand(waiter.given, max, at)
          })
        )
      })
    )
  }

  /** Everybody's wait ends so, and nothing is asked for any more. */
  close(error: QueueError.QueueError): void {
    this.#poller.close()
    this.fail(error)
  }

  /** Closed, until its polls have landed, and what they brought is back. */
  get land(): Effect.Effect<void> {
    return Effect.andThen(
      this.#poller.landed,
      Effect.suspend(() => this.#line.release(this.#forget(), 0))
    )
  }

  /** After its polls are cut short. */
  get releaseLeft(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.andThen(this.#line.release(this.#forget(), 0), this.#attempts.release)
    )
  }

  /** Everybody's wait ends so. */
  fail(error: QueueError.QueueError): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter)
      Deferred.doneUnsafe(waiter.answer, Effect.fail(error))
    }
  }

  /** To a caller, who is expected again at once when it has room for more. */
  #hand(deliveries: ReadonlyArray<Delivery>, max: number, now: number): Received {
    const hasRoom = deliveries.length > 0 && deliveries.length < max
    this.#expectedUntil = hasRoom ? now + keepMillis : 0
    return deliveries.map((delivery) => this.#line.handOut(delivery, now))
  }

  /** As many as one receive gives, of those that came when nobody was there. */
  #takeKept(max: number, now: number): ReadonlyArray<Delivery> {
    if (this.#kept.length === 0) return this.#kept
    // What ran out meanwhile is left to whoever tends it.
    const good = this.#kept.filter((one) => one.lockedUntil > now && !arriving.isExpired(one, now))
    const taken = good.slice(0, Math.min(max, batchMax))
    const gone = new Set(taken)
    this.#kept = this.#kept.filter((one) => !gone.has(one))
    return taken
  }

  /** Nobody had them: their receive is no delivery. */
  #forget(): ReadonlyArray<Delivery> {
    const rest = this.#kept
    this.#kept = []
    for (const one of rest) {
      one.phase = "dead"
      this.#line.counts.ended(one)
    }
    return rest
  }

  #await(waiter: Waiter, wait: number): Effect.Effect<void, QueueError.QueueError> {
    const over = (): void => void Deferred.doneUnsafe(waiter.answer, Effect.void)
    waiter.stop = this.#line.shared.waits.begin(wait, over, over)
    return Effect.andThen(this.#poller.poke, Deferred.await(waiter.answer))
  }

  /** A poll of its own, which may bring what another one waits for. */
  #askOnce(waiter: Waiter): Effect.Effect<void, QueueError.QueueError> {
    const demand = {
      max: Math.min(waiter.max, batchMax),
      waitSeconds: 0,
      visibilitySeconds: this.#line.visibilitySeconds
    }
    const asked = this.#line.detached(this.#poller.once(demand), "receive")
    return Effect.raceFirst(Effect.asVoid(asked), Deferred.await(waiter.answer))
  }

  /** Interrupted or failed: what it was given is for others. */
  #leave(waiter: Waiter): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      waiter.stop()
      this.#waiters.delete(waiter)
      this.#expectedUntil = 0
      const all = [...waiter.given, ...this.#kept]
      waiter.given = []
      this.#kept = []
      return this.#deal(all, now)
    })
  }

  /** A poll beside others is for a full batch: many small ones cost more than they bring sooner. */
  #demand(now: number, coming: number): Demand | undefined {
    let wanted = -coming - this.#kept.length
    let wait = 0
    for (const { max, until } of this.#waiters) {
      if (until <= now) continue
      wanted += max
      wait = Math.max(wait, until - now)
    }
    const least = coming === 0 ? 1 : batchMax
    if (wanted < least) return undefined
    return {
      max: Math.min(wanted, batchMax),
      waitSeconds: Math.ceil(wait / second),
      visibilitySeconds: this.#line.visibilitySeconds
    }
  }

  #arrived(answer: arriving.Answer, demand: Demand, now: number): Effect.Effect<void> {
    const line = this.#line
    const good: Array<Delivery> = []
    const bad: Array<Effect.Effect<unknown>> = []
    for (const one of arriving.readInTime(line, answer, demand.visibilitySeconds, now)) {
      if (arriving.isExpired(one, now)) bad.push(burying.expire(line, one))
      else if (arriving.isSpent(line, one)) bad.push(this.#bury(one))
      else good.push(one)
    }
    const dealt = this.#deal(good, now)
    return bad.length === 0 ? dealt : Effect.andThen(dealt, Effect.forEach(bad, this.#inBackground))
  }

  /** The broker's receive of it is no delivery. */
  #bury(delivery: Delivery): Effect.Effect<unknown> {
    const deliveries = this.#line.countOf(delivery) - 1
    return burying.bury(this.#line, delivery, { ...burying.spent(this.#line), deliveries })
  }

  readonly #inBackground = (effect: Effect.Effect<unknown>): Effect.Effect<unknown> =>
    Effect.forkIn(effect, this.#line.shared.scope)

  /** To whoever waits, in the order they came; the rest is kept for who is expected, or released. */
  #deal(deliveries: ReadonlyArray<Delivery>, now: number): Effect.Effect<void> {
    let rest = deliveries
    for (const waiter of this.#waiters) {
      if (rest.length === 0) return Effect.void
      this.#waiters.delete(waiter)
      const count = Math.min(waiter.max, batchMax)
      waiter.given = rest.slice(0, count)
      rest = rest.slice(count)
      // Before its caller has gone on: what comes with it is kept too.
      if (waiter.given.length < waiter.max) this.#expectedUntil = now + keepMillis
      Deferred.doneUnsafe(waiter.answer, Effect.void)
    }
    if (rest.length === 0) return Effect.void
    this.#kept = [...this.#kept, ...rest]
    // Given back now, it would be handed to the next of our own polls that are still under way.
    if (this.#poller.isClosed) return Effect.void
    if (this.#expectedUntil <= now) return this.#release
    if (this.#isTended) return Effect.void
    this.#isTended = true
    return Effect.asVoid(this.#inBackground(this.#tending))
  }

  /** What is kept is given back when nobody came for it. */
  readonly #tending: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (this.#kept.length > 0 && this.#expectedUntil > now) {
      return Effect.andThen(Effect.sleep(this.#expectedUntil - now), this.#tending)
    }
    this.#isTended = false
    return this.#poller.isClosed ? Effect.void : this.#release
  })

  get #release(): Effect.Effect<void> {
    const rest = this.#forget()
    return rest.length === 0
      ? Effect.void
      : Effect.asVoid(this.#inBackground(this.#line.release(rest, 0)))
  }
}
