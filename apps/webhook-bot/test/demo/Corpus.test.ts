import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Corpus from "../../src/demo/Corpus.ts"
import * as SessionKeys from "../../src/SessionKeys.ts"
import { example, examples } from "../fixtures.ts"

const place: Corpus.Place = {
  owner: "acme",
  repository: "shop",
  pull: 7,
  issue: 8,
  branch: "größe"
}

const sessionOf = (event: string) =>
  Effect.runSync(SessionKeys.of(event, Corpus.moved(example(event), place)))

describe("Corpus", () => {
  it("has every event type of the package, with its examples", () => {
    assert.strictEqual(new Set(examples.map(({ event }) => event)).size, 58)
    assert.strictEqual(examples.length, 329)
  })

  it.each([
    ["pull_request", "acme/shop/pull/7"],
    ["pull_request_review", "acme/shop/pull/7"],
    ["check_run", "acme/shop/pull/7"],
    ["check_suite", "acme/shop/pull/7"],
    ["issues", "acme/shop/issue/8"],
    ["status", "acme/shop/branch/gr%C3%B6%C3%9Fe"],
    ["workflow_run", "acme/shop/branch/gr%C3%B6%C3%9Fe"],
    ["push", "acme/shop/tag/simple-tag"],
    ["star", "acme/shop"],
    ["sponsorship", "sender:monalisa"]
  ])("%s moves to %s", (event, session) => {
    assert.strictEqual(sessionOf(event), session)
  })

  it("names and URLs of the repository are rewritten, and nothing else of a payload is lost", () => {
    const before = example("pull_request")
    const after = Corpus.moved(before, place)
    assert.deepStrictEqual(Object.keys(after), Object.keys(before))
    assert.notInclude(JSON.stringify(after), "Codertocat/Hello-World")
    assert.include(JSON.stringify(after), "https://api.github.com/repos/acme/shop/pulls")
    assert.strictEqual(after["number"], 7)
    assert.strictEqual(before["number"], 2)
  })

  it("a payload without a repository stays as it is", () => {
    const before = example("security_advisory")
    assert.deepStrictEqual(Corpus.moved(before, place), before)
  })
})
