import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Defaults, type Operation, QueueError } from "@queue-runtime/core"
import type * as MemoryConfig from "../MemoryConfig.ts"
import { provider } from "./errors.ts"

type Tag = Operation.Operation<unknown>["_tag"]

type Generator = typeof Random.Random.Service

/** What the faults drawn do to one call. */
export interface Hit {
  readonly delayMillis: number
  readonly duplicate: boolean
  readonly reorder: boolean
  readonly failure:
    | Extract<MemoryConfig.Fault, { readonly _tag: "Fail" | "DropConnection" }>
    | undefined
}

/** A call that nothing happens to. */
export const noHit: Hit = { delayMillis: 0, duplicate: false, reorder: false, failure: undefined }

const combine = (hit: Hit, fault: MemoryConfig.Fault): Hit => {
  switch (fault._tag) {
    case "Delay":
      return { ...hit, delayMillis: hit.delayMillis + Duration.toMillis(fault.duration) }
    case "Duplicate":
      return { ...hit, duplicate: true }
    case "Reorder":
      return { ...hit, reorder: true }
    default:
      return { ...hit, failure: hit.failure ?? fault }
  }
}

/** Draws faults from one seeded source of random numbers. */
export class Faults {
  readonly #rules: MemoryConfig.Faults["rules"]
  readonly #random: Generator

  constructor(rules: MemoryConfig.Faults["rules"], random: Generator) {
    this.#rules = rules
    this.#random = random
  }

  /** What happens to the next call of this kind. */
  draw(tag: Tag): Hit {
    let hit = noHit
    for (const { fault, operation, probability } of this.#rules) {
      if (operation !== "*" && operation !== tag) continue
      if (this.#random.nextDoubleUnsafe() < probability) hit = combine(hit, fault)
    }
    return hit
  }

  /** A random order of `0 … count - 1`. */
  order(count: number): ReadonlyArray<number> {
    const order = Array.from({ length: count }, (_, index) => index)
    for (let index = count - 1; index > 0; index--) {
      const other = Math.floor(this.#random.nextDoubleUnsafe() * (index + 1))
      const [a, b] = [order[index], order[other]]
      if (a === undefined || b === undefined) continue
      order[index] = b
      order[other] = a
    }
    return order
  }
}

/** No faults. */
const none: Effect.Effect<Faults> = Effect.map(Random.Random, (random) => new Faults([], random))

/** The faults of a configuration, drawn from its seed. */
export const make = (config: MemoryConfig.Faults | undefined): Effect.Effect<Faults> =>
  config === undefined
    ? none
    : Effect.map(Random.Random, (random) => new Faults(config.rules, random)).pipe(
        Random.withSeed(config.seed)
      )

/** The reason a failing call fails with. */
export const reasonOf = (
  failure: Extract<MemoryConfig.Fault, { readonly _tag: "Fail" | "DropConnection" }>,
  operation: string
): QueueError.Reason => {
  const detail = "a fault was injected"
  if (failure._tag === "DropConnection") {
    return new QueueError.ConnectionFailed({ detail: "the connection was dropped by a fault" })
  }
  switch (failure.reason) {
    case "Throttled":
      return new QueueError.Throttled()
    case "ConnectionFailed":
      return new QueueError.ConnectionFailed({ detail })
    case "Timeout":
      return new QueueError.Timeout({ after: Defaults.receiveWait })
    case "AuthenticationFailed":
      return new QueueError.AuthenticationFailed({ detail })
    case "PermissionDenied":
      return new QueueError.PermissionDenied({ operation })
    case "QuotaExceeded":
      return new QueueError.QuotaExceeded({ resource: `something (${detail})`, maximum: 0 })
    case "ProviderFailure":
      return new QueueError.ProviderFailure({ provider, code: "InjectedFault" })
  }
}
