/**
 * What happened, in the order it happened: written by the poster, the worker and the downstream, and
 * read by nobody but the verification and the display.
 *
 * @since 0.1.0
 */
import type { MessageHandler, ReceivedMessage } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/**
 * One thing that happened.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = { readonly id: string; readonly session: string } & (
  | { readonly _tag: "Answered"; readonly status: number }
  | { readonly _tag: "Started" }
  | { readonly _tag: "Ended"; readonly succeeded: boolean }
  | { readonly _tag: "Settled"; readonly as: MessageHandler.Disposition["_tag"] }
  /** The downstream took it. */
  | { readonly _tag: "Notified" }
)

/**
 * How many so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly sent: number
  readonly accepted: number
  readonly refused: number
  /** Messages completed. */
  readonly processed: number
  /** Deliveries that are repeated. */
  readonly retried: number
  readonly deadLettered: number
}

/**
 * The history of one run. It grows with the run, which is bounded by what was planned.
 *
 * @category models
 * @since 0.1.0
 */
export class History {
  readonly #events: Array<Event> = []
  readonly #counts = {
    sent: 0,
    accepted: 0,
    refused: 0,
    processed: 0,
    retried: 0,
    deadLettered: 0
  }

  get events(): ReadonlyArray<Event> {
    return this.#events
  }

  get counts(): Counts {
    return this.#counts
  }

  add(event: Event): void {
    this.#events.push(event)
    if (event._tag === "Answered") {
      this.#counts.sent++
      if (event.status === 202) this.#counts.accepted++
      else this.#counts.refused++
    }
    if (event._tag !== "Settled") return
    if (event.as === "Completed") this.#counts.processed++
    else if (event.as === "DeadLettered") this.#counts.deadLettered++
    else this.#counts.retried++
  }
}

const of = ({ messageId, sessionId }: ReceivedMessage.ReceivedMessage) => ({
  id: messageId,
  session: sessionId ?? ""
})

/**
 * The handler, with its beginnings and ends written down.
 *
 * @category watching
 * @since 0.1.0
 */
export const watching =
  <E, R>(
    history: History,
    handler: MessageHandler.MessageHandler<E, R>
  ): MessageHandler.MessageHandler<E, R> =>
  (message) =>
    Effect.suspend(() => {
      history.add({ _tag: "Started", ...of(message) })
      return Effect.onExit(handler(message), (exit) =>
        Effect.sync(() =>
          history.add({ _tag: "Ended", ...of(message), succeeded: Exit.isSuccess(exit) })
        )
      )
    })

/**
 * Writes down what became of a delivery.
 *
 * @category watching
 * @since 0.1.0
 */
export const settled =
  (history: History) =>
  ({ disposition, message }: MessageHandler.Handled): Effect.Effect<void> =>
    Effect.sync(() => history.add({ _tag: "Settled", ...of(message), as: disposition._tag }))
