import { assert, describe, it } from "@effect/vitest"
import * as bundles from "../src/bundles.ts"
import * as bytes from "../src/bytes.ts"
import * as imports from "../src/startup/imports.ts"

const known = bytes.known()

/** A twentieth more is let through: small things add up to it, and a dependency is more. */
const room = 1.05

/** What is wrong with it; nothing, if it is within. */
const excessOf = (name: string, found: number, before: number | undefined): string => {
  if (before === undefined) return `${name} is not in apps/benchmarks/bytes.json`
  if (found <= Math.floor(before * room)) return ""
  return `${name}: ${found} bytes, ${before} before; where that is meant, pnpm --filter @queue-runtime/benchmarks pin`
}

/** Whose SDK may be in the bundle of an application, all that it may load counted. */
const sdksOf: Readonly<Record<keyof typeof bundles.applications, ReadonlyArray<string>>> = {
  memory: [],
  aws: ["aws"],
  azure: ["azure"],
  selecting: ["aws", "azure"]
}

const nameOf = (name: string): string => `@queue-runtime/${name}`

describe("what the library adds to a program", () => {
  it.each(Object.entries(known.packages))(
    "R13 the code of %s is not larger",
    async (name, before) => {
      assert.strictEqual(excessOf(name, await bytes.ofPackage(name), before), "")
    }
  )

  it("R13 a package that is larger by more than a twentieth is found", () => {
    assert.strictEqual(excessOf("a", 1_050, 1_000), "")
    assert.match(excessOf("a", 1_051, 1_000), /a: 1051 bytes, 1000 before/u)
    assert.match(excessOf("a", 1, undefined), /a is not in/u)
  })

  it.each(bytes.applications)(
    "R10.2 an application on %s has no SDK but its own, and none at its start",
    async (name) => {
      const { start, whole } = await bundles.application(bundles.applications[name])
      assert.deepStrictEqual(bundles.sdksIn(whole), sdksOf[name])
      assert.deepStrictEqual(bundles.sdksIn(start), [])
      const excess = excessOf(name, bundles.gzipped(start), known.applications[name])
      assert.strictEqual(excess, "")
    }
  )

  it(
    "R10.2 importing a provider loads nothing of its SDK, and building its layer does",
    { timeout: 120_000 },
    async () => {
      const providers = ["provider-aws", "provider-azure"]
      const importing = providers.map((name) => `await import("${nameOf(name)}")`).join("\n")
      const loaded = await imports.countedInSource(importing)
      assert.strictEqual(loaded.ofSdks, 0, `of ${loaded.modules} modules`)
      const building = `
      const { AzureClient } = await import("${nameOf("provider-azure")}")
      const { Effect, Layer } = await import("effect")
      const layer = AzureClient.layer({ namespace: "acme.servicebus.windows.net" })
      await Effect.runPromise(Effect.scoped(Layer.build(layer)))`
      assert.isAbove((await imports.countedInSource(building)).ofSdks, 0)
    }
  )
})
