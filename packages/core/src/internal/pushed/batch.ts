import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import type * as QueueAddress from "../../QueueAddress.ts"
import type { Held } from "./held.ts"

/** What a host pushed, as its worker carries it through the stack. */
export class Batch {
  readonly address: QueueAddress.QueueAddress
  readonly event: unknown
  /** Until when the host waits for an answer, in milliseconds. */
  readonly endsAt: number
  /** There once it was read; read once. */
  held: Held | undefined = undefined
  readonly reading = Semaphore.makeUnsafe(1)
  /** Done when it was read. */
  readonly wasRead = Deferred.makeUnsafe<Held>()
  /** Done when the host is about to be answered: nothing of it is anybody's any more. */
  readonly over = Deferred.makeUnsafe<void>()
  /** What is left is nobody's from now on; the effect gives it back. */
  leave: () => Effect.Effect<void> = () => Effect.void

  constructor(address: QueueAddress.QueueAddress, event: unknown, endsAt: number) {
    this.address = address
    this.event = event
    this.endsAt = endsAt
  }

  get isOver(): boolean {
    return Deferred.isDoneUnsafe(this.over)
  }

  /**
   * From now on nothing of it settles any more; the effect gives back what is left. Whoever else ends what
   * is at work does so afterwards: it would give back a part itself, and nobody would wait for that.
   */
  end(): Effect.Effect<void> {
    const giveBack = this.leave()
    Deferred.doneUnsafe(this.over, Exit.void)
    return giveBack
  }
}

/**
 * Goes with the calls that receive, and with nothing else: a handler that receives from a queue gets its
 * messages from the service.
 */
export const Current = Context.Reference<Batch | undefined>(
  "@queue-runtime/core/PushedBatch/Current",
  { defaultValue: () => undefined }
)

/** Ends when the host closes: what a batch still does is given back then. */
export const Closing = Context.Reference<Effect.Effect<void>>(
  "@queue-runtime/core/PushedBatch/Closing",
  { defaultValue: () => Effect.never }
)
