import { ProviderContract, type ProviderRule } from "@queue-runtime/contract-tests"

/** These take a quarter of a minute and more on a live clock. */
const slow = new Set([
  "DEAD-4",
  "MODEL-1",
  "MODEL-2",
  "RECEIVE-11",
  "SCHEDULE-4",
  "SCHEDULE-9",
  "SCHEDULE-11",
  "SETTLE-5",
  "SETTLE-15"
])

/**
 * The rules for a stack, beside all of them on its provider. `pnpm contract` runs all of them on stacks
 * too; so many more minutes are too much for a test run.
 */
export const quickRules: ReadonlyArray<ProviderRule.ProviderRule> = ProviderContract.rules.filter(
  ({ id }) => !slow.has(id)
)
