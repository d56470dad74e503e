import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as CheckExamples from "../src/checkExamples.ts"
import * as Examples from "../src/examples.ts"
import * as Fences from "../src/fences.ts"
import * as Repository from "../src/repository.ts"

/** The fences that are neither compiled nor run: how many a file has, and why. */
const unchecked: Readonly<Record<string, { readonly count: number; readonly reason: string }>> = {}

const isPackageSource = ({ path }: Repository.Source) =>
  /^packages\/[^/]+\/src\/.*\.ts$/u.test(path)

const found = [...Repository.sources().filter(isPackageSource), ...Repository.pages()].map(
  Fences.find
)
const fences = found.flatMap((one) => one.fences)
const examples = Examples.make(fences)

describe("examples of doc comments and pages", () => {
  let failures: CheckExamples.Failures = new Map()
  beforeAll(() => {
    failures = CheckExamples.check(examples, "all")
  }, 120_000)

  it("are there", () => {
    assert.isAbove(examples.length, 10)
  })

  it("are closed and marked in a known way", () => {
    const problems = found.flatMap((one) => one.problems)
    assert.deepStrictEqual(problems, [])
  })

  it("are all checked but the listed ones", () => {
    const skipped = fences.filter(({ mode }) => mode === "no-check")
    const counts = Object.groupBy(skipped, ({ path }) => path)
    const actual = Object.entries(counts).map(([path, all]) => [path, all?.length])
    assert.deepStrictEqual(
      Object.fromEntries(actual),
      Object.fromEntries(Object.entries(unchecked).map(([path, { count }]) => [path, count]))
    )
  })

  it.each(examples.map((example) => [Examples.place(example, 1), example] as const))(
    "%s",
    (_, example) => {
      assert.deepStrictEqual(failures.get(example), [])
    }
  )
})
