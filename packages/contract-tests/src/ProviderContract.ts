/**
 * What a `QueueProvider` is: the rules, and how they are run on one.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { ProviderContract, Time } from "@queue-runtime/contract-tests"
 * import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * ProviderContract.suite(it, {
 *   name: "memory",
 *   time: Time.virtual,
 *   open: ({ deliveriesMax, lockDuration, queue, sessions }) =>
 *     Effect.map(
 *       MemoryClient.make({ queues: { [queue]: { deliveriesMax, lockDuration, sessions } } }),
 *       (client) => ({
 *         layer: Layer.provide(
 *           MemoryProvider.layerWithClient,
 *           Layer.succeed(MemoryClient.MemoryClient, client)
 *         )
 *       })
 *     )
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { QueueName, QueueProvider } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import type * as Harness from "./Harness.ts"
import * as ModelBased from "./ModelBased.ts"
import * as ProviderRule from "./ProviderRule.ts"
import * as Rule from "./Rule.ts"
import * as Time from "./Time.ts"
import * as World from "./World.ts"
import { batching } from "./internal/rules/batching.ts"
import { concurrency } from "./internal/rules/concurrency.ts"
import { deadLetter } from "./internal/rules/deadLetter.ts"
import { errors } from "./internal/rules/errors.ts"
import { interop } from "./internal/rules/interop.ts"
import { lifecycle } from "./internal/rules/lifecycle.ts"
import { limits } from "./internal/rules/limits.ts"
import { receiving } from "./internal/rules/receiving.ts"
import { redelivery } from "./internal/rules/redelivery.ts"
import { replay } from "./internal/rules/replay.ts"
import { scheduling } from "./internal/rules/scheduling.ts"
import { sending } from "./internal/rules/sending.ts"
import { sessionAccepts } from "./internal/rules/sessionAccepts.ts"
import { sessionFailures } from "./internal/rules/sessionFailures.ts"
import { sessionLocks } from "./internal/rules/sessionLocks.ts"
import { sessions } from "./internal/rules/sessions.ts"
import { settlement } from "./internal/rules/settlement.ts"

/**
 * Every rule, by group.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<ProviderRule.ProviderRule> = [
  ...sending,
  ...receiving,
  ...settlement,
  ...redelivery,
  ...deadLetter,
  ...replay,
  ...sessions,
  ...sessionFailures,
  ...sessionAccepts,
  ...sessionLocks,
  ...scheduling,
  ...limits,
  ...errors,
  ...lifecycle,
  ...concurrency,
  ...batching,
  ...interop,
  ...ModelBased.rules
]

/**
 * Which rules, and how hard the model-based ones try.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends World.CheckOptions {
  /** Default: all. */
  readonly rules?: ReadonlyArray<ProviderRule.ProviderRule>
}

/** Random, since queues of a live service outlive a run that was killed. */
const freshName = (prefix: string): Effect.Effect<QueueName.QueueName> =>
  Effect.map(Random.nextIntBetween(0, 0xffffffff), (number) =>
    QueueName.makeUnsafe(`contract-${prefix}-${number.toString(16).padStart(8, "0")}`)
  )

const opening = (what: string) => (cause: unknown) => {
  const why = cause instanceof Error ? cause.message : Formatter.format(cause)
  return new Rule.RuleFailed({ what: `${what}: ${why}`, cause })
}

/** With the services of the harness, but in the scope of whoever runs it. */
const inOwnScope = <A, E, R>(
  effect: Effect.Effect<A, E, R | Scope.Scope>,
  context: Context.Context<R>
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.updateContext(effect, (own: Context.Context<Scope.Scope>) => Context.merge(context, own))

/** A world on a new queue, open until the scope closes. */
const makeWorld = <E, R>(
  harness: Harness.Harness<E, R>,
  rule: ProviderRule.ProviderRule,
  check: World.CheckOptions,
  changes: Partial<World.QueueOptions> = {}
): Effect.Effect<World.Service, Rule.RuleFailed, R | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const options = { ...ProviderRule.queueDefaults, ...rule.queue, ...changes }
    const prefix = rule.id.toLowerCase()
    const queue = yield* freshName(prefix)
    const { foreign, layer } = yield* Effect.mapError(
      harness.open({ queue, ...options }),
      opening("the harness could not open a queue")
    )
    // Fresh: each connection is built anew.
    const connect = inOwnScope(Layer.build(Layer.fresh(layer)), context).pipe(
      Effect.mapBoth({
        onFailure: opening("the provider's layer could not be built"),
        onSuccess: Context.get(QueueProvider.QueueProvider)
      })
    )
    const provider = yield* connect
    return {
      queue,
      options,
      missing: yield* freshName("missing"),
      provider,
      capabilities: provider.capabilities(queue),
      connect,
      another: (other) => inOwnScope(makeWorld(harness, rule, check, other), context),
      foreign: Option.fromUndefinedOr(foreign),
      time: harness.time,
      check
    }
  })

/** Why nothing is asked of the provider on this endpoint. */
const probeReason = <E, R>(
  { failedProbes }: Harness.Harness<E, R>,
  rule: ProviderRule.ProviderRule
): Effect.Effect<string | undefined, Rule.RuleFailed, R> =>
  failedProbes === undefined || rule.probes === undefined
    ? Effect.undefined
    : failedProbes.pipe(
        Effect.map((failed) => ProviderRule.probeReason(rule, failed)),
        Effect.mapError(opening("the probes of the endpoint could not be run"))
      )

/**
 * The rules bound to a provider.
 *
 * @category running
 * @since 0.1.0
 */
export const cases = <E, R>(
  harness: Harness.Harness<E, R>,
  options: Options = {}
): ReadonlyArray<Contract.Case<R>> =>
  (options.rules ?? rules).map((rule) => {
    const check = Effect.gen(function* () {
      const unproved = yield* probeReason(harness, rule)
      if (unproved !== undefined) return yield* new Rule.RuleSkipped({ reason: unproved })
      const world = yield* makeWorld(harness, rule, options)
      const reason = ProviderRule.skipReason(rule, world)
      if (reason !== undefined) return yield* new Rule.RuleSkipped({ reason })
      yield* Effect.provideService(rule.run, World.World, world)
    })
    // Many sequences, and those that fail are shrunk.
    const limit = Duration.times(harness.time.limit, rule.group === "Model" ? 5 : 1)
    return Contract.make(
      rule,
      harness.name,
      limit,
      Effect.scoped(Time.provide(harness.time)(check))
    )
  })

/** Rules of a live run wait most of the time; each has a queue of its own. */
const liveConcurrency = 32

/**
 * Runs the rules outside of a test runner: which of them does this provider break?
 *
 * **Example** (The rules that a provider breaks)
 *
 * ```ts
 * import { ProviderContract, Time } from "@queue-runtime/contract-tests"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect } from "effect"
 *
 * const run = ProviderContract.run(
 *   {
 *     name: "one broker a connection",
 *     time: Time.virtual,
 *     open: ({ queue }) => Effect.succeed({ layer: MemoryProvider.layer({ queues: { [queue]: {} } }) })
 *   },
 *   { rules: ProviderContract.rules.filter(({ id }) => ["LIFE-1", "LIFE-4"].includes(id)) }
 * )
 * const results = await Effect.runPromise(run)
 * results.map(({ id, status }) => `${id} ${status}`) // => ["LIFE-1 passed", "LIFE-4 failed"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  harness: Harness.Harness<E, R>,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Contract.RuleResult>, never, R> =>
  Contract.run(cases(harness, options), {
    concurrency: harness.time.kind === "live" ? liveConcurrency : 1
  })

/**
 * Registers one test a rule with the `it` of `@effect/vitest`.
 *
 * @category running
 * @since 0.1.0
 */
export const suite = <E, R>(
  it: Contract.It<R>,
  harness: Harness.Harness<E, R>,
  options: Options = {}
): void => Contract.suite(it, cases(harness, options), { concurrent: harness.time.kind === "live" })
