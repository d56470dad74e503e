import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Webhook from "../src/Webhook.ts"
import { bytes, example, examples, headers, lookup, message } from "./fixtures.ts"

const problemOf = (changes: Readonly<Record<string, string>>, body = "{}") =>
  Effect.gen(function* () {
    const given = bytes(body)
    const header = lookup({ ...headers(given, "d-1"), ...changes })
    const { reason } = yield* Effect.flip(Webhook.toMessage({ header, body: given }))
    assert(reason._tag === "ValidationFailed")
    return `${reason.field}: ${reason.problem}`
  })

describe("Webhook", () => {
  it.effect("R1.5 the body is the bytes that came, white space and Unicode included", () =>
    Effect.gen(function* () {
      const body = bytes('{\r\n\t"text" : "größe \\u00e9 🚀" ,"n":1.0e2 }\n')
      const made = yield* Webhook.toMessage({ header: lookup(headers(body, "d-1")), body })
      assert.deepStrictEqual([...made.body], [...body])
      assert.strictEqual(made.contentType, "application/json")
    })
  )

  it.effect("R1.1 GitHub's delivery id is the message id and the correlation id", () =>
    Effect.gen(function* () {
      const id = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
      const made = yield* message("pull_request", example("pull_request"), id)
      assert.strictEqual(made.messageId, id)
      assert.strictEqual(made.correlationId, id)
      assert.strictEqual(made.sessionId, "Codertocat/Hello-World/pull/2")
    })
  )

  it.effect("event, action, repository and installation are attributes", () =>
    Effect.gen(function* () {
      const payload = {
        action: "opened",
        repository: { full_name: "acme/shop" },
        installation: { id: 7 }
      }
      const made = yield* message("issues", payload)
      assert.deepStrictEqual(made.attributes, {
        event: "issues",
        action: "opened",
        repository: "acme/shop",
        installation: "7"
      })
      assert.deepStrictEqual((yield* message("meta", {})).attributes, { event: "meta" })
    })
  )

  it.effect("every example becomes a message", () =>
    Effect.forEach(
      examples,
      ({ event, payload }) =>
        Effect.map(message(event, payload), (made) =>
          assert.strictEqual(made.attributes["event"], event)
        ),
      { discard: true }
    )
  )

  it.effect("half a surrogate pair in a payload refuses nothing", () =>
    Effect.gen(function* () {
      const body = bytes('{"action":"\\ud800","repository":{"full_name":"a/\\udfff"}}')
      const made = yield* Webhook.toMessage({ header: lookup(headers(body, "d-1")), body })
      assert.strictEqual(made.attributes["action"], "\uFFFD")
      assert.strictEqual(made.sessionId, "a/%EF%BF%BD")
    })
  )

  it.effect.each([
    [{ "x-github-delivery": "" }, "X-GitHub-Delivery: must have 1–128 printable ASCII characters"],
    [{ "x-github-delivery": "ä" }, "X-GitHub-Delivery: must have 1–128 printable ASCII characters"],
    [
      { "x-github-delivery": "x".repeat(129) },
      "X-GitHub-Delivery: must have 1–128 printable ASCII characters"
    ],
    [
      { "x-github-event": "Pull Request" },
      "X-GitHub-Event: must have 1–64 characters of a–z, 0–9 and _, beginning with a letter"
    ],
    [
      { "content-type": "application/x-www-form-urlencoded" },
      "Content-Type: must be application/json; choose it in the webhook's settings"
    ]
  ] as const)("R1.1 the headers %j are refused", ([changes, problem]) =>
    Effect.map(problemOf(changes), (found) => assert.isTrue(found.startsWith(problem), found))
  )

  it.effect.each([
    ["", "body: must be JSON in UTF-8"],
    ['{"secret": tru', "body: must be JSON in UTF-8"],
    ["[]", "body: must be a JSON object"],
    ["null", "body: must be a JSON object"],
    ["7", "body: must be a JSON object"]
  ] as const)("the body %j is refused", ([body, problem]) =>
    Effect.map(problemOf({}, body), (found) => assert.strictEqual(found, problem))
  )

  it.effect("a body that is not UTF-8 is refused", () =>
    Effect.gen(function* () {
      const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
      const error = yield* Effect.flip(Webhook.payload(body))
      assert.strictEqual(error.reason.message, "body: must be JSON in UTF-8")
    })
  )
})
