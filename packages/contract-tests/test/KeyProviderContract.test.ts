import { assert, describe, it } from "@effect/vitest"
import { QueueError } from "@queue-runtime/core"
import { Effect, Option, Redacted } from "effect"
import * as Contract from "../src/Contract.ts"
import * as KeyProviderContract from "../src/KeyProviderContract.ts"
import { key, makeKeys } from "./support/keys.ts"

const healthy = Effect.sync(makeKeys)

/** What somebody would get wrong, and the rule that finds it. */
const sabotages: Readonly<
  Record<string, (opened: ReturnType<typeof makeKeys>) => KeyProviderContract.Opened>
> = {
  "KEY-1": ({ provider, rotate }) => ({
    rotate,
    provider: {
      ...provider,
      current: () => Effect.succeed({ ...key("k"), wrapped: new Uint8Array(1) })
    }
  }),
  "KEY-2": ({ provider, rotate }) => ({
    rotate,
    provider: {
      ...provider,
      byId: (_, { id }) =>
        Effect.succeed(id === "k" ? Option.some({ ...key("other"), id }) : Option.none())
    }
  }),
  "KEY-3": ({ provider, rotate }) => ({
    rotate,
    provider: {
      ...provider,
      byId: (queue, reference) =>
        Effect.filterOrFail(provider.byId(queue, reference), Option.isSome, () =>
          QueueError.make(new QueueError.ProviderFailure({ provider: "p", code: "404" }))
        )
    }
  }),
  "KEY-4": ({ keys, provider }) => ({
    provider,
    rotate: Effect.sync(() => {
      keys.splice(0, 1, key("kk"))
    })
  }),
  "KEY-5": ({ keys, provider, rotate }) => ({
    provider,
    rotate: Effect.andThen(
      Effect.sync(() => Redacted.value((keys[0] ?? key("k")).material).fill(0)),
      rotate
    )
  }),
  "KEY-6": ({ provider, rotate }) => ({
    rotate,
    provider: { ...provider, ids: () => Effect.succeed(["another"]) }
  }),
  "KEY-7": ({ provider, rotate }) => ({
    rotate,
    provider: {
      ...provider,
      current: (queue) =>
        Effect.map(provider.current(queue), (one) => {
          const shown = Redacted.make(Redacted.value(one.material))
          return {
            ...one,
            material: Object.assign(shown, {
              toString: () => Buffer.from(Redacted.value(shown)).toString("hex")
            })
          }
        })
    }
  }),
  "KEY-8": ({ provider, rotate }) => {
    let made = 0
    return {
      rotate,
      provider: { ...provider, current: () => Effect.sync(() => key(`k${made++}`)) }
    }
  }
}

describe("KeyProviderContract", () => {
  KeyProviderContract.suite(it, { name: "tiny", open: healthy })

  for (const { id, breaks } of KeyProviderContract.rules) {
    it.effect(`R12.2 ${id} finds ${breaks}`, () =>
      Effect.gen(function* () {
        const sabotage = sabotages[id]
        assert.isDefined(sabotage)
        const cases = KeyProviderContract.cases({
          name: "broken",
          open: Effect.map(healthy, sabotage)
        })
        const results = yield* Contract.run(cases)
        const failed = results.flatMap((one) => (one.status === "failed" ? [one.id] : []))
        assert.include(failed, id)
      })
    )
  }
})
