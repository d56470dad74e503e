/**
 * What a `CryptoProvider` is: the rules, and how they are run on one.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { CryptoProviderContract } from "@queue-runtime/contract-tests"
 * import { NodeCrypto } from "@queue-runtime/crypto"
 * import { Effect, Redacted } from "effect"
 *
 * const key = (id: string) => ({ id, material: Redacted.make(new Uint8Array(32).fill(id.length)) })
 * CryptoProviderContract.suite(it, {
 *   name: "node:crypto",
 *   open: Effect.map(NodeCrypto.make, (provider) => ({
 *     provider,
 *     keys: [key("a"), key("bb")]
 *   }))
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CryptoProvider, KeyProvider } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import type * as Rule from "./Rule.ts"
import { cryptoProvider } from "./internal/ports/cryptoProvider.ts"

/**
 * A cipher, and two keys of its kind.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly provider: CryptoProvider.Service
  readonly keys: readonly [KeyProvider.Key, KeyProvider.Key]
}

/**
 * What a rule is checked on.
 *
 * @category models
 * @since 0.1.0
 */
export class Subject extends Context.Service<Subject, Opened>()(
  "@queue-runtime/contract-tests/CryptoProviderContract/Subject"
) {}

/**
 * What the author of a cipher hands in. `open` is run once a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<E = never, R = never> {
  /** How results call it. */
  readonly name: string
  readonly open: Effect.Effect<Opened, E, R | Scope.Scope>
}

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<Subject>> = cryptoProvider(Subject)

const limit = Duration.seconds(10)

/**
 * The rules bound to a cipher.
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
