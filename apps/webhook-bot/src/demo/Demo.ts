/**
 * The demo: GitHub, the bot and the service behind it in one process, over real sockets, and a verdict
 * at the end.
 *
 * @since 0.1.0
 */
import { QueueAddress, QueueClient, type QueueError, type QueueName } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Timeline from "../bots/Timeline.ts"
import * as BotConfig from "../BotConfig.ts"
import * as Bots from "../Bots.ts"
import * as Http from "../Http.ts"
import * as Program from "../Program.ts"
import * as QueueStack from "../QueueStack.ts"
import * as Webhook from "../Webhook.ts"
import * as WebhookServer from "../WebhookServer.ts"
import * as Backend from "./Backend.ts"
import * as Broker from "./Broker.ts"
import * as Corpus from "./Corpus.ts"
import * as Downstream from "./Downstream.ts"
import * as History from "./History.ts"
import * as Output from "./Output.ts"
import * as Plan from "./Plan.ts"
import * as Poster from "./Poster.ts"
import * as Report from "./Report.ts"
import * as Verification from "./Verification.ts"
import { randomBytes } from "node:crypto"

/**
 * How the run is to be.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly seed: string
  readonly deliveries: number
  /** How long the downstream is down. Default: 2 s. */
  readonly outage?: Duration.Duration
  /** Settings in place of the demo's own: a test shortens the delays further. */
  readonly settings?: Readonly<Record<string, string>>
}

/**
 * Settings of the demo. They win over the environment, which chooses the provider and the queue. Four
 * pauses of 0.1 to 0.5 s do not outlast an outage of 2 s: that nothing is put aside for it is the
 * breaker's doing.
 */
const settings = {
  WEBHOOK_SECRET: "secret of the demo",
  HOST: "127.0.0.1",
  PORT: "0",
  QUEUE_RETRY_BACKOFF_MS: "100",
  QUEUE_RETRY_BACKOFF_MAX_MS: "500",
  DELIVERIES_MAX: "5",
  WORKER_CONCURRENCY: "16",
  NOTIFY_BREAKER_OPEN_SECONDS: "0.3",
  QUEUE_CRYPTO_MODE: "encrypt"
}

/** A key of this run alone. */
const freshKey = Effect.sync(() => ({
  QUEUE_CRYPTO_KEYS: `demo:${randomBytes(32).toString("base64")}`,
  QUEUE_CRYPTO_CURRENT_KEY: "demo"
}))

/** One of so many completions is lost, and its message comes again. */
const loseEvery = 100

const outageDefault = Duration.seconds(2)

/** What is not done by then counts as lost: several times what a slow machine takes. */
const deadline = (deliveries: number): Duration.Duration =>
  Duration.max(Duration.minutes(1), Duration.millis(25 * deliveries))

const progressEvery = Duration.millis(500)

const pollEvery = Duration.millis(10)

/** In the middle of it. */
const outageAfterPart = 0.4

const isDone = (history: History.History, accepted: number): boolean =>
  history.counts.processed + history.counts.deadLettered >= accepted

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    condition() ? Effect.void : Effect.andThen(Effect.sleep(pollEvery), until(condition))
  )

const acceptedIds = (history: History.History): number =>
  new Set(
    history.events.flatMap((event) =>
      event._tag === "Answered" && event.status === 202 ? [event.id] : []
    )
  ).size

/** Long enough for every provider to answer that there is nothing more; SQS waits whole seconds. */
const lastLook = Duration.seconds(1)

/** Messages that nobody will handle, taken session by session: not every service lets us look on. */
const countLeft = Effect.fnUntraced(function* (queue: QueueName.QueueName) {
  const client = yield* QueueClient.QueueClient
  let left = 0
  while (true) {
    const session = yield* client.acceptSession(queue, { wait: lastLook })
    if (Option.isNone(session)) return left
    left += (yield* session.value.receive({ max: 100, wait: lastLook })).length
  }
}, Effect.scoped)

/** The dead letters, taken out of the queue as an operator would. */
const readDeadLetters = Effect.fnUntraced(function* (queue: QueueName.QueueName) {
  const client = yield* QueueClient.QueueClient
  const source = QueueAddress.deadLetter(queue)
  const letters: Array<Verification.DeadLetter> = []
  while (true) {
    const received = yield* client.receive(source, { max: 100, wait: lastLook })
    if (received.length === 0) return letters
    for (const message of received) {
      letters.push({
        id: message.messageId,
        session: message.sessionId ?? "",
        event: message.attributes[Webhook.attributes.event] ?? "",
        reason: message.deadLetter?.reason ?? ""
      })
      yield* client.complete(message)
    }
  }
})

const collect = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  plan: ReadonlyArray<Plan.Planned>,
  history: History.History,
  broker: Broker.Broker
): Effect.fn.Return<
  Verification.Evidence,
  QueueError.QueueError,
  QueueClient.QueueClient | Timeline.Timeline
> {
  const timeline = yield* Timeline.Timeline
  const timelines = new Map<string, ReadonlyArray<string>>()
  for (const session of new Set(plan.map((planned) => planned.session))) {
    timelines.set(
      session,
      (yield* timeline.of(session)).map(({ id }) => id)
    )
  }
  return {
    plan,
    events: history.events,
    deadLetters: yield* readDeadLetters(queue),
    timelines,
    stored: yield* broker.stored,
    readable: yield* broker.readable,
    left: yield* countLeft(queue)
  }
})

/** Shows how far it is, until the scope closes. */
const showProgress = Effect.fnUntraced(function* (
  start: number,
  history: History.History,
  downstream: Downstream.Downstream
) {
  const output = yield* Output.Output
  const show = Effect.gen(function* () {
    const elapsed = Duration.millis((yield* Clock.currentTimeMillis) - start)
    yield* output.progress(Report.progress(elapsed, history.counts, yield* downstream.isDown))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(progressEvery), show)))
})

const runWith = Effect.fnUntraced(function* (
  options: Options,
  base: BotConfig.BotConfig,
  broker: Broker.Broker
) {
  const { deliveries, outage = outageDefault, seed } = options
  const output = yield* Output.Output
  const client = yield* QueueClient.QueueClient
  const examples = yield* Corpus.load
  const plan = yield* Plan.make({ seed, deliveries, examples })
  const history = new History.History()
  const downstream = yield* Downstream.make(history)
  const config = { ...base, notifyUrl: Option.some(downstream.url) }
  const { stack } = client
  const setting = { seed, plan, examples: examples.length, config, stack, outage }
  for (const line of Report.opening(setting)) yield* output.line(line)

  return yield* Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const handler = History.watching(history, yield* Bots.handler)
    const worker = yield* Effect.forkScoped(
      Bots.run(handler, { ...config, onHandled: History.settled(history) })
    )
    const url = yield* WebhookServer.serve(config)
    const rest = Effect.gen(function* () {
      const breaking = yield* Effect.forkChild(
        until(() => history.counts.sent >= plan.length * outageAfterPart).pipe(
          Effect.andThen(downstream.outage(outage))
        )
      )
      yield* Poster.run({ url, secret: config.secret, plan, history })
      yield* Fiber.join(breaking)
      const accepted = acceptedIds(history)
      yield* until(() => isDone(history, accepted))
    })
    yield* Effect.scoped(
      Effect.andThen(
        showProgress(start, history, downstream),
        Effect.raceFirst(Effect.timeoutOption(rest, deadline(deliveries)), Fiber.join(worker))
      )
    )
    const elapsed = Duration.millis((yield* Clock.currentTimeMillis) - start)
    const evidence = yield* collect(config.queue, plan, history, broker)
    const violations = Verification.violations(evidence)
    const turnedAway = yield* downstream.turnedAway
    const { counts } = history
    const outcome = { evidence, counts, turnedAway, elapsed, violations }
    for (const line of Report.closing(outcome)) yield* output.line(line)
    return outcome
  }).pipe(Effect.scoped, Effect.provide(Program.layerBots(config)))
})

/** Settings that win over the environment. */
const asPrimary = (given: Readonly<Record<string, string>>) =>
  ConfigProvider.layerAdd(ConfigProvider.fromUnknown(given), { asPrimary: true })

/**
 * Runs it and shows how it goes. The outcome holds the evidence and what is wrong with it.
 *
 * **Errors** ConfigurationInvalid before anything starts; later what no waiting mends.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  options: Options
): Effect.Effect<Report.Outcome, QueueError.QueueError, Output.Output> =>
  Effect.gen(function* () {
    const config = yield* BotConfig.read
    const variables = yield* Backend.start(config)
    const broker = Broker.make(loseEvery)
    const stack = QueueStack.layer({ ...config, around: broker.around })
    return yield* Effect.scoped(runWith(options, config, broker)).pipe(
      Effect.provide(Layer.merge(stack, Http.layerClient).pipe(Layer.provide(asPrimary(variables))))
    )
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.unwrap(
        Effect.map(freshKey, (key) => asPrimary({ ...settings, ...key, ...options.settings }))
      )
    )
  )
