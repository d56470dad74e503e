/**
 * `pnpm bench [suite …] [--run 1|2]`: runs the suites named, or all, prints the table and writes
 * `.reports/bench.json`; with `--run` the run is also kept for docs/benchmarks.md, which `codegen` renews.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as forked from "./forked.ts"
import * as Run from "./page/Run.ts"
import * as Reasons from "./Reasons.ts"
import * as Report from "./Report.ts"
import { suites } from "./suites.ts"

const reportPath = join(fileURLToPath(new URL("../../..", import.meta.url)), ".reports/bench.json")

const { positionals, values } = parseArgs({
  args: process.argv.slice(2).filter((word) => word !== "--"),
  allowPositionals: true,
  options: { run: { type: "string" } }
})
const chosen = positionals
const kept = values.run === "1" ? 1 : values.run === "2" ? 2 : undefined
if (values.run !== undefined && kept === undefined) {
  process.stderr.write(`no run ${values.run}: the page has 1 and 2\n`)
  process.exit(1)
}
const unknown = chosen.filter((name) => suites[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(`no suite ${unknown.join(", ")}; known: ${Object.keys(suites).join(", ")}\n`)
  process.exit(1)
}

/** As it is before the first suite: they keep it busy themselves. */
const machine = Run.here()
const cases: Array<Report.Case> = []
for (const [name, parts] of Object.entries(suites)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  process.stderr.write(`bench ${name} …\n`)
  for (const part of parts.keys()) {
    // Parts that ran at once would measure each other.
    const found = await forked.run(name, part)
    cases.push(...found)
    // At once, since a run of all takes long and the next one may fail.
    Report.write(reportPath, Report.merge(Report.read(reportPath), found))
  }
}
if (kept !== undefined) Run.write(Run.pathOf(kept), { machine, cases }, chosen.length === 0)
process.stdout.write(`${Report.render(cases)}\n${Reasons.render(cases)}`)
