/**
 * The same handler in Azure Functions: a Service Bus trigger of the v4 programming model pushes the
 * messages, with or without sessions, one at a time or many.
 *
 * **Details**
 *
 * What the function needs is built by the first call and serves all later ones, those that run at the
 * same time included. {@link layer} goes right above the provider; sealing, telemetry, the client stay as
 * in a worker. How messages are settled is the choice of the trigger, and `settlement` says it again:
 *
 * | what a worker does | `return`: a plain trigger | `actions`: with an SDK binding |
 * |---|---|---|
 * | completes | returns | `complete` |
 * | abandons | throws: the host abandons every message of the call | `abandon`, this one alone |
 * | dead-letters | sends it to the client's `deadLetterQueues`, then returns; without one it throws | `deadletter` |
 * | stops a session at the first failure | throws | `abandon`, then `releaseSession`: those behind it come again behind it, and that is no delivery of theirs |
 *
 * `docs/run-on-azure-functions.md` has the settings of both.
 *
 * **Gotchas**
 *
 * A backoff is not waited for: an abandoned message comes again at once. With `return` use `cardinality:
 * "one"`: of many, one failure brings all again, those that were done included. A plain trigger hands out
 * text and parsed JSON, and changes the first letter of an attribute's name to a small one: bodies that
 * are no text, and sealed ones, need the SDK binding, or `dataType: "binary"`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import {
  Check,
  Defaults,
  PushedBatch,
  type QueueClient,
  QueueError,
  type QueueName,
  QueueProvider
} from "@queue-runtime/core"
import * as host from "./internal/pushed/host.ts"

const name = "azure-functions"

/**
 * What is needed of the context of a call: an `InvocationContext` of `@azure/functions`.
 *
 * @category models
 * @since 0.1.0
 */
export interface InvocationContext {
  readonly triggerMetadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * How what the host pushed is settled.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions {
  /**
   * `return`: by returning and throwing, where the host completes by itself. `actions`: one by one, by
   * the actions of an SDK binding (`sdkBinding: true`, `autoCompleteMessages: false`). Default: return.
   */
  readonly settlement?: "return" | "actions"
  /**
   * Whether the actions take the properties of a dead letter as a record, as those of
   * `@azure/functions-extensions-servicebus` 0.3.6-preview do and those of 0.2.0-preview do not. With it a
   * dead letter says all that is known of its failure. Default: false; it says reason and description.
   */
  readonly writesProperties?: boolean
}

/**
 * Hands out what the host pushes; goes right above the provider. Whoever receives otherwise (dead letters,
 * another queue, in a handler) gets it from Service Bus.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<QueueProvider.QueueProvider, never, QueueProvider.QueueProvider> => {
  const { settlement = "return", writesProperties = false } = options
  return PushedBatch.layer(
    name,
    Effect.map(QueueProvider.QueueProvider, (self) => {
      const isOrdered = (queue: QueueName.QueueName): boolean => self.capabilities(queue).ordered
      return host.make({ settlement, writesProperties, isOrdered })
    })
  )
}

/**
 * A queue, its handler, and the limit of one call.
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkOptions<E = never, R = never> extends PushedBatch.Options<E, R> {
  /**
   * How long one call may take: the host's `functionTimeout`, or less; longer than `margin`. Default: 5
   * minutes.
   */
  readonly timeout?: Duration.Input
}

/**
 * A queue, its handler, and what both need.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never, LE = never> extends WorkOptions<E, R> {
  /** A client over {@link layer} over the provider, and what the handler needs. */
  readonly layer: Layer.Layer<QueueClient.QueueClient | R, LE>
}

/**
 * A function for `app.serviceBusQueue`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler {
  (input: unknown, context: InvocationContext): Promise<void>
  /**
   * Ends what is at work, lets it answer, and closes what the calls built, for `app.hook.appTerminate`; a
   * later call builds it anew.
   */
  readonly close: () => Promise<void>
}

const comesAgain = (_: boolean, index: number) => ({
  index,
  reason: "Abandoned",
  message: "was not handled and comes again",
  retry: "Transient" as const
})

/** With actions each message is settled by itself, and the call has not failed. */
const failureOf = (
  input: unknown,
  settled: ReadonlyArray<boolean>
): QueueError.QueueError | undefined => {
  if (host.hasActions(input) || !settled.includes(false)) return undefined
  const failures = settled.map(comesAgain).filter(({ index }) => settled[index] === false)
  const reason = new QueueError.BatchPartiallyFailed({ size: settled.length, failures })
  return QueueError.make(reason, { operation: "handle" })
}

/** How long one call may take. Were it no longer than the margin, nothing would ever be begun. */
const limitOf = Effect.fnUntraced(function* ({
  margin = Defaults.pushedMargin,
  timeout = Defaults.functionsTimeout
}: Pick<WorkOptions, "margin" | "timeout">) {
  const limit = yield* Check.duration("timeout", timeout)
  const reserve = yield* Check.duration("margin", margin)
  if (Duration.isGreaterThan(limit, reserve)) return limit
  const problem =
    `must be longer than the margin (${Duration.format(reserve)}) and is ${Duration.format(limit)}: ` +
    "nothing would ever be begun; give a call more time, or set a shorter margin"
  return yield* Effect.fail(QueueError.validationFailed("timeout", problem))
})

/**
 * What a function does with one call, for who runs it in a runtime of their own.
 *
 * **Errors** of making it: ValidationFailed for an option out of its range, a `timeout` that is not longer
 * than `margin` included · ConfigurationInvalid without {@link layer} in the stack · of a call: see
 * {@link handler}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E, R>(options: WorkOptions<E, R>) {
  const limit = yield* limitOf(options)
  const work = yield* PushedBatch.make(name, options)
  return (
    input: unknown,
    { triggerMetadata }: InvocationContext
  ): Effect.Effect<void, QueueError.QueueError, R> => {
    const call: host.Call = { input, triggerMetadata }
    return Effect.flatMap(work(call, limit), (settled) => {
      const failure = failureOf(input, settled)
      return failure === undefined ? Effect.void : Effect.fail(failure)
    })
  }
})

/**
 * A handler of messages as a function of Azure.
 *
 * **Errors** rejects, and what was not settled comes again, where the layer cannot be built, an option is
 * out of its range (a `timeout` that is not longer than `margin` too), `settlement` is not that of the
 * trigger, or, without actions, a message of the call is to come again
 *
 * **Example** (A function that handles orders)
 *
 * ```ts
 * import { QueueClient, QueueName, ReceivedMessage } from "@queue-runtime/core"
 * import { AzureProvider } from "@queue-runtime/provider-azure"
 * import { AzureFunctions } from "@queue-runtime/provider-azure/functions"
 * import { Effect, Layer } from "effect"
 *
 * const layer = QueueClient.layer().pipe(
 *   Layer.provide(AzureFunctions.layer()),
 *   Layer.provide(AzureProvider.layer({ namespace: "acme.servicebus.windows.net" }))
 * )
 * const totals: Array<unknown> = []
 * const handler = AzureFunctions.handler({
 *   queue: QueueName.makeUnsafe("orders"),
 *   handler: (message) =>
 *     Effect.map(ReceivedMessage.json(message), (order) => totals.push(order)),
 *   layer
 * })
 * // app.serviceBusQueue("orders", { queueName: "orders", connection: "ServiceBus", handler })
 * await handler({ total: 12 }, { triggerMetadata: { messageId: "m-1", deliveryCount: 1 } })
 * await handler.close()
 * totals // => [{ total: 12 }]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = <E, R, LE>(options: Options<E, R, LE>): Handler => {
  const limit = Effect.runSyncExit(limitOf(options))
  const hosted = PushedBatch.host(options.layer, PushedBatch.make(name, options), options.margin)
  const handle = (input: unknown, { triggerMetadata }: InvocationContext): Promise<void> => {
    // Before it is built: in a call without time nobody would wait for that.
    if (Exit.isFailure(limit)) return Promise.reject(Cause.squash(limit.cause))
    const call: host.Call = { input, triggerMetadata }
    return hosted.handle(call, limit.value).then((settled) => {
      const failure = failureOf(input, settled)
      return failure === undefined ? undefined : Promise.reject(failure)
    })
  }
  return Object.assign(handle, { close: hosted.close })
}
