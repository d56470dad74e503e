import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as sdkVersion from "../src/internal/sdkVersion.ts"

const sdk = { package: "@acme/sdk", minimum: "3.1162.0", below: "4.0.0" }

const problem = (version: string) =>
  Effect.match(sdkVersion.check({ ...sdk, version }), {
    onSuccess: () => "",
    onFailure: ({ message }) => message
  })

describe("sdkVersion", () => {
  it.effect("R10.8 a version outside the range names the package and the range", () =>
    Effect.gen(function* () {
      for (const version of ["3.1162.0", "3.1162.1", "3.2000.0", "3.1162.0-beta.1"]) {
        assert.strictEqual(yield* problem(version), "")
      }
      for (const version of ["3.1161.9", "2.9999.0", "4.0.0", "4.0.0-rc.1", "10.0.0", ""]) {
        assert.include(yield* problem(version), "@acme/sdk: must be >=3.1162.0 <4.0.0; got")
      }
    })
  )
})
