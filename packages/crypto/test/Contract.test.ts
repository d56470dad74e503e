import { describe, it } from "@effect/vitest"
import {
  CryptoProviderContract,
  KeyProviderContract,
  NonceStoreContract,
  Time
} from "@queue-runtime/contract-tests"
import type { KeyProvider } from "@queue-runtime/core"
import { ConfigProvider, Effect } from "effect"
import {
  KeyProviderEnvironment,
  KeyProviderMemory,
  NodeCrypto,
  NonceStoreMemory
} from "../src/index.ts"
import { bytesOf, keyOf, keys, queue } from "./support.ts"

describe("KeyProviderMemory", () => {
  KeyProviderContract.suite(it, {
    name: "memory",
    open: Effect.map(KeyProviderMemory.make(keys("k1")), (provider) => ({
      provider,
      rotate: provider.replace(keys("k1", "k2"))
    }))
  })
})

describe("KeyProviderEnvironment", () => {
  const base64 = (seed: number) => Buffer.from(bytesOf(seed)).toString("base64")
  const read = (QUEUE_CRYPTO_KEYS: string, QUEUE_CRYPTO_CURRENT_KEY: string) =>
    Effect.provide(
      KeyProviderEnvironment.make,
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({ QUEUE_CRYPTO_KEYS, QUEUE_CRYPTO_CURRENT_KEY })
      )
    )
  KeyProviderContract.suite(it, {
    name: "environment",
    open: Effect.gen(function* () {
      let own = yield* read(`k1:${base64(1)}`, "k1")
      const after = yield* read(`k1:${base64(1)},k2:${base64(2)}`, "k2")
      const provider: KeyProvider.Service = {
        wrappedSizeMax: own.wrappedSizeMax,
        current: (of) => Effect.suspend(() => own.current(of)),
        byId: (of, reference) => Effect.suspend(() => own.byId(of, reference)),
        ids: (of) => Effect.suspend(() => own.ids(of))
      }
      // A changed variable needs a restart.
      const rotate = Effect.sync(() => {
        own = after
      })
      return { provider, rotate }
    })
  })
})

describe("NodeCrypto", () => {
  CryptoProviderContract.suite(it, {
    name: "node:crypto",
    open: Effect.gen(function* () {
      const provider = yield* NodeCrypto.make
      const own = yield* KeyProviderMemory.make(keys("k1", "x2"))
      const [first] = keys("k1").keys
      return { provider, keys: [yield* own.current(queue), first ?? keyOf("k1")] as const }
    })
  })
})

describe("NonceStoreMemory", () => {
  NonceStoreContract.suite(it, {
    name: "memory",
    time: Time.virtual,
    open: NonceStoreMemory.make()
  })
})
