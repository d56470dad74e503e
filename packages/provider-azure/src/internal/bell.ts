import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Defaults } from "@queue-runtime/core"
import { closing } from "./calls.ts"
import type { Context } from "./context.ts"
import { drainBeforeClose, protect } from "./inside.ts"
import type { Link } from "./link.ts"

const drainMillis = Duration.toMillis(Defaults.serviceBusWaitDrain)

/** Who is told. */
export interface Listener {
  readonly rang: (message: ServiceBusReceivedMessage, link: Link) => void
  readonly failed: (thrown: unknown) => void
}

interface Subscription {
  readonly close: () => Promise<void>
}

/**
 * Waits for the next message of a plain queue, one at a time.
 *
 * It is a subscription of the SDK's with one credit. The promise of its handler is kept open after a
 * message, so that no credit follows until the next one is wanted; closing the subscription takes an
 * unused credit back from the service and hands on what crossed it. So nobody's wait can be cut short
 * with a message left behind, as aborting the SDK's other way of receiving does. Only where the service
 * is silent for {@link Defaults.serviceBusWaitDrain} its link is closed all the same, and a message that
 * was on its way over it comes again when its lock ends.
 */
export class Bell {
  readonly link: Link
  readonly #context: Context
  readonly #listener: Listener
  #subscription: Subscription | undefined
  /** Ends the handler of the last message, and so gives the next credit. */
  #next: (() => void) | undefined
  /** Whether a message may come. */
  isArmed = false
  isDiscarded = false
  /** Since when it has been armed in vain. */
  armedAt = 0

  constructor(context: Context, link: Link, listener: Listener) {
    this.#context = context
    this.link = link
    this.#listener = listener
  }

  /** Wants one message more. */
  arm(): void {
    if (this.isArmed || this.isDiscarded) return
    this.isArmed = true
    this.armedAt = this.#context.now()
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) next()
    else this.#subscribe()
  }

  #subscribe(): void {
    this.#subscription = this.link.receiver.subscribe(
      {
        processMessage: (message) =>
          new Promise<void>((resolve) => {
            this.isArmed = false
            this.#next = resolve
            this.#listener.rang(message, this.link)
          }),
        processError: ({ error }) => {
          this.#fail(error)
          return Promise.resolve()
        }
      },
      { autoCompleteMessages: false, maxConcurrentCalls: 1 }
    )
    protect(this.link.receiver)
  }

  #fail(thrown: unknown): void {
    if (this.isDiscarded) return
    this.discard()
    this.#listener.failed(thrown)
  }

  /**
   * Takes an unused credit back; what crosses it still rings. Answers when nothing more can come, or that
   * the SDK did not say so in time.
   */
  get disarm(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const subscription = this.#subscription
      if (!this.isArmed || subscription === undefined) return Effect.succeed(true)
      this.#subscription = undefined
      return Effect.tap(
        closing(this.link.sdk, () => this.#end(subscription)),
        () => Effect.sync(() => this.#isDisarmed())
      )
    })
  }

  #end(subscription: Subscription): Promise<void> {
    drainBeforeClose(this.link.receiver, drainMillis)
    return subscription.close()
  }

  /** The subscription is over, and with it the handler of a message that crossed its end. */
  #isDisarmed(): void {
    this.isArmed = false
    const next = this.#next
    this.#next = undefined
    next?.()
  }

  /** It is of no use any more; its link may still be, for what came over it. */
  discard(): void {
    this.isDiscarded = true
    this.isArmed = false
    const subscription = this.#subscription
    this.#subscription = undefined
    if (subscription === undefined) return
    // Now, not soon: the SDK would bring it back by itself, and then there were two.
    const closed = this.#end(subscription)
    this.#context.shared.fork(Effect.ignore(Effect.tryPromise(() => closed)))
  }
}
