/**
 * What the browser loads: the page's own modules and styles, and uPlot's, from this package and from where
 * it is installed. There is nothing to build and nothing to fetch from elsewhere.
 *
 * @since 0.1.0
 */
import { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * One file as it is served.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asset {
  readonly contentType: string
  readonly body: Uint8Array
}

/**
 * The files by their path.
 *
 * @category models
 * @since 0.1.0
 */
export type Assets = ReadonlyMap<string, Asset>

/** The sources are published beside what is built of them, and are as far from both. */
const own = (name: string): string =>
  fileURLToPath(new URL(`../../src/dashboard/web/${name}`, import.meta.url))

const uplot = (name: string): string =>
  join(dirname(createRequire(import.meta.url).resolve("uplot/package.json")), "dist", name)

const modules = [
  "api.js",
  "charts.js",
  "dialogs.js",
  "dom.js",
  "format.js",
  "inspector.js",
  "jobs.js",
  "letters.js",
  "main.js",
  "overview.js"
]

const files: ReadonlyArray<readonly [path: string, file: string, contentType: string]> = [
  ["/", own("index.html"), "text/html; charset=utf-8"],
  ["/icon.svg", own("icon.svg"), "image/svg+xml"],
  ["/style.css", own("style.css"), "text/css; charset=utf-8"],
  ...modules.map((name) => [`/${name}`, own(name), "text/javascript; charset=utf-8"] as const),
  ["/uplot.css", uplot("uPlot.min.css"), "text/css; charset=utf-8"],
  ["/uplot.js", uplot("uPlot.esm.js"), "text/javascript; charset=utf-8"]
]

const unreadable = (file: string): QueueError.QueueError =>
  QueueError.configurationInvalid(
    "dashboard",
    `cannot read ${file}: install the package queue-runtime again`
  )

/**
 * Reads all of them.
 *
 * **Errors** ConfigurationInvalid when one is not there
 *
 * @category reading
 * @since 0.1.0
 */
export const load: Effect.Effect<Assets, QueueError.QueueError> = Effect.map(
  Effect.forEach(files, ([path, file, contentType]) =>
    Effect.map(
      Effect.tryPromise({ try: () => readFile(file), catch: () => unreadable(file) }),
      (body) => [path, { contentType, body }] as const
    )
  ),
  (read) => new Map(read)
)

const signInStyle = `
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 12vh auto; padding: 0 1rem }
h1 { font-size: 1.25rem }
label { display: block; margin-bottom: .25rem }
input, button { font: inherit; padding: .5rem .75rem }
input { width: 100%; box-sizing: border-box; margin-bottom: .75rem }
`

/**
 * The page for who has no cookie. It loads nothing.
 *
 * @category pages
 * @since 0.1.0
 */
export const signIn = (problem: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · queue-runtime</title>
<style>${signInStyle}</style>
</head>
<body>
<main>
<h1>Who is asking?</h1>
<p role="alert">401: ${problem}.</p>
<form method="post" action="/session">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" required>
<button type="submit">Sign in</button>
</form>
</main>
</body>
</html>
`

const styleHash = createHash("sha256").update(signInStyle).digest("base64")

/**
 * The headers of everything: no page may frame this one, and this one loads from here alone.
 *
 * @category pages
 * @since 0.1.0
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'sha256-${styleHash}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; "),
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  // Without a referrer a browser would hide the Origin of our own form too.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}
