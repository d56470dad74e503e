import { assert, describe, it } from "@effect/vitest"
import type * as Journal from "./Journal.ts"
import * as Judge from "./Judge.ts"

const sent = (...ids: ReadonlyArray<string>): ReadonlyArray<Journal.Line> => [
  { _tag: "Sending", ids },
  { _tag: "Sent", ids }
]

const delivered = (...ids: ReadonlyArray<string>): Journal.Line => ({ _tag: "Delivered", ids })

const settling = (id: string, verdict: "Complete" | "Abandon" | "DeadLetter"): Journal.Line => ({
  _tag: "Settling",
  id,
  verdict
})

const settled = (
  id: string,
  verdict: "Complete" | "Abandon" | "DeadLetter"
): ReadonlyArray<Journal.Line> => [settling(id, verdict), { _tag: "Settled", id, verdict }]

const started: Journal.Line = { _tag: "Started", run: 0 }
const accepted: Journal.Line = { _tag: "Accepted", session: "a" }

/** Found as `id:deliveryCount`. */
const found = (texts: ReadonlyArray<string>): ReadonlyArray<Judge.Found> =>
  texts.map((text) => {
    const [id = "", count = "1"] = text.split(":")
    return { id, deliveryCount: Number(count) }
  })

const problems = (
  lines: ReadonlyArray<Journal.Line>,
  live: ReadonlyArray<string>,
  dead: ReadonlyArray<string> = []
): ReadonlyArray<string> =>
  Judge.problems(Judge.history([started, ...lines]), { live: found(live), dead: found(dead) })

describe("Judge", () => {
  it("finds nothing wrong where nothing is", () => {
    const lines = [
      ...sent("p-1", "p-2", "p-3", "p-4"),
      delivered("p-1", "p-2", "p-3"),
      ...settled("p-1", "Complete"),
      ...settled("p-2", "DeadLetter"),
      ...settled("p-3", "Abandon"),
      ...sent("o-a-1", "o-a-2", "o-a-3"),
      accepted,
      delivered("o-a-1", "o-a-2"),
      ...settled("o-a-1", "Complete")
    ]
    assert.deepStrictEqual(problems(lines, ["p-3:2", "p-4", "o-a-2", "o-a-3"], ["p-2:2"]), [])
  })

  it("leaves open what was under way, either way", () => {
    const sending: Journal.Line = { _tag: "Sending", ids: ["p-2", "p-3"] }
    const completing = [...sent("p-1"), delivered("p-1"), settling("p-1", "Complete"), sending]
    assert.deepStrictEqual(problems(completing, ["p-1:2"]), [])
    assert.deepStrictEqual(problems(completing, ["p-2", "p-3"]), [])
    const burying = [...sent("p-1"), delivered("p-1"), settling("p-1", "DeadLetter")]
    assert.deepStrictEqual(problems(burying, ["p-1:2"]), [])
    assert.deepStrictEqual(problems(burying, [], ["p-1:2"]), [])
    assert.strictEqual(problems(burying, []).length, 1)
  })

  it("takes a refused settlement for none", () => {
    const refused: Journal.Line = { _tag: "Refused", id: "p-1" }
    const lines = [...sent("p-1"), delivered("p-1"), settling("p-1", "Complete"), refused]
    assert.deepStrictEqual(problems(lines, ["p-1:2"]), [])
    assert.strictEqual(problems(lines, []).length, 1)
  })

  it.each([
    ["lost", [...sent("p-1")], [], []],
    ["twice there", [...sent("p-1")], ["p-1", "p-1"], []],
    ["in both places", [...sent("p-1")], ["p-1"], ["p-1"]],
    ["dead without a verdict", [...sent("p-1")], [], ["p-1"]],
    ["never sent", [], ["p-1"], []],
    [
      "back after its completion",
      [...sent("p-1"), delivered("p-1"), ...settled("p-1", "Complete")],
      ["p-1:2"],
      []
    ],
    [
      "no dead letter after its dead-lettering",
      [...sent("p-1"), delivered("p-1"), ...settled("p-1", "DeadLetter")],
      ["p-1:2"],
      []
    ],
    [
      "delivered after its completion",
      [...sent("p-1"), delivered("p-1"), ...settled("p-1", "Complete"), delivered("p-1")],
      ["p-1:3"],
      []
    ],
    ["half a send", [{ _tag: "Sending", ids: ["p-1", "p-2"] }], ["p-1"], []],
    [
      "half a send, the other half delivered",
      [{ _tag: "Sending", ids: ["p-1", "p-2"] }, delivered("p-1"), ...settled("p-1", "Complete")],
      [],
      []
    ],
    ["a delivery that was not counted", [...sent("p-1"), delivered("p-1")], ["p-1:1"], []],
    ["one counted too often", [...sent("p-1"), delivered("p-1")], ["p-1:4"], []],
    ["left in another order", [...sent("o-a-1", "o-a-2")], ["o-a-2", "o-a-1"], []],
    [
      "delivered before an earlier one",
      [...sent("o-a-1", "o-a-2"), accepted, delivered("o-a-2")],
      ["o-a-1", "o-a-2"],
      []
    ],
    [
      "delivered before one that another holder had",
      [...sent("o-a-1", "o-a-2"), accepted, delivered("o-a-1"), accepted, delivered("o-a-2")],
      ["o-a-1", "o-a-2"],
      []
    ],
    [
      "delivered before one that was abandoned",
      [
        ...sent("o-a-1", "o-a-2"),
        accepted,
        delivered("o-a-1"),
        ...settled("o-a-1", "Abandon"),
        delivered("o-a-2")
      ],
      ["o-a-1", "o-a-2"],
      []
    ]
  ] satisfies ReadonlyArray<
    readonly [string, ReadonlyArray<Journal.Line>, ReadonlyArray<string>, ReadonlyArray<string>]
  >)("finds a message %s", (_, lines, live, dead) => {
    assert.strictEqual(problems(lines, live, dead).length, 1)
  })

  it("finds a delivery of what was never sent", () => {
    assert.strictEqual(problems([delivered("p-1")], []).length, 1)
  })
})
