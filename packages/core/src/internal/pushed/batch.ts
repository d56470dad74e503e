import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
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
  /** Gives back what is left; afterwards nothing of it settles any more. */
  end: Effect.Effect<void> = Effect.void

  constructor(address: QueueAddress.QueueAddress, event: unknown, endsAt: number) {
    this.address = address
    this.event = event
    this.endsAt = endsAt
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
