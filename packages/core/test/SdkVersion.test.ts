import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as QueueError from "../src/QueueError.ts"
import * as SdkVersion from "../src/SdkVersion.ts"

const range = { package: "@acme/sdk", minimum: "3.1162.0", below: "4.0.0" }

const check = (version: string) => SdkVersion.check({ ...range, version })

describe("SdkVersion", () => {
  it.effect("R10.8 a version in the range is taken, whatever stands behind its numbers", () =>
    Effect.gen(function* () {
      const good = ["3.1162.0", "3.1162.1", "3.2000.0", "3.1162.0-beta.1", "3.1162.0+1", "3.1162"]
      for (const version of good) yield* check(version)
    })
  )

  it.effect("R10.8 a version outside the range names the package and the range", () =>
    Effect.gen(function* () {
      const bad = ["3.1161.9", "2.9999.0", "4.0.0", "4.0.0-rc.1", "10.0.0", "3", "", "latest"]
      for (const version of bad) {
        const error = yield* Effect.flip(check(version))
        const problem = `must be >=3.1162.0 <4.0.0; got ${version}`
        assert.deepStrictEqual(
          error.reason,
          new QueueError.ConfigurationInvalid({ key: "@acme/sdk", problem })
        )
        assert.strictEqual(error.retry, "Never")
      }
    })
  )

  it.effect("R10.8 numbers are compared as numbers, the first that differs decides", () =>
    Effect.gen(function* () {
      const sdk = { package: "@acme/sdk", minimum: "7.9.5", below: "10.2.3" }
      for (const version of ["7.9.5", "7.10.0", "8.0.0", "9.99.99", "10.2.2", "10.1.9"]) {
        yield* SdkVersion.check({ ...sdk, version })
      }
      for (const version of ["7.9.4", "7.8.9", "6.10.10", "10.2.3", "10.3.0", "11.0.0"]) {
        const error = yield* Effect.flip(SdkVersion.check({ ...sdk, version }))
        assert.include(error.message, `@acme/sdk: must be >=7.9.5 <10.2.3; got ${version}`)
      }
    })
  )
})
