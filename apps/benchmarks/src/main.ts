/**
 * `pnpm bench [suite …] [--run 1|2]`: runs the suites named, or all, prints the table and writes
 * `.reports/bench.json`; with `--run` the run is also kept for docs/benchmarks.md, which `codegen` renews.
 */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as aws from "./aws.ts"
import * as azure from "./azure.ts"
import * as bullmq from "./bullmq.ts"
import * as growth from "./growth.ts"
import * as heap from "./heap.ts"
import * as latency from "./latency.ts"
import * as memory from "./memory.ts"
import * as Run from "./page/Run.ts"
import * as persisted from "./persisted.ts"
import * as policies from "./policies.ts"
import * as Report from "./Report.ts"
import * as sessions from "./sessions.ts"
import * as startup from "./startup.ts"

const suites: Readonly<Record<string, () => Promise<ReadonlyArray<Report.Case>>>> = {
  memory: memory.run,
  persisted: persisted.run,
  policies: policies.run,
  latency: latency.run,
  heap: heap.run,
  growth: growth.run,
  sessions: sessions.run,
  startup: startup.run,
  aws: aws.run,
  azure: azure.run,
  bullmq: bullmq.run
}

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
for (const [name, run] of Object.entries(suites)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  process.stderr.write(`bench ${name} …\n`)
  // Suites that ran at once would measure each other.
  const found = await run()
  cases.push(...found)
  // At once, since a run of all takes long and the next suite may fail.
  Report.write(reportPath, Report.merge(Report.read(reportPath), found))
}
if (kept !== undefined) Run.write(Run.pathOf(kept), { machine, cases }, chosen.length === 0)
process.stdout.write(`${Report.render(cases)}\n`)
