import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { makeTools, open, policy } from "./support.ts"
import * as Vectors from "./support/vectors.ts"

const documented = readFileSync(
  new URL("../../../docs/sealed-messages.md", import.meta.url),
  "utf8"
)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const python = (input: string, ...args: ReadonlyArray<string>) =>
  spawnSync("python3", ["-B", ...args], { input, encoding: "utf8" })

const hasPython = python("", "--version").status === 0

describe("the wire format", () => {
  it.effect("R8.2 the golden vectors are what is sealed, byte by byte", () =>
    Effect.gen(function* () {
      for (const vector of Vectors.all()) {
        const sealed = yield* Vectors.seal(vector)
        assert.strictEqual(hex(sealed.body), vector.body, vector.name)
        assert.strictEqual(sealed.attributes["queue-runtime-signature"], vector.signature)
      }
    })
  )

  it.effect("R8.2 the golden vectors open", () =>
    Effect.gen(function* () {
      for (const vector of Vectors.all()) {
        const { mode, plaintext, signature } = vector
        const taken = {
          ...Vectors.messageOf(vector),
          body: Vectors.bytes(vector.body),
          attributes: signature === undefined ? {} : { "queue-runtime-signature": signature },
          deliveryCount: 1,
          enqueuedAt: DateTime.makeUnsafe(vector.sealedAt)
        }
        const tools = makeTools({
          wrappedSizeMax: 0,
          current: () => Effect.never,
          byId: (_, { id }) =>
            Effect.succeed(
              id === vector.keyId ? Option.some(Vectors.keyOf(vector)) : Option.none()
            ),
          ids: () => Effect.never
        })
        const opened = yield* open(tools, policy({ mode }), taken)
        assert.strictEqual(opened._tag, "Opened", vector.name)
        if (opened._tag === "Opened") assert.strictEqual(hex(opened.message.body), plaintext)
      }
    })
  )

  it("R8.2 the golden vectors stand in the document", () => {
    for (const { body, name, signature } of Vectors.all()) {
      assert.include(documented, name)
      assert.include(documented, signature ?? body)
    }
  })

  // Without python3 there is nothing that could read them.
  it.skipIf(!hasPython)(
    "R8.2 a reader in Python opens the golden vectors, and refuses a changed one",
    () => {
      const reader = fileURLToPath(Vectors.reader)
      const { status, stderr, stdout } = python(Vectors.text(), reader)
      assert.strictEqual(stderr, "")
      assert.strictEqual(status, 0)
      const plaintexts = Vectors.all().map(({ plaintext }) => plaintext)
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), plaintexts)
      for (const vector of Vectors.all()) {
        const changed = JSON.stringify([{ ...vector, messageId: "another" }])
        assert.include(python(changed, reader).stderr, "IntegrityFailed", vector.name)
      }
    }
  )
})
