import { Message, QueueError, SessionId } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as SessionKeyExtractor from "../src/SessionKeyExtractor.ts"
import * as SessionKeyStrategy from "../src/SessionKeyStrategy.ts"

const record = SessionKeyExtractor.fromRecord

/** The key as plain text, or `null`. */
const keyOf = (
  strategy: SessionKeyStrategy.SessionKeyStrategy,
  from: SessionKeyExtractor.SessionKeyExtractor
) => Effect.map(strategy.generate(from), Option.getOrNull)

const failureOf = (
  strategy: SessionKeyStrategy.SessionKeyStrategy,
  from: SessionKeyExtractor.SessionKeyExtractor
) => Effect.map(Effect.flip(strategy.generate(from)), (error) => error.message)

const rule = "sessionId: must have 1–128 printable ASCII characters"

/** Strings of few characters, so that what could be confused meets often. */
const textOf = (characters: ReadonlyArray<string>, maxLength: number) =>
  Arbitrary.array(Arbitrary.schema(Schema.Literals(characters)), { minLength: 1, maxLength }).pipe(
    Arbitrary.map((parts) => parts.join(""))
  )

/** Every string over the characters with 1 to `length` of them. */
const allTexts = (characters: string, length: number): ReadonlyArray<string> => {
  if (length === 0) return []
  const shorter = allTexts(characters, length - 1)
  return [
    ...characters,
    ...shorter.flatMap((text) => [...characters].map((one) => text + one))
  ].filter((text, index, all) => all.indexOf(text) === index)
}

describe("field", () => {
  it.effect("R4.5 a single field is the key, with its prefix", () =>
    Effect.gen(function* () {
      const from = record({ customer: "a/b%c" })
      assert.strictEqual(yield* keyOf(SessionKeyStrategy.field("customer"), from), "a/b%c")
      const prefixed = SessionKeyStrategy.field("customer", { prefix: "c-" })
      assert.strictEqual(yield* keyOf(prefixed, from), "c-a/b%c")
      assert.strictEqual(prefixed.name, "field(customer)")
    })
  )

  it.effect("R4.5 a field that is missing or empty makes no key, prefix or not", () =>
    Effect.gen(function* () {
      const strategy = SessionKeyStrategy.field("customer", { prefix: "c-" })
      assert.isNull(yield* keyOf(strategy, SessionKeyExtractor.empty))
      assert.isNull(yield* keyOf(strategy, record({ customer: "" })))
      assert.isNull(yield* keyOf(SessionKeyStrategy.field("constructor"), record({})))
    })
  )

  it.effect("R4.5 a key that is no session id is an error, not None", () =>
    Effect.gen(function* () {
      const strategy = SessionKeyStrategy.field("customer", { prefix: "c-" })
      assert.isNotNull(yield* keyOf(strategy, record({ customer: "x".repeat(126) })))
      assert.strictEqual(
        yield* failureOf(strategy, record({ customer: "x".repeat(127) })),
        `session key field(customer): ValidationFailed: ${rule}; got 129 characters`
      )
      assert.strictEqual(
        yield* failureOf(strategy, record({ customer: "Zoë" })),
        `session key field(customer): ValidationFailed: ${rule}; got U+00EB at index 4`
      )
    })
  )
})

describe("composite", () => {
  it.effect("R4.5 joins fields in the order of their names", () =>
    Effect.gen(function* () {
      const from = record({ number: "42", owner: "acme", repository: "shop" })
      const names = ["owner", "repository", "number"]
      const strategy = yield* SessionKeyStrategy.composite(names)
      assert.strictEqual(yield* keyOf(strategy, from), "acme/shop/42")
      assert.strictEqual(strategy.name, "composite(owner, repository, number)")
      const other = yield* SessionKeyStrategy.composite(names, { separator: "--", prefix: "pr/" })
      assert.strictEqual(yield* keyOf(other, from), "pr/acme--shop--42")
    })
  )

  it.effect("R4.5 none if any field is missing or empty", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.composite(["a", "b"])
      assert.isNull(yield* keyOf(strategy, record({ a: "1" })))
      assert.isNull(yield* keyOf(strategy, record({ b: "1" })))
      assert.isNull(yield* keyOf(strategy, record({ a: "1", b: "" })))
    })
  )

  it.effect("R4.5 a separator inside a field is escaped", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.composite(["a", "b"])
      assert.strictEqual(yield* keyOf(strategy, record({ a: "a", b: "b/c" })), "a/b%2Fc")
      assert.strictEqual(yield* keyOf(strategy, record({ a: "a/b", b: "c" })), "a%2Fb/c")
      assert.strictEqual(yield* keyOf(strategy, record({ a: "a%2Fb", b: "c" })), "a%252Fb/c")
    })
  )

  it.effect("R4.5 a key that is too long or not ASCII is an error, not None", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.composite(["a", "b"])
      assert.strictEqual(
        yield* failureOf(strategy, record({ a: "/".repeat(43), b: "c" })),
        `session key composite(a, b): ValidationFailed: ${rule}; got 131 characters`
      )
      assert.strictEqual(
        yield* failureOf(strategy, record({ a: "a", b: "ü" })),
        `session key composite(a, b): ValidationFailed: ${rule}; got U+00FC at index 2`
      )
    })
  )

  it.effect("R4.5 names that are changed afterwards change nothing", () =>
    Effect.gen(function* () {
      const names = ["a"]
      const strategy = yield* SessionKeyStrategy.composite(names)
      names.push("b")
      assert.strictEqual(yield* keyOf(strategy, record({ a: "1", b: "2" })), "1")
    })
  )

  it.effect(
    "R4.5 no names, an empty one and a separator that cannot divide are ValidationFailed",
    () =>
      Effect.gen(function* () {
        const noNames = yield* Effect.flip(SessionKeyStrategy.composite([]))
        assert.strictEqual(noNames.message, "ValidationFailed: names: must have at least one field")
        const empty = yield* Effect.flip(SessionKeyStrategy.composite(["a", ""]))
        assert.strictEqual(empty.message, "ValidationFailed: names.1: must not be empty")
        for (const separator of ["", "%", "/%", "a", "Z", "0", "2F", "é", "\n", "\u007f"]) {
          const error = yield* Effect.flip(SessionKeyStrategy.composite(["a"], { separator }))
          assert.strictEqual(
            error.message,
            "ValidationFailed: separator: must be printable ASCII without letters, digits and %, " +
              "and not empty"
          )
        }
      })
  )

  it.effect("R4.5 every other printable character divides", () =>
    Effect.gen(function* () {
      const codes = Array.from({ length: 0x7f - 0x20 }, (_, index) => index + 0x20)
      const separators = codes
        .map((code) => String.fromCharCode(code))
        .filter((character) => !/[%0-9A-Za-z]/u.test(character))
      assert.strictEqual(separators.length, 95 - 62 - 1)
      for (const separator of separators) {
        const strategy = yield* SessionKeyStrategy.composite(["a", "b"], { separator })
        const hex = separator.charCodeAt(0).toString(16).toUpperCase()
        const from = record({ a: `x${separator}`, b: "y" })
        assert.strictEqual(yield* keyOf(strategy, from), `x%${hex}${separator}y`)
      }
    })
  )

  it.effect("R4.5 distinct fields make distinct keys: all short ones", () =>
    Effect.gen(function* () {
      for (const [separator, characters, length] of [
        ["/", "a/%2F", 2],
        ["--", "a-", 4],
        ["-/", "-/a", 3]
      ] as const) {
        const strategy = yield* SessionKeyStrategy.composite(["a", "b"], { separator })
        const texts = allTexts(characters, length)
        const keys = new Set<string | null>()
        for (const a of texts) {
          for (const b of texts) keys.add(yield* keyOf(strategy, record({ a, b })))
        }
        assert.strictEqual(keys.size, texts.length ** 2)
        assert.isFalse(keys.has(null))
      }
    })
  )

  it.effect.prop(
    "R4.5 distinct fields make distinct keys: each key can be read back",
    {
      fields: Arbitrary.array(textOf(["a", "/", "-", "%", "2", "F", "#", " "], 6), {
        minLength: 1,
        maxLength: 4
      }),
      separator: Schema.Literals(["/", "--", "-/", "#", " ", "/#-"])
    },
    Effect.fnUntraced(function* ({ fields, separator }) {
      const names = fields.map((_, index) => `f${index}`)
      const strategy = yield* SessionKeyStrategy.composite(names, { separator, prefix: "p/" })
      const entries = fields.map((text, index) => [`f${index}`, text])
      const key = yield* keyOf(strategy, record(Object.fromEntries(entries)))
      const read = key?.slice("p/".length).split(separator).map(decodeURIComponent)
      assert.deepStrictEqual(read, fields)
    }),
    { arbitrary: { runs: 300 } }
  )
})

/** A strategy that answers as told and counts how often it is tried. */
const scripted = (answer: "none" | "some" | "fail", index: number, tried: Array<number>) =>
  SessionKeyStrategy.byContent(
    () => {
      tried.push(index)
      if (answer === "none") return Option.none()
      return Option.some(answer === "some" ? `key-${index}` : "not a valid key: é")
    },
    { name: `s${index}` }
  )

describe("fallback", () => {
  it.effect.prop(
    "R4.5 the first that answers or fails decides, and later ones are not tried",
    {
      answers: Arbitrary.array(Arbitrary.schema(Schema.Literals(["none", "some", "fail"])), {
        maxLength: 6
      })
    },
    Effect.fnUntraced(function* ({ answers }) {
      const tried: Array<number> = []
      const chain = answers.map((answer, index) => scripted(answer, index, tried))
      const strategy = SessionKeyStrategy.fallback(chain)
      const decided = answers.findIndex((answer) => answer !== "none")
      const result = yield* Effect.exit(keyOf(strategy, SessionKeyExtractor.empty))
      const expected = decided < 0 ? answers.length : decided + 1
      assert.deepStrictEqual(
        tried,
        Array.from({ length: expected }, (_, index) => index)
      )
      if (answers[decided] === "fail") {
        assert.strictEqual(result._tag, "Failure")
      } else {
        const key = decided < 0 ? null : SessionId.makeUnsafe(`key-${decided}`)
        assert.deepStrictEqual(yield* result, key)
      }
    })
  )

  it.effect("R4.5 the error of an earlier strategy is an error, not a fall-through", () =>
    Effect.gen(function* () {
      const strategy = SessionKeyStrategy.fallback([
        SessionKeyStrategy.field("customer"),
        SessionKeyStrategy.field("region")
      ])
      const from = record({ customer: "Zoë", region: "eu" })
      assert.match(yield* failureOf(strategy, from), /^session key field\(customer\): Validation/u)
      assert.strictEqual(strategy.name, "fallback(field(customer), field(region))")
      assert.strictEqual(yield* keyOf(strategy, record({ region: "eu" })), "eu")
    })
  )

  it.effect("R4.5 a chain that is changed afterwards stays what it was", () =>
    Effect.gen(function* () {
      const chain = [SessionKeyStrategy.none]
      const strategy = SessionKeyStrategy.fallback(chain)
      chain.push(SessionKeyStrategy.field("a"))
      assert.isNull(yield* keyOf(strategy, record({ a: "1" })))
    })
  )
})

describe("none", () => {
  it.effect("R4.5 makes no key for any message", () =>
    Effect.gen(function* () {
      assert.isNull(yield* keyOf(SessionKeyStrategy.none, record({ a: "1" })))
      assert.strictEqual(SessionKeyStrategy.none.name, "none")
    })
  )
})

describe("byContent", () => {
  it.effect("R4.5 a function decides from the fields, at once or as an effect", () =>
    Effect.gen(function* () {
      const plain = SessionKeyStrategy.byContent((from) => from.get("a"))
      assert.strictEqual(yield* keyOf(plain, record({ a: "1" })), "1")
      assert.isNull(yield* keyOf(plain, record({})))
      assert.strictEqual(plain.name, "byContent")
      const effectful = SessionKeyStrategy.byContent((from) => Effect.succeed(from.get("a")))
      assert.strictEqual(yield* keyOf(effectful, record({ a: "1" })), "1")
      assert.isNull(yield* keyOf(effectful, record({})))
    })
  )

  it.effect("R4.5 a bad key, an empty one too, is an error that names the strategy", () =>
    Effect.gen(function* () {
      const strategy = SessionKeyStrategy.byContent(() => Option.some(""), { name: "byPriority" })
      assert.strictEqual(
        yield* failureOf(strategy, SessionKeyExtractor.empty),
        `session key byPriority: ValidationFailed: ${rule}; got 0 characters`
      )
    })
  )

  it.effect("R4.5 the error of the function is the caller's", () =>
    Effect.gen(function* () {
      const error = QueueError.validationFailed("priority", "must be known")
      const strategy = SessionKeyStrategy.byContent(() => Effect.fail(error))
      assert.strictEqual(yield* Effect.flip(strategy.generate(SessionKeyExtractor.empty)), error)
    })
  )
})

const field = SessionKeyStrategy.field("a")

const at = (time: string | number) => record({ a: "42" }, { timestamp: DateTime.makeUnsafe(time) })

describe("timePartitioned", () => {
  it.effect("R4.5 appends the start of the partition, no finer than the partition is", () =>
    Effect.gen(function* () {
      const cases = [
        ["1 hour", "42@2026-11-21T10:00Z"],
        ["15 minutes", "42@2026-11-21T10:45Z"],
        ["1 day", "42@2026-11-21T00:00Z"],
        ["90 seconds", "42@2026-11-21T10:58:30Z"],
        ["1 second", "42@2026-11-21T10:59:59Z"],
        ["1500 millis", "42@2026-11-21T10:59:58.500Z"]
      ] as const
      for (const [partition, key] of cases) {
        const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition })
        const made: string | null = yield* keyOf(strategy, at("2026-11-21T10:59:59.999Z"))
        assert.strictEqual(made, key)
      }
    })
  )

  it.effect("R4.5 goes by the timestamp of the message, else by the Clock at send", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition: "1 hour" })
      yield* TestClock.setTime(Date.UTC(2026, 10, 21, 10, 59, 59, 999))
      assert.strictEqual(yield* keyOf(strategy, record({ a: "42" })), "42@2026-11-21T10:00Z")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* keyOf(strategy, record({ a: "42" })), "42@2026-11-21T11:00Z")
      assert.strictEqual(yield* keyOf(strategy, at("2020-02-29T23:59Z")), "42@2020-02-29T23:00Z")
      assert.strictEqual(strategy.name, "timePartitioned(field(a), 1h)")
    })
  )

  it.effect("R4.5 no inner key is no key, and an inner error is an error", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition: "1 hour" })
      assert.isNull(yield* keyOf(strategy, SessionKeyExtractor.empty))
      assert.match(yield* failureOf(strategy, record({ a: "é" })), /^session key field\(a\): /u)
    })
  )

  it.effect("R4.5 a key that the partition makes too long is an error", () =>
    Effect.gen(function* () {
      const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition: "1 hour" })
      assert.strictEqual(
        yield* failureOf(strategy, record({ a: "x".repeat(111) })),
        `session key timePartitioned(field(a), 1h): ValidationFailed: ${rule}; got 129 characters`
      )
      assert.isNotNull(yield* keyOf(strategy, record({ a: "x".repeat(110) })))
    })
  )

  it.effect("R4.5 a partition under a second or without an end is ValidationFailed", () =>
    Effect.gen(function* () {
      for (const partition of [0, 999, -1, Infinity]) {
        const error = yield* Effect.flip(SessionKeyStrategy.timePartitioned(field, { partition }))
        assert.strictEqual(
          error.message,
          "ValidationFailed: partition: must be a finite duration of 1s or more, such as 30 seconds"
        )
      }
    })
  )

  it.effect("R4.5 the ends of time are moments like any others", () =>
    Effect.gen(function* () {
      const week = yield* SessionKeyStrategy.timePartitioned(field, { partition: "7 days" })
      assert.strictEqual(yield* keyOf(week, at(-8.64e15)), "42@-271821-04-20T00:00Z")
      assert.strictEqual(yield* keyOf(week, at(8.64e15)), "42@+275760-09-11T00:00Z")
      assert.strictEqual(yield* keyOf(week, at(-1)), "42@1969-12-25T00:00Z")
    })
  )

  it.effect.prop(
    "R4.5 a partition holds its start and not its end, and its key no other partition's",
    {
      index: Schema.Int.check(Schema.isBetween({ minimum: -1_000, maximum: 1_000 })),
      partitionMillis: Schema.Literals([1_000, 1_500, 7_000, 60_000, 3_600_000, 604_800_000])
    },
    Effect.fnUntraced(function* ({ index, partitionMillis }) {
      const partition = Duration.millis(partitionMillis)
      const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition })
      const start = index * partitionMillis
      const key = yield* keyOf(strategy, at(start))
      assert.strictEqual(Date.parse(key?.slice("42@".length) ?? ""), start)
      assert.strictEqual(yield* keyOf(strategy, at(start + partitionMillis - 1)), key)
      assert.notStrictEqual(yield* keyOf(strategy, at(start - 1)), key)
      assert.notStrictEqual(yield* keyOf(strategy, at(start + partitionMillis)), key)
    })
  )
})

describe("every strategy", () => {
  it.effect.prop(
    "R4.5 same message, same key",
    { a: textOf(["x", "/", "%", "é"], 5), b: Schema.String, time: Schema.DateTimeUtc },
    Effect.fnUntraced(function* ({ a, b, time }) {
      const composite = yield* SessionKeyStrategy.composite(["a", "b"])
      const strategies = [
        field,
        composite,
        SessionKeyStrategy.fallback([composite, field]),
        SessionKeyStrategy.none,
        SessionKeyStrategy.byContent((from) => from.get("b")),
        yield* SessionKeyStrategy.timePartitioned(field, { partition: "1 hour" })
      ]
      for (const strategy of strategies) {
        const answer = Effect.suspend(() =>
          Effect.result(strategy.generate(record({ a, b }, { timestamp: time })))
        )
        const first = yield* answer
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(JSON.stringify(yield* answer), JSON.stringify(first))
      }
    })
  )
})

describe("apply", () => {
  it.effect("R4.5 sets the session and keeps everything else of the message", () =>
    Effect.gen(function* () {
      const options = { attributes: { a: "42" }, correlationId: "c-1", delay: Duration.seconds(1) }
      const message = yield* Message.text("body", options)
      const sent = yield* SessionKeyStrategy.apply(field)(message)
      assert.instanceOf(sent, Message.Message)
      assert.deepStrictEqual({ ...sent }, { ...message, sessionId: SessionId.makeUnsafe("42") })
      assert.isUndefined(message.sessionId)
    })
  )

  it.effect("R4.5 an explicit session stays, and the strategy is not asked", () =>
    Effect.gen(function* () {
      const sessionId = SessionId.makeUnsafe("mine")
      const message = yield* Message.text("body", { sessionId, attributes: { a: "é" } })
      const tried: Array<number> = []
      const sent = yield* SessionKeyStrategy.apply(scripted("some", 0, tried))(message)
      assert.strictEqual(sent, message)
      assert.deepStrictEqual(tried, [])
    })
  )

  it.effect("R4.5 without a key the message stays as it is; a bad key is an error", () =>
    Effect.gen(function* () {
      const message = yield* Message.text("body", { attributes: { a: "é" } })
      assert.strictEqual(yield* SessionKeyStrategy.apply(SessionKeyStrategy.none)(message), message)
      const error = yield* Effect.flip(SessionKeyStrategy.apply(field)(message))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect("R4.5 an extractor of one's own gives the body and the message's time", () =>
    Effect.gen(function* () {
      const timestamp = DateTime.makeUnsafe("2026-11-21T10:20:00Z")
      const strategy = yield* SessionKeyStrategy.timePartitioned(field, { partition: "1 hour" })
      const withSession = SessionKeyStrategy.apply(strategy, (message) =>
        SessionKeyExtractor.fromMessage(message, { timestamp })
      )
      const message = yield* Message.text("body", { attributes: { a: "42" } })
      assert.strictEqual((yield* withSession(message)).sessionId, "42@2026-11-21T10:00Z")
    })
  )
})
