import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as sdkVersion from "../src/internal/sdkVersion.ts"

const sdk = (version: string): sdkVersion.Sdk => ({
  package: "@aws-sdk/client-dynamodb",
  version,
  minimum: "3.1162.0",
  below: "4.0.0"
})

describe("sdkVersion", () => {
  it.effect(
    "R10.8 a version outside of the range is ConfigurationInvalid, naming package and range",
    () =>
      Effect.gen(function* () {
        for (const version of ["3.1162.0", "3.9999.9"]) yield* sdkVersion.check(sdk(version))
        for (const version of ["3.1161.9", "4.0.0", "4.0.0-beta.1"]) {
          const error = yield* Effect.flip(sdkVersion.check(sdk(version)))
          assert.strictEqual(
            error.message,
            `ConfigurationInvalid: @aws-sdk/client-dynamodb: must be >=3.1162.0 <4.0.0; got ${version}`
          )
        }
      })
  )
})
