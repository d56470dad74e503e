/**
 * The bots, and which event each gets. The handler is written once and knows messages and bots, no
 * queue and no provider.
 *
 * @since 0.1.0
 */
import {
  Backoff,
  type HandlerFailure,
  type MessageHandler,
  type QueueClient,
  type QueueError
} from "@queue-runtime/core"
import { SessionWorker } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Notifier from "./bots/Notifier.ts"
import * as Timeline from "./bots/Timeline.ts"
import type * as BotConfig from "./BotConfig.ts"
import * as GitHubEvent from "./GitHubEvent.ts"

/**
 * How a bot fails: for the moment, or for good.
 *
 * @category errors
 * @since 0.1.0
 */
export type Failure = Notifier.DownstreamUnavailable | HandlerFailure.Permanent

interface Bot {
  readonly wants: (event: GitHubEvent.GitHubEvent) => boolean
  readonly handle: (event: GitHubEvent.GitHubEvent) => Effect.Effect<void, Failure>
}

/**
 * Handles a message: every bot that wants its event, one after the other. The timeline comes last, so
 * that what stands there is done.
 *
 * @category handlers
 * @since 0.1.0
 */
export const handler: Effect.Effect<
  MessageHandler.MessageHandler<Failure>,
  never,
  Notifier.Notifier | Timeline.Timeline
> = Effect.gen(function* () {
  const notifier = yield* Notifier.Notifier
  const timeline = yield* Timeline.Timeline
  const bots: ReadonlyArray<Bot> = [
    // GitHub's own test of a webhook is news to nobody.
    { wants: ({ name }) => name !== "ping", handle: notifier.notify },
    { wants: () => true, handle: timeline.record }
  ]
  return Effect.fnUntraced(function* (message) {
    const event = yield* GitHubEvent.fromMessage(message)
    for (const bot of bots) if (bot.wants(event)) yield* bot.handle(event)
  })
})

/**
 * What of the settings concerns the worker.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Pick<
  BotConfig.BotConfig,
  "backoff" | "concurrency" | "deliveriesMax" | "queue"
> {
  /** Told of each delivery and what became of it. */
  readonly onHandled?: (handled: MessageHandler.Handled) => Effect.Effect<void>
}

/**
 * Runs a handler over the sessions of the queue until it is interrupted, and then drains.
 *
 * **Errors** as `SessionWorker.run`
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  handle: MessageHandler.MessageHandler<E, R>,
  { backoff, concurrency, deliveriesMax, onHandled, queue }: Options
): Effect.Effect<never, QueueError.QueueError, QueueClient.QueueClient | R> =>
  SessionWorker.run({
    queue,
    handler: handle,
    concurrency,
    deliveriesMax,
    backoff: Backoff.exponential(backoff),
    ...(onHandled === undefined ? {} : { onHandled })
  })
