import { assert, describe, it } from "@effect/vitest"
import { SessionId } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SessionKeys from "../src/SessionKeys.ts"
import { example, examples } from "./fixtures.ts"

const repository = { id: 1, full_name: "acme/shop" }

const of = (event: string, payload: unknown) => Effect.runSync(SessionKeys.of(event, payload))

describe("SessionKeys", () => {
  it("R4.5 every example of every event type has a valid session", () => {
    assert.isAtLeast(new Set(examples.map(({ event }) => event)).size, 58)
    for (const { event, payload } of examples) {
      assert.isTrue(SessionId.is(of(event, payload)), event)
    }
  })

  it.each([
    ["pull_request", "Codertocat/Hello-World/pull/2"],
    ["pull_request_review", "Codertocat/Hello-World/pull/2"],
    ["pull_request_review_comment", "Codertocat/Hello-World/pull/2"],
    ["check_run", "Codertocat/Hello-World/pull/2"],
    ["check_suite", "Codertocat/Hello-World/pull/2"],
    ["issues", "Codertocat/Hello-World/issue/1"],
    ["issue_comment", "Codertocat/Hello-World/issue/1"],
    ["push", "Codertocat/Hello-World/tag/simple-tag"],
    ["create", "Codertocat/Hello-World/tag/simple-tag"],
    ["status", "Codertocat/Hello-World/branch/master"],
    ["deployment", "Codertocat/Hello-World/branch/master"],
    ["release", "Codertocat/Hello-World/tag/0.0.1"],
    ["star", "Codertocat/Hello-World"],
    ["membership", "organization:Octocoders"],
    ["installation", "installation:2"],
    ["sponsorship", "sender:monalisa"],
    ["security_advisory", "event:security_advisory"]
  ])("R4.5 the first example of %s is of %s", (event, session) => {
    const found = of(event, example(event))
    assert.strictEqual(found, session)
  })

  it("a comment on a pull request is of the pull request", () => {
    const issue = { number: 42, pull_request: { url: "https://api.github.com/…/pulls/42" } }
    assert.strictEqual(of("issue_comment", { repository, issue }), "acme/shop/pull/42")
    assert.strictEqual(
      of("issue_comment", { repository, issue: { number: 42 } }),
      "acme/shop/issue/42"
    )
  })

  it("a run for a fork's pull request is of its branch, not of a pull request elsewhere", () => {
    const run = (base: number) => ({
      repository,
      workflow_run: {
        head_branch: "main",
        pull_requests: [{ number: 7, base: { repo: { id: base } } }]
      }
    })
    assert.strictEqual(of("workflow_run", run(1)), "acme/shop/pull/7")
    assert.strictEqual(of("workflow_run", run(2)), "acme/shop/branch/main")
  })

  it.each([
    [{ ref: "refs/heads/a/b" }, "acme/shop/branch/a/b"],
    [{ ref: "refs/tags/v1" }, "acme/shop/tag/v1"],
    [{ ref: "refs/pull/11/merge" }, "acme/shop/pull/11"],
    [{ ref: "v1", ref_type: "tag" }, "acme/shop/tag/v1"],
    [{ ref: "main", ref_type: "branch" }, "acme/shop/branch/main"],
    [{ ref: "" }, "acme/shop"],
    [{ ref: null }, "acme/shop"]
  ])("the ref of %j is %s", (payload, session) => {
    assert.strictEqual(of("push", { repository, ...payload }), session)
  })

  it("a create and the pushes to the same branch share a session", () => {
    assert.strictEqual(
      of("create", { repository, ref: "größe", ref_type: "branch" }),
      of("push", { repository, ref: "refs/heads/größe" })
    )
  })

  it("a name that is not ASCII is escaped, and the escape cannot be imitated", () => {
    assert.strictEqual(SessionKeys.fit("größe"), "gr%C3%B6%C3%9Fe")
    assert.strictEqual(SessionKeys.fit("gr%C3%B6"), "gr%25C3%25B6")
    assert.strictEqual(SessionKeys.fit("🚀"), "%F0%9F%9A%80")
  })

  it("names over 128 characters keep their beginning and stay apart", () => {
    const [a, b] = ["x".repeat(200), `${"x".repeat(199)}y`].map(SessionKeys.fit)
    assert.notStrictEqual(a, b)
    for (const key of [a, b]) {
      assert.strictEqual(key?.length, 128)
      assert.isTrue(key?.startsWith(`${"x".repeat(95)}~`))
    }
    assert.strictEqual(SessionKeys.fit("x".repeat(128)), "x".repeat(128))
  })

  it.effect.prop(
    "any branch name makes a valid session id, always the same",
    { name: Schema.String },
    ({ name }) =>
      Effect.gen(function* () {
        const payload = { repository, ref: `refs/heads/${name}` }
        const session = yield* SessionKeys.of("push", payload)
        assert.isTrue(SessionId.is(session))
        assert.strictEqual(yield* SessionKeys.of("push", payload), session)
      })
  )

  it.effect.prop(
    "different short names make different keys",
    { a: Schema.String, b: Schema.String },
    ({ a, b }) =>
      Effect.sync(() => {
        const wellFormed = [a, b].every((name) => name.isWellFormed())
        if (wellFormed && a !== b) assert.notStrictEqual(SessionKeys.fit(a), SessionKeys.fit(b))
      })
  )
})
