import { Message, SessionId } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SessionKeyExtractor from "../src/SessionKeyExtractor.ts"

const timestamp = DateTime.makeUnsafe("2026-11-21T10:00:00Z")

/** What every extractor has to be: `get`, `keys` and `all` tell the same. */
const assertConsistent = (from: SessionKeyExtractor.SessionKeyExtractor) => {
  assert.deepStrictEqual(Object.keys(from.all), [...from.keys])
  for (const key of from.keys) {
    assert.deepStrictEqual(from.get(key), Option.fromUndefinedOr(from.all[key]))
  }
}

describe("fromRecord", () => {
  it("R4.5 reads fields by name, and lists them", () => {
    const from = SessionKeyExtractor.fromRecord({ repository: "acme/shop", empty: "" })
    assert.deepStrictEqual(from.get("repository"), Option.some("acme/shop"))
    assert.deepStrictEqual(from.get("empty"), Option.some(""))
    assert.deepStrictEqual(from.get("number"), Option.none())
    assert.deepStrictEqual([...from.keys], ["repository", "empty"])
    assert.deepStrictEqual({ ...from.all }, { repository: "acme/shop", empty: "" })
  })

  it("R4.5 what a record inherits is missing", () => {
    const from = SessionKeyExtractor.fromRecord(Object.create({ inherited: "x" }))
    for (const key of ["__proto__", "constructor", "toString", "inherited"]) {
      assert.deepStrictEqual(from.get(key), Option.none())
    }
    assert.deepStrictEqual([...from.keys], [])
  })

  it("R4.5 a name like __proto__ is read when the record has it", () => {
    const record: Record<string, string> = JSON.parse('{"__proto__":"a","constructor":"b"}')
    const from = SessionKeyExtractor.fromRecord(record)
    assert.deepStrictEqual(from.get("__proto__"), Option.some("a"))
    assert.deepStrictEqual(from.get("constructor"), Option.some("b"))
    assert.deepStrictEqual([...from.keys], ["__proto__", "constructor"])
  })

  it("R4.5 a later change of the record is not seen", () => {
    const record: Record<string, string> = { team: "blue" }
    const from = SessionKeyExtractor.fromRecord(record)
    record["team"] = "red"
    record["other"] = "x"
    assert.deepStrictEqual(from.get("team"), Option.some("blue"))
    assert.deepStrictEqual([...from.keys], ["team"])
  })

  it("R4.5 has a timestamp only when one is given", () => {
    assert.strictEqual(SessionKeyExtractor.fromRecord({}, { timestamp }).timestamp, timestamp)
    const without = SessionKeyExtractor.fromRecord({}, { timestamp: undefined })
    assert.isFalse("timestamp" in without)
  })

  it.effect.prop(
    "R4.5 get, keys and all tell the same",
    { record: Schema.Record(Schema.String, Schema.String), other: Schema.String },
    ({ other, record }) =>
      Effect.sync(() => {
        const from = SessionKeyExtractor.fromRecord(record)
        assertConsistent(from)
        assert.strictEqual(Option.isSome(from.get(other)), Object.hasOwn(record, other))
      })
  )
})

describe("fromMessage", () => {
  it.effect("R4.5 reads the attributes and nothing else of the message", () =>
    Effect.gen(function* () {
      const message = yield* Message.text("body", {
        attributes: { team: "blue" },
        correlationId: "c-1",
        sessionId: SessionId.makeUnsafe("s-1"),
        scheduledAt: timestamp
      })
      const from = SessionKeyExtractor.fromMessage(message)
      assert.deepStrictEqual({ ...from.all }, { team: "blue" })
      for (const key of ["body", "correlationId", "contentType", "sessionId"]) {
        assert.deepStrictEqual(from.get(key), Option.none())
      }
      assert.isUndefined(from.timestamp)
      const timed = SessionKeyExtractor.fromMessage(message, { timestamp })
      assert.strictEqual(timed.timestamp, timestamp)
    })
  )
})

describe("fromJson", () => {
  const payload = {
    action: "opened",
    pull_request: { number: 42, draft: false, milestone: null, labels: ["bug", { name: "ui" }] },
    "full.name": { "back\\slash": 1 }
  }

  it("R4.5 reads by dotted paths, arrays by index", () => {
    const from = SessionKeyExtractor.fromJson(payload)
    assert.deepStrictEqual(from.get("action"), Option.some("opened"))
    assert.deepStrictEqual(from.get("pull_request.number"), Option.some("42"))
    assert.deepStrictEqual(from.get("pull_request.draft"), Option.some("false"))
    assert.deepStrictEqual(from.get("pull_request.labels.0"), Option.some("bug"))
    assert.deepStrictEqual(from.get("pull_request.labels.1.name"), Option.some("ui"))
  })

  it("R4.5 null, objects, arrays and what is not there are missing", () => {
    const from = SessionKeyExtractor.fromJson(payload)
    for (const path of [
      "",
      "pull_request",
      "pull_request.milestone",
      "pull_request.labels",
      "pull_request.labels.2",
      "pull_request.labels.00",
      "pull_request.labels.length",
      "pull_request.number.toFixed",
      "action.0",
      "action.length",
      "constructor.name",
      "__proto__.constructor.name",
      "nothing.at.all"
    ]) {
      assert.deepStrictEqual(from.get(path), Option.none(), path)
    }
  })

  it("R4.5 lists the paths of all texts", () => {
    const from = SessionKeyExtractor.fromJson(payload, { timestamp })
    assert.deepStrictEqual(
      { ...from.all },
      {
        action: "opened",
        "pull_request.number": "42",
        "pull_request.draft": "false",
        "pull_request.labels.0": "bug",
        "pull_request.labels.1.name": "ui",
        "full\\.name.back\\\\slash": "1"
      }
    )
    assertConsistent(from)
    assert.strictEqual(from.timestamp, timestamp)
  })

  it("R4.5 is lazy: what no path asks for is not looked at", () => {
    let looks = 0
    const value = {
      wanted: "yes",
      get costly() {
        looks += 1
        return "no"
      }
    }
    const from = SessionKeyExtractor.fromJson(value)
    assert.deepStrictEqual(from.get("wanted"), Option.some("yes"))
    assert.strictEqual(looks, 0)
    assert.deepStrictEqual([...from.keys], ["wanted", "costly"])
    assert.strictEqual(from.all["costly"], "no")
    assert.strictEqual(looks, 1)
  })

  it.effect.prop(
    "R4.5 every path that is listed can be read, whatever the names",
    {
      value: Schema.Json,
      names: Arbitrary.array(Arbitrary.schema(Schema.Literals([".", "\\", "a", "", "\\.", "0"])), {
        minLength: 1,
        maxLength: 6
      })
    },
    ({ names, value }) =>
      Effect.sync(() => {
        assertConsistent(SessionKeyExtractor.fromJson(value))
        const deep = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), "leaf")
        const from = SessionKeyExtractor.fromJson(deep)
        assert.strictEqual(from.keys.length, 1)
        assertConsistent(from)
      })
  )

  it.effect.prop(
    "R4.5 no two values share a path",
    {
      tree: Schema.Record(
        Schema.Literals(["a", "a.b", "a\\", "b"]),
        Schema.Record(Schema.Literals(["b", ".b", "c"]), Schema.String)
      )
    },
    ({ tree }) =>
      Effect.sync(() => {
        const leaves = Object.values(tree).flatMap((inner) => Object.values(inner))
        assert.strictEqual(SessionKeyExtractor.fromJson(tree).keys.length, leaves.length)
      })
  )
})

describe("empty", () => {
  it("R4.5 has no fields", () => {
    assert.deepStrictEqual([...SessionKeyExtractor.empty.keys], [])
    assert.deepStrictEqual(SessionKeyExtractor.empty.get("a"), Option.none())
    assert.isUndefined(SessionKeyExtractor.empty.timestamp)
  })
})
