/**
 * What can go wrong on purpose: a rule says which calls are struck, how often, and what happens to them.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * The calls that can be struck: a connection that is opened, a token put, a link attached, a message or
 * batch sent, a delivery settled on its link, and a request to `$management`.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation = "Connect" | "Token" | "Attach" | "Send" | "Settle" | "Management"

/**
 * What happens to a call that is struck. With `applied` the call takes effect and its reply is lost.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | {
      readonly _tag: "Refuse"
      /** An AMQP error condition. */
      readonly condition: string
      readonly description?: string | undefined
    }
  | { readonly _tag: "Delay"; readonly duration: Duration.Input }
  | {
      readonly _tag: "DropLink"
      /** `amqp:link:detach-forced` if not given. */
      readonly condition?: string | undefined
      readonly description?: string | undefined
      readonly applied?: boolean | undefined
    }
  | { readonly _tag: "DropConnection"; readonly applied?: boolean | undefined }
  | { readonly _tag: "Swallow"; readonly applied?: boolean | undefined }

/**
 * Which calls are struck, how often, and by what.
 *
 * **Details** All rules that fit a call are drawn in the order they were added: delays add up, and of the
 * others the first one strikes. `probability` is drawn from the emulator's seed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly operation: Operation | "*"
  /** The name of a queue; absent: any. */
  readonly queue?: string | undefined
  /** The operation of a request to `$management`, such as `com.microsoft:renew-lock`; absent: any. */
  readonly request?: string | undefined
  /** 1 if not given. */
  readonly probability?: number | undefined
  /** How many calls are struck before the rule is spent; absent: no end. */
  readonly times?: number | undefined
  readonly fault: Fault
}

/**
 * The service is busy: clients wait and try again.
 *
 * **Example** (Ten sends in a hundred are throttled)
 *
 * ```ts
 * import { Fault } from "@queue-runtime/servicebus-emulator"
 *
 * const rule: Fault.Rule = { operation: "Send", probability: 0.1, fault: Fault.serverBusy }
 * rule.fault._tag // => "Refuse"
 * ```
 *
 * @category faults
 * @since 0.1.0
 */
export const serverBusy: Fault = {
  _tag: "Refuse",
  condition: "com.microsoft:server-busy",
  description:
    "The request was terminated because the entity is being throttled. Error code : 50009. Please wait 2 seconds and try again."
}

/**
 * A token, link or call is not allowed.
 *
 * @category faults
 * @since 0.1.0
 */
export const unauthorized: Fault = {
  _tag: "Refuse",
  condition: "amqp:unauthorized-access",
  description: "Unauthorized access. A fault of the emulator refused this."
}
