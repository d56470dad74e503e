/** A browser for the tests of the built site, where there is one, and a server of its files. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { extname, join, normalize } from "node:path"
import { assert } from "@effect/vitest"
import { type Browser, chromium, type Page } from "playwright-core"
import * as Repository from "../../src/Repository.ts"

const executablePath = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
].find((path) => existsSync(path))

/** Why the tests in a browser are skipped; where they must run (CI) they fail with it instead. */
export const missing =
  executablePath === undefined ? "no Chromium in /usr/bin: install the package chromium" : undefined

export const isSkipped = missing !== undefined && process.env["CI"] === undefined

export const launch = (): Promise<Browser> =>
  executablePath === undefined
    ? Promise.reject(new Error(missing))
    : chromium.launch({
        executablePath,
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
      })

/** Where the built site is. */
export const folder = join(Repository.out, "site")

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2"
}

/** The files as any server of files serves them. */
export const serve = async (): Promise<{
  readonly base: string
  readonly close: () => Promise<unknown>
}> => {
  const server = createServer(({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://site")
    const path = join(folder, normalize(decodeURIComponent(pathname)))
    const file = [path, `${path}.html`, join(path, "index.html")].find(
      (one) => existsSync(one) && statSync(one).isFile()
    )
    if (file === undefined) return response.writeHead(404).end()
    response.writeHead(200, { "content-type": types[extname(file)] ?? "text/plain" })
    return response.end(readFileSync(file))
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, "127.0.0.1", listening.resolve)
  await listening.promise
  const address = server.address()
  assert(address !== null && typeof address === "object")
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { base: `http://127.0.0.1:${address.port}`, close }
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

interface Finding {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly html: string }>
}

/** What axe-core finds wrong with the page as it is now; it must be nothing. */
export const assertAccessible = async (page: Page, state: string): Promise<void> => {
  const found: ReadonlyArray<Finding> = await page.evaluate(
    `${axe}; axe.run().then(({ violations }) => violations)`
  )
  const shown = found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
  assert.deepStrictEqual(shown, [], `axe finds nothing on ${state}`)
}

/** A page, and what its console said, what broke and what was answered with an error. */
export const open = async (
  browser: Browser,
  options: Parameters<Browser["newPage"]>[0] = {}
): Promise<{ readonly page: Page; readonly problems: ReadonlyArray<string> }> => {
  const page = await browser.newPage({ reducedMotion: "reduce", ...options })
  page.setDefaultTimeout(20_000)
  const problems: Array<string> = []
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
  })
  page.on("pageerror", (error) => problems.push(error.message))
  page.on("response", (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`)
  })
  return { page, problems }
}
