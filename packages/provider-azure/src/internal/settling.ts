import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import {
  Defaults,
  type Outcome,
  type QueueError,
  type Receipt,
  type Verdict
} from "@queue-runtime/core"
import type { Shared } from "./context.ts"
import type { Delivery, Owner } from "./deliveries.ts"
import * as errors from "./errors.ts"
import type { Holds } from "./holds.ts"
import { Session } from "./session.ts"

type Outcomes<A> = ReadonlyArray<Outcome.Outcome<A>>

const together = { concurrency: "unbounded" } as const

const allTogether = { concurrency: "unbounded", discard: true } as const

const tooMany = (
  receipts: ReadonlyArray<Receipt.Receipt>,
  place: errors.Place
): QueueError.QueueError | undefined => {
  const maximum = Defaults.serviceBusSettleCountMax
  return receipts.length > maximum
    ? errors.invalid("receipts", `must be at most ${maximum} in one call`, place)
    : undefined
}

const problemOf = (
  verdict: Verdict.Verdict,
  place: errors.Place
): QueueError.QueueError | undefined => {
  if (verdict._tag !== "Abandon") return undefined
  const { delay } = verdict
  if (!Duration.isFinite(delay) || Duration.isNegative(delay)) {
    return errors.invalid("delay", "must be a finite duration, not below zero", place)
  }
  const longest = Defaults.serviceBusAbandonDelayMax
  return Duration.isGreaterThan(delay, longest)
    ? errors.unsupported(`an abandon with a delay above ${Duration.format(longest)}`, place)
    : undefined
}

/** A receipt of a session that is lost is as dead as one that was used. */
const ofReceipt = (error: QueueError.QueueError, place: errors.Place): QueueError.QueueError =>
  error.reason._tag === "SessionLockLost" ? errors.expired(place) : error

const isDead = (error: QueueError.QueueError): boolean => error.reason._tag === "ReceiptExpired"

/** What a settlement that failed or was cut short leaves: its receipt may be tried again, if it lives. */
const unclaim = (shared: Shared, delivery: Delivery): void => {
  if (delivery.state === "Claimed") delivery.state = "Open"
  else shared.deliveries.remove(delivery)
}

const make = (
  holds: Holds,
  delivery: Delivery,
  verdict: Verdict.Verdict,
  place: errors.Place
): Effect.Effect<void, QueueError.QueueError> =>
  verdict._tag === "Abandon" &&
  !Duration.isZero(verdict.delay) &&
  !(delivery.owner instanceof Session)
    ? holds.hold(delivery, verdict.delay)
    : delivery.owner.settle(delivery, verdict, place)

const settleOne = (
  shared: Shared,
  holds: Holds,
  receipt: Receipt.Receipt,
  verdict: Verdict.Verdict,
  place: errors.Place,
  only: Owner | undefined
): Effect.Effect<void, QueueError.QueueError> =>
  Effect.suspend(() => {
    const delivery = shared.deliveries.find(receipt)
    if (delivery === undefined || (only !== undefined && delivery.owner !== only)) {
      return Effect.fail(errors.expired(place))
    }
    if (verdict._tag === "DeadLetter" && receipt.address._tag === "DeadLetter") {
      return Effect.fail(errors.unsupported("dead-lettering a dead letter", place))
    }
    delivery.state = "Claimed"
    return make(holds, delivery, verdict, place).pipe(
      Effect.mapError((error) => ofReceipt(error, place)),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) {
            shared.deliveries.remove(delivery)
            if (verdict._tag !== "Abandon") shared.deliveries.finish(delivery)
          } else {
            const error = Exit.findError(exit)
            if (error._tag === "Success" && isDead(error.success)) {
              shared.deliveries.remove(delivery)
            } else unclaim(shared, delivery)
          }
        })
      )
    )
  })

/** Deliveries of one owner, and their places among the receipts. */
interface Claims {
  readonly deliveries: Array<Delivery>
  readonly indexes: Array<number>
}

/** Completes deliveries, those of one owner together. */
const completeAll = (
  shared: Shared,
  receipts: ReadonlyArray<Receipt.Receipt>,
  place: errors.Place,
  only: Owner | undefined
): Effect.Effect<Outcomes<void>> =>
  Effect.suspend(() => {
    // An error takes its stack with it, which costs more than a settlement: made where it is needed.
    const dead = () => Result.fail(errors.expired(place))
    const outcomes: Array<Outcome.Outcome<void> | undefined> = []
    const claims = new Map<Owner, Claims>()
    for (const receipt of receipts) {
      const index = outcomes.push(undefined) - 1
      const delivery = shared.deliveries.find(receipt)
      if (delivery === undefined || (only !== undefined && delivery.owner !== only)) continue
      delivery.state = "Claimed"
      const known = claims.get(delivery.owner)
      if (known === undefined) {
        claims.set(delivery.owner, { deliveries: [delivery], indexes: [index] })
      } else {
        known.deliveries.push(delivery)
        known.indexes.push(index)
      }
    }
    const completions = [...claims].map(([owner, { deliveries, indexes }]) =>
      Effect.map(owner.complete(deliveries, place), (results) => {
        for (const [at, delivery] of deliveries.entries()) {
          const result = results[at] ?? dead()
          const outcome = Result.isSuccess(result)
            ? result
            : Result.fail(ofReceipt(result.failure, place))
          outcomes[indexes[at] ?? 0] = outcome
          completed(shared, delivery, outcome)
        }
      })
    )
    return Effect.forEach(completions, (one) => one, allTogether).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          for (const { deliveries } of claims.values()) {
            for (const delivery of deliveries) unclaim(shared, delivery)
          }
        })
      ),
      Effect.map(() => outcomes.map((outcome) => outcome ?? dead()))
    )
  })

const completed = (shared: Shared, delivery: Delivery, outcome: Outcome.Outcome<void>): void => {
  if (Result.isFailure(outcome) && !isDead(outcome.failure)) {
    unclaim(shared, delivery)
    return
  }
  shared.deliveries.remove(delivery)
  if (Result.isSuccess(outcome)) shared.deliveries.finish(delivery)
}

/** Settles deliveries, of `only` alone when one is given; one outcome each. */
export const settle = (
  shared: Shared,
  holds: Holds,
  receipts: ReadonlyArray<Receipt.Receipt>,
  verdict: Verdict.Verdict,
  only?: Owner
): Effect.Effect<Outcomes<void>, QueueError.QueueError> => {
  const [first] = receipts
  if (first === undefined) return Effect.succeed([])
  const place = { operation: "settle", queue: first.address.queue }
  const problem = tooMany(receipts, place) ?? problemOf(verdict, place)
  if (problem !== undefined) return Effect.fail(problem)
  if (verdict._tag === "Complete") return completeAll(shared, receipts, place, only)
  return Effect.forEach(
    receipts,
    (receipt) => Effect.result(settleOne(shared, holds, receipt, verdict, place, only)),
    together
  )
}

const renewOne = (
  shared: Shared,
  receipt: Receipt.Receipt,
  place: errors.Place,
  sessions: Map<Owner, Effect.Effect<number, QueueError.QueueError>>
): Effect.Effect<DateTime.Utc, QueueError.QueueError> =>
  Effect.suspend(() => {
    const delivery = shared.deliveries.find(receipt)
    if (delivery === undefined) return Effect.fail(errors.expired(place))
    // The lock of a session is that of all its messages.
    const renewal = sessions.get(delivery.owner) ?? delivery.owner.renew(delivery, place)
    return renewal.pipe(
      Effect.mapError((error) => ofReceipt(error, place)),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (isDead(error) && delivery.state === "Open") shared.deliveries.remove(delivery)
        })
      ),
      Effect.map((until) => DateTime.makeUnsafe(until))
    )
  })

const sessionsOf = Effect.fnUntraced(function* (
  shared: Shared,
  receipts: ReadonlyArray<Receipt.Receipt>
) {
  const sessions = new Map<Owner, Effect.Effect<number, QueueError.QueueError>>()
  for (const receipt of receipts) {
    const delivery = shared.deliveries.find(receipt)
    if (delivery === undefined || sessions.has(delivery.owner)) continue
    if (delivery.owner instanceof Session) {
      sessions.set(delivery.owner, yield* Effect.cached(delivery.owner.renew()))
    }
  }
  return sessions
})

/** Renews deliveries; the new end of each lock. */
export const renew = (
  shared: Shared,
  receipts: ReadonlyArray<Receipt.Receipt>
): Effect.Effect<Outcomes<DateTime.Utc>, QueueError.QueueError> => {
  const [first] = receipts
  if (first === undefined) return Effect.succeed([])
  const place = { operation: "renewLock", queue: first.address.queue }
  const problem = tooMany(receipts, place)
  if (problem !== undefined) return Effect.fail(problem)
  return Effect.flatMap(sessionsOf(shared, receipts), (sessions) =>
    Effect.forEach(
      receipts,
      (receipt) => Effect.result(renewOne(shared, receipt, place, sessions)),
      together
    )
  )
}
