import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const run = Effect.callback<{ readonly error: Error | null; readonly stdout: string }>((resume) => {
  const args = ["--conditions=@queue-runtime/source", main]
  const child = execFile(process.execPath, args, { timeout: 30_000 }, (error, stdout) =>
    resume(Effect.succeed({ error, stdout }))
  )
  return Effect.sync(() => child.kill())
})

describe("quickstart", () => {
  it.live(
    "R3.1 sends, receives and completes one message",
    () =>
      Effect.gen(function* () {
        const { error, stdout } = yield* run
        assert.isNull(error)
        const [sent = "", received = "", ...rest] = stdout.trimEnd().split("\n")
        const id = /^sent ([0-9a-f-]{36})$/u.exec(sent)?.[1]
        assert.isDefined(id)
        assert.strictEqual(received, `received ${id}, delivery 1: { order: 42, total: '9.90' }`)
        assert.deepStrictEqual(rest, [])
      }),
    40_000
  )

  it("has at most 30 lines: the README prints it", () => {
    assert.isAtMost(readFileSync(main, "utf8").trimEnd().split("\n").length, 30)
  })
})
