import { assert, describe, it } from "@effect/vitest"
import * as Api from "../src/Api.ts"
import * as Markdown from "../src/Markdown.ts"
import * as Navigation from "../src/Navigation.ts"
import * as Pages from "../src/Pages.ts"
import * as Repository from "../src/Repository.ts"

const modules = Api.modules()
const pages = Pages.all()

describe("Pages", () => {
  it("are the README, the guides, the decisions and the packages", () => {
    const places = new Map(pages.map(({ place, source }) => [source, place]))
    assert.strictEqual(places.get("README.md"), "index")
    assert.strictEqual(places.get("docs/sessions.md"), "guides/sessions")
    assert.strictEqual(places.get("docs/README.md"), "guides/index")
    assert.strictEqual(places.get("packages/core/README.md"), "packages/core")
    assert.isTrue(pages.some(({ place }) => place.startsWith("adr/0001-")))
    assert.strictEqual(new Set(places.values()).size, pages.length, "no two in one place")
  })

  it("lead to pages, to the reference and to files that are shown", () => {
    const { pages: written } = Pages.render(pages, modules)
    const architecture = written.get("ARCHITECTURE") ?? ""
    assert.include(architecture, "](./adr/0004-sessions-that-back-off-are-parked.md)")
    assert.include(architecture, "](./api/core/QueueProvider.md)")
    const shown = "source/apps/webhook-bot/src/QueueStack.ts"
    assert.include(architecture, `](./${shown}.md)`)
    assert.include(written.get(shown) ?? "", "export const layer")
  })

  it("carry images along", () => {
    const { assets, pages: written } = Pages.render(pages, modules)
    for (const [place, from] of assets) {
      assert.strictEqual(Repository.kindOf(from), "file")
      assert.isTrue(
        [...written.values()].some((text) => text.includes(place)),
        place
      )
    }
  })

  it("say which link leads nowhere", () => {
    const text = "[a](no-such-guide.md) [b](../README.md) `[c](no-such-code.md)`"
    const bad = { source: "docs/bad.md", place: "guides/bad", title: "Bad", text }
    const { problems } = Pages.render([bad], modules)
    const own = problems.filter((problem) => problem.startsWith("docs/bad.md"))
    assert.deepStrictEqual(own, ["docs/bad.md: no-such-guide.md leads nowhere"])
  })
})

describe("Api", () => {
  it("has every module that an entry point hands out, and nothing internal", () => {
    const sources = modules.map(({ source }) => source)
    assert.include(sources, "packages/core/src/QueueClient.ts")
    assert.include(sources, "packages/crypto/src/KeyProviderAwsKms.ts")
    assert.isEmpty(sources.filter((source) => source.includes("/internal/")))
    for (const { head, source } of modules) assert.isAbove(head.length, 5, source)
  })

  it("says what each is imported from", () => {
    const entries = new Map(modules.map(({ entry, name }) => [name, entry]))
    assert.strictEqual(entries.get("QueueClient"), "@queue-runtime/core")
    assert.strictEqual(entries.get("KeyProviderAwsKms"), "@queue-runtime/crypto/aws-kms")
  })

  it("tells each in a sentence", () => {
    const index = Api.index(modules)
    assert.include(index, "| [QueueClient](./core/QueueClient.md) | What an application uses:")
  })
})

describe("Navigation", () => {
  const bars = Navigation.make(pages, modules)

  const links = (entries: ReadonlyArray<Navigation.Entry> = []): ReadonlyArray<string> =>
    entries.flatMap(({ items, link }) => [...(link === undefined ? [] : [link]), ...links(items)])

  it("has every guide, those that the index does not name too", () => {
    const all = links(bars["/"])
    for (const name of Repository.names("docs").filter((one) => one.endsWith(".md"))) {
      const stem = name.replace(/\.md$/u, "")
      assert.include(all, stem === "README" ? "/guides/" : `/guides/${stem}`)
    }
  })

  it("has every module and every decision", () => {
    assert.sameMembers(
      [...links(bars["/api/"])],
      ["/api/", ...modules.map(({ place }) => `/${place}`)]
    )
    const decisions = Repository.names("docs/adr").map((name) => `/adr/${name.replace(".md", "")}`)
    assert.sameMembers([...links(bars["/adr/"])], ["/adr/", ...decisions])
  })

  it("goes by the order of the index", () => {
    const all = links(bars["/"])
    assert.isBelow(all.indexOf("/guides/first-message"), all.indexOf("/guides/sessions"))
    const listed = Markdown.items(Repository.read("docs/README.md"))
    assert.isAbove(listed.length, 15)
    const targets = listed.map(({ target }) => target)
    assert.strictEqual(new Set(targets).size, targets.length, "each guide stands there once")
    for (const { target } of listed) {
      assert.strictEqual(Repository.kindOf(`docs/${target}`), "file", target)
    }
  })
})
