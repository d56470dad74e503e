import { assert, describe, it } from "@effect/vitest"
import * as Markdown from "../src/Markdown.ts"

const fenced = (info: string, code: string) => `\`\`\`${info}\n${code}\n\`\`\``

describe("mapLinks", () => {
  const shout = (text: string) => Markdown.mapLinks(text, ({ target }) => target.toUpperCase())

  it("changes targets, of links with code or brackets in their text too", () => {
    assert.strictEqual(shout("a [b](c) and [`d`](e#f)"), "a [b](C) and [`d`](E#F)")
    assert.strictEqual(shout("[a [b] c](d)"), "[a [b] c](D)")
  })

  it("leaves fences alone", () => {
    const text = fenced("md", "[a](b)")
    assert.strictEqual(shout(`[a](b)\n${text}`), `[a](B)\n${text}`)
  })

  it("tells an image", () => {
    const seen: Array<boolean> = []
    Markdown.mapLinks("![a](b) [c](d)", ({ isImage, target }) => {
      seen.push(isImage)
      return target
    })
    assert.deepStrictEqual(seen, [true, false])
  })
})

describe("withoutComments", () => {
  it("takes comments away, also those over lines, and none in code", () => {
    const code = fenced("html", "<!-- stays -->")
    const text = `a<!-- x -->b\n<!-- y\n\`z\` -->\nc \`<!-- stays -->\`\n${code}`
    assert.strictEqual(Markdown.withoutComments(text), `ab\nc \`<!-- stays -->\`\n${code}`)
  })
})

describe("withFences", () => {
  it("shows what is only compiled as what it is", () => {
    assert.strictEqual(Markdown.withFences(fenced("ts no-run", "a()")), fenced("ts", "a()"))
    assert.strictEqual(Markdown.withFences(fenced("ts", "a()")), fenced("ts", "a()"))
  })

  it("makes a table of the picture of packages", () => {
    const graph = ["graph LR", "  core", "  crypto", "  crypto --> core", "  crypto -.-> memory"]
    assert.deepStrictEqual(Markdown.withFences(fenced("mermaid", graph.join("\n"))).split("\n"), [
      "| package | needs | its tests need |",
      "|---|---|---|",
      "| core |  |  |",
      "| crypto | core | memory |"
    ])
  })
})

describe("withAnchors", () => {
  it("gives each heading one, and leaves those that are there", () => {
    const text = `## options\n\n### Options {#options}\n\n#### Returns\n\n${fenced("sh", "## a")}`
    assert.strictEqual(
      Markdown.withAnchors(text),
      `## Options {#section-1}\n\n### Options {#options}\n\n#### Returns {#section-2}\n\n${fenced("sh", "## a")}`
    )
  })
})

describe("reading", () => {
  it("finds the title", () => {
    assert.strictEqual(Markdown.titleOf("<!-- a -->\n# `b` c\n\n## d"), "b c")
    assert.isUndefined(Markdown.titleOf("## d"))
  })

  it("finds the items of an index under their headings, several in one line too", () => {
    const text =
      "# Index\n\n## One\n\n- [a](a.md)\n\n[no](no.md)\n\n## Two\n\n- [b](b.md), [c](c.md): d"
    assert.deepStrictEqual(Markdown.items(text), [
      { section: "One", text: "A", target: "a.md" },
      { section: "Two", text: "B", target: "b.md" },
      { section: "Two", text: "C", target: "c.md" }
    ])
  })
})
