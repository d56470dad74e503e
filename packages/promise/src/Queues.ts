/**
 * The way in for code without Effect: opens the stack that an Effect application composes itself, and
 * answers promises.
 *
 * **Details**
 *
 * A call goes through the span of the call, sealing and claim check if there are any, batching, health,
 * breaker, retry, time-out, telemetry and leases if there are any to the provider; settings are read from
 * the environment as everywhere (`QUEUE_PROVIDER`, `QUEUE_MAX_RETRY_ATTEMPTS` …), and what `open` is given
 * wins. Sealing, claim check and leases are there if `open` is given them: variables alone switch none of
 * them on. Rejections are `QueueError`s with a typed `reason`; a call ended by its AbortSignal is rejected
 * with the signal's reason, and leaves nothing locked.
 *
 * @since 0.1.0
 */
import {
  Batching,
  type Capabilities,
  DeadLetters as CoreDeadLetters,
  Health,
  ProviderSelection,
  QueueClient,
  type QueueError,
  QueueName,
  QueueProvider,
  Settings,
  Telemetry
} from "@queue-runtime/core"
import { ResilienceConfig } from "@queue-runtime/resilience"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import * as DeadLetters from "./DeadLetters.ts"
import * as coding from "./internal/coding.ts"
import { type Plain, plain } from "./internal/plain.ts"
import * as Runner from "./internal/runner.ts"
import type * as Services from "./internal/services.ts"
import * as Queue from "./Queue.ts"

/**
 * A provider's layer: `MemoryProvider.layer({ … })`, `AwsProvider.layer({ … })`.
 *
 * @category options
 * @since 0.1.0
 */
export type Provider = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

/**
 * A stage around the provider: `Sealing.layer(…)` of `@queue-runtime/crypto`.
 *
 * @category options
 * @since 0.1.0
 */
export type Stage = Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider
>

/**
 * What the queues are on, and how they are used.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The provider, or a record of loaders of which `QUEUE_PROVIDER` chooses one: then only the package of
   * the chosen one is loaded.
   */
  readonly provider: Provider | { readonly [name: string]: ProviderSelection.Load<never> }
  /** The provider where `QUEUE_PROVIDER` is not set; the name of a loader. Default: it must be set. */
  readonly orElse?: string
  /** The queues that `readiness` asks. Default: none, and its status is `unknown`. */
  readonly healthOf?: ReadonlyArray<string>
  /**
   * How long `receive` and `acceptSession` wait when the call does not say. Default:
   * `QUEUE_RECEIVE_TIMEOUT_SECONDS`, else 30 s.
   */
  readonly wait?: Duration.Input
  /** As of `QueueClient`: what becomes of a message without a session on an ordered queue. */
  readonly missingSession?: QueueClient.Options["missingSession"]
  /** As of `QueueClient`: where dead letters go on a provider that has none. */
  readonly deadLetterQueues?: QueueClient.Options["deadLetterQueues"]
  /** Limits of merged calls; `false` turns merging off. Default: on. */
  readonly batching?: Batching.Options | false
  /** Retry, time-out and breaker, over what the environment says. */
  readonly resilience?: Partial<ResilienceConfig.ResilienceConfig>
  /** Seals bodies on the way down and opens them on the way up. Default: none. */
  readonly sealing?: Stage
  /** Puts large bodies into a blob store: `ClaimCheck.layer(…)` of `@queue-runtime/claim-check`. Default: none. */
  readonly claimCheck?: Stage
  /** Keeps sessions their holder's on SQS too: `SessionLeases.layer(…)` of `@queue-runtime/session-store`. Default: none. */
  readonly sessionLeases?: Stage
  /** Where spans and metrics go: a layer of Effect's `Otlp`, or of `@effect/opentelemetry`. Default: nowhere. */
  readonly telemetry?: Layer.Layer<never>
  /** Whose time it goes by. Default: the machine's; a `TestClock` in tests. */
  readonly clock?: Clock.Clock
  /** What is logged, on the console. Default: `Info` and above. */
  readonly logLevel?: LogLevel.LogLevel
}

/**
 * How the queues are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report extends Omit<Plain<Health.Report>, "status"> {
  /** `down` if one queue is; `unknown` if `healthOf` names none that could be asked. */
  readonly status: Health.Report["status"] | "unknown"
}

const isLayer = (provider: Options["provider"]): provider is Provider => Layer.isLayer(provider)

const providerOf = ({ orElse, provider }: Options): Provider =>
  isLayer(provider)
    ? provider
    : ProviderSelection.layer(provider, orElse === undefined ? {} : { orElse })

/** The client; how long it waits the environment says where the options do not. */
const clientOf = ({ deadLetterQueues, missingSession, wait }: Options) =>
  Layer.unwrap(
    Effect.map(wait === undefined ? Settings.wait : Effect.succeed(wait), (waits) =>
      QueueClient.layer({
        wait: waits,
        ...(missingSession === undefined ? {} : { missingSession }),
        ...(deadLetterQueues === undefined ? {} : { deadLetterQueues })
      })
    )
  )

/** A new one each time: the same layer twice in a chain applies once, and what is between is left out. */
const asItIs = (): Stage => Layer.effect(QueueProvider.QueueProvider, QueueProvider.QueueProvider)

/** What every call goes by, and the building of the stack. */
const ambient = ({ clock = Clock.Clock.defaultValue(), logLevel = "Info" }: Options) =>
  Layer.succeedContext(
    Context.make(References.MinimumLogLevel, logLevel).pipe(Context.add(Clock.Clock, clock))
  )

/** The stack of any application, outermost first. */
const stack = (
  options: Options,
  queues: ReadonlyArray<QueueName.QueueName>
): Layer.Layer<Services.Services, QueueError.QueueError> =>
  CoreDeadLetters.layer().pipe(
    Layer.provideMerge(clientOf(options)),
    Layer.provideMerge(Telemetry.layerCreate()),
    Layer.provide(options.sealing ?? asItIs()),
    Layer.provide(options.claimCheck ?? asItIs()),
    Layer.provide(options.batching === false ? asItIs() : Batching.layer(options.batching)),
    Layer.provideMerge(Health.layer({ queues })),
    Layer.provide(ResilienceConfig.layer(options.resilience)),
    Layer.provide(Telemetry.layer()),
    Layer.provide(options.sessionLeases ?? asItIs()),
    Layer.provide(providerOf(options)),
    Layer.provide(options.telemetry ?? Layer.empty),
    Layer.provideMerge(ambient(options))
  )

/**
 * Open queues: one stack, one provider, its connections. Closed by `close`, or by `await using`.
 *
 * @category models
 * @since 0.1.0
 */
export class Queues implements AsyncDisposable {
  /** The provider's name: `memory`, `aws-sqs`, `azure-service-bus`. */
  readonly provider: string
  /** The stages around the provider, outermost first, and the provider last. */
  readonly stack: ReadonlyArray<string>
  readonly #runner: Runner.Runner
  readonly #client: QueueClient.Service

  /** @internal */
  constructor(runner: Runner.Runner, client: QueueClient.Service) {
    this.#runner = runner
    this.#client = client
    this.provider = client.provider
    this.stack = client.stack
  }

  /**
   * A queue of bytes, or of the values of a schema: an Effect Schema, or any validator that follows
   * Standard Schema (Zod, Valibot, ArkType).
   *
   * **Errors** throws ValidationFailed for what is no name of a queue
   */
  queue(name: string): Queue.Queue<string | Uint8Array, Uint8Array>
  queue<A, I>(name: string, options: { readonly schema: Schema.Codec<A, I> }): Queue.Queue<A, A>
  queue<In, Out>(
    name: string,
    options: { readonly schema: StandardSchemaV1<In, Out> }
  ): Queue.Queue<In, Out>
  queue<In, Out, I>(
    name: string,
    options?: { readonly schema: Schema.Codec<Out, I> | StandardSchemaV1<In, Out> }
  ) {
    const queue = nameOf(name)
    if (options === undefined) return new Queue.Queue(this.#runner, queue, coding.bytes)
    const { schema } = options
    return Schema.isSchema(schema)
      ? new Queue.Queue(this.#runner, queue, coding.ofSchema(queue, schema))
      : new Queue.Queue(this.#runner, queue, coding.ofStandard(queue, schema))
  }

  /** What was put aside on a queue. */
  deadLetters(name: string): DeadLetters.DeadLetters {
    return new DeadLetters.DeadLetters(this.#runner, nameOf(name))
  }

  /** What a queue can do. */
  capabilities(name: string): Capabilities.Capabilities {
    return this.#client.capabilities(nameOf(name))
  }

  /**
   * Whether messages can be sent to the queues of `healthOf` and received from them; never rejected.
   * Without `healthOf` it is `unknown`: those that `queue` opened are not asked, since a right to send
   * is none to look.
   */
  readiness(): Promise<Report> {
    return this.#runner.run(
      Health.Health.use(({ readiness }) => Effect.map(readiness, readinessOf))
    )
  }

  /** Whether the process should go on. */
  liveness(): Promise<Report> {
    return this.#runner.run(
      Health.Health.use(({ liveness }) => Effect.map(liveness, plain<Health.Report>))
    )
  }

  /** Drains every consumer, gives up every session, then closes every connection. */
  close(): Promise<void> {
    return this.#runner.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Of no queue nothing is known. */
const readinessOf = (report: Health.Report): Report => {
  const { queues, status } = plain(report)
  return { queues, status: queues.length === 0 ? "unknown" : status }
}

const nameOf = (name: string): QueueName.QueueName => Effect.runSync(QueueName.make(name))

/**
 * Opens the queues of an application.
 *
 * **Errors** rejected with ConfigurationInvalid, ValidationFailed, and the provider's own
 *
 * **Example** (Send, and handle until the process is told to end)
 *
 * ```ts
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Queues } from "@queue-runtime/promise"
 *
 * await using queues = await Queues.open({
 *   provider: MemoryProvider.layer({ queues: { orders: {} } }),
 *   logLevel: "None"
 * })
 * const orders = queues.queue("orders")
 * await orders.send("one")
 * const [delivery] = await orders.receive()
 * await delivery?.complete()
 * new TextDecoder().decode(delivery?.value) // => "one"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (options: Options): Promise<Queues> => {
  const opened = Effect.gen(function* () {
    const queues = yield* Effect.forEach(options.healthOf ?? [], (name) => QueueName.make(name))
    const runtime = ManagedRuntime.make(stack(options, queues))
    const client = yield* Effect.map(runtime.contextEffect, (context) =>
      Context.get(context, QueueClient.QueueClient)
    )
    return new Queues(new Runner.Runner(runtime), client)
  })
  return Runner.promise(opened)
}
