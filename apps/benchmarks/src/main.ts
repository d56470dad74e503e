/** `pnpm bench [suite …]`: runs the suites named, or all, prints the table and writes `.reports/bench.json`. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as aws from "./aws.ts"
import * as azure from "./azure.ts"
import * as growth from "./growth.ts"
import * as heap from "./heap.ts"
import * as latency from "./latency.ts"
import * as memory from "./memory.ts"
import * as persisted from "./persisted.ts"
import * as policies from "./policies.ts"
import * as Report from "./Report.ts"
import * as startup from "./startup.ts"

const suites: Readonly<Record<string, () => Promise<ReadonlyArray<Report.Case>>>> = {
  memory: memory.run,
  persisted: persisted.run,
  policies: policies.run,
  latency: latency.run,
  heap: heap.run,
  growth: growth.run,
  startup: startup.run,
  aws: aws.run,
  azure: azure.run
}

const reportPath = join(fileURLToPath(new URL("../../..", import.meta.url)), ".reports/bench.json")

const chosen = process.argv.slice(2).filter((word) => word !== "--")
const unknown = chosen.filter((name) => suites[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(`no suite ${unknown.join(", ")}; known: ${Object.keys(suites).join(", ")}\n`)
  process.exit(1)
}

const cases: Array<Report.Case> = []
for (const [name, run] of Object.entries(suites)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  process.stderr.write(`bench ${name} …\n`)
  // Suites that ran at once would measure each other.
  cases.push(...(await run()))
}
Report.write(reportPath, Report.merge(Report.read(reportPath), cases))
process.stdout.write(`${Report.render(cases)}\n`)
