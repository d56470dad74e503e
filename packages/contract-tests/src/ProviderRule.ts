/**
 * A rule of `QueueProvider`: what queue it needs, and when it does not apply.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { Capabilities } from "@queue-runtime/core"
import type * as Rule from "./Rule.ts"
import type * as World from "./World.ts"

/**
 * What rules are about.
 *
 * @category models
 * @since 0.1.0
 */
export const groups = [
  "Sending",
  "Receiving",
  "Settlement",
  "Redelivery",
  "DeadLetter",
  "Replay",
  "Sessions",
  "Scheduling",
  "Limits",
  "Errors",
  "Lifecycle",
  "Concurrency",
  "Batching",
  "Interop",
  "Model"
] as const

/**
 * A rule over a {@link World}.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderRule extends Rule.Rule<World.World> {
  readonly group: (typeof groups)[number]
  /** What it leans on of the service: the ids of probes. Absent: nothing. */
  readonly probes?: ReadonlyArray<string>
  /** The queue it needs; what is absent is as in {@link queueDefaults}. */
  readonly queue?: Partial<World.QueueOptions>
  /** Why it does not apply to a queue that can do this; nothing when it does. */
  readonly skip?: (capabilities: Capabilities.Capabilities) => string | undefined
  /** How much time it lets pass, where that may be much. */
  readonly passes?: (capabilities: Capabilities.Capabilities) => Duration.Duration
}

/**
 * The queue of a rule that does not say otherwise. Five seconds are the shortest lock of Service Bus.
 *
 * @category models
 * @since 0.1.0
 */
export const queueDefaults: World.QueueOptions = {
  sessions: false,
  deliveriesMax: 5,
  lockDuration: Duration.seconds(5),
  deduplication: false
}

type Feature = {
  [
    Key in keyof Capabilities.Capabilities
  ]-?: Capabilities.Capabilities[Key] extends Capabilities.Support ? Key : never
}[keyof Capabilities.Capabilities]

/**
 * A skip of rules on features: unless the queue has them all.
 *
 * **Example** (A queue without sessions)
 *
 * ```ts
 * import { ProviderRule } from "@queue-runtime/contract-tests"
 *
 * const skip = ProviderRule.needs("peek")
 * skip({ peek: "unsupported" } as never) // => "peek is declared unsupported"
 * ```
 *
 * @category skipping
 * @since 0.1.0
 */
export const needs =
  (...features: ReadonlyArray<Feature>) =>
  (capabilities: Capabilities.Capabilities): string | undefined => {
    const missing = features.find((feature) => !Capabilities.isSupported(capabilities[feature]))
    return missing === undefined ? undefined : `${missing} is declared unsupported`
  }

/**
 * A skip of rules on what a queue without a feature must refuse: when the queue has it.
 *
 * @category skipping
 * @since 0.1.0
 */
export const lacks =
  (feature: Feature) =>
  (capabilities: Capabilities.Capabilities): string | undefined =>
    Capabilities.isSupported(capabilities[feature])
      ? `${feature} is declared ${capabilities[feature]}`
      : undefined

/**
 * Why the rule says nothing on an endpoint where these probes fail: whose fault it is cannot be told.
 *
 * **Example** (An emulator without the rule of groups)
 *
 * ```ts
 * import { ProviderContract, ProviderRule } from "@queue-runtime/contract-tests"
 *
 * const failed = new Set(["P2"])
 * ProviderContract.rules.flatMap((rule) => ProviderRule.probeReason(rule, failed) ?? [])[0]
 * // => "leans on probe P2, which fails on this endpoint"
 * ```
 *
 * @category skipping
 * @since 0.1.0
 */
export const probeReason = (
  { probes = [] }: Pick<ProviderRule, "probes">,
  failed: ReadonlySet<string>
): string | undefined => {
  const first = probes.find((id) => failed.has(id))
  return first === undefined ? undefined : `leans on probe ${first}, which fails on this endpoint`
}

/**
 * Why the rule does not apply to a queue that was made for it.
 *
 * @category skipping
 * @since 0.1.0
 */
export const skipReason = (
  rule: ProviderRule,
  { capabilities, options, time }: Pick<World.Service, "capabilities" | "options" | "time">
): string | undefined => {
  if (options.sessions !== capabilities.ordered) {
    return options.sessions
      ? "the provider has no ordered queue"
      : "the provider has ordered queues alone"
  }
  const reason = rule.skip?.(capabilities)
  if (reason !== undefined) return reason
  const passes = rule.passes?.(capabilities) ?? Duration.zero
  return Duration.isGreaterThan(passes, time.passMax)
    ? `lets ${Duration.format(passes)} pass on a live clock`
    : undefined
}
