import { assert, describe, it } from "@effect/vitest"
import { Defaults, QueueName } from "@queue-runtime/core"
import { DateTime, Effect, Formatter, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as cryptoMetrics from "../src/internal/cryptoMetrics.ts"
import { makeWarnings } from "../src/internal/warnings.ts"
import { bytesOf, keyOf, message, seal } from "./support.ts"
import * as Logs from "./support/Logs.ts"
import * as World from "./support/world.ts"

const { address, all, dead, orders } = World

/** With metrics of its own, and the log lines kept. */
const observed = <E, R>(
  test: (lines: ReadonlyArray<Logs.Line>) => Effect.Effect<void, E, R>
): Effect.Effect<void, E, R> => {
  const { layer, lines } = Logs.capture()
  return test(lines).pipe(
    Effect.provide(layer),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
}

const series = Effect.map(Metric.snapshot, (metrics) =>
  metrics.map(({ attributes, id, state }) => ({ id, attributes, state }))
)

const find = (id: string, attributes: Readonly<Record<string, string>>) =>
  Effect.map(series, (found) =>
    found.find(
      (one) =>
        one.id === `queue_runtime.crypto.${id}` &&
        Object.entries(attributes).every(([name, value]) => one.attributes?.[name] === value)
    )
  )

const named = (queue: string) => ({
  "messaging.system": "memory",
  "messaging.destination.name": queue
})

const on = (own: Readonly<Record<string, string>>) => ({ ...named(orders), ...own })

describe("Sealing: what is seen from outside", () => {
  it.effect("R8.8 plaintext is a metric each time, and a warning once in a while", () =>
    observed((lines) =>
      Effect.gen(function* () {
        const world = yield* World.make({ mode: "off" })
        const sendTwo = world.sealed.send(orders, [message("a"), message("b", { id: "m-2" })])
        yield* sendTwo
        yield* sendTwo
        yield* world.sealed.receive(address, all)
        const texts = () => lines.map(({ level, text }) => `${level} ${text}`)
        const [sent, received] = [
          "Warn bodies are sent in plaintext",
          "Warn a body that nothing protects was received"
        ]
        assert.deepStrictEqual(texts(), [sent, received])
        assert.strictEqual(lines[0]?.annotations["queue"], orders)
        const counted = yield* find("plaintext", on({ "queue_runtime.crypto.direction": "sent" }))
        assert.deepInclude(counted?.state, { count: 4 })
        const taken = yield* find("plaintext", on({ "queue_runtime.crypto.direction": "received" }))
        assert.deepInclude(taken?.state, { count: 4 })
        yield* TestClock.adjust(Defaults.cryptoWarningPause)
        yield* sendTwo
        assert.deepStrictEqual(texts(), [sent, received, sent])
      })
    )
  )

  it.effect("R8.5 allowed with an alert it is an error in the log", () =>
    observed((lines) =>
      Effect.gen(function* () {
        const world = yield* World.make({ plaintext: "alert" })
        yield* world.raw.send(orders, [message("a")])
        yield* world.sealed.receive(address, all)
        assert.deepStrictEqual(
          lines.map(({ level }) => level),
          ["Error"]
        )
      })
    )
  )

  it.effect("R8.8 durations, failures by reason and the age of the key are metrics", () =>
    observed((lines) =>
      Effect.gen(function* () {
        const createdAt = yield* DateTime.now
        const options = { keys: [{ ...keyOf("k1"), createdAt }], current: "k1" }
        const world = yield* World.make({ keys: options })
        yield* TestClock.adjust("1 hour")
        yield* world.sealed.send(orders, [message("a")])
        yield* world.raw.send(orders, [message("plain"), message("QRE1")])
        yield* world.sealed.receive(address, all)
        const duration = (operation: string) =>
          find("duration", on({ "queue_runtime.crypto.operation": operation, unit: "s" }))
        assert.deepInclude((yield* duration("seal"))?.state, { count: 1 })
        assert.deepInclude((yield* duration("open"))?.state, { count: 1 })
        assert.deepInclude((yield* find("key_age", on({ unit: "s" })))?.state, { value: 3_600 })
        const failed = yield* find("failures", on({ "error.type": "InvalidEnvelope" }))
        assert.deepInclude(failed?.state, { count: 1 })
        // What is lost to a person's attention is an error, with what finds it.
        const rejected = lines.filter(({ text }) => text.startsWith("a message was rejected"))
        assert.deepStrictEqual(
          rejected.map(({ level }) => level),
          ["Error", "Error"]
        )
        assert.deepStrictEqual(rejected[0]?.annotations, { queue: orders, messageId: "m-1" })
      })
    )
  )

  it.effect("R8.4 R9.1 no key and no body is in any log line, metric, error or dead letter", () =>
    observed((lines) =>
      Effect.gen(function* () {
        const secret = "the body nobody may see"
        const world = yield* World.make({
          keys: { keys: [keyOf("k1"), keyOf("k2")], current: "k1" }
        })
        yield* world.sealed.send(orders, [message(secret)])
        const sealed = yield* seal(world.keys, "encrypt", message(secret))
        const other = yield* seal(world.keys, "sign", message(secret))
        const body = Uint8Array.from(sealed.body)
        body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 1
        yield* world.raw.send(orders, [{ ...sealed, body }, other, message(secret)])
        yield* world.keys.replace({ keys: [keyOf("k2")], current: "k2" })
        yield* world.sealed.receive(address, all)
        yield* world.keys.replace({ keys: [keyOf("k1"), keyOf("k2")], current: "k1" })
        yield* TestClock.adjust("1 minute")
        yield* world.sealed.receive(address, all)
        const aside = yield* world.raw.peek(dead, { max: 10 })
        const key = yield* world.keys.current(orders)
        const rendered = [
          lines,
          yield* series,
          key,
          Formatter.format(key.material),
          JSON.stringify(key),
          aside.map(({ deadLetter }) => deadLetter),
          world
        ]
          .map((one) => `${Formatter.format(one)} ${JSON.stringify(one, plain)}`)
          .join("\n")
        assert.include(rendered, "IntegrityFailed")
        assert.include(rendered, "UnencryptedMessage")
        assert.notInclude(rendered, "nobody may see")
        const seed = "k1".length + "k".charCodeAt(0)
        for (const encoding of ["hex", "base64", "base64url", "latin1"] as const) {
          assert.notInclude(rendered, Buffer.from(bytesOf(seed)).toString(encoding))
        }
        assert.notInclude(rendered, bytesOf(seed).join(","))
      })
    )
  )

  it.effect(
    "R10.7 metrics and warnings of more queues than are told apart are counted as others",
    () =>
      observed((lines) =>
        Effect.gen(function* () {
          const metricsOf = cryptoMetrics.make("memory", 1)
          yield* Metric.update(metricsOf("first").plaintextSent, 1)
          yield* Metric.update(metricsOf("second").plaintextSent, 2)
          yield* Metric.update(metricsOf("first").plaintextSent, 4)
          assert.deepInclude((yield* find("plaintext", named("first")))?.state, { count: 5 })
          assert.deepInclude((yield* find("plaintext", named("(other)")))?.state, { count: 2 })
          const warnings = makeWarnings()
          for (let queue = 0; queue <= Defaults.sessionsTrackedMax; queue++) {
            yield* warnings.sent(QueueName.makeUnsafe(`q${queue}`))
          }
          const before = lines.length
          // The bound was reached, so that everything may be said again.
          yield* warnings.sent(QueueName.makeUnsafe("q0"))
          assert.strictEqual(lines.length, before + 1)
        })
      )
  )
})

/** What JSON has no form for, shown for what it is. */
const plain = (_: string, value: unknown): unknown =>
  typeof value === "bigint" ? String(value) : value
