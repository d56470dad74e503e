import { assert, describe, it } from "@effect/vitest"
import * as Licences from "../src/licences.ts"
import * as Repository from "../src/repository.ts"

describe("what our packages bring along", () => {
  const all = Licences.dependencies(Licences.bill())

  it("is known", () => {
    const names = all.map(({ name }) => name)
    assert.includeMembers(names, ["@aws-sdk/client-sqs", "@azure/service-bus", "rhea", "tinyqueue"])
    for (const name of ["vitest", "typescript", "@queue-runtime/core"]) {
      assert.notInclude(names, name)
    }
  })

  it("is under licences that are allowed", () => {
    assert.deepStrictEqual(Licences.problems(all), [])
  })

  it("is listed: pnpm codegen renews the page", () => {
    assert.strictEqual(Repository.readOrEmpty(Licences.pagePath).text, Licences.page(all))
  })
})

describe("dependencies and problems", () => {
  const bill = JSON.stringify({
    components: [
      { group: "@a", name: "b", version: "2.0.0", licenses: [{ license: { id: "MIT" } }] },
      { group: "@a", name: "b", version: "1.0.0", licenses: [{ license: { id: "MIT" } }] },
      { group: "@queue-runtime", name: "core", version: "0.0.0" },
      { name: "c", version: "1.0.0", licenses: [{ expression: "(MIT OR GPL-3.0)" }] },
      { name: "d", version: "1.0.0", licenses: [{ expression: "MIT AND GPL-3.0" }] },
      { name: "e", version: "1.0.0", licenses: [{ license: { name: "Ask us" } }] },
      { name: "f", version: "1.0.0" }
    ]
  })

  it("are each package once, and those that are not allowed", () => {
    const all = Licences.dependencies(bill)
    assert.deepStrictEqual(
      all.map(({ name }) => name),
      ["@a/b", "c", "d", "e", "f"]
    )
    assert.deepStrictEqual(Licences.problems(all), [
      "d: MIT AND GPL-3.0",
      "e: Ask us",
      "f: no licence"
    ])
  })
})
