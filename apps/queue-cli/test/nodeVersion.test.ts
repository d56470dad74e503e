import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as nodeVersion from "../src/nodeVersion.ts"

describe("the version of Node", () => {
  it.each(["20.20.2", "22.18.9", "0.12.0"])("%s is told what is needed", (version) => {
    const said = `error: queue-runtime needs Node 22.19 or newer, and this is ${version}`
    assert.strictEqual(nodeVersion.objection(version), said)
  })

  it.each(["22.19.0", "22.20.1", "24.0.0", "100.1.0"])("%s is enough", (version) => {
    assert.isUndefined(nodeVersion.objection(version))
  })

  it("is the oldest that the manifest allows", () => {
    const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8")
    assert.match(manifest, /"node": "\^22\.19\.0 /u)
  })

  it("is looked at before anything that an old one does not know is imported", () => {
    const read = (name: string) => readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8")
    const imports = /^import .*$/gmu
    const main = read("main.ts").match(imports)
    assert.deepStrictEqual(main, ['import * as nodeVersion from "./nodeVersion.ts"'])
    assert.isNull(read("nodeVersion.ts").match(imports))
  })
})
