/** How VitePress makes the site of the pages that `src/main.ts` wrote. */
import { readFileSync } from "node:fs"
import { defineConfig } from "vitepress"

const sidebar = JSON.parse(readFileSync("dist/navigation.json", "utf8"))

/** Three messages in a line. */
const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="#3451b2"><rect x="0" y="5" width="4" height="6" rx="1"/><rect x="6" y="5" width="4" height="6" rx="1"/><rect x="12" y="5" width="4" height="6" rx="1"/></svg>'

const icon = `data:image/svg+xml,${encodeURIComponent(svg)}`

export default defineConfig({
  title: "queue-runtime",
  description: "Messages on Azure Service Bus, AWS SQS or in memory, the same way",
  lang: "en-GB",
  // A site below a path: SITE_BASE=/queue-runtime/
  base: process.env["SITE_BASE"] ?? "/",
  head: [
    ["link", { rel: "icon", href: icon }],
    ["style", {}, readFileSync(".vitepress/style.css", "utf8")]
  ],
  srcDir: "dist/content",
  outDir: "dist/site",
  cacheDir: "dist/.cache",
  // What looks like HTML in a page is text: `<name>`, `Effect<A, E>`.
  markdown: {
    html: false,
    // Enough contrast for everybody.
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" }
  },
  vite: {
    logLevel: "warn",
    // The index of the search is one file, and is loaded by those who search.
    build: { chunkSizeWarningLimit: 10_000 },
    // Its bundler is older than our target, and reads no types anyway.
    esbuild: { target: "es2022", tsconfigRaw: "{}" }
  },
  themeConfig: {
    nav: [
      { text: "Guides", link: "/guides/" },
      { text: "Limits", link: "/guides/LIMITS" },
      { text: "Reference", link: "/api/" }
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: {
        translations: {
          button: { buttonText: "Search (Ctrl K)", buttonAriaLabel: "Search (Ctrl K)" }
        }
      }
    },
    footer: { message: "Apache-2.0" }
  }
})
