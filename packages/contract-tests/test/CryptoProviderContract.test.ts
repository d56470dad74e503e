import { assert, describe, it } from "@effect/vitest"
import type { CryptoProvider } from "@queue-runtime/core"
import { Effect } from "effect"
import * as Contract from "../src/Contract.ts"
import * as CryptoProviderContract from "../src/CryptoProviderContract.ts"
import { cipher, key } from "./support/keys.ts"

const open = (provider: CryptoProvider.Service) =>
  Effect.succeed<CryptoProviderContract.Opened>({ provider, keys: [key("a"), key("bb")] })

const reused = new Uint8Array(12)

/** What somebody would get wrong, and the rule that finds it. */
const sabotages: Readonly<Record<string, Partial<CryptoProvider.Service>>> = {
  "CIPHER-1": {
    decrypt: (one, input) =>
      Effect.map(cipher.decrypt(one, input), (bytes) =>
        new TextEncoder().encode(new TextDecoder().decode(bytes))
      )
  },
  "CIPHER-2": {
    encrypt: (one, input) =>
      Effect.map(cipher.encrypt(one, input), (sealed) => ({
        ...sealed,
        tag: sealed.tag.subarray(0, 12)
      }))
  },
  // The associated data is forgotten on both ways.
  "CIPHER-3": {
    encrypt: (one, input) => cipher.encrypt(one, { ...input, associatedData: new Uint8Array() }),
    decrypt: (one, input) => cipher.decrypt(one, { ...input, associatedData: new Uint8Array() })
  },
  // One key for all.
  "CIPHER-4": {
    encrypt: (_, input) => cipher.encrypt(key("a"), input),
    decrypt: (_, input) => cipher.decrypt(key("a"), input)
  },
  "CIPHER-5": {
    nonce: Effect.sync(() => {
      reused[0] = ((reused[0] ?? 0) + 1) % 256
      return reused
    })
  },
  "CIPHER-6": {
    verify: (one, data, signature) =>
      Effect.map(cipher.sign(one, data), (own) =>
        Buffer.from(own).toString("hex").startsWith(Buffer.from(signature).toString("hex"))
      )
  },
  "CIPHER-7": {
    encrypt: (one, input) =>
      Effect.tap(cipher.encrypt(one, input), () => Effect.sync(() => input.plaintext.fill(0)))
  }
}

describe("CryptoProviderContract", () => {
  CryptoProviderContract.suite(it, { name: "tiny", open: open(cipher) })

  for (const { breaks, id } of CryptoProviderContract.rules) {
    it.effect(`R12.2 ${id} finds ${breaks}`, () =>
      Effect.gen(function* () {
        const sabotage = sabotages[id]
        assert.isDefined(sabotage)
        const broken = { ...cipher, ...sabotage }
        const results = yield* Contract.run(
          CryptoProviderContract.cases({ name: "broken", open: open(broken) })
        )
        const failed = results.flatMap((one) => (one.status === "failed" ? [one.id] : []))
        assert.include(failed, id)
      })
    )
  }
})
