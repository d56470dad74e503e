/** A browser for the tests of the page, where there is one. */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert } from "@effect/vitest"
import { Effect, Schema, type Scope } from "effect"
import { type Browser, chromium, type Page } from "playwright-core"

const executablePath = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
].find((path) => existsSync(path))

/** Why the tests in a browser are skipped; where they must run (CI) they fail with it instead. */
export const missing =
  executablePath === undefined ? "no Chromium in /usr/bin: install the package chromium" : undefined

export const isSkipped = missing !== undefined && process.env["CI"] === undefined

/** Starts it, once for all tests of a file: each has a profile of its own all the same. */
export const launch = (): Promise<Browser> =>
  executablePath === undefined
    ? Promise.reject(new Error(missing))
    : chromium.launch({
        executablePath,
        args: [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync"
        ]
      })

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

const Findings = Schema.Array(
  Schema.Struct({ id: Schema.String, nodes: Schema.Array(Schema.Struct({ html: Schema.String })) })
)

const decodeFindings = Schema.decodeUnknownSync(Findings)

/** What axe-core finds wrong with the page as it is now; it must be nothing. */
export const assertAccessible = async (page: Page, state: string): Promise<void> => {
  const found = decodeFindings(
    await page.evaluate(`${axe}; axe.run().then(({ violations }) => violations)`)
  )
  const shown = found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
  assert.deepStrictEqual(shown, [], `axe finds nothing on the page ${state}`)
}

export interface Opened {
  readonly page: Page
  /** What the console said, what broke and what was answered with an error, so far. */
  readonly problems: ReadonlyArray<string>
}

const watch = (page: Page): ReadonlyArray<string> => {
  const problems: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
  })
  page.on("pageerror", (error) => problems.push(error.message))
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`)
  })
  return problems
}

/** A page with a profile of its own, closed with the scope. */
export const open = (
  browser: Browser,
  options: Parameters<Browser["newPage"]>[0] = {}
): Effect.Effect<Opened, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => browser.newPage({ reducedMotion: "reduce", ...options })),
    (page) => Effect.promise(() => page.close())
  ).pipe(
    Effect.map((page) => {
      page.setDefaultTimeout(15_000)
      return { page, problems: watch(page) }
    })
  )
