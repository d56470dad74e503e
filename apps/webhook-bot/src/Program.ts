/**
 * The service as a whole, and how a program of this application ends.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import { IdempotencyStore, type QueueError } from "@queue-runtime/core"
import * as Notifier from "./bots/Notifier.ts"
import * as Timeline from "./bots/Timeline.ts"
import * as Bots from "./Bots.ts"
import * as BotConfig from "./BotConfig.ts"
import * as Http from "./Http.ts"
import * as QueueStack from "./QueueStack.ts"
import * as WebhookServer from "./WebhookServer.ts"

/**
 * The bots of these settings, and the record of what they did: in this process, so several of one queue
 * need a store that they share (`SqlIdempotencyStore`) in its place.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBots = ({
  notifyTimeout,
  notifyUrl
}: Pick<BotConfig.BotConfig, "notifyTimeout" | "notifyUrl">): Layer.Layer<
  Notifier.Notifier | Timeline.Timeline | IdempotencyStore.IdempotencyStore,
  QueueError.QueueError
> =>
  Layer.mergeAll(
    Layer.provide(Notifier.layer({ url: notifyUrl, timeout: notifyTimeout }), Http.layerClient),
    Timeline.layer(),
    IdempotencyStore.layerMemory()
  )

const serve = Effect.fnUntraced(function* (config: BotConfig.BotConfig) {
  const handle = yield* Bots.handler
  const worker = yield* Effect.forkScoped(Bots.run(handle, config))
  // Closed before the worker, whose fiber is older: nothing is accepted that nobody would handle.
  yield* WebhookServer.serve(config)
  return yield* Fiber.join(worker)
})

/**
 * Serves and handles until it is interrupted. Then it accepts nothing more, ends what is under way and
 * gives back the rest.
 *
 * **Errors** ConfigurationInvalid before anything starts; later what no waiting mends.
 *
 * @category running
 * @since 0.1.0
 */
export const run: Effect.Effect<never, QueueError.QueueError> = Effect.flatMap(
  BotConfig.read,
  (config) =>
    Effect.scoped(serve(config)).pipe(
      Effect.provide(Layer.merge(layerBots(config), QueueStack.layer(config)))
    )
)

const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const message = Predicate.hasProperty(error, "message") ? error.message : error
  return typeof message === "string" ? message.split("\n", 1).join("") : "an unknown error"
}

/**
 * Says why a program failed: one line for people, without a stack. What interrupts it is no failure.
 *
 * @category running
 * @since 0.1.0
 */
export const reporting = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.tapCause(program, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Console.error(`error: ${lineOf(cause)}`)
  )
