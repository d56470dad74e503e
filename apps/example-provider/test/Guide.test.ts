import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

const suite = read("Contract.test.ts").trimEnd()

describe("docs/write-a-provider.md", () => {
  it("prints the suite as it is run here", () => {
    const printed = suite.replace("../src/index.ts", "@queue-runtime/example-provider")
    assert.include(read("../../../docs/write-a-provider.md"), `\`\`\`ts no-run\n${printed}\n\`\`\``)
  })

  it("R12.1 needs at most 15 lines of the author's own", () => {
    const lines = suite.split("\n").filter((line) => line !== "")
    assert.isAtMost(lines.length, 15)
  })
})
