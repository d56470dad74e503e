/**
 * What a person may tell the demo.
 *
 * @since 0.1.0
 */
import { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"

/**
 * What was told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flags {
  readonly seed: string
  readonly deliveries: number
  /** Whether the library's log is shown. */
  readonly logs: boolean
  readonly help: boolean
}

/**
 * How to call the demo.
 *
 * @category formatting
 * @since 0.1.0
 */
export const help = `npm run demo -- [--seed text] [--deliveries 100–10000] [--logs]

  --seed        the same seed posts the same deliveries in the same plan (default: octocat)
  --deliveries  how many real payloads are posted (default: 2400)
  --logs        show the library's log between the progress lines`

const deliveriesMin = 100

/** What the memory provider holds, should none of it be handled. */
const deliveriesMax = 10_000

const invalid = (flag: string, rule: string) => Effect.fail(QueueError.validationFailed(flag, rule))

const parse = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        // A package manager may hand its own separator on.
        args: args.filter((arg) => arg !== "--"),
        options: {
          seed: { type: "string", default: "octocat" },
          deliveries: { type: "string", default: "2400" },
          logs: { type: "boolean", default: false },
          help: { type: "boolean", default: false, short: "h" }
        }
      }).values,
    catch: () =>
      QueueError.validationFailed("flags", "must be --seed, --deliveries or --logs; see --help")
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
  const values = yield* parse(args)
  const deliveries = /^\d+$/u.test(values.deliveries) ? Number(values.deliveries) : 0
  if (deliveries < deliveriesMin || deliveries > deliveriesMax) {
    return yield* invalid(
      "--deliveries",
      `must be a whole number from ${deliveriesMin} to ${deliveriesMax}`
    )
  }
  if (!/^[!-~]{1,64}$/u.test(values.seed)) {
    return yield* invalid("--seed", "must have 1–64 printable ASCII characters without spaces")
  }
  return { seed: values.seed, deliveries, logs: values.logs, help: values.help }
})
