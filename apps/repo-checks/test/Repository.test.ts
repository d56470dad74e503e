import { assert, describe, it } from "@effect/vitest"
import { rmSync, statSync, utimesSync } from "node:fs"
import * as Repository from "../src/repository.ts"

describe("reading", () => {
  it("finds packages before apps, each with a package.json", () => {
    const folders = Repository.workspaces()
    assert.includeMembers([...folders], ["packages/core", "apps/repo-checks"])
    assert.isBelow(folders.indexOf("packages/core"), folders.indexOf("apps/repo-checks"))
  })

  it("finds files sorted and leaves out what is installed or generated", () => {
    const paths = Repository.paths("apps/repo-checks")
    assert.deepStrictEqual(paths, paths.toSorted())
    assert.include(paths, "apps/repo-checks/src/repository.ts")
    assert.isEmpty(paths.filter((path) => /node_modules|\.examples/u.test(path)))
    assert.deepStrictEqual(Repository.paths("apps/no-such-app"), [])
  })

  it("takes sources of every kind, tests included", () => {
    const paths = Repository.sources().map(({ path }) => path)
    assert.includeMembers(paths, [
      "packages/core/src/QueueError.ts",
      "apps/repo-checks/test/Repository.test.ts",
      "scripts/setup.mjs",
      "vitest.config.ts"
    ])
  })

  it("takes pages that are there", () => {
    const { path, text } = Repository.readOrEmpty("NO-SUCH-PAGE.md")
    assert.deepStrictEqual([path, text], ["NO-SUCH-PAGE.md", ""])
    for (const page of Repository.pages()) assert.match(page.path, /\.md$/u)
  })
})

describe("write", () => {
  it("writes a text once and leaves an equal one alone", () => {
    const path = "apps/repo-checks/.examples/selftest-write.txt"
    Repository.write({ path, text: "a" })
    assert.strictEqual(Repository.read(path).text, "a")
    utimesSync(Repository.absolute(path), 1, 1)
    Repository.write({ path, text: "a" })
    assert.strictEqual(statSync(Repository.absolute(path)).mtimeMs, 1_000)
    Repository.write({ path, text: "b" })
    assert.strictEqual(Repository.read(path).text, "b")
    rmSync(Repository.absolute(path))
  })
})
