/**
 * The bots, and which event each gets. The handler is written once and knows messages and bots, no
 * queue and no provider.
 *
 * **Details**
 *
 * Around the handler, outermost first, stand
 *
 * 1. a record of what was handled: a delivery whose settlement was lost comes again, is completed, and
 *    nobody is told twice (`Idempotency`; what that does not promise is said there);
 * 2. a circuit breaker: while the notifier's service is down the worker pauses, or one session of it, and
 *    nothing is put aside for that. A failure on one event is no outage, so that an event which always
 *    fails is put aside.
 *
 * @since 0.1.0
 */
import {
  Backoff,
  type HandlerFailure,
  Idempotency,
  type IdempotencyStore,
  type MessageHandler,
  type QueueClient,
  type QueueError
} from "@queue-runtime/core"
import { HandlerBreaker } from "@queue-runtime/resilience"
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
export type Failure = Notifier.Failure | HandlerFailure.Permanent

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
  "backoff" | "breaker" | "concurrency" | "deliveriesMax" | "queue"
> {
  /** Told of each delivery and what became of it. */
  readonly onHandled?: (handled: MessageHandler.Handled) => Effect.Effect<void>
}

const isOutage = (error: Failure): boolean => error._tag === "DownstreamUnavailable"

/** The handler behind the breaker, and what the worker waits for while it is open. */
const guarded = Effect.fnUntraced(function* <R>(
  handle: MessageHandler.MessageHandler<Failure, R>,
  { per, ...figures }: Options["breaker"]
) {
  const options = { ...figures, name: "notifier", isOutage }
  if (per === "session") {
    const { protect } = yield* HandlerBreaker.perSession(options)
    return { handler: protect(handle) }
  }
  const { protect, ready } = yield* HandlerBreaker.make(options)
  return { handler: protect(handle), ready }
})

/**
 * Runs a handler over the sessions of the queue until it is interrupted, and then drains.
 *
 * **Errors** as `SessionWorker.run`
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* <R>(
  handle: MessageHandler.MessageHandler<Failure, R>,
  { backoff, breaker, concurrency, deliveriesMax, onHandled, queue }: Options
): Effect.fn.Return<
  never,
  QueueError.QueueError,
  QueueClient.QueueClient | IdempotencyStore.IdempotencyStore | R
> {
  const { handler: behindBreaker, ...pausing } = yield* guarded(handle, breaker)
  return yield* SessionWorker.run({
    queue,
    handler: yield* Idempotency.handler(behindBreaker),
    concurrency,
    deliveriesMax,
    backoff: Backoff.exponential(backoff),
    ...pausing,
    ...(onHandled === undefined ? {} : { onHandled })
  })
})
