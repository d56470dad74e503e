import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as blocks from "../src/page/blocks.ts"
import * as charts from "../src/page/charts.ts"
import * as page from "../src/page/page.ts"
import type { Run } from "../src/page/Run.ts"
import * as Runs from "../src/page/Run.ts"
import * as sections from "../src/page/sections.ts"
import * as Report from "../src/Report.ts"

const run = (cases: ReadonlyArray<Report.Case>): Run => ({
  machine: { cores: 2, node: "24", platform: "linux x64", load: 0.4 },
  cases
})

const sends = (ours: number): Report.Case =>
  Report.make({
    case: "sqs one batch of 2,000 / batches by hand: messages/s",
    ours,
    peer: 100,
    target: 0.9,
    better: "higher"
  })

const again = "run pnpm --filter @queue-runtime/benchmarks codegen"

describe("docs/benchmarks.md", () => {
  const stored = page.runs()
  const markdown = readFileSync(page.path, "utf8")
  const rendered = page.render(markdown, stored)

  it("has the tables of the two runs that are kept", () => {
    assert.strictEqual(markdown, rendered.markdown, again)
  })

  it("has the charts of the two runs, and shows each", () => {
    const files = readdirSync(page.folder).filter((name) => name.endsWith(".svg"))
    assert.deepStrictEqual(files.toSorted(), Object.keys(rendered.charts).toSorted(), again)
    for (const [name, svg] of Object.entries(rendered.charts)) {
      assert.strictEqual(readFileSync(join(page.folder, name), "utf8"), svg, again)
      // With words for who does not see it.
      assert.match(markdown, new RegExp(`!\\[[^\\]]{40,}\\]\\(benchmarks/${name}\\)`, "u"))
    }
  })

  it("has a place for every case, and every place has one", () => {
    const found = stored.flatMap(({ cases }) =>
      cases.map((one) => [one.case, sections.sectionOf(one.case)] as const)
    )
    assert.deepStrictEqual(
      found.filter(([, section]) => section === undefined),
      []
    )
    assert.deepStrictEqual(
      sections.sections.filter((section) => found.every(([, one]) => one !== section)),
      []
    )
  })
})

describe("tables", () => {
  it("tell both runs, and a figure once where it is the same", () => {
    const { sqs = "" } = sections.blocks([run([sends(95)]), run([sends(110)])])
    assert.include(sqs, "| 95.0 · 110 | 100 | 0.95 · 1.10 | ≥ 0.9 | met |")
  })

  it("say what machine it was, and that it was busy", () => {
    const quiet = run([])
    const busy = { ...quiet, machine: { ...quiet.machine, load: 2.5 } }
    const { machine = "" } = sections.blocks([quiet, quiet])
    assert.include(
      machine,
      "Two runs on 2 cores, linux x64, Node 24; load when they began: 0.4 and"
    )
    assert.notInclude(machine, "draft")
    assert.include(sections.blocks([quiet, busy])["machine"], "more to do than it has cores for")
  })

  it("say what was missed, once or twice", () => {
    const once = sections.blocks([run([sends(95)]), run([sends(80)])])
    assert.include(once["summary"], "1 cases, 1 with a target, 0 of them met in every run.")
    assert.include(once["summary"], "messages/s: met once")
    const twice = sections.blocks([run([sends(70)]), run([sends(80)])])
    assert.include(twice["summary"], "messages/s: missed")
  })

  it("name a peer that wins in both runs, and not ours that lost to ours", () => {
    const other = Report.make({
      case: "growth: 10 sessions / 1: CPU µs a message",
      ours: 2,
      peer: 1,
      better: "lower"
    })
    const wins = (first: number, second: number) =>
      sections.blocks([run([sends(first), other]), run([sends(second), other])])["wins"] ?? ""
    assert.include(wins(95, 99), "batches by hand")
    assert.notInclude(wins(95, 99), "growth")
    assert.notInclude(wins(95, 101), "batches by hand")
  })

  it("tell what was measured in one run alone", () => {
    const { sqs = "" } = sections.blocks([run([sends(95)]), run([])])
    assert.include(sqs, "| 95.0 | 100 | 0.95 | ≥ 0.9 | met |")
  })
})

describe("blocks", () => {
  it("are renewed between their marks", () => {
    const text = "a\n<!-- generated:x -->\nold\n<!-- /generated:x -->\nb"
    assert.strictEqual(
      blocks.render(text, { x: "new" }),
      "a\n<!-- generated:x -->\nnew\n<!-- /generated:x -->\nb"
    )
  })

  it("must have a place", () => {
    assert.throws(() => blocks.render("a", { x: "new" }), /no place for "x"/u)
  })
})

describe("charts", () => {
  it("leave out what was not measured", () => {
    assert.deepStrictEqual(charts.files([run([]), run([])]), {})
    const { "throughput.svg": one, ...others } = charts.files([run([sends(90)]), run([sends(40)])])
    assert.deepStrictEqual(others, {})
    // The middle of 0.9 and 0.4.
    assert.include(one, ">0.6</text>")
    assert.notInclude(one, "sqs-consumer, batch</text>")
  })
})

describe("a run that is kept", () => {
  it("is read as it was written, but for digits that say nothing", () => {
    const cases = [sends(123.496)]
    const kept = run([sends(123.5)])
    assert.deepStrictEqual(Runs.parse(Runs.format(run(cases))), kept)
    assert.deepStrictEqual(Runs.parse(Runs.format(kept)), kept)
  })
})
