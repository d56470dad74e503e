/**
 * Runs rules: as tests of a runner that is handed in, or as a plain effect that answers a result a rule.
 *
 * **Details**
 *
 * A {@link Case} is a rule bound to what it is checked on. A port has its contract here by two things:
 * its rules, and a function from a rule to its case; `ProviderContract` is the one of `QueueProvider`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { failureOf } from "./internal/failure.ts"
import * as Rule from "./Rule.ts"
import * as Time from "./Time.ts"

/**
 * A rule bound to what it is checked on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case<R = never> extends Pick<Rule.Rule, "id" | "group" | "title" | "source"> {
  /** On what: the name of a provider. */
  readonly subject: string
  /** In real time. */
  readonly limit: Duration.Duration
  readonly check: Effect.Effect<void, Rule.RuleFailed | Rule.RuleSkipped, R>
}

/**
 * What became of a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface RuleResult {
  readonly id: string
  readonly group: string
  readonly title: string
  readonly status: "passed" | "failed" | "skipped"
  /** Why it failed or was skipped. */
  readonly reason?: string
  readonly durationMillis: number
}

const interrupted = new Rule.RuleFailed({
  what: "the rule was interrupted, and nobody asked for it"
})

/**
 * Runs an effect to its end or to its limit in real time. It is left behind then, not waited for: what
 * cannot be interrupted must not stop the rules after it. An interruption from inside is a failure, and
 * ends nothing else.
 */
const limited = <R>(
  check: Effect.Effect<void, Rule.RuleFailed | Rule.RuleSkipped, R>,
  limit: Duration.Duration
): Effect.Effect<void, Rule.RuleFailed | Rule.RuleSkipped, R> =>
  Effect.flatMap(Effect.forkDetach(check), (fiber) => {
    const late = Effect.sleep(limit).pipe(
      Time.withLive,
      Effect.andThen(
        Effect.fail(new Rule.RuleFailed({ what: `did not end within ${Duration.format(limit)}` }))
      )
    )
    const end = Effect.flatMap(Fiber.await(fiber), (exit) =>
      Exit.hasInterrupts(exit) ? Effect.fail(interrupted) : exit
    )
    return Effect.raceFirst(end, late).pipe(
      Effect.onExit(() => Effect.sync(() => fiber.interruptUnsafe()))
    )
  })

/**
 * Binds a rule: `check` is its `run` with everything provided but `R`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(
  rule: Pick<Rule.Rule, "id" | "group" | "title" | "source">,
  subject: string,
  limit: Duration.Duration,
  check: Effect.Effect<void, E, R>
): Case<R> => ({
  id: rule.id,
  group: rule.group,
  title: rule.title,
  source: rule.source,
  subject,
  limit,
  check: limited(
    Effect.catchCause(check, (cause) =>
      Cause.hasInterruptsOnly(cause) ? Effect.fail(interrupted) : Effect.fail(failureOf(cause))
    ),
    limit
  )
})

const statusOf = (
  exit: Exit.Exit<void, Rule.RuleFailed | Rule.RuleSkipped>
): Pick<RuleResult, "status" | "reason"> => {
  if (Exit.isSuccess(exit)) return { status: "passed" }
  const failure = failureOf(exit.cause)
  return failure._tag === "RuleSkipped"
    ? { status: "skipped", reason: failure.reason }
    : { status: "failed", reason: failure.message }
}

const runOne = <R>(one: Case<R>): Effect.Effect<RuleResult, never, R> =>
  Effect.gen(function* () {
    const clock = Clock.Clock.defaultValue()
    const start = clock.currentTimeMillisUnsafe()
    const exit = yield* Effect.exit(one.check)
    const durationMillis = clock.currentTimeMillisUnsafe() - start
    const { group, id, title } = one
    return { id, group, title, ...statusOf(exit), durationMillis }
  })

/**
 * Runs cases outside of a test runner: a result each, in their order. Never fails.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <R>(
  cases: ReadonlyArray<Case<R>>,
  options: { readonly concurrency?: number } = {}
): Effect.Effect<ReadonlyArray<RuleResult>, never, R> =>
  Effect.forEach(cases, runOne, { concurrency: options.concurrency ?? 1 })

/**
 * The part of the `it` of `@effect/vitest` that a suite needs; that of `it.layer` has services of its
 * own in `R`.
 *
 * @category models
 * @since 0.1.0
 */
export interface It<R = never> {
  readonly effect: (
    name: string,
    self: (context: {
      readonly skip: (note?: string) => never
    }) => Effect.Effect<void, Rule.RuleFailed, R | Scope.Scope>,
    options: { readonly concurrent: boolean; readonly timeout: number }
  ) => void
}

/** Room for the runner to say what went wrong, after the rule's own limit. */
const graceMillis = 5_000

/** The runner is told by a throw, which the test need not end with: as a failure it would be logged. */
const skip = (
  context: { readonly skip: (reason: string) => never },
  reason: string
): Effect.Effect<void> => Effect.ignoreCause(Effect.sync(() => context.skip(reason)))

/**
 * Registers one test a case: `SETTLE-3 completing twice fails with ReceiptExpired`. One that does not
 * apply shows as skipped, with the reason.
 *
 * @category running
 * @since 0.1.0
 */
export const suite = <R, R2 extends R | Scope.Scope>(
  it: It<R>,
  cases: ReadonlyArray<Case<R2>>,
  options: { readonly concurrent?: boolean } = {}
): void => {
  for (const one of cases) {
    it.effect(
      Rule.format(one),
      (context) =>
        one.check.pipe(
          Effect.catchTag("RuleSkipped", ({ reason }) => skip(context, reason)),
          Effect.mapError(
            ({ cause, message }) =>
              new Rule.RuleFailed({
                what: `${one.subject} breaks ${Rule.format(one)}\n${message}\n  source:   ${one.source}`,
                ...(cause === undefined ? {} : { cause })
              })
          )
        ),
      {
        concurrent: options.concurrent === true,
        timeout: Duration.toMillis(one.limit) + graceMillis
      }
    )
  }
}
