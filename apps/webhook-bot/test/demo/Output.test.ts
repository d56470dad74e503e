import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Output from "../../src/demo/Output.ts"

const written = (isTTY: boolean) => {
  const texts: Array<string> = []
  const sink = { isTTY, write: (text: string) => texts.push(text) }
  return Effect.gen(function* () {
    const output = yield* Output.Output
    yield* output.line("begins")
    yield* output.progress("one")
    yield* output.progress("two")
    yield* output.line("ends")
    yield* output.line("over")
    return texts.join("")
  }).pipe(Effect.provide(Output.layer(sink)))
}

describe("Output", () => {
  it.effect("on a terminal progress is one line, replaced in place", () =>
    Effect.map(written(true), (text) =>
      assert.strictEqual(text, "begins\none\r\u001B[2Ktwo\r\u001B[2Kends\nover\n")
    )
  )

  it.effect("on a terminal progress never wraps", () => {
    const texts: Array<string> = []
    const sink = { isTTY: true, columns: 5, write: (text: string) => texts.push(text) }
    return Effect.gen(function* () {
      const output = yield* Output.Output
      yield* output.progress("progress")
      assert.deepStrictEqual(texts, ["prog"])
    }).pipe(Effect.provide(Output.layer(sink)))
  })

  it.effect("elsewhere each progress is a line, without control characters", () =>
    Effect.map(written(false), (text) => assert.strictEqual(text, "begins\none\ntwo\nends\nover\n"))
  )
})
