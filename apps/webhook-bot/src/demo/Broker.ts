/**
 * The demo's place next to the provider. It sees bodies as the broker stores them, and it loses
 * settlements: now and then a message that was handled is given back in place of being completed, as if
 * its lock had run out a moment before, so that it comes again.
 *
 * @since 0.1.0
 */
import {
  type Outcome,
  QueueError,
  type QueueProvider,
  type QueueSession,
  Verdict
} from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/**
 * What it sees and does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Broker {
  readonly around: (provider: QueueProvider.Service) => QueueProvider.Service
  /** Bodies handed to the broker. */
  readonly stored: Effect.Effect<number>
  /** The ids of those that anybody could read there. It grows with the run. */
  readonly readable: Effect.Effect<ReadonlyArray<string>>
}

/** What a sealed body begins with: see `docs/sealed-messages.md`. */
const marker = new TextEncoder().encode("QRE1")

const isSealed = (body: Uint8Array): boolean => marker.every((byte, index) => body[index] === byte)

const lockRanOut: Outcome.Outcome<void> = Result.fail(
  QueueError.make(new QueueError.ReceiptExpired(), { operation: "settle" })
)

/**
 * One that loses one of so many completions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (loseEvery: number): Broker => {
  let stored = 0
  let completions = 0
  const readable: Array<string> = []

  const losing = (session: QueueSession.QueueSession): QueueSession.QueueSession => ({
    ...session,
    settle: (receipts, verdict) =>
      Effect.suspend(() =>
        verdict._tag === "Complete" && ++completions % loseEvery === 0
          ? Effect.as(
              session.settle(receipts, Verdict.abandon()),
              receipts.map(() => lockRanOut)
            )
          : session.settle(receipts, verdict)
      )
  })

  return {
    around: (provider) => ({
      ...provider,
      send: (queue, messages) =>
        Effect.suspend(() => {
          stored += messages.length
          for (const { body, messageId } of messages) if (!isSealed(body)) readable.push(messageId)
          return provider.send(queue, messages)
        }),
      acceptSession: (queue, options) =>
        Effect.map(provider.acceptSession(queue, options), Option.map(losing))
    }),
    stored: Effect.sync(() => stored),
    readable: Effect.sync(() => readable)
  }
}
