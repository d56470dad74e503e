import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Configuration from "../src/Configuration.ts"
import type * as QueueError from "../src/QueueError.ts"
import * as Setting from "../src/Setting.ts"

const { described } = Setting

const optional = Schema.optionalKey

const Web = Schema.Struct({
  host: optional(Schema.String.check(Schema.isMinLength(2))).pipe(described("Where.")),
  socketsMax: Setting.whole(1, 9).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(3)),
    described("How many.")
  ),
  isOn: optional(Schema.Boolean).pipe(described("Whether.")),
  mode: optional(Setting.word(["fast", "slow"])).pipe(described("How.")),
  wait: optional(Setting.duration({ unit: "seconds", minimum: 0, maximum: 60 })).pipe(
    described({ description: "How long.", variable: "WAIT_SECONDS" })
  ),
  pause: optional(Setting.duration({ unit: "milliseconds", minimum: 0, maximum: 999 })).pipe(
    described({ description: "How long.", variable: "PAUSE_MS" })
  ),
  limit: optional(Schema.Union([Schema.Duration, Schema.DurationFromString])).pipe(
    described("At most.")
  ),
  secret: optional(Schema.RedactedFromValue(Schema.String)).pipe(described("Hidden.")),
  who: optional(
    Schema.Union([
      Schema.TaggedStruct("Nobody", {}),
      Schema.TaggedStruct("Keys", { id: Schema.String, key: optional(Schema.String) })
    ])
  ).pipe(described("Who.")),
  queues: Schema.Record(
    Schema.String,
    Schema.Struct({ max: optional(Setting.whole(1, 9)), note: optional(Schema.String) })
  ).pipe(Schema.withDecodingDefaultKey(Effect.succeed({})), described("Queues.")),
  deep: Schema.Struct({
    one: optional(Schema.Int).pipe(described("One.")),
    two: optional(Schema.Int).pipe(described("Two."))
  }).pipe(Schema.withDecodingDefaultKey(Effect.succeed({})))
}).check(
  Schema.makeFilter<{ readonly host?: string; readonly isOn?: boolean }>(({ host, isOn }) =>
    host === "off" && isOn === true ? { path: ["isOn"], issue: "must not be on" } : true
  )
)

const section: Configuration.Section<typeof Web.Type> = { root: "web", schema: Web }

const settings = Configuration.settingsOf([section])

const read = (environment: Readonly<Record<string, string>>, code: object = {}) =>
  Effect.provideService(
    Configuration.read(section, code),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown(environment)
  )

const fromFile = Effect.fnUntraced(function* (contents: unknown, code: object = {}) {
  const provider = yield* Configuration.fromFile(settings, contents)
  return yield* Effect.provideService(
    Configuration.read(section, code),
    ConfigProvider.ConfigProvider,
    provider
  )
})

const invalid = Effect.fnUntraced(function* <A>(effect: Effect.Effect<A, QueueError.QueueError>) {
  const { reason } = yield* Effect.flip(effect)
  assert(reason._tag === "ConfigurationInvalid")
  return [reason.key, reason.problem]
})

const defaults = { socketsMax: 3, queues: {}, deep: {} }

describe("Configuration.read", () => {
  it.effect("R10.1 with nothing said there are the defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), defaults)
    })
  )

  it.effect("R10.1 a variable sets what its form says", () =>
    Effect.gen(function* () {
      const { secret, ...rest } = yield* read({
        QUEUE_WEB_HOST: "here",
        QUEUE_WEB_SOCKETS_MAX: "7",
        QUEUE_WEB_IS_ON: "TRUE",
        QUEUE_WEB_MODE: "fast",
        WAIT_SECONDS: "1.5",
        PAUSE_MS: "20",
        QUEUE_WEB_LIMIT: " 2 minutes ",
        QUEUE_WEB_SECRET: "s3cret",
        QUEUE_WEB_WHO: '{"_tag":"Keys","id":"a"}',
        QUEUE_WEB_QUEUES: '{"orders":{"max":2}}',
        QUEUE_WEB_DEEP_ONE: "1",
        QUEUE_WEB_DEEP_TWO: "2"
      })
      assert.deepStrictEqual(rest, {
        host: "here",
        socketsMax: 7,
        isOn: true,
        mode: "fast",
        wait: Duration.millis(1_500),
        pause: Duration.millis(20),
        limit: Duration.minutes(2),
        who: { _tag: "Keys", id: "a" },
        queues: { orders: { max: 2 } },
        deep: { one: 1, two: 2 }
      })
      assert.strictEqual(secret === undefined ? "" : Redacted.value(secret), "s3cret")
    })
  )

  it.effect("R10.1 what code leaves undefined does not win over the environment", () =>
    Effect.gen(function* () {
      const environment = { QUEUE_WEB_SOCKETS_MAX: "7" }
      const code = { socketsMax: undefined, queues: { orders: { max: undefined } } }
      const found = yield* read(environment, code)
      assert.strictEqual(found.socketsMax, 7)
      assert.deepStrictEqual(
        found.queues,
        yield* Effect.map(read({}, { queues: { orders: {} } }), ({ queues }) => queues)
      )
      const wrong = read({ QUEUE_WEB_SOCKETS_MAX: "many" }, { socketsMax: undefined })
      assert.strictEqual((yield* invalid(wrong))[0], "QUEUE_WEB_SOCKETS_MAX")
    })
  )

  it.effect("R10.1 what code says wins, leaf by leaf, and one of several kinds as a whole", () =>
    Effect.gen(function* () {
      const environment = {
        QUEUE_WEB_SOCKETS_MAX: "7",
        QUEUE_WEB_WHO: '{"_tag":"Keys","id":"a","key":"k"}',
        QUEUE_WEB_QUEUES: '{"orders":{"max":2,"note":"n"}}'
      }
      const code = {
        socketsMax: 5,
        who: { _tag: "Keys", id: "b" },
        queues: { orders: { max: 4 }, more: {} },
        limit: Duration.seconds(1)
      }
      assert.deepStrictEqual(yield* read(environment, code), {
        ...defaults,
        socketsMax: 5,
        who: { _tag: "Keys", id: "b" },
        queues: { orders: { max: 4, note: "n" }, more: {} },
        limit: Duration.seconds(1)
      })
    })
  )

  const wrong: ReadonlyArray<readonly [string, string, string, string]> = [
    ["QUEUE_WEB_SOCKETS_MAX", "10", "QUEUE_WEB_SOCKETS_MAX", "must be a whole number from 1 to 9"],
    ["QUEUE_WEB_SOCKETS_MAX", " ", "QUEUE_WEB_SOCKETS_MAX", "must be a whole number from 1 to 9"],
    ["QUEUE_WEB_IS_ON", "yes", "QUEUE_WEB_IS_ON", "must be true or false"],
    ["QUEUE_WEB_MODE", "mild", "QUEUE_WEB_MODE", "must be one of fast, slow"],
    ["WAIT_SECONDS", "5 seconds", "WAIT_SECONDS", "must be a number from 0 to 60"],
    ["WAIT_SECONDS", "61", "WAIT_SECONDS", "must be a number from 0 to 60"],
    ["QUEUE_WEB_QUEUES", "{", "QUEUE_WEB_QUEUES", "must be JSON"],
    [
      "QUEUE_WEB_QUEUES",
      '{"orders":{"max":0}}',
      "QUEUE_WEB_QUEUES.orders.max",
      "Expected a value between 1 and 9"
    ]
  ]

  it.effect.each(wrong)("R10.1 %s=%s is ConfigurationInvalid naming %s", ([key, text, at, why]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* invalid(read({ [key]: text })), [at, why])
    })
  )

  it.effect("R10.1 a text its Schema refuses, and a key it does not know, are named", () =>
    Effect.gen(function* () {
      const [host] = yield* invalid(read({ QUEUE_WEB_HOST: "x" }))
      assert.strictEqual(host, "QUEUE_WEB_HOST")
      const [inner] = yield* invalid(read({ QUEUE_WEB_QUEUES: '{"orders":{"maks":1}}' }))
      assert.strictEqual(inner, "QUEUE_WEB_QUEUES.orders.maks")
    })
  )

  it.effect("R10.1 what does not go together, and an option of the code, are named by path", () =>
    Effect.gen(function* () {
      const both = read({ QUEUE_WEB_HOST: "off", QUEUE_WEB_IS_ON: "true" })
      assert.deepStrictEqual(yield* invalid(both), ["QUEUE_WEB_IS_ON", "must not be on"])
      const code = read({ QUEUE_WEB_HOST: "off", QUEUE_WEB_IS_ON: "false" }, { isOn: true })
      assert.deepStrictEqual(yield* invalid(code), ["web.isOn", "must not be on"])
      assert.strictEqual((yield* invalid(read({}, { socketsMax: 0 })))[0], "web.socketsMax")
      const whole = { root: "", schema: Schema.Struct({}).check(Schema.makeFilter(() => "no")) }
      assert.deepStrictEqual(yield* invalid(Configuration.read(whole)), ["options", "no"])
    })
  )

  it.effect("R10.1 a source that cannot be read is ConfigurationInvalid too", () =>
    Effect.gen(function* () {
      const broken = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "disk" }))
      )
      const reading = Configuration.read(section).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, broken)
      )
      assert.deepStrictEqual(yield* invalid(reading), ["QUEUE_WEB_HOST", "cannot be read"])
    })
  )
})

describe("Configuration.fromFile", () => {
  it.effect("R10.1 a file sets everything that a variable does", () =>
    Effect.gen(function* () {
      const { secret, ...rest } = yield* fromFile({
        web: {
          host: "here",
          socketsMax: 7,
          isOn: false,
          mode: "slow",
          wait: "1500 millis",
          pause: "20 millis",
          limit: "2 minutes",
          secret: "s3cret",
          who: { _tag: "Nobody" },
          queues: { orders: { max: 2 } },
          deep: { one: 1, two: null }
        }
      })
      assert.deepStrictEqual(rest, {
        host: "here",
        socketsMax: 7,
        isOn: false,
        mode: "slow",
        wait: Duration.millis(1_500),
        pause: Duration.millis(20),
        limit: Duration.minutes(2),
        who: { _tag: "Nobody" },
        queues: { orders: { max: 2 } },
        deep: { one: 1 }
      })
      assert.strictEqual(secret === undefined ? "" : Redacted.value(secret), "s3cret")
    })
  )

  it.effect("R10.1 the environment wins over a file, and a file over the defaults", () =>
    Effect.gen(function* () {
      const file = yield* Configuration.fromFile(settings, {
        web: { socketsMax: 5, mode: "slow" }
      })
      const environment = ConfigProvider.fromUnknown({ QUEUE_WEB_MODE: "fast" })
      const { mode, socketsMax } = yield* Effect.provideService(
        Configuration.read(section),
        ConfigProvider.ConfigProvider,
        ConfigProvider.orElse(environment, file)
      )
      assert.deepStrictEqual([mode, socketsMax], ["fast", 5])
    })
  )

  it.effect("R10.1 no contents are an empty file", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* fromFile(undefined), defaults)
      assert.deepStrictEqual(yield* fromFile(null), defaults)
      assert.deepStrictEqual(yield* fromFile({}), defaults)
    })
  )

  const wrong: ReadonlyArray<readonly [string, unknown, string, string]> = [
    ["a text", "web", "file", "must hold an object"],
    ["a list", [], "file", "must hold an object"],
    ["a section that is none", { web: 1 }, "web", "must be an object"],
    ["a number as text", { web: { socketsMax: "7" } }, "web.socketsMax", "must be a number"],
    ["a boolean as text", { web: { isOn: "true" } }, "web.isOn", "must be true or false"],
    ["text as a number", { web: { host: 7 } }, "web.host", "must be text; put it in quotes"],
    ["a word as a number", { web: { mode: 7 } }, "web.mode", "must be text"],
    [
      "a bare number as duration",
      { web: { wait: 5 } },
      "web.wait",
      "must be a duration with its unit: 30 seconds"
    ],
    [
      "a duration without unit",
      { web: { wait: "5" } },
      "web.wait",
      "must be a duration with its unit: 30 seconds"
    ],
    [
      "a duration out of range",
      { web: { wait: "61 seconds" } },
      "web.wait",
      "must be a number of seconds from 0 to 60"
    ],
    [
      "a number out of range",
      { web: { socketsMax: 10 } },
      "web.socketsMax",
      "must be a whole number from 1 to 9"
    ],
    [
      "a value inside a queue",
      { web: { queues: { orders: { max: 0 } } } },
      "web.queues.orders.max",
      "Expected a value between 1 and 9"
    ],
    [
      "a misspelt setting",
      { web: { socketMax: 1 } },
      "web.socketMax",
      "is no setting; did you mean socketsMax?"
    ],
    [
      "one that is like none",
      { web: { deep: { something: 1 } } },
      "web.deep.something",
      "is no setting; there are: one, two"
    ],
    ["an unknown section", { wep: {} }, "wep", "is no setting; did you mean web?"]
  ]

  it.effect.each(wrong)("R10.1 %s is ConfigurationInvalid", ([, contents, key, problem]) =>
    Effect.gen(function* () {
      const failing = Configuration.fromFile(settings, contents)
      assert.deepStrictEqual(yield* invalid(failing), [key, problem])
    })
  )

  it.effect("sections of others are not looked at", () =>
    Effect.gen(function* () {
      const contents = { web: { socketsMax: 2 }, other: { anything: [] } }
      const others = { others: ["other"] }
      yield* Configuration.fromFile(settings, contents, others)
      const inside = { web: { other: 1 } }
      const [key] = yield* invalid(Configuration.fromFile(settings, inside, others))
      assert.strictEqual(key, "web.other")
    })
  )

  it("a setting that two sections have is there once", () => {
    const same = { root: "", schema: Schema.Struct({ a: Schema.Int, b: Schema.Int }) }
    const more = { root: "", schema: Schema.Struct({ b: Schema.Int, c: Schema.Int }) }
    assert.deepStrictEqual(
      Configuration.settingsOf([same, more]).map(({ key }) => key),
      ["a", "b", "c"]
    )
  })
})
