/**
 * What a `KeyProvider` is: the rules, and how they are run on one.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { KeyProviderContract } from "@queue-runtime/contract-tests"
 * import { KeyProviderMemory } from "@queue-runtime/crypto"
 * import { Effect, Redacted } from "effect"
 *
 * const key = (id: string) => ({ id, material: Redacted.make(new Uint8Array(32).fill(id.length)) })
 * KeyProviderContract.suite(it, {
 *   name: "memory",
 *   open: Effect.map(
 *     KeyProviderMemory.make({ keys: [key("a")], current: "a" }),
 *     (provider) => ({
 *       provider,
 *       rotate: provider.replace({ keys: [key("a"), key("bb")], current: "bb" })
 *     })
 *   )
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { KeyProvider, QueueError } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import type * as Rule from "./Rule.ts"
import { keyProvider } from "./internal/ports/keyProvider.ts"

/**
 * A provider with at least one key, open until the scope closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly provider: KeyProvider.Service
  /** Makes another key the current one, and lets what is cached run out. */
  readonly rotate: Effect.Effect<void, QueueError.QueueError>
}

/**
 * What a rule is checked on.
 *
 * @category models
 * @since 0.1.0
 */
export class Subject extends Context.Service<Subject, Opened>()(
  "@queue-runtime/contract-tests/KeyProviderContract/Subject"
) {}

/**
 * What the author of a provider hands in. `open` is run once a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<E = never, R = never> {
  /** How results call it: `memory`, `aws-kms`. */
  readonly name: string
  readonly open: Effect.Effect<Opened, E, R | Scope.Scope>
}

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<Subject>> = keyProvider(Subject)

const limit = Duration.seconds(10)

/**
 * The rules bound to a provider.
 *
 * @category running
 * @since 0.1.0
 */
export const cases = <E, R>(harness: Harness<E, R>): ReadonlyArray<Contract.Case<R>> =>
  rules.map((rule) =>
    Contract.make(
      rule,
      harness.name,
      limit,
      Effect.scoped(Effect.provideServiceEffect(rule.run, Subject, harness.open))
    )
  )

/**
 * Registers one test a rule with the `it` of `@effect/vitest`.
 *
 * @category running
 * @since 0.1.0
 */
export const suite = <E, R>(it: Contract.It<R>, harness: Harness<E, R>): void =>
  Contract.suite(it, cases(harness))
