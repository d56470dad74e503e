import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Setting from "../src/Setting.ts"

const { described, settingsOf } = Setting

const Queue = Schema.Struct({
  name: Schema.optionalKey(Schema.String).pipe(described("Its name.")),
  max: Setting.whole(1, 9).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(3)),
    described({ description: "How many.", unit: "messages" })
  ),
  inner: Schema.Struct({ deep: Schema.Boolean })
})

const Who = Schema.Union([
  Schema.TaggedStruct("Default", {}),
  Schema.TaggedStruct("Keys", { id: Schema.String.pipe(described("With Keys: the id.")) }),
  Schema.TaggedStruct("Role", {
    id: Schema.String.pipe(described("Said once already.")),
    secret: Schema.RedactedFromValue(Schema.String),
    by: Schema.Union([Schema.TaggedStruct("Other", { why: Schema.String })]).pipe(
      described({ description: "By whom.", isOpaque: true })
    )
  })
])

const schema = Schema.Struct({
  socketsMax: Setting.whole(1, 9).pipe(described("How many sockets.")),
  word: Setting.word(["yes", "no"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("yes" as const)),
    described("Which.")
  ),
  share: Setting.number(0, 1).pipe(described({ description: "Share.", default: 0.5 })),
  wait: Setting.duration({ unit: "seconds", minimum: 0, maximum: 60 }).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(Duration.minutes(1))),
    described({ description: "How long.", variable: "WAIT_SECONDS" })
  ),
  plain: Schema.Duration,
  isOn: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false))),
  one: Schema.Literal("only"),
  either: Schema.Union([Schema.String, Schema.Finite]),
  list: Schema.Array(Schema.String),
  secret: Schema.optionalKey(
    Schema.Union([Schema.Redacted(Schema.String), Schema.RedactedFromValue(Schema.String)])
  ),
  code: Schema.declare((value): value is () => void => typeof value === "function"),
  who: Who.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed({ _tag: "Default" as const })),
    described("Who.")
  ),
  queues: Schema.Record(Schema.String, Queue).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed({})),
    described("The queues.")
  )
})

const settingAt = (key: string) => settingsOf("web", schema).find((setting) => setting.key === key)

describe("Setting", () => {
  it("R10.1 every field is a setting, but one that only code can say", () => {
    assert.deepStrictEqual(
      settingsOf("web", schema).map(({ form, isPart, key }) => [key, form, isPart]),
      [
        ["web.socketsMax", "number", false],
        ["web.word", "word", false],
        ["web.share", "number", false],
        ["web.wait", "duration", false],
        ["web.plain", "duration", false],
        ["web.isOn", "boolean", false],
        ["web.one", "word", false],
        ["web.either", "json", false],
        ["web.list", "json", false],
        ["web.secret", "text", false],
        ["web.who", "json", false],
        ["web.who._tag", "word", true],
        ["web.who.id", "text", true],
        ["web.who.secret", "text", true],
        ["web.who.by", "json", true],
        ["web.queues", "json", false],
        ["web.queues.<name>.name", "text", true],
        ["web.queues.<name>.max", "number", true],
        ["web.queues.<name>.inner.deep", "boolean", true]
      ]
    )
  })

  it("R10.1 a variable is the one named, the path, or that of the whole", () => {
    assert.strictEqual(settingAt("web.socketsMax")?.variable, "QUEUE_WEB_SOCKETS_MAX")
    assert.strictEqual(settingAt("web.wait")?.variable, "WAIT_SECONDS")
    assert.strictEqual(settingAt("web.who.id")?.variable, "QUEUE_WEB_WHO")
    assert.strictEqual(settingAt("web.queues.<name>.inner.deep")?.variable, "QUEUE_WEB_QUEUES")
    assert.deepStrictEqual(
      settingsOf("", Schema.Struct({ depthMax: Schema.Int })).map(({ key, variable }) => [
        key,
        variable
      ]),
      [["depthMax", "QUEUE_DEPTH_MAX"]]
    )
  })

  it("R10.1 defaults are those of the Schema, or what is said where it has none", () => {
    assert.strictEqual(settingAt("web.socketsMax")?.default, undefined)
    assert.strictEqual(settingAt("web.word")?.default, "yes")
    assert.strictEqual(settingAt("web.share")?.default, 0.5)
    assert.strictEqual(settingAt("web.wait")?.default, "1 minute")
    assert.strictEqual(settingAt("web.isOn")?.default, false)
    assert.strictEqual(settingAt("web.who")?.default, '{"_tag":"Default"}')
    assert.strictEqual(settingAt("web.queues.<name>.max")?.default, 3)
    assert.strictEqual(settingAt("web.queues")?.default, undefined)
    const secret = Schema.RedactedFromValue(Schema.String).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed("hidden"))
    )
    assert.notProperty(settingsOf("", Schema.Struct({ secret }))[0], "default")
  })

  it("R10.1 words, units, rules, descriptions and secrets are read from the Schema", () => {
    assert.deepStrictEqual(settingAt("web.word")?.words, ["yes", "no"])
    assert.deepStrictEqual(settingAt("web.one")?.words, ["only"])
    assert.deepStrictEqual(settingAt("web.who._tag")?.words, ["Default", "Keys", "Role"])
    assert.strictEqual(settingAt("web.wait")?.unit, "seconds")
    assert.strictEqual(settingAt("web.queues.<name>.max")?.unit, "messages")
    assert.strictEqual(settingAt("web.socketsMax")?.rule, "must be a whole number from 1 to 9")
    assert.strictEqual(settingAt("web.who.id")?.description, "With Keys: the id.")
    assert.strictEqual(settingAt("web.isOn")?.description, "")
    assert.deepStrictEqual(
      settingsOf("web", schema).flatMap(({ isSecret, key }) => (isSecret ? [key] : [])),
      ["web.secret", "web.who.secret"]
    )
  })

  it("what was said before stays unless it is said again", () => {
    const twice = Schema.Struct({
      a: Schema.Int.pipe(
        described({ description: "First.", unit: "bytes", variable: "A" }),
        described("Second.")
      )
    })
    const [setting] = settingsOf("", twice)
    assert.deepStrictEqual(
      [setting?.description, setting?.unit, setting?.variable],
      ["Second.", "bytes", "A"]
    )
  })

  const decodes = (of: Schema.Codec<unknown, unknown>, value: unknown): boolean =>
    Result.isSuccess(Schema.decodeUnknownResult(of)(value))

  it("R10.1 a duration is any in code, text with its unit in a file, in its range", () => {
    const seconds = Setting.duration({ unit: "seconds", minimum: 1, maximum: 60 })
    for (const value of ["1 second", "1 minute", "1500 millis", Duration.seconds(60)]) {
      assert.isTrue(decodes(seconds, value), String(value))
    }
    for (const value of ["999 millis", "61 seconds", "5", "5s", 5, Duration.infinity]) {
      assert.isFalse(decodes(seconds, value), String(value))
    }
    const whole = Setting.duration({
      unit: "milliseconds",
      minimum: 0,
      maximum: 10,
      isWhole: true
    })
    assert.isTrue(decodes(whole, "2 millis"))
    assert.isFalse(decodes(whole, "1500 micros"))
  })

  it("R10.1 a duration is given in any form of Effect's, and keeps to its rule", () => {
    const short = Setting.durationInput(
      (value) => Duration.toSeconds(value) <= 5,
      "must be at most 5 seconds"
    )
    for (const value of [5_000, "5 seconds", Duration.seconds(5), { seconds: 5 }]) {
      assert.strictEqual(Duration.toMillis(Schema.decodeUnknownSync(short)(value)), 5_000)
    }
    assert.deepStrictEqual(Schema.encodeSync(short)(Duration.seconds(5)), Duration.seconds(5))
    const problemOf = (codec: Schema.Codec<Duration.Duration, unknown>, value: unknown) =>
      Result.match(Schema.decodeUnknownResult(codec)(value), {
        onFailure: String,
        onSuccess: () => "none"
      })
    assert.include(problemOf(short, "6 seconds"), "must be at most 5 seconds")
    assert.include(problemOf(short, "soon"), "a duration, such as 30 seconds")
    const above = "must be a finite duration above zero"
    assert.strictEqual(problemOf(Setting.durationPositive, "1 milli"), "none")
    assert.include(problemOf(Setting.durationPositive, 0), above)
    assert.include(problemOf(Setting.durationPositive, Duration.infinity), above)
    const below = "must be a finite duration, not below zero"
    assert.strictEqual(problemOf(Setting.durationNotNegative, 0), "none")
    assert.include(problemOf(Setting.durationNotNegative, Duration.millis(-1)), below)
    assert.include(problemOf(Setting.durationNotNegative, Duration.infinity), below)
  })

  it("R10.1 options that are left out have their defaults, decoded like any other", () => {
    const check = Setting.decodeOptions(
      Schema.Struct({
        pause: Setting.defaulted(Setting.durationPositive, "2 seconds"),
        tries: Setting.defaulted(Setting.whole(1, 9), 3)
      })
    )
    const made = Effect.runSync(check({ tries: 5 }))
    assert.deepStrictEqual(made, { pause: Duration.seconds(2), tries: 5 })
    assert.strictEqual(Effect.runSync(check({})).tries, 3)
    // As of a variable of the process that is not set.
    const unset: { readonly tries: number | undefined } = { tries: undefined }
    assert.strictEqual(Effect.runSync(check(unset)).tries, 3)
  })

  it("R10.1 an option that is bad or misspelt is named by its path, with the rule", () => {
    const kinds = Schema.Union([
      Schema.Struct({ id: Schema.String }),
      Schema.Struct({ id: Schema.Int })
    ])
    const queue = Schema.Struct({ pause: Setting.durationPositive })
    const options = Schema.Struct({
      queues: Schema.Record(Schema.String, queue),
      list: Schema.optionalKey(Schema.Array(Schema.Int)),
      who: Schema.optionalKey(kinds)
    })
    const problem = (given: unknown, root?: string) =>
      Effect.runSync(Effect.flip(Setting.decodeOptions(options, root)(given))).message
    const rule = "must be a finite duration above zero"
    const bad = { queues: { orders: { pause: 0 } } }
    assert.strictEqual(problem(bad), `ConfigurationInvalid: queues.orders.pause: ${rule}`)
    assert.strictEqual(
      problem(bad, "aws"),
      `ConfigurationInvalid: aws.queues.orders.pause: ${rule}`
    )
    assert.match(problem({ queues: {}, list: [1, "2"] }), /^ConfigurationInvalid: list\.1: /u)
    assert.match(problem({ queues: {}, queue: {} }), /^ConfigurationInvalid: queue: /u)
    assert.match(problem(7), /^ConfigurationInvalid: options: /u)
    assert.match(problem(7, "aws"), /^ConfigurationInvalid: aws: /u)
    // Of what fits none of several kinds one problem is told, not one a kind.
    assert.strictEqual(
      problem({ queues: {}, who: { id: true } }),
      "ConfigurationInvalid: who.id: Expected string"
    )
    assert.notInclude(problem({ queues: {}, who: "hunter2" }), "hunter2")
  })

  it("R10.1 a duration is written in the largest unit that divides it", () => {
    const shown = [0, 1, 250, 1_000, 90_000, 120_000, 3_600_000, 172_800_000].map((millis) =>
      Setting.formatDuration(Duration.millis(millis))
    )
    assert.deepStrictEqual(shown, [
      "0 seconds",
      "1 milli",
      "250 millis",
      "1 second",
      "90 seconds",
      "2 minutes",
      "1 hour",
      "2 days"
    ])
  })

  it("a union of what has no tags is JSON as a whole, and so is one of things that are none", () => {
    const loose = Schema.Struct({
      untagged: Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Struct({ b: Schema.Int })]),
      mixed: Schema.Union([Schema.TaggedStruct("A", {}), Schema.Int]),
      record: Schema.Record(Schema.String, Schema.Int)
    })
    assert.deepStrictEqual(
      settingsOf("", loose).map(({ key }) => key),
      ["untagged", "mixed", "record", "record.<name>"]
    )
  })

  it("a redacted value keeps its secret", () => {
    const decoded = Schema.decodeUnknownResult(schema.fields.secret)("s3cret")
    assert.isTrue(Result.isSuccess(decoded) && Redacted.isRedacted(decoded.success))
  })
})
