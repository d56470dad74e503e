import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, QueueAddress, QueueClient, type QueueError } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Notifier from "../src/bots/Notifier.ts"
import * as Timeline from "../src/bots/Timeline.ts"
import * as BotConfig from "../src/BotConfig.ts"
import * as Bots from "../src/Bots.ts"
import * as Corpus from "../src/demo/Corpus.ts"
import * as History from "../src/demo/History.ts"
import * as Plan from "../src/demo/Plan.ts"
import * as Verification from "../src/demo/Verification.ts"
import * as Http from "../src/Http.ts"
import * as QueueStack from "../src/QueueStack.ts"
import * as Webhook from "../src/Webhook.ts"
import { environment, text } from "./fixtures.ts"

const downFor = Duration.minutes(2)

const Notification = Schema.fromJsonString(
  Schema.Struct({ id: Schema.String, session: Schema.String, event: Schema.String })
)

/**
 * The service of the demo in virtual time: dead for two minutes for the sessions that need what is dead,
 * and failing one kind of event for ever.
 */
const service = (history: History.History, isNeededBy: (session: string) => boolean) => {
  const hangsUp = new Http.HttpFailed({ detail: "the connection was refused" })
  const post = Effect.fnUntraced(function* ({ body }: Http.PostOptions) {
    assert.instanceOf(body, Uint8Array)
    const { event, id, session } = yield* Effect.orDie(
      Schema.decodeUnknownEffect(Notification)(text(body))
    )
    const isDown = (yield* Clock.currentTimeMillis) < Duration.toMillis(downFor)
    // Dead as services are: half of the calls get no answer, and a proxy answers the others.
    if (isDown && isNeededBy(session) && id < "8") return yield* Effect.fail(hangsUp)
    const answer = { header: () => undefined, text: "" }
    if (isDown && isNeededBy(session)) return { ...answer, status: 503 }
    if (event === Plan.failingEvent) return { ...answer, status: 500 }
    if (event === Plan.refusedEvent) return { ...answer, status: 422 }
    history.add({ _tag: "Notified", id, session })
    return { ...answer, status: 200 }
  })
  return Layer.succeed(Http.Client, { post })
}

interface Options {
  readonly settings?: Readonly<Record<string, string>>
  readonly isNeededBy?: (session: string) => boolean
  /** Whether the bots are stopped and started anew while the service is dead. Default: false. */
  readonly isRestarted?: boolean
  /** Looks at it after half a minute. */
  readonly midway?: (history: History.History) => Effect.Effect<void>
}

const variables = {
  WEBHOOK_SECRET: "s",
  QUEUE_CRYPTO_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`
}

const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), turns), { times: seconds - 1 })

/** The plan of the demo, of what is accepted alone; half of it comes while the service is dead. */
const deliveries = Effect.gen(function* () {
  const examples = yield* Corpus.load
  const plan = yield* Plan.make({ seed: "outage", deliveries: 120, examples })
  return plan.filter(({ fault, isRepeated }) => fault === "none" && !isRepeated)
})

const post = Effect.fnUntraced(function* (
  history: History.History,
  { queue }: BotConfig.BotConfig,
  planned: Plan.Planned
) {
  const client = yield* QueueClient.QueueClient
  const all = Plan.headers(planned)
  const message = yield* Webhook.toMessage({
    header: (name) => all[name],
    body: planned.body()
  })
  yield* client.send(queue, message)
  history.add({ _tag: "Answered", id: planned.id, session: planned.session, status: 202 })
})

const evidenceOf = Effect.fnUntraced(function* (
  plan: ReadonlyArray<Plan.Planned>,
  history: History.History,
  { queue }: BotConfig.BotConfig
): Effect.fn.Return<
  Verification.Evidence,
  QueueError.QueueError,
  QueueClient.QueueClient | Timeline.Timeline | Scope.Scope
> {
  const client = yield* QueueClient.QueueClient
  const timeline = yield* Timeline.Timeline
  const letters = yield* client.receive(QueueAddress.deadLetter(queue), { max: 300, wait: 0 })
  const timelines = new Map<string, ReadonlyArray<string>>()
  for (const session of new Set(plan.map((planned) => planned.session))) {
    const entries = yield* timeline.of(session)
    timelines.set(
      session,
      entries.map(({ id }) => id)
    )
  }
  return {
    plan,
    events: history.events,
    deadLetters: letters.map(({ attributes, deadLetter, messageId, sessionId = "" }) => ({
      id: messageId,
      session: sessionId,
      event: attributes[Webhook.attributes.event] ?? "",
      reason: deadLetter?.reason ?? ""
    })),
    timelines,
    stored: plan.length,
    readable: [],
    left: Option.isSome(yield* client.acceptSession(queue, { wait: 0 })) ? 1 : 0
  }
})

/** The bots with the settings of a deployment, for seven minutes whose first two the service is dead. */
const run = ({ isNeededBy = () => true, isRestarted, midway, settings = {} }: Options = {}) => {
  const history = new History.History()
  const inside = Effect.fnUntraced(function* (config: BotConfig.BotConfig) {
    const plan = yield* deliveries
    const half = plan.length / 2
    for (const planned of plan.slice(0, half)) yield* post(history, config, planned)
    const handler = History.watching(history, yield* Bots.handler)
    const start = Effect.forkChild(
      Bots.run(handler, { ...config, onHandled: History.settled(history) })
    )
    const first = yield* start
    yield* turns
    yield* pass(30)
    if (midway !== undefined) yield* midway(history)
    yield* pass(30)
    for (const planned of plan.slice(half)) yield* post(history, config, planned)
    yield* pass(50)
    if (isRestarted === true) yield* Fiber.interrupt(first)
    const worker = isRestarted === true ? yield* start : first
    yield* pass(310)
    yield* Fiber.interrupt(worker)
    const evidence = yield* Effect.scoped(evidenceOf(plan, history, config))
    return { evidence, violations: Verification.violations(evidence) }
  })
  return Effect.gen(function* () {
    const config = yield* BotConfig.read
    const notifier = Notifier.layer({
      url: Option.some("http://service"),
      timeout: config.notifyTimeout
    })
    return yield* inside(config).pipe(
      Effect.provide([
        QueueStack.layer(config),
        Layer.provide(notifier, service(history, isNeededBy)),
        Timeline.layer(),
        IdempotencyStore.layerMemory()
      ])
    )
  }).pipe(
    Effect.provide(environment({ ...variables, ...settings })),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
}

const reasons = ({ deadLetters }: Verification.Evidence) =>
  new Set(deadLetters.map(({ event, reason }) => `${event} ${reason}`))

const poison = new Set([
  `${Plan.failingEvent} MaxDeliveryCountExceeded`,
  `${Plan.refusedEvent} DownstreamRefused`
])

describe("the bots whose service is dead for two minutes", () => {
  it.effect(
    "R5.6 dead-letter nothing for it, what always fails put aside, and finish when it is back",
    () =>
      Effect.gen(function* () {
        const { evidence, violations } = yield* run()
        assert.deepStrictEqual(violations, [])
        // While it was dead: those that opened the breaker, and a probe each half minute.
        const back = evidence.events.findIndex(({ _tag }) => _tag === "Notified")
        const before = evidence.events.slice(0, back).filter(({ _tag }) => _tag === "Started")
        assert.isAbove(before.length, 5)
        assert.isBelow(before.length, 30)
        assert.deepStrictEqual(reasons(evidence), poison)
      }),
    60_000
  )

  it.effect(
    "R5.6 R5.3 the same when they are started anew meanwhile",
    () =>
      Effect.gen(function* () {
        const { evidence, violations } = yield* run({ isRestarted: true })
        assert.deepStrictEqual(violations, [])
        assert.deepStrictEqual(reasons(evidence), poison)
      }),
    60_000
  )

  it.effect(
    "R5.6 without the breaker put them aside: what the one above finds, it would miss",
    () =>
      Effect.gen(function* () {
        const { evidence, violations } = yield* run({
          settings: { NOTIFY_BREAKER_FAILURES: "1000" }
        })
        assert.isTrue(violations.some((violation) => violation.endsWith("and not for anything")))
        assert.isAbove(evidence.deadLetters.length, 25)
      }),
    60_000
  )

  it.effect(
    "R5.6 for one session alone pause that one, where each has a breaker of its own",
    () =>
      Effect.gen(function* () {
        const plan = yield* deliveries
        const first = plan[0]?.session ?? ""
        const { evidence, violations } = yield* run({
          settings: { NOTIFY_BREAKER: "session" },
          isNeededBy: (session) => session === first,
          midway: ({ events }) =>
            Effect.sync(() => {
              const done = events.flatMap((event) =>
                event._tag === "Settled" && event.as === "Completed" ? [event.session] : []
              )
              assert.notInclude(done, first)
              assert.isAbove(done.length, 40)
            })
        })
        assert.deepStrictEqual(violations, [])
        assert.deepStrictEqual(reasons(evidence), poison)
        assert.include(
          evidence.events.flatMap((event) => (event._tag === "Notified" ? [event.session] : [])),
          first
        )
      }),
    60_000
  )
})
