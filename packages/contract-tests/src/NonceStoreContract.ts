/**
 * What a `NonceStore` is: the rules, and how they are run on one.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { NonceStoreContract, Time } from "@queue-runtime/contract-tests"
 * import { NonceStoreMemory } from "@queue-runtime/crypto"
 *
 * NonceStoreContract.suite(it, {
 *   name: "memory",
 *   time: Time.virtual,
 *   open: NonceStoreMemory.make()
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { NonceStore } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import type * as Rule from "./Rule.ts"
import * as Time from "./Time.ts"
import { nonceStore } from "./internal/ports/nonceStore.ts"

/**
 * A store that nobody else uses, and the clock that it goes by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly store: NonceStore.Service
  readonly time: Time.Time
}

/**
 * What a rule is checked on.
 *
 * @category models
 * @since 0.1.0
 */
export class Subject extends Context.Service<Subject, Opened>()(
  "@queue-runtime/contract-tests/NonceStoreContract/Subject"
) {}

/**
 * What the author of a store hands in. `open` is run once a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<E = never, R = never> {
  /** How results call it. */
  readonly name: string
  readonly time: Time.Time
  readonly open: Effect.Effect<NonceStore.Service, E, R | Scope.Scope>
}

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<Subject>> = nonceStore(Subject)

/**
 * The rules bound to a store.
 *
 * @category running
 * @since 0.1.0
 */
export const cases = <E, R>(harness: Harness<E, R>): ReadonlyArray<Contract.Case<R>> =>
  rules.map((rule) => {
    const open = Effect.map(harness.open, (store) => ({ store, time: harness.time }))
    const check = Effect.provideServiceEffect(rule.run, Subject, open)
    return Contract.make(
      rule,
      harness.name,
      harness.time.limit,
      Effect.scoped(Time.provide(harness.time)(check))
    )
  })

/**
 * Registers one test a rule with the `it` of `@effect/vitest`.
 *
 * @category running
 * @since 0.1.0
 */
export const suite = <E, R>(it: Contract.It<R>, harness: Harness<E, R>): void =>
  Contract.suite(it, cases(harness))
