/**
 * `pnpm --filter @queue-runtime/benchmarks codegen`: renews the tables of docs/benchmarks.md and its charts
 * from the two runs that are kept beside it.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as page from "./page/page.ts"

const text = readFileSync(page.path, "utf8")
const { charts, markdown } = page.render(text, page.runs())

writeFileSync(page.path, markdown)
for (const [name, svg] of Object.entries(charts)) writeFileSync(join(page.folder, name), svg)
