import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Defaults,
  Options,
  type Outcome,
  QueueAddress,
  type ReceivedMessage
} from "@queue-runtime/core"
import * as deadLetterWire from "../deadLetterWire.ts"
import { sizeOf } from "../size.ts"
import type { Delivery } from "./delivery.ts"
import type { Line } from "./line.ts"

const pause = Duration.toMillis(Defaults.sqsDeadLetterPause)

/** Why a message is put aside. */
export interface Why {
  readonly reason: string
  readonly description?: string
  readonly details?: ReceivedMessage.DeadLetterDetails
  /** Deliveries before; absent: the last one's count. */
  readonly deliveries?: number
}

/** A message that was delivered as often as its queue allows. */
export const spent = (line: Line): Why => ({
  reason: "MaxDeliveryCountExceeded",
  description: `the maximum of deliveries is ${line.settings.deliveriesMax}`
})

/**
 * Copies deliveries into the dead-letter queue; one outcome each. What is copied already is not copied
 * again: on a standard queue nobody would drop the second copy.
 */
export const copy = Effect.fnUntraced(function* (
  line: Line,
  deliveries: ReadonlyArray<Delivery>,
  why: Why
) {
  const now = yield* Clock.currentTimeMillis
  const { sqs } = line.shared
  const due = deliveries.filter(({ isCopied }) => !isCopied)
  const send = Effect.flatMap(sqs.queueOf(QueueAddress.deadLetter(line.address.queue)), (to) => {
    const entries = due.map((one) =>
      deadLetterWire.toDeadLetter(one.content, {
        reason: why.reason,
        source: line.address.queue,
        now,
        deliveryCount: why.deliveries ?? one.count,
        isFifo: to.isFifo,
        // What the queue took, its dead-letter queue takes: details that are too much are left out.
        sizeMax: line.settings.messageSizeMax,
        ...Options.defined({ description: why.description, details: why.details })
      })
    )
    // Ten large ones do not fit into one call.
    const sizes = entries.map(sizeOf)
    const isOneCall = sizes.reduce((sum, size) => sum + size, 0) <= Defaults.sqsSendSizeMax
    return isOneCall
      ? sqs.send(to, entries)
      : Effect.map(
          Effect.forEach(entries, (entry) => sqs.send(to, [entry])),
          (answers) => answers.flat()
        )
  })
  const answers = yield* Effect.match(due.length === 0 ? Effect.succeed([]) : send, {
    onFailure: (error): ReadonlyArray<Outcome.Outcome<unknown>> =>
      due.map(() => Result.fail(error)),
    onSuccess: (outcomes) => outcomes
  })
  for (const [index, delivery] of due.entries()) {
    const answer = answers[index]
    delivery.isCopied = answer !== undefined && Result.isSuccess(answer)
  }
  return deliveries.map((delivery): Outcome.Outcome<void> => {
    if (delivery.isCopied) return Result.succeed(undefined)
    const answer = answers[due.indexOf(delivery)]
    return answer !== undefined && Result.isFailure(answer)
      ? Result.fail(answer.failure)
      : Result.fail(line.closed("settle"))
  })
})

/** It stays; what nobody has in hand rests, else it would be tried again at once and without end. */
const stays = Effect.fnUntraced(function* (line: Line, delivery: Delivery) {
  if (delivery.token === undefined) {
    delivery.backsOffUntil = (yield* Clock.currentTimeMillis) + pause
  }
  yield* line.cameBack(delivery)
})

/**
 * Puts a delivery aside that nobody has in hand; whether it worked. What could not be copied or removed
 * stays, and rests for a while.
 */
export const bury = Effect.fnUntraced(function* (line: Line, delivery: Delivery, why: Why) {
  delivery.phase = "settling"
  delivery.isBlocking = true
  const [copied] = yield* copy(line, [delivery], why)
  const isThere = copied !== undefined && Result.isSuccess(copied)
  const [removed] = isThere ? yield* line.remover.submit([delivery.content.handle]) : []
  delivery.isBlocking = false
  if (removed !== undefined && Result.isSuccess(removed)) {
    yield* line.settled(delivery)
    return true
  }
  if (removed?.failure.reason._tag === "ReceiptExpired") yield* line.lost(delivery)
  else yield* stays(line, delivery)
  const error = removed ?? copied
  const detail = error !== undefined && Result.isFailure(error) ? error.failure.message : "closed"
  yield* Effect.logWarning(
    `a message of "${line.name}" could not be put among the dead letters and stays: ${detail}`
  )
  return false
})

/** Removes a delivery that expired, and that nobody gets. */
const drop = Effect.fnUntraced(function* (line: Line, delivery: Delivery) {
  const [removed] = yield* line.remover.submit([delivery.content.handle])
  if (removed !== undefined && Result.isSuccess(removed)) return yield* line.settled(delivery)
  if (removed !== undefined && removed.failure.reason._tag === "ReceiptExpired") {
    return yield* line.lost(delivery)
  }
  return yield* stays(line, delivery)
})

/**
 * Drops a delivery that expired, or puts it aside: as its queue is set. Nobody ever gets it, so those
 * behind it need not wait until it is gone; what could not be put aside comes again.
 */
export const expire = Effect.fnUntraced(function* (line: Line, delivery: Delivery) {
  delivery.phase = "settling"
  if (line.settings.expired === "drop" || !line.hasDeadLetters) return yield* drop(line, delivery)
  const deliveries = line.countOf(delivery) - 1
  const why = { reason: "TTLExpiredException", deliveries: Math.max(1, deliveries) }
  yield* bury(line, delivery, why)
})
