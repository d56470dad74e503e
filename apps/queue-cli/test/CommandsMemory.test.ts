import { afterAll, beforeAll } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as commands from "./support/commands.ts"

const configuration = `
provider: memory
wait: 0 seconds
memory:
  queues:
    orders: {}
    events: { sessions: true }
    invoices: {}
    updates: { sessions: true }
`

let cwd = ""

beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "queue-cli-"))
  // One of the names that are looked for.
  writeFileSync(join(cwd, "queue-runtime.yaml"), configuration)
})

afterAll(() => rmSync(cwd, { recursive: true }))

commands.suite("memory", (way) => ({
  cwd,
  environment: {},
  flags: ["--memory-file", join(cwd, `${way}.ndjson`)],
  canPeek: true,
  remedyOfMissing: /memory\.queues/u
}))
