import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Defaults, LockKeeper, QueueError, Verdict } from "@queue-runtime/core"
import type { Shared } from "./context.ts"
import type { Delivery } from "./deliveries.ts"
import * as errors from "./errors.ts"

const place = (delivery: Delivery): errors.Place => ({
  operation: "settle",
  queue: delivery.address.queue
})

/** Gives a message back, and tries again while the connection is being made anew. */
const giveBack = (delivery: Delivery): Effect.Effect<void> =>
  delivery.owner.settle(delivery, Verdict.abandon(), place(delivery)).pipe(
    Effect.retry({
      schedule: Schedule.spaced(Defaults.retryDelay),
      times: Defaults.settleAttempts,
      while: QueueError.isTransient
    }),
    Effect.ignore
  )

/**
 * Abandons of plain queues that have a delay. The service has none, so the message stays locked, its lock
 * renewed, until the delay is over, and is abandoned then. What ends this process ends the delay.
 */
export class Holds {
  readonly #shared: Shared
  readonly #held = new Map<Delivery, Fiber.Fiber<void>>()

  constructor(shared: Shared) {
    this.#shared = shared
  }

  get size(): number {
    return this.#held.size
  }

  hold(delivery: Delivery, delay: Duration.Duration): Effect.Effect<void, QueueError.QueueError> {
    return Effect.suspend(() => {
      const maximum = Defaults.serviceBusHoldsMax
      if (this.#held.size >= maximum) {
        const resource = "the messages kept locked for the delay of their abandon"
        return Effect.fail(
          errors.error(new QueueError.QuotaExceeded({ resource, maximum }), place(delivery))
        )
      }
      const keep = LockKeeper.keep({
        lockedUntil: DateTime.makeUnsafe(delivery.lockedUntil),
        renew: Effect.map(delivery.owner.renew(delivery, place(delivery)), DateTime.makeUnsafe),
        renewalMax: delay
      })
      const held = Effect.raceFirst(Effect.sleep(delay), keep).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            this.#held.delete(delivery)
            return giveBack(delivery)
          })
        )
      )
      this.#held.set(delivery, this.#shared.fork(held))
      return Effect.void
    })
  }

  /** Gives back everything at once, for the end of the provider. */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const held = [...this.#held]
      this.#held.clear()
      return Effect.forEach(
        held,
        ([delivery, fiber]) => {
          fiber.interruptUnsafe()
          return Effect.ignore(delivery.owner.settle(delivery, Verdict.abandon(), place(delivery)))
        },
        { concurrency: "unbounded", discard: true }
      )
    })
  }
}
