/** docs/benchmarks.md, its tables and its charts. */
import { fileURLToPath } from "node:url"
import * as blocks from "./blocks.ts"
import * as charts from "./charts.ts"
import * as Run from "./Run.ts"
import * as sections from "./sections.ts"

export const path = fileURLToPath(new URL("../../../../docs/benchmarks.md", import.meta.url))

/** Of the charts and of the runs. */
export const folder = fileURLToPath(new URL("../../../../docs/benchmarks", import.meta.url))

export const runs = (): readonly [Run.Run, Run.Run] => [
  Run.read(Run.pathOf(1)),
  Run.read(Run.pathOf(2))
]

export interface Page {
  readonly markdown: string
  /** SVGs by the names of their files. */
  readonly charts: Readonly<Record<string, string>>
}

/** The page as two runs have it. */
export const render = (markdown: string, both: readonly [Run.Run, Run.Run]): Page => ({
  markdown: blocks.render(markdown, sections.blocks(both)),
  charts: charts.files(both)
})
