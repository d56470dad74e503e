import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join, posix } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { Browser as BrowserProcess } from "playwright-core"
import * as Repository from "../../src/Repository.ts"
import * as Browser from "./Browser.ts"

if (Browser.isSkipped) {
  process.stderr.write(`the site is not looked at in a browser: ${Browser.missing}\n`)
}

const files = readdirSync(Browser.folder, { encoding: "utf8", recursive: true })
  .filter((name) => name.endsWith(".html"))
  .map((name) => name.replaceAll("\\", "/"))

const html = new Map(
  files.map((name) => [name, readFileSync(join(Browser.folder, name), "utf8")] as const)
)

const idsOf = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/\sid="([^"]+)"/gu)].map(([, id = ""]) => id))

const ids = new Map([...html].map(([name, text]) => [name, idsOf(text)] as const))

/** The file that a path of the site is. */
const fileOf = (path: string): string | undefined =>
  [path, `${path}.html`, posix.join(path, "index.html")].find((one) => {
    const whole = join(Browser.folder, one)
    return existsSync(whole) && statSync(whole).isFile()
  })

const unescaped = (text: string): string => text.replaceAll("&amp;", "&").replaceAll("&#39;", "'")

const problemsOf = (name: string, text: string): ReadonlyArray<string> =>
  [...text.matchAll(/<a\s[^>]*?href="([^"]*)"/gu)].flatMap(([, given = ""]) => {
    const href = unescaped(given)
    if (/^(?:[a-z]+:|\/\/)/iu.test(href)) return []
    const { hash, pathname } = new URL(href, `http://site/${name}`)
    const target = fileOf(decodeURIComponent(pathname).slice(1))
    if (target === undefined) return [`${name}: ${href} leads nowhere`]
    const anchor = decodeURIComponent(hash.slice(1))
    const isThere = anchor === "" || ids.get(target)?.has(anchor) !== false
    return isThere ? [] : [`${name}: ${href}: no such heading`]
  })

describe("the built site", () => {
  it("has a page for each guide, decision, package and module", () => {
    for (const name of Repository.names("docs").filter((one) => one.endsWith(".md"))) {
      const stem = name === "README.md" ? "index" : name.replace(/\.md$/u, "")
      assert.include(files, `guides/${stem}.html`)
    }
    for (const name of Repository.names("docs/adr")) {
      assert.include(files, `adr/${name.replace(/\.md$/u, ".html")}`)
    }
    assert.includeMembers(files, ["index.html", "packages/core.html", "api/core/QueueClient.html"])
  })

  it("has no link that leads nowhere, headings included", () => {
    const problems = [...html].flatMap(([name, text]) => problemsOf(name, text))
    assert.deepStrictEqual([...new Set(problems)], [])
  })

  it("asks nothing of other sites while it is read", () => {
    const asked = [...html].flatMap(([name, text]) =>
      [...text.matchAll(/<(?:script|link|img|iframe)\s[^>]*?(?:src|href)="(https?:[^"]*)"/gu)].map(
        ([, url]) => `${name}: ${url}`
      )
    )
    assert.deepStrictEqual(asked, [])
  })
})

describe.skipIf(Browser.isSkipped)("the site in a browser", () => {
  let browser: BrowserProcess
  let site: Awaited<ReturnType<typeof Browser.serve>>
  beforeAll(async () => {
    browser = await Browser.launch()
    site = await Browser.serve()
  })
  afterAll(async () => {
    await browser.close()
    await site.close()
  })

  const visit = async (path: string, options: Parameters<typeof Browser.open>[1] = {}) => {
    const opened = await Browser.open(browser, {
      viewport: { width: 1400, height: 900 },
      ...options
    })
    await opened.page.goto(site.base + path, { waitUntil: "networkidle" })
    return opened
  }

  it.each([
    ["/", "light"],
    ["/", "dark"],
    ["/guides/first-message.html", "light"],
    ["/guides/LIMITS.html", "dark"],
    ["/guides/configuration.html", "light"],
    ["/guides/coming-from-sqs-consumer.html", "light"],
    ["/api/", "light"],
    ["/api/core/QueueClient.html", "light"],
    ["/api/core/QueueClient.html", "dark"],
    ["/source/apps/webhook-bot/src/QueueStack.ts.html", "light"]
  ] as const)("%s is in order, %s", async (path, colorScheme) => {
    const { page, problems } = await visit(path, { colorScheme })
    await Browser.assertAccessible(page, path)
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("shows the example of QueueClient", async () => {
    const { page } = await visit("/api/core/QueueClient.html")
    const example = page.locator("div.language-ts", { hasText: "yield* client.send(orders" })
    assert.isTrue(await example.first().isVisible())
    await page.getByRole("heading", { name: "QueueClient", level: 1 }).waitFor()
    await page.close()
  })

  it("has every guide in the side bar, and one of them opens", async () => {
    const { page, problems } = await visit("/guides/")
    const hrefs: ReadonlyArray<string | null> = await page
      .locator("aside.VPSidebar a")
      .evaluateAll((links) => links.map((link) => link.getAttribute("href")))
    for (const name of Repository.names("docs").filter((one) => one.endsWith(".md"))) {
      const stem = name.replace(/\.md$/u, "")
      assert.include(hrefs, stem === "README" ? "/guides/" : `/guides/${stem}.html`)
    }
    await page.locator("aside.VPSidebar a", { hasText: "Choosing a session key" }).click()
    await page.getByRole("heading", { name: "Choosing a session key", level: 1 }).waitFor()
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("finds by search what a guide and the reference say", async () => {
    const { page, problems } = await visit("/")
    await page.keyboard.press("Control+k")
    const box = page.locator(".VPLocalSearchBox input")
    await box.fill("timePartitioned")
    const result = page.locator(".VPLocalSearchBox .result", { hasText: "SessionKeyStrategy" })
    await result.first().waitFor()
    await box.fill("moving cloud dead letters")
    await page.locator(".VPLocalSearchBox .result", { hasText: "Moving" }).first().click()
    await page.getByRole("heading", { name: /^Moving from one cloud/u, level: 1 }).waitFor()
    assert.deepStrictEqual(problems, [])
    await page.close()
  })

  it("fits a small screen", async () => {
    const { page } = await visit("/guides/LIMITS.html", { viewport: { width: 390, height: 800 } })
    const width = await page.evaluate("document.documentElement.scrollWidth")
    assert.strictEqual(width, 390)
    await Browser.assertAccessible(page, "a small screen")
    await page.close()
  })
})
