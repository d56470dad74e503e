import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  Defaults,
  type Outcome,
  QueueAddress,
  QueueError,
  type ReceivedMessage
} from "@queue-runtime/core"
import type * as AwsConfig from "../../AwsConfig.ts"
import * as errors from "../errors.ts"
import type { Queue, Sqs } from "../sqs.ts"
import type { UnderWay } from "../underWay.ts"
import { BrokerClock } from "./brokerClock.ts"
import { Counts } from "./counts.ts"
import type { Delivery } from "./delivery.ts"
import type { Group } from "./group.ts"
import { Merger } from "./merger.ts"
import type { Receipts } from "./receipts.ts"

/** What the lines of one provider share. */
export interface Shared {
  readonly sqs: Sqs
  readonly receipts: Receipts
  /** What goes on whatever becomes of who asked for it: polls, settlements on their way. */
  readonly scope: Scope.Scope
  /** The waits of callers. */
  readonly waits: UnderWay
  isClosed: boolean
}

/** What is known of a queue beside its options. */
export interface Known {
  /** Whether there is somewhere to put dead letters. */
  readonly hasDeadLetters: boolean
  /** After how many receives the broker moves a message by itself. */
  readonly receivesMax: number
}

/** What a group's owner is told of. */
export interface Owner {
  /** The state of the group has changed: who waits for it looks again. */
  readonly changed: (group: Group) => Effect.Effect<void>
  /** The group is not ours from this delivery on. */
  readonly lose: (group: Group, from: number, now: number) => Effect.Effect<void>
}

const marginPart = 0.1
const second = 1_000
const visibilityMax = Duration.toMillis(Defaults.sqsVisibilityTimeoutMax)

/** The time of some milliseconds, made once for the same ones in a row. */
const remembered = (): ((millis: number) => DateTime.Utc) => {
  let last = DateTime.makeUnsafe(0)
  return (millis) =>
    last.epochMilliseconds === millis ? last : (last = DateTime.makeUnsafe(millis))
}

/** How much earlier than the broker's a lock of this many milliseconds counts as over. */
export const marginOf = (millis: number): number =>
  Math.min(Duration.toMillis(Defaults.lockMargin), millis * marginPart)

/** One queue, or the dead-letter queue of one: what is received from it, and calls about it. */
export class Line {
  readonly address: QueueAddress.QueueAddress
  readonly settings: AwsConfig.ResolvedQueue
  /** May be learned later. */
  known: Known
  readonly shared: Shared
  readonly counts = new Counts(Defaults.sqsCountsMax)
  readonly brokerClock = new BrokerClock()
  readonly remover: Merger<string, void>
  readonly extender: Merger<{ readonly handle: string; readonly seconds: number }, void>
  readonly visibilitySeconds: number
  /** What a lock is good for. */
  readonly lockMillis: number
  owner: Owner | undefined = undefined
  /** Given back, and the call that does so not over. Closing makes up for those it cuts short. */
  readonly owed = new Set<Delivery>()

  constructor(
    address: QueueAddress.QueueAddress,
    settings: AwsConfig.ResolvedQueue,
    known: Known,
    shared: Shared
  ) {
    this.address = address
    this.settings = settings
    this.known = known
    this.shared = shared
    const visibility = Duration.toMillis(settings.visibilityTimeout)
    this.visibilitySeconds = Math.ceil(visibility / second)
    this.lockMillis = visibility - marginOf(visibility)
    const options = {
      countMax: Defaults.sqsBatchCountMax,
      flightsMax: settings.pollersMax,
      scope: shared.scope,
      closed: this.closed("settle")
    }
    const { sqs } = shared
    this.remover = new Merger({ ...options, call: (all) => this.on((to) => sqs.remove(to, all)) })
    this.extender = new Merger({
      ...options,
      call: (all) => this.on((to) => sqs.changeVisibility(to, all))
    })
  }

  get name(): string {
    return QueueAddress.format(this.address)
  }

  get isMain(): boolean {
    return this.address._tag === "Queue"
  }

  /** Whether a message may be put among dead letters: one of them has nowhere to go. */
  get hasDeadLetters(): boolean {
    return this.isMain && this.known.hasDeadLetters
  }

  error(reason: QueueError.Reason, operation: string): QueueError.QueueError {
    return errors.error(reason, { operation, queue: this.name })
  }

  expired(operation: string): QueueError.QueueError {
    return this.error(new QueueError.ReceiptExpired(), operation)
  }

  closed(operation: string): QueueError.QueueError {
    return this.error(
      new QueueError.ConnectionFailed({ detail: "the provider is closed" }),
      operation
    )
  }

  /** A call about this queue. */
  on<A>(
    call: (queue: Queue) => Effect.Effect<A, QueueError.QueueError>
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.flatMap(this.shared.sqs.queueOf(this.address), call)
  }

  /** Until when a delivery is ours that was locked for `seconds` at `at`. */
  lockedUntil(at: number, seconds: number): number {
    const millis = seconds * second
    return at + millis - marginOf(millis)
  }

  /**
   * For how many seconds a delivery may be hidden from now: SQS counts twelve hours from the receive, and
   * a second is left for the way there.
   */
  secondsLeft({ receivedAt }: Delivery, now: number): number {
    return Math.floor((receivedAt + visibilityMax - now) / second) - 1
  }

  /**
   * Runs to its end whatever becomes of the caller, who stops waiting when it is interrupted: what is
   * known of a message must not depend on who still listens.
   */
  detached<A>(
    effect: Effect.Effect<A, QueueError.QueueError>,
    operation: string
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.forkIn(effect, this.shared.scope, { startImmediately: true }).pipe(
      Effect.flatMap(Fiber.await),
      Effect.flatMap((exit) =>
        Exit.hasInterrupts(exit) ? Effect.fail(this.closed(operation)) : exit
      )
    )
  }

  /**
   * The count that it is handed out with next. What this process handed out is certain; of a receive by
   * another one nobody here knows whether a handler saw it. On a FIFO queue most of them brought it behind
   * another message, up to nine of ten. On a standard queue they are deliveries as a rule, and yet they
   * alone are not over the maximum, so that no message is put aside that no handler of this process saw:
   * unless they are far over it, as of one that ends every process that gets it.
   */
  countOf(delivery: Delivery): number {
    const { deliveriesMax, fifo } = this.settings
    const all = this.counts.next(delivery)
    if (!this.isMain) return all
    const own = this.counts.seen(delivery) + 1
    const others = Math.max(0, all - own)
    if (fifo) return own + Math.ceil(others / Defaults.sqsRedriveFactor)
    const isWornOut = all > deliveriesMax * Defaults.sqsDoubtFactor
    return isWornOut ? all : Math.min(all, Math.max(own, deliveriesMax))
  }

  /** Those of one receive share their times. */
  readonly #utc = remembered()
  readonly #lockUtc = remembered()

  /** Hands a delivery to a caller. */
  handOut(delivery: Delivery, now: number): ReceivedMessage.ReceivedMessage {
    const { counts } = this
    const receipt = this.shared.receipts.issue(this, delivery, now)
    const deliveryCount = this.countOf(delivery)
    delivery.handOut(receipt.token, deliveryCount)
    const deliveredAt = this.#utc(now)
    const first = counts.firstDeliveredAt(delivery) ?? delivery.content.firstReceivedAt
    counts.delivered(delivery, now, deliveryCount === 1)
    const lockedUntil = Math.min(
      delivery.lockedUntil,
      delivery.group?.lockedUntil ?? Number.POSITIVE_INFINITY
    )
    const { message } = delivery.content
    return {
      ...message,
      // What a handler does to its copy is its own affair; the next delivery of it may be of this one.
      body: message.body.slice(),
      attributes: { ...message.attributes },
      receipt,
      deliveryCount,
      firstDeliveredAt: deliveryCount === 1 ? deliveredAt : DateTime.makeUnsafe(first),
      deliveredAt,
      lockedUntil: this.#lockUtc(lockedUntil)
    }
  }

  /** The caller is no longer there: as if it had never been handed out. */
  takeBack(delivery: Delivery): void {
    this.shared.receipts.drop(delivery.token)
    delivery.takeBack()
  }

  /** It is settled, and never comes again. */
  settled(delivery: Delivery): Effect.Effect<void> {
    this.shared.receipts.drop(delivery.token)
    this.counts.forget(delivery)
    const { group } = delivery
    if (group === undefined) {
      delivery.phase = "done"
      return Effect.void
    }
    group.settled(delivery)
    return this.owner?.changed(group) ?? Effect.void
  }

  /** Its settlement failed: it may be tried again. */
  cameBack(delivery: Delivery): Effect.Effect<void> {
    const { group } = delivery
    if (group === undefined) {
      if (delivery.phase !== "settling") return Effect.void
      if (delivery.token !== undefined) delivery.phase = "out"
      else {
        // Nobody had it: its receive was no delivery, and the next one is another.
        delivery.phase = "dead"
        this.counts.ended(delivery)
      }
      return Effect.void
    }
    const { token } = delivery
    group.cameBack(delivery)
    if (delivery.token !== token) this.shared.receipts.drop(token)
    return this.owner?.changed(group) ?? Effect.void
  }

  /** It is no longer ours, and in a group nothing behind it is. */
  lost(delivery: Delivery): Effect.Effect<void> {
    this.shared.receipts.drop(delivery.token)
    const { group } = delivery
    delivery.phase = "dead"
    this.counts.ended(delivery)
    if (group === undefined || this.owner === undefined) return Effect.void
    const { owner } = this
    // What its holder had in hand ends it all; else it may finish what comes before.
    const from = delivery.token === undefined ? group.deliveries.indexOf(delivery) : 0
    return Effect.flatMap(Clock.currentTimeMillis, (now) => owner.lose(group, from, now))
  }

  /** Owed until it is over: what cuts it short leaves them so. */
  owing(deliveries: ReadonlyArray<Delivery>, effect: Effect.Effect<void>): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const one of deliveries) this.owed.add(one)
      return Effect.tap(effect, () =>
        Effect.sync(() => {
          for (const one of deliveries) this.owed.delete(one)
        })
      )
    })
  }

  /** What was cut short. */
  get releaseOwed(): Effect.Effect<void> {
    return Effect.suspend(() => this.release([...this.owed], 0))
  }

  /**
   * Gives deliveries back that nobody has in hand any more, in one call where ten are enough. What fails
   * is tried once more, then left to run out: nothing behind it comes before it.
   */
  release(deliveries: ReadonlyArray<Delivery>, seconds: number): Effect.Effect<void> {
    if (deliveries.length === 0) return Effect.void
    const { sqs } = this.shared
    const entries = deliveries.map((one) => ({ handle: one.content.handle, seconds }))
    const call = (all: typeof entries) =>
      Effect.match(
        this.on((to) => sqs.changeVisibility(to, all)),
        {
          onFailure: (error) => all.map((): Outcome.Outcome<void> => Result.fail(error)),
          onSuccess: (outcomes) => outcomes
        }
      )
    const failedOf = (all: typeof entries, outcomes: ReadonlyArray<Outcome.Outcome<void>>) =>
      all.filter((_, index) => {
        const outcome = outcomes[index]
        return (
          outcome !== undefined &&
          Result.isFailure(outcome) &&
          outcome.failure.reason._tag !== "ReceiptExpired"
        )
      })
    const chunk = (all: typeof entries): Effect.Effect<void> =>
      Effect.gen({ self: this }, function* () {
        const failed = failedOf(all, yield* call(all))
        if (failed.length === 0) return
        const left = failedOf(failed, yield* call(failed))
        if (left.length === 0) return
        yield* Effect.logDebug(
          `${left.length} messages of "${this.name}" could not be released; their locks run out`
        )
      })
    const size = Defaults.sqsBatchCountMax
    const chunks = Array.from({ length: Math.ceil(entries.length / size) }, (_, index) =>
      entries.slice(index * size, (index + 1) * size)
    )
    return this.owing(deliveries, Effect.forEach(chunks, chunk, { discard: true }))
  }
}
