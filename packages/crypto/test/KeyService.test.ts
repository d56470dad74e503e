import { assert, describe, it } from "@effect/vitest"
import { QueueError } from "@queue-runtime/core"
import { Duration, Effect } from "effect"
import * as keyService from "../src/internal/keyService.ts"

const place = { provider: "vault", operation: "get" }

const classified = (thrown: unknown) =>
  Effect.map(
    Effect.flip(keyService.call(place, Duration.seconds(1), () => Promise.reject(thrown))),
    ({ reason, retry }) => `${reason.message} (${reason._tag}, ${retry})`
  )

describe("keyService", () => {
  it.effect("R2.3 whatever an SDK throws is an error of ours, and shows no secret", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* Effect.forEach(
          [
            undefined,
            "a string",
            { name: "Odd" },
            { name: "Odd", code: "Code" },
            { name: "Odd", $metadata: { httpStatusCode: 503 } },
            { name: "Error", code: "ECONNREFUSED" },
            { name: "TimeoutError" }
          ],
          classified
        ),
        [
          'provider "vault" failed with Error (ProviderFailure, Never)',
          'provider "vault" failed with Error (ProviderFailure, Never)',
          'provider "vault" failed with Odd (ProviderFailure, Never)',
          'provider "vault" failed with Code (ProviderFailure, Never)',
          'provider "vault" failed with Odd (ProviderFailure, Transient)',
          "the connection failed: ECONNREFUSED (ConnectionFailed, Transient)",
          "the connection failed: TimeoutError (ConnectionFailed, Transient)"
        ]
      )
      const own = QueueError.configurationInvalid("endpoint", "no")
      const same = yield* Effect.flip(
        keyService.call(place, Duration.seconds(1), () => Promise.reject(own))
      )
      assert.strictEqual(same, own)
      const leaking = new Error("failed with secretAccessKey=hunter2")
      const error = yield* Effect.flip(
        keyService.call(place, Duration.seconds(1), () => Promise.reject(leaking))
      )
      assert.notInclude(`${String(error.cause)} ${error.message}`, "hunter2")
    })
  )
})
