import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Options from "../src/Options.ts"

type Shop = Readonly<{
  host: string
  limits: Readonly<{ count: number; names: ReadonlyArray<string> }>
  credential?: Readonly<{ getToken: () => string }>
}>

const environment = ConfigProvider.fromUnknown({ HOST: "acme", COUNT: "3", SHOP: "whole" })

const read = <A>(options: Options.Configured<A>) => Options.read<A>(options).parse(environment)

describe("Options", () => {
  it.effect("R10.1 reads what is a Config, at any depth, and takes the rest as it is", () =>
    Effect.gen(function* () {
      const limits = { count: Config.Int("COUNT"), names: ["a", "b"] }
      assert.deepStrictEqual(yield* read<Shop>({ host: Config.String("HOST"), limits }), {
        host: "acme",
        limits: { count: 3, names: ["a", "b"] }
      })
      assert.strictEqual(yield* read<string>(Config.String("SHOP")), "whole")
    })
  )

  it.effect("R10.1 hands on somebody's own object, and what is undefined", () =>
    Effect.gen(function* () {
      const credential = { getToken: () => "token" }
      const shop: Shop = { host: "acme", limits: { count: 1, names: [] }, credential }
      const found = yield* read<Shop>(shop)
      assert.strictEqual(found.credential, credential)
      assert.isUndefined(yield* read<string | undefined>(undefined))
    })
  )

  it.effect("R10.1 fails with what cannot be read", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        read<{ readonly host: string }>({ host: Config.String("NOPE") })
      )
      assert.include(error.message, "NOPE")
    })
  )

  it("leaves out what is undefined and nothing else", () => {
    const value = { a: undefined, b: null, c: 0, d: "", e: false, f: Number.NaN, g: [undefined] }
    const kept = Options.defined(value)
    assert.deepStrictEqual(Object.keys(kept), ["b", "c", "d", "e", "f", "g"])
    assert.deepStrictEqual(kept, { b: null, c: 0, d: "", e: false, f: Number.NaN, g: [undefined] })
    assert.property(value, "a")
  })

  it("makes properties optional that may be undefined, and leaves the others required", () => {
    const input: { readonly a: string; readonly b: number | undefined } = { a: "x", b: undefined }
    const output: { readonly a: string; readonly b?: number } = Options.defined(input)
    assert.deepStrictEqual(output, { a: "x" })
    assert.deepStrictEqual(Options.defined({}), {})
  })

  it("keeps a property whose name is __proto__, and its object's prototype", () => {
    const value: object = JSON.parse('{ "__proto__": { "admin": true }, "a": 1 }')
    const kept = Options.defined(value)
    assert.deepStrictEqual(Object.keys(kept), ["__proto__", "a"])
    assert.strictEqual(Object.getPrototypeOf(kept), Object.prototype)
    assert.notProperty(kept, "admin")
  })
})
