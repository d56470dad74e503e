import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Bans from "../src/bans.ts"
import * as Modules from "../src/modules.ts"
import * as Pragmas from "../src/pragmas.ts"
import * as Repository from "../src/repository.ts"

/** The files that a rule does not bind, each with its reason. */
const allowances: ReadonlyArray<Bans.Allowance> = [
  {
    rule: "try",
    path: "packages/core/src/internal/utf8.ts",
    reason:
      "TextDecoder throws on bytes that are not UTF-8; a plain function turns that into undefined"
  }
]

const sources = Repository.sources()
const checked = Bans.withAllowances(sources.flatMap(Bans.find), allowances)

describe("the repository", () => {
  it("is read", () => {
    assert.isAbove(sources.length, 50)
  })

  it("holds nothing that is banned", () => {
    assert.deepStrictEqual(checked.findings.map(Bans.format), [])
  })

  it("needs every allowance", () => {
    assert.deepStrictEqual(checked.unused, [])
  })

  it("has a test for each module", () => {
    assert.deepStrictEqual(Modules.untested(sources).map(Bans.format), [])
  })

  it("has a doc comment on each export", () => {
    assert.deepStrictEqual(sources.flatMap(Modules.undocumented).map(Bans.format), [])
  })

  it("lists each pragma with its reason", () => {
    const listed = Schema.decodeSync(Pragmas.List)(
      Repository.read("apps/repo-checks/pragmas.json").text
    )
    assert.deepStrictEqual(Pragmas.differences(sources.flatMap(Pragmas.find), listed), [])
  })
})

const inPackage = "packages/core/src/Thing.ts"
const rulesOf = (text: string, path = inPackage) =>
  Bans.find({ path, text }).map(({ rule }) => rule)

/** For each rule: what breaks it, and what looks like it and does not. */
const snippets: Readonly<
  Record<string, { readonly bad: Array<string>; readonly good: Array<string> }>
> = {
  date: {
    bad: ["Date.now()", "new Date()", "new  Date(0)", "const now = Date.now"],
    good: ["DateTime.now", 'f("Date.now()")', "// new Date()", "x.Date.now()", "instanceof Date"]
  },
  random: {
    bad: ["Math.random()", "const f = Math.random"],
    good: ["Random.next", "Math.max(1, 2)", "`Math.random()`"]
  },
  async: {
    bad: ["async () => 1", "async function f() {}", "async (a) => a", "f(async x => x)"],
    good: ["Effect.async(f)", "const async = 1", "f({ async: true })", '"async () => 1"']
  },
  await: {
    bad: ["await f()", "for await (const a of b) {}", "await (f)", "`${await f()}`"],
    good: ["Queue.await(q)", "f({ await: 1 })", "// await f()"]
  },
  try: {
    bad: ["try { f() } finally { g() }", "try\n{"],
    good: ["Effect.try({ try: () => 1, catch: f })", "// try {", "retry {"]
  },
  console: {
    bad: ["console.log(1)", "console\n  .error(1)"],
    good: ["Console.log(1)", "x.console.log(1)", '"console.log(1)"']
  },
  any: {
    bad: ["a as any", "a as unknown as B"],
    good: ["a as unknown", "as anything", "// a as any", '"as any"']
  },
  "ts-comment": {
    bad: ["// @ts-ignore\nf()", "/* @ts-expect-error */ f()", "// @ts-nocheck"],
    good: ['"// @ts-ignore"', "// ts-ignore"]
  },
  barrel: {
    bad: [
      'import * as A from "./index.ts"',
      'import { A } from "../index.ts"',
      'import { A } from "."',
      'import type { A } from "@queue-runtime/core"',
      'export * from "@queue-runtime/core/A"',
      'await: import("./index.ts")'
    ],
    good: [
      'import * as A from "./A.ts"',
      'import { A } from "@queue-runtime/core-other"',
      'import * as B from "./internal/index2.ts"',
      '// from "./index.ts"',
      'f("./index.ts")'
    ]
  },
  merge: {
    bad: [
      "Layer.merge(stack, MemoryProvider.layer({}))",
      "Layer.mergeAll(\n  A.layer,\n  Layer.provide(B.layer, AwsProvider.layerConfig)\n)",
      "const a = MemoryProvider.layer(o).pipe(\n  Layer.merge(B.layer)\n)",
      "Layer.merge(Layer.effect(QueueProvider.QueueProvider, make), b)"
    ],
    good: [
      "Layer.merge(A.layer, B.layer)",
      "Layer.provideMerge(A.layer, MemoryProvider.layer({}))",
      "MemoryProvider.layer({})\nLayer.merge(a, b)",
      "// Layer.merge(a, MemoryProvider.layer)"
    ]
  },
  leftover: {
    bad: ["// FIXME later", "/* TODO: more */", "/** XXX */"],
    good: ['"TODO"', "const TODO = 1", "// a todo list", "// XXXL"]
  }
}

describe("find", () => {
  it.each(Bans.rules)("%s fires on each bad snippet and on no good one", (rule) => {
    const { bad, good } = snippets[rule] ?? { bad: [], good: [] }
    assert.isNotEmpty(bad)
    assert.isNotEmpty(good)
    for (const text of bad) assert.include(rulesOf(text), rule, text)
    for (const text of good) assert.notInclude(rulesOf(text), rule, text)
  })

  it("names the place and the replacement", () => {
    const [finding] = Bans.find({ path: inPackage, text: "\n\nMath.random()" })
    assert.isDefined(finding)
    assert.strictEqual(
      Bans.format(finding),
      `${inPackage}:3: Math.random cannot be seeded: use Random`
    )
  })

  it("binds tests and apps to what holds there", () => {
    const all = "async () => { await f(new Date()); console.log(Math.random() as any) }"
    assert.deepStrictEqual(rulesOf(all, "packages/core/test/A.test.ts"), ["random", "any"])
    const inApp = rulesOf(all, "apps/quickstart/src/main.ts")
    assert.deepStrictEqual(inApp, ["date", "random", "console", "any"])
  })

  it("leaves the barrel and QueueStack.ts their purpose", () => {
    const merge = "Layer.merge(a, MemoryProvider.layer({}))"
    assert.deepStrictEqual(rulesOf(merge, "apps/bot/src/QueueStack.ts"), [])
    assert.deepStrictEqual(rulesOf(merge, "apps/bot/src/main.ts"), ["merge"])
    assert.deepStrictEqual(rulesOf('export * from "./index.ts"', "packages/core/src/index.ts"), [])
  })
})

describe("withAllowances", () => {
  const finding = { rule: "random", path: "a.ts", line: 1, message: "m" }
  const allowance = { rule: "random", path: "a.ts", reason: "r" }

  it("covers the findings of one rule in one file", () => {
    const others = [
      { ...finding, path: "b.ts" },
      { ...finding, rule: "date" }
    ]
    assert.deepStrictEqual(Bans.withAllowances([finding, ...others], [allowance]), {
      findings: others,
      unused: []
    })
  })

  it("tells the allowances that cover nothing", () => {
    assert.deepStrictEqual(Bans.withAllowances([], [allowance]).unused, [allowance])
  })
})

describe("untested", () => {
  const module = { path: "packages/core/src/Thing.ts", text: "" }
  const test = (text: string, path = "packages/core/test/Other.test.ts") => ({ path, text })
  const count = (...all: Array<Repository.Source>) => Modules.untested([module, ...all]).length

  it("is a module that no test of its package imports or names in code", () => {
    assert.strictEqual(count(), 1)
    assert.strictEqual(count(test("// Thing"), test('describe("Thing", f)'), test("Things.f()")), 1)
    assert.strictEqual(count(test("Thing.f()", "packages/other/test/Thing.test.ts")), 1)
    assert.strictEqual(count(test("Thing.f()", "packages/core/test/helper.ts")), 1)
    assert.strictEqual(count(test("Thing.f()", "apps/conformance/test/Other.test.ts")), 1)
    assert.strictEqual(count(test("Thing.f()", "apps/conformance/test/Thing.test.ts")), 0)
    assert.strictEqual(count(test("Thing.f()")), 0)
    assert.strictEqual(count(test('import { f } from "../src/Thing.ts"')), 0)
  })

  it("is no internal module and no barrel", () => {
    const others = ["packages/core/src/index.ts", "packages/core/src/internal/a.ts"]
    assert.deepStrictEqual(Modules.untested(others.map((path) => ({ path, text: "" }))), [])
  })
})

describe("undocumented", () => {
  const doc = "/**\n * A.\n *\n * @since 0.1.0\n */\n"
  const lines = (text: string, path = inPackage) =>
    Modules.undocumented({ path, text }).map(({ line }) => line)

  it("is an export without a doc comment right before it", () => {
    assert.deepStrictEqual(lines("export const a = 1"), [1])
    assert.deepStrictEqual(lines(`${doc}export const a = 1\nexport type A = 1`), [7])
    assert.deepStrictEqual(lines(`${doc}const b = 1\nexport const a = b`), [7])
    assert.deepStrictEqual(lines("// A.\nexport class A {}"), [2])
    assert.deepStrictEqual(lines("const a = 1\nexport { a }"), [2])
    assert.deepStrictEqual(lines("/** A. */\nexport interface A {}"), [2])
  })

  it("is none that is documented, an overload, or in a string", () => {
    assert.deepStrictEqual(
      lines(`${doc}export const a = 1\n\n${doc}export abstract class A {}`),
      []
    )
    const overloads = "export function a(): void\nexport function a(b?: 1): void {}"
    assert.deepStrictEqual(lines(doc + overloads), [])
    assert.deepStrictEqual(lines("const a = `\nexport const b = 1`"), [])
  })

  it("is nothing inside the package or outside packages", () => {
    assert.deepStrictEqual(lines("export const a = 1", "packages/core/src/internal/a.ts"), [])
    assert.deepStrictEqual(lines("export const a = 1", "apps/bot/src/a.ts"), [])
  })
})

describe("pragmas", () => {
  const file = "packages/core/src/Thing.ts"
  const find = (text: string) => Pragmas.find({ path: file, text })
  const pragma = { file, pragma: "oxlint-disable-next-line no-new", reason: "for its effect" }

  it("are found with their reason", () => {
    const text = "// oxlint-disable-next-line no-new -- for its effect\nnew A()"
    assert.deepStrictEqual(find(text), [pragma])
    assert.deepStrictEqual(find("/* v8 ignore next -- a\n * b */"), [
      { file, pragma: "v8 ignore next", reason: "a * b" }
    ])
  })

  it("are of every kind", () => {
    const kinds = [
      "/* v8 ignore start */",
      "/* c8 ignore next 3 */",
      "/* istanbul ignore else */",
      "/* eslint-disable */",
      "// oxlint-disable-line no-new",
      "// oxfmt-ignore",
      "// prettier-ignore",
      // In one piece the compiler would take the text itself for a directive.
      ["// @effect", "diagnostics-next-line floatingEffect:off"].join("-")
    ]
    for (const text of kinds) assert.strictEqual(find(text).length, 1, text)
  })

  it("are no ends of ranges, strings or talk", () => {
    const none = [
      "/* v8 ignore stop */",
      "// oxlint-enable",
      '"// v8 ignore next"',
      "// no v8 ignore"
    ]
    for (const text of none) assert.deepStrictEqual(find(text), [], text)
  })

  it("differ from the list when one is new, gone or without a reason", () => {
    const { differences } = Pragmas
    assert.deepStrictEqual(differences([pragma], [pragma]), [])
    assert.match(differences([pragma, pragma], [pragma])[0] ?? "", /^not in pragmas\.json: /u)
    assert.match(differences([], [pragma])[0] ?? "", /^in pragmas\.json and gone: /u)
    assert.strictEqual(differences([pragma], [{ ...pragma, reason: "other" }]).length, 2)
    const silent = { ...pragma, reason: "" }
    assert.match(differences([silent], [silent])[0] ?? "", /^without " -- reason": /u)
  })
})
