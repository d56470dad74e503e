import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { SqsProbes } from "../src/probes.ts"
import { live } from "./world.ts"

const marks = { AWS: "AWS", doc: "doc", inf: "inf" }

const row = ({ expected, id, mark, source, title }: SqsProbes.Probe): string =>
  `| ${id} | ${title} | ${expected} | ${marks[mark]} | ${source} |`

const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8")

describe("probes", () => {
  it("have ids of their own, in order", () => {
    assert.deepStrictEqual(
      SqsProbes.all.map(({ id }) => id),
      SqsProbes.all.map((_, index) => `P${index + 1}`)
    )
    assert.isAtLeast(SqsProbes.all.length, 60)
  })

  it("are listed in the README", () => {
    const rows = readme.split("\n").filter((line) => /^\| P\d+ \|/u.test(line))
    assert.deepStrictEqual(rows, SqsProbes.all.map(row))
  })

  it.live("all see AWS's answer on the emulator, side by side, and leave no queue", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live()
      const verdicts = yield* SqsProbes.run(client, { concurrency: SqsProbes.all.length })
      assert.deepStrictEqual(
        verdicts.filter(({ ok }) => !ok),
        []
      )
      assert.strictEqual(verdicts.length, SqsProbes.all.length)
      assert.deepStrictEqual(yield* emulator.queues, [])
    }).pipe(Effect.scoped)
  )

  it.live("tell what they saw when it is something else", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live()
      const fault = { _tag: "Fail", kind: "OverLimit", message: "full" } as const
      yield* emulator.inject({ action: "SendMessageBatch", fault })
      const [first] = SqsProbes.all
      if (first === undefined) return
      const promised = Effect.promise(() => SqsProbes.runPromise(client, first))
      assert.deepStrictEqual(yield* promised, { id: "P1", ok: false, seen: "OverLimit: full" })
      yield* emulator.inject({ fault: { _tag: "Fail", kind: "AccessDenied" } })
      const verdicts = yield* SqsProbes.run(client)
      assert.deepStrictEqual(
        verdicts.filter(({ ok }) => ok),
        []
      )
    }).pipe(Effect.scoped)
  )
})
