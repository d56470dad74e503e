/**
 * The command: which rules every provider of the repository keeps, and which sabotages they catch.
 *
 * @since 0.1.0
 */
import {
  type Harness,
  ProviderContract,
  type ProviderRule,
  Sabotage,
  Sabotages
} from "@queue-runtime/contract-tests"
import { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { healthy, named, providers } from "./providers.ts"
import * as tables from "./tables.ts"

/**
 * What was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flags {
  /** Absent: all, and the sabotages. */
  readonly provider?: string
  /** Empty: all. */
  readonly rules: ReadonlyArray<string>
  readonly seed: string
  readonly help: boolean
}

/**
 * How to call it.
 *
 * @category formatting
 * @since 0.1.0
 */
export const help = `pnpm contract [--provider NAME] [--rule ID]… [--seed N]

  --provider  one provider alone, and no sabotages: ${providers.map(({ name }) => name).join(", ")};
              a name stands for its variants as well: aws for aws-stack, aws-sessions and aws-fauxqs. A
              stack is the provider behind sealing, batching, breaker, retry, time-out and telemetry;
              aws-sessions is behind leases in DynamoDB
  --rule      these rules alone: on every provider, and which sabotages break them
  --seed      of the model-based rules (default: 1)

Without --provider and --rule it writes .reports/contract.json as well.

CONTRACT_SQS_ENDPOINT points aws at a server; "aws" means AWS itself, in AWS_REGION, with the credentials
that the SDK finds. CONTRACT_SERVICEBUS_CONNECTION_STRING points azure at a namespace, or at the official
emulator. Queues called contract-… are made there and removed again.`

const invalid = (flag: string, rule: string) => Effect.fail(QueueError.validationFailed(flag, rule))

const parse = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        // A package manager may hand its own separator on.
        args: args.filter((arg) => arg !== "--"),
        options: {
          provider: { type: "string" },
          rule: { type: "string", multiple: true, default: [] },
          seed: { type: "string", default: "1" },
          help: { type: "boolean", default: false, short: "h" }
        }
      }).values,
    catch: () =>
      QueueError.validationFailed("flags", "must be --provider, --rule or --seed; see --help")
  })

/**
 * Reads the flags.
 *
 * **Errors** ValidationFailed (never retry), naming the flag and its rule.
 *
 * @category parsing
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>
): Effect.fn.Return<Flags, QueueError.QueueError> {
  const { help: isHelp, provider, rule, seed } = yield* parse(args)
  const names = providers.map(({ name }) => name)
  if (provider !== undefined && named(provider).length === 0) {
    return yield* invalid("--provider", `must be one of ${names.join(", ")}`)
  }
  const known = new Set(ProviderContract.rules.map(({ id }) => id))
  const unknown = rule.find((id) => !known.has(id))
  if (unknown !== undefined) {
    return yield* invalid("--rule", `must be the id of a rule, as SETTLE-3; got ${unknown}`)
  }
  return {
    ...(provider === undefined ? {} : { provider }),
    rules: rule,
    seed,
    help: isHelp
  }
})

/**
 * Whether the model-based rules look for the sabotage, or the hand-written ones alone.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const isModelBased = ({ group }: ProviderRule.ProviderRule): boolean => group === "Model"

/**
 * Puts sabotages into a provider that keeps every rule, and runs rules on each.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const sabotage = <E, R>(
  harness: Harness.Harness<E, R>,
  rulesOf: (sabotage: Sabotage.Sabotage) => ReadonlyArray<ProviderRule.ProviderRule>,
  options: ProviderContract.Options = {}
): Effect.Effect<ReadonlyArray<Sabotage.Verdict>, never, R> =>
  Effect.forEach(Sabotages.all, (one) =>
    Sabotage.run(harness, one, { ...options, rules: rulesOf(one) })
  )

/**
 * What a run found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  /** For people. */
  readonly text: string
  /** Of a whole run. */
  readonly report?: tables.Report
  /** Nothing failed, and nothing got through. */
  readonly isGood: boolean
}

/** As many as the contract itself runs on one provider. */
const rulesAtOnce = 32

const hasFailed = ({ results }: tables.Column): boolean =>
  results.some(({ status }) => status === "failed")

/** As if every rule that failed had been meant to. */
const asMeant = ({ failed, sabotage: broken }: Sabotage.Verdict): Sabotage.Verdict => ({
  sabotage: broken,
  failed,
  caughtBy: failed
})

/**
 * Runs what was asked for. `say` hears what is under way.
 *
 * @category running
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  flags: Flags,
  say: (what: string) => Effect.Effect<void>
): Effect.fn.Return<Found> {
  const isAsked = ({ id }: ProviderRule.ProviderRule): boolean =>
    flags.rules.length === 0 || flags.rules.includes(id)
  const rules = ProviderContract.rules.filter(isAsked)
  const chosen = flags.provider === undefined ? providers : named(flags.provider)
  const columns = yield* Effect.forEach(
    chosen,
    (harness) =>
      say(`${rules.length} rules on ${harness.name}`).pipe(
        Effect.andThen(ProviderContract.run(harness, { rules, seed: flags.seed })),
        Effect.map((results): tables.Column => ({ name: harness.name, results }))
      ),
    // Of a few rules, which wait most of the time, all columns at once.
    { concurrency: Math.max(1, Math.floor(rulesAtOnce / Math.max(1, rules.length))) }
  )
  const table = tables.formatProviders(columns)
  const isKept = !columns.some(hasFailed)
  if (flags.provider !== undefined) return { text: table, isGood: isKept }

  // The model-based rules take a second on what they find nothing in: those that are meant to alone.
  const quick = rules.filter((rule) => !isModelBased(rule))
  const rulesOf = ({ caughtBy }: Sabotage.Sabotage) => [
    ...quick,
    ...rules.filter((rule) => isModelBased(rule) && caughtBy.includes(rule.id))
  ]
  yield* say(`${Sabotages.all.length} sabotages`)
  const all = yield* sabotage(healthy, rulesOf, { seed: flags.seed })
  const isWhole = flags.rules.length === 0
  // Of a few rules it can be told what breaks them, and not what gets through.
  const breaking = all.filter(({ failed }) => failed.length > 0)
  const verdicts = isWhole ? all : breaking.map(asMeant)
  const ids = rules.map(({ id }) => id)
  const text = `${table}\n\n${tables.formatSabotages(ids, verdicts)}`
  if (!isWhole) return { text, isGood: isKept }
  const report = tables.report(ids, columns, verdicts)
  const isProved = report.sabotages.survivors.length === 0 && report.unproved.length === 0
  return { text, report, isGood: isKept && isProved }
})
