import { assert, describe, it } from "@effect/vitest"
import type { NonceStore } from "@queue-runtime/core"
import { Duration, Effect } from "effect"
import * as Contract from "../src/Contract.ts"
import * as NonceStoreContract from "../src/NonceStoreContract.ts"
import * as Time from "../src/Time.ts"
import { makeNonces } from "./support/keys.ts"

const harness = (open: () => NonceStore.Service): NonceStoreContract.Harness => ({
  name: "tiny",
  time: Time.virtual,
  open: Effect.sync(open)
})

/** What somebody would get wrong, and the rule that finds it. */
const sabotages: Readonly<Record<string, (store: NonceStore.Service) => NonceStore.Service>> = {
  "NONCE-1": () => ({ claim: () => Effect.succeed(true) }),
  "NONCE-2": (store) => {
    let count = 0
    return {
      claim: (sighting, window) => store.claim({ ...sighting, stored: String(count++) }, window)
    }
  },
  "NONCE-3": (store) => ({
    claim: (sighting, window) => store.claim({ ...sighting, queue: "all" }, window)
  }),
  "NONCE-4": (store) => ({ claim: (sighting) => store.claim(sighting, Duration.days(1)) }),
  "NONCE-5": () => {
    const known = new Map<string, string>()
    return {
      claim: ({ nonce, queue, stored }) =>
        Effect.gen(function* () {
          const before = known.get(`${queue}/${nonce}`)
          yield* Effect.yieldNow
          if (before !== undefined && before !== stored) return false
          known.set(`${queue}/${nonce}`, stored)
          return true
        })
    }
  }
}

describe("NonceStoreContract", () => {
  NonceStoreContract.suite(it, harness(makeNonces))

  for (const { breaks, id } of NonceStoreContract.rules) {
    it.effect(`R12.2 ${id} finds ${breaks}`, () =>
      Effect.gen(function* () {
        const sabotage = sabotages[id]
        assert.isDefined(sabotage)
        const results = yield* Contract.run(
          NonceStoreContract.cases(harness(() => sabotage(makeNonces())))
        )
        const failed = results.flatMap((one) => (one.status === "failed" ? [one.id] : []))
        assert.include(failed, id)
      })
    )
  }
})
