/**
 * How a handler under simulation says what it did: what others can see of it, and what must not be done
 * twice.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * Who writes effects down; outside a simulation nobody does.
 *
 * @category services
 * @since 0.1.0
 */
export const Effects = Context.Reference<(key: string) => void>(
  "@queue-runtime/simulation/Effects",
  { defaultValue: () => () => undefined }
)

/**
 * Says that an effect was applied: for the fakes of what a handler writes to.
 *
 * **Example** (A fake of a payment service)
 *
 * ```ts
 * import { Effects } from "@queue-runtime/simulation"
 * import { Effect } from "effect"
 *
 * const charge = (order: string) => Effects.applied(`charge ${order}`)
 * Effect.runSync(charge("7")) // => undefined
 * ```
 *
 * @category effects
 * @since 0.1.0
 */
export const applied = (key: string): Effect.Effect<void> =>
  Effect.flatMap(Effects, (write) => Effect.sync(() => write(key)))
