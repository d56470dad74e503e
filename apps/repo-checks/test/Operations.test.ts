import { assert, beforeAll, describe, it } from "@effect/vitest"
import { ClaimCheck, MemoryBlobStore } from "@queue-runtime/claim-check"
import {
  Backoff,
  BlobStore,
  HandlerFailure,
  Message,
  MessageId,
  ProviderMetrics,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueName,
  QueueProvider,
  QueueWorker,
  SessionId,
  SessionStore,
  Telemetry
} from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { CircuitBreaker, HandlerBreaker, Retry } from "@queue-runtime/resilience"
import { SessionLeases, SessionStoreMemory } from "@queue-runtime/session-store"
import { SessionLifecycle, SessionWorker } from "@queue-runtime/sessions"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import {
  DateTime,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Metric,
  Option,
  Redacted,
  References
} from "effect"
import { PrometheusMetrics } from "effect/observability"
import * as Schema from "effect/Schema"
import { parse } from "yaml"
import * as MetricQueries from "../src/metricQueries.ts"
import * as Repository from "../src/repository.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")
const invoices = QueueName.makeUnsafe("invoices")

const registry = Layer.mergeAll(
  Layer.succeed(Metric.MetricRegistry, new Map()),
  Layer.succeed(Telemetry.MetricsRead, true),
  Layer.succeed(References.MinimumLogLevel, "None")
)

const material = Redacted.make(new Uint8Array(32).fill(7))

const memory = MemoryProvider.layer({
  queues: { orders: {}, invoices: {}, events: { sessions: true } },
  faults: {
    seed: 1,
    rules: [
      { operation: "Send", probability: 0.5, fault: { _tag: "Fail", reason: "Throttled" } },
      { operation: "Peek", probability: 1, fault: { _tag: "Fail", reason: "Timeout" } }
    ]
  }
})

/** On one memory broker, so that each finds what the other sent. */
const stack = (key: string) =>
  QueueClient.layer().pipe(
    Layer.provide(Sealing.layer({ plaintext: "allow" })),
    Layer.provide([
      KeyProviderMemory.layer({
        keys: [{ id: key, material, createdAt: DateTime.makeUnsafe(0) }],
        current: key
      }),
      NodeCrypto.layer
    ]),
    Layer.provide(CircuitBreaker.layer({ failuresMax: 1 })),
    Layer.provide(Retry.layer({ strategy: "fixed", initial: "1 millis", attempts: 20 })),
    Layer.provide(Telemetry.layer())
  )

/** Sends, handles, fails, puts aside, loses a lock, opens a session: whatever has a metric. */
const onMemory = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  for (const body of ["good", "bad"]) yield* client.send(orders, yield* Message.text(body))
  const done = yield* Deferred.make<void>()
  const worker = yield* QueueWorker.run({
    queue: orders,
    wait: "50 millis",
    backoff: Backoff.fixed({ initial: 0, jitter: 0 }),
    deliveriesMax: 2,
    handler: ({ body }) =>
      new TextDecoder().decode(body) === "good"
        ? Effect.void
        : Effect.fail(new HandlerFailure.Permanent({ reason: "NoStock" })),
    onHandled: ({ disposition }) =>
      disposition._tag === "DeadLettered" ? Deferred.succeed(done, undefined) : Effect.void
  }).pipe(Effect.forkChild)
  yield* Deferred.await(done)
  yield* Fiber.interrupt(worker)

  yield* client.send(orders, yield* Message.text("used up"))
  const [received] = yield* client.receive(orders)
  assert(received !== undefined)
  yield* client.renewLock(received)
  yield* client.complete(received)
  yield* Effect.ignore(client.renewLock(received))
  yield* client.receive(QueueAddress.deadLetter(orders), { wait: 0 })

  yield* Effect.ignore(client.peek(invoices))

  const sessionId = yield* SessionId.make("pull/1")
  yield* client.send(events, yield* Message.text("opened", { sessionId }))
  const breaker = yield* HandlerBreaker.perSession({
    name: "billing",
    failuresMax: 1,
    isOutage: () => true
  })
  const handled = yield* Deferred.make<void>()
  const sessions = yield* SessionWorker.run({
    queue: events,
    handler: breaker.protect(() =>
      Effect.andThen(Deferred.succeed(handled, undefined), Effect.fail("down"))
    )
  }).pipe(Effect.provide(SessionLifecycle.layer()), Effect.forkChild)
  yield* Deferred.await(handled)
  yield* Fiber.interrupt(sessions)
  const named = yield* CircuitBreaker.make({ name: "billing" })
  yield* named.protect(Effect.void)
})

/** What only the application can tell, and what providers tell of their connections. */
const gauges = Effect.gen(function* () {
  yield* ProviderMetrics.watch("azure-service-bus", () => ({ connections: 1, links: 2 }))
  yield* Telemetry.gauge({
    of: "depth",
    provider: "memory",
    queue: orders,
    read: Effect.succeed(3)
  })
  yield* Effect.yieldNow
}).pipe(Effect.scoped)

/** Groups that nobody waits for are in the way of one that is accepted by its id. */
const onSqs = Effect.gen(function* () {
  const { endpoint } = yield* SqsEmulator.make({ queues: { "events.fifo": {} } })
  const live = QueueClient.layer().pipe(
    Layer.provide(
      AwsProvider.layer({
        endpoint,
        region: "us-east-1",
        credentials: { _tag: "Keys", accessKeyId: "local", secretAccessKey: "local" },
        queues: { events: { name: "events.fifo", groupsMax: 1 } }
      })
    )
  )
  yield* Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    for (const id of ["a", "b"]) {
      const sessionId = yield* SessionId.make(id)
      yield* client.send(events, yield* Message.text(id, { sessionId }))
    }
    const wanted = yield* SessionId.make("nobody's")
    yield* client.acceptSession(events, { sessionId: wanted, wait: "1 second" })
  }).pipe(Effect.scoped, Effect.provide(live))
}).pipe(Effect.scoped)

const down = Effect.fail(
  QueueError.make(new QueueError.ConnectionFailed({ detail: "ECONNREFUSED" }))
)

/** A broker of its own, in which nothing fails. */
const broker = Layer.fresh(
  MemoryProvider.layer({ queues: { orders: {}, events: { sessions: true } } })
)

/** A body that goes through a store, one that is gone, and a sweep that can remove one of two blobs. */
const onClaims = Effect.gen(function* () {
  const store = yield* MemoryBlobStore.make()
  const failing: BlobStore.Service = {
    ...store,
    delete: (key) => (key.endsWith("stays") ? down : store.delete(key))
  }
  const live = QueueClient.layer().pipe(
    Layer.provide(ClaimCheck.layer({ threshold: 100 })),
    Layer.provideMerge(broker),
    Layer.provideMerge(Layer.succeed(BlobStore.BlobStore, failing))
  )
  yield* Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    yield* client.send(orders, yield* Message.bytes(new Uint8Array(1_000)))
    const [received] = yield* client.receive(orders)
    assert(received !== undefined)
    yield* client.complete(received)
    yield* client.send(orders, yield* Message.bytes(new Uint8Array(1_000)))
    const { entries } = yield* store.list({ prefix: "" })
    for (const { key } of entries) yield* store.delete(key)
    yield* client.receive(orders, { wait: 0 })
    for (const name of ["goes", "stays"]) {
      yield* failing.put(`queue-runtime/orders/${name}`, new Uint8Array(1))
    }
    yield* Effect.sleep("5 millis")
    yield* ClaimCheck.sweep({ olderThan: 0, force: true })
    // A store that is down is a failure of its calls.
    const broken = yield* ClaimCheck.make(yield* QueueProvider.QueueProvider, {
      threshold: 100
    }).pipe(Effect.provideService(BlobStore.BlobStore, { ...store, put: () => down }))
    const message = Message.stamp(
      yield* Message.bytes(new Uint8Array(1_000)),
      MessageId.makeUnsafe("lost")
    )
    yield* Effect.ignore(broken.send(orders, [message]))
  }).pipe(Effect.scoped, Effect.provide(live))
})

/** A lease that is released, one that is asked for meanwhile, one that runs out, and a store that fails. */
const onLeases = Effect.gen(function* () {
  const memoryStore = yield* SessionStoreMemory.make()
  const store: SessionStore.Service = { ...memoryStore, renew: () => down }
  const provider = yield* QueueProvider.QueueProvider
  const lease = (options: SessionLeases.Options = {}) =>
    SessionLeases.make(provider, options).pipe(
      Effect.provideService(SessionStore.SessionStore, store)
    )
  const first = (yield* lease({ lease: "1 second" })).provider
  const asked = { wait: Duration.seconds(1) }
  const sessionId = SessionId.makeUnsafe("pull/2")
  const message = Message.stamp(
    yield* Message.text("leased"),
    MessageId.makeUnsafe("leased"),
    sessionId
  )
  yield* first.send(events, [message])
  yield* Effect.scoped(first.acceptSession(events, asked))
  yield* memoryStore.acquire({
    queue: events,
    sessionId,
    holder: "another",
    duration: Duration.millis(300)
  })
  yield* Effect.ignore(first.acceptSession(events, { ...asked, sessionId }))
  yield* Effect.sleep("400 millis")
  const held = Option.getOrThrow(yield* first.acceptSession(events, asked))
  yield* Effect.ignore(held.renewLock)
  yield* held.lost ?? Effect.void
}).pipe(Effect.scoped, Effect.provide(broker))

const sending = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  // Of the provider alone nothing tries again.
  const message = yield* Message.text("for another")
  yield* Effect.retry(client.send(orders, message), { times: 20 })
})

const receiving = QueueClient.QueueClient.use((client) =>
  client.receive(orders, { max: 10, wait: 0 })
)

const exposition = Effect.gen(function* () {
  yield* Effect.provide(onMemory, stack("june"))
  yield* Effect.provide(sending, QueueClient.layer())
  yield* Effect.provide(sending, stack("july"))
  // One that nothing protects, and one by a key that is not there.
  yield* Effect.provide(receiving, stack("june"))
  yield* gauges
  yield* onSqs
  yield* onClaims
  yield* onLeases
  return { text: yield* PrometheusMetrics.format(), series: yield* Metric.snapshot }
}).pipe(Effect.provide(Layer.provideMerge(memory, registry)))

let metrics: MetricQueries.Metrics = new Map()
let series: ReadonlyArray<Metric.Metric.Snapshot> = []
beforeAll(async () => {
  const exposed = await Effect.runPromise(exposition)
  metrics = MetricQueries.read(exposed.text)
  series = exposed.series
})

const Rules = Schema.Struct({
  groups: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      rules: Schema.Array(
        Schema.Struct({
          alert: Schema.String,
          expr: Schema.String,
          for: Schema.optionalKey(Schema.String),
          labels: Schema.Struct({ severity: Schema.Literals(["warning", "critical"]) }),
          annotations: Schema.Struct({ summary: Schema.String, runbook: Schema.String })
        })
      )
    })
  )
})

const Dashboard = Schema.fromJsonString(
  Schema.Struct({
    title: Schema.String,
    templating: Schema.Struct({
      list: Schema.Array(Schema.Struct({ name: Schema.String, query: Schema.String }))
    }),
    panels: Schema.Array(
      Schema.Struct({
        title: Schema.String,
        gridPos: Schema.Struct({ x: Schema.Int, y: Schema.Int, w: Schema.Int, h: Schema.Int }),
        targets: Schema.Array(Schema.Struct({ expr: Schema.String, legendFormat: Schema.String }))
      })
    )
  })
)

const rules = Schema.decodeUnknownSync(Rules, { onExcessProperty: "error" })(
  parse(Repository.read("docs/operations/alerts.yaml").text)
).groups.flatMap((group) => group.rules)

const dashboard = Schema.decodeSync(Dashboard)(
  Repository.read("docs/operations/dashboard.json").text
)

const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/gu, "")
    .replaceAll(" ", "-")

/** As the page on telemetry writes what is said of nearly every metric. */
const shortNames: Readonly<Record<string, string>> = {
  system: "messaging.system",
  queue: "messaging.destination.name",
  operation: "messaging.operation.name"
}

/** One metric, by the page on telemetry or by its series. */
interface Named {
  readonly kind: string
  readonly attributes: ReadonlySet<string>
}

const listed: ReadonlyMap<string, Named> = new Map(
  Array.from(
    Repository.read("docs/telemetry.md").text.matchAll(
      /^\| `([^`]+)` \| (\w+(?:, (?:s|By))?) \| [^|]+ \| [^|]+ \| ([^|]+) \|$/gmu
    ),
    ([, name = "", kind = "", words = ""]) => {
      const attributes =
        words.match(/\b(?:system|queue|operation)\b(?![._])|[\w.]+\.[\w.]+/gu) ?? []
      return [name, { kind, attributes: new Set(attributes.map((one) => shortNames[one] ?? one)) }]
    }
  )
)

const written = (): ReadonlyMap<string, Named> => {
  const all = new Map<string, { readonly kind: string; readonly attributes: Set<string> }>()
  for (const { attributes = {}, id, type } of series) {
    const { unit, ...own } = attributes
    const kind = unit === undefined ? type.toLowerCase() : `${type.toLowerCase()}, ${unit}`
    const known = all.get(id) ?? { kind, attributes: new Set() }
    // Every series of a metric has the same unit.
    assert.strictEqual(known.kind, kind, id)
    for (const name of Object.keys(own)) known.attributes.add(name)
    all.set(id, known)
  }
  return all
}

describe("the names of metrics", () => {
  it("R9.1 are dotted, without units, and stay apart with underscores for dots", () => {
    const found = written()
    assert.isAbove(found.size, 25)
    const dotted = /^(?:messaging|queue_runtime)(?:\.[a-z]+(?:_[a-z]+)*)+$/u
    for (const [id, { attributes }] of found) {
      assert.match(id, dotted)
      assert.notMatch(id, /[._](?:total|count|s|ms|seconds|bytes)$/u)
      for (const name of attributes) {
        if (name !== "error.type") assert.match(name, dotted)
      }
    }
    const exported = Array.from(found.keys(), (id) => id.replaceAll(".", "_"))
    assert.lengthOf(new Set(exported), found.size)
  })

  it("R9.1 are those that docs/telemetry.md lists, with their kinds and attributes", () => {
    assert.deepStrictEqual(listed, written())
  })
})

describe("the alert rules", () => {
  it("R9.1 ask for metrics and labels that there are", () => {
    assert.isAbove(rules.length, 10)
    for (const { alert, expr } of rules) {
      assert.deepStrictEqual(MetricQueries.problems(expr, metrics), [], alert)
    }
  })

  it("lead to a run book, and each is named once", () => {
    const headings = Repository.readOrEmpty("docs/operations.md").text.matchAll(/^#+ (.+)$/gmu)
    const anchors = [...headings].map(([, heading = ""]) => anchorOf(heading))
    for (const { annotations } of rules) {
      const [page, anchor] = annotations.runbook.split("#")
      assert.strictEqual(page, "docs/operations.md")
      assert.include(anchors, anchor)
    }
    const names = rules.map(({ alert }) => alert)
    assert.lengthOf(new Set(names), names.length)
  })

  it("show labels that their expression keeps", () => {
    for (const { alert, annotations, expr } of rules) {
      const { grouping, metrics: asked } = MetricQueries.parse(expr)
      const own = asked.flatMap(({ name }) => Array.from(metrics.get(name) ?? []))
      const kept = new Set(grouping.length > 0 ? grouping : own)
      for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/gu)) {
        assert.isTrue(kept.has(label ?? ""), `${alert} shows ${label}`)
      }
    }
  })
})

describe("the dashboard", () => {
  it("R9.1 asks for metrics and labels that there are", () => {
    assert.isAbove(dashboard.panels.length, 10)
    for (const { targets, title } of dashboard.panels) {
      assert.isNotEmpty(targets, title)
      for (const { expr } of targets) {
        assert.deepStrictEqual(MetricQueries.problems(expr, metrics), [], title)
      }
    }
    const [, query] = dashboard.templating.list
    const [, name = "", label = ""] =
      /^label_values\((\w+), (\w+)\)$/u.exec(query?.query ?? "") ?? []
    assert.isTrue(metrics.get(name)?.has(label), query?.query)
  })

  it("shows in its legends what its queries group by, and no panel covers another", () => {
    const cells = new Set<string>()
    for (const { gridPos, targets, title } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        const { grouping } = MetricQueries.parse(expr)
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/gu)) {
          assert.include(grouping, label, title)
        }
      }
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.isFalse(cells.has(`${x},${y}`), `${title} covers another panel`)
          cells.add(`${x},${y}`)
        }
      }
    }
  })
})

describe("problems", () => {
  const some = MetricQueries.read('# TYPE a gauge\na{b="1",c="2"} 3\nd_bucket{le="+Inf"} 1\n')

  it("are none of a right query", () => {
    for (const query of ['sum by (b) (a{c=~"x"}) > 0', "rate(a[$__rate_interval])", "d_bucket"]) {
      assert.deepStrictEqual(MetricQueries.problems(query, some), [], query)
    }
  })

  it("are a metric or a label that there is not, and what is no query", () => {
    assert.deepStrictEqual(MetricQueries.problems("sum(e)", some), ["no metric is called e"])
    assert.deepStrictEqual(MetricQueries.problems("a{e=''}", some), ["a has no label e"])
    assert.deepStrictEqual(MetricQueries.problems("sum by (e) (a)", some), [
      "nothing has a label e"
    ])
    assert.deepStrictEqual(MetricQueries.problems("1 > 0", some), ["it asks for no metric"])
    assert.isNotEmpty(MetricQueries.problems("sum by (b (a)", some))
  })
})
