import type { Contract, Sabotage } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as tables from "../src/tables.ts"

const result = (
  id: string,
  status: Contract.RuleResult["status"],
  reason?: string
): Contract.RuleResult => ({
  id,
  group: id.startsWith("A") ? "Apples" : "Bananas",
  title: `${id} holds`,
  status,
  durationMillis: 1,
  ...(reason === undefined ? {} : { reason })
})

const columns: ReadonlyArray<tables.Column> = [
  {
    name: "one",
    results: [
      result("A-1", "passed"),
      result("A-2", "skipped", "it has none"),
      result("B-10", "failed", "expected 1\n  actual: 2")
    ]
  },
  {
    name: "another",
    results: [
      result("A-1", "passed"),
      result("A-2", "skipped", "it has none"),
      result("B-10", "skipped", "it is small")
    ]
  }
]

const verdict = (
  id: string,
  failed: ReadonlyArray<string>,
  caughtBy: ReadonlyArray<string>
): Sabotage.Verdict => ({
  sabotage: {
    id,
    title: `${id} breaks something`,
    source: "a test",
    caughtBy: ["A-1"],
    make: Effect.succeed(Effect.succeed)
  },
  failed,
  caughtBy
})

const verdicts = [
  verdict("caught-here", ["A-1", "B-10"], ["A-1"]),
  verdict("caught-elsewhere", ["B-10"], []),
  verdict("caught-nowhere", [], [])
]

const ids = ["A-1", "A-2", "B-10"]

describe("tables", () => {
  it("R12.1 rules stand by group, with a mark for each provider and a note for each reason", () => {
    assert.strictEqual(
      tables.formatProviders(columns),
      [
        "      one  another",
        "",
        "Apples",
        "A-1   ✓    ✓        A-1 holds",
        "A-2   –1   –1       A-2 holds",
        "",
        "Bananas",
        "B-10  ✗    –2       B-10 holds",
        "",
        "–1 it has none",
        "–2 it is small",
        "",
        "✗ B-10 on one: expected 1",
        "  actual: 2",
        "",
        "one: 1 passed, 1 failed, 1 skipped",
        "another: 1 passed, 0 failed, 2 skipped"
      ].join("\n")
    )
  })

  it("R12.1 what is too long for a line goes on under its own beginning", () => {
    const [first] = columns
    assert.isDefined(first)
    const title = "word ".repeat(30).trim()
    const long = { ...first, results: [{ ...result("A-1", "passed"), title }] }
    const lines = tables.formatProviders([long]).split("\n")
    assert.isBelow(Math.max(...lines.map(({ length }) => length)), 101)
    assert.match(lines[4] ?? "", /^ {10}word/u)
  })

  it("R12.1 no provider is said, not thrown", () => {
    assert.strictEqual(tables.formatProviders([]), "no provider")
  })

  it("R12.2 a sabotage that only rules not meant for it catch has got through", () => {
    const lost = tables.survivors(verdicts).map(({ sabotage }) => sabotage.id)
    assert.deepStrictEqual(lost, ["caught-elsewhere", "caught-nowhere"])
    assert.deepStrictEqual(tables.unproved(ids, verdicts), ["A-2"])
  })

  it("R12.2 the rules meant to catch a sabotage stand first", () => {
    assert.strictEqual(
      tables.formatSabotages(ids, verdicts),
      [
        "✓ caught-here: caught-here breaks something",
        "    A-1 · B-10",
        "✗ caught-elsewhere: caught-elsewhere breaks something",
        "    caught by none that was meant to · B-10",
        "✗ caught-nowhere: caught-nowhere breaks something",
        "    caught by none that was meant to",
        "",
        "sabotages: 1 of 3 caught",
        "✗ caught-elsewhere got through",
        "✗ caught-nowhere got through",
        "no sabotage breaks A-2"
      ].join("\n")
    )
    assert.match(tables.formatSabotages(["A-1"], verdicts.slice(0, 1)), /every rule of 1 fails/u)
  })

  it("R12.1 the report counts, and holds the whole tables", () => {
    assert.deepStrictEqual(tables.report(ids, columns, verdicts), {
      rules: 3,
      providers: {
        one: { passed: 1, failed: 1, skipped: 1 },
        another: { passed: 1, failed: 0, skipped: 2 }
      },
      sabotages: { total: 3, caught: 1, survivors: ["caught-elsewhere", "caught-nowhere"] },
      unproved: ["A-2"],
      tables: {
        providers: {
          one: {
            "A-1": { status: "passed" },
            "A-2": { status: "skipped", reason: "it has none" },
            "B-10": { status: "failed", reason: "expected 1\n  actual: 2" }
          },
          another: {
            "A-1": { status: "passed" },
            "A-2": { status: "skipped", reason: "it has none" },
            "B-10": { status: "skipped", reason: "it is small" }
          }
        },
        sabotages: {
          "caught-here": ["A-1", "B-10"],
          "caught-elsewhere": ["B-10"],
          "caught-nowhere": []
        }
      }
    })
  })
})
