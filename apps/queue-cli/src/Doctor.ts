/**
 * What is wrong with a configuration, a credential, a permission or a queue, and what to do, in plain
 * words.
 *
 * @since 0.1.0
 */
import { type QueueError, type QueueName } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Diagnostics, type Finding } from "./Diagnostics.ts"
import * as findings from "./findings.ts"

/** SQS takes signatures fifteen minutes off, a token of Service Bus has less room. */
const skewMax = Duration.minutes(5)

const subject = "clock"

/** The time a server says it is, by the head of any answer it gives. */
const serverTime = (address: string): Effect.Effect<Option.Option<number>> =>
  Effect.tryPromise((signal) => fetch(address, { method: "HEAD", signal })).pipe(
    Effect.timeoutOption("5 seconds"),
    Effect.map((answer) =>
      Option.flatMap(answer, ({ headers }) => {
        const parsed = Date.parse(headers.get("date") ?? "")
        return Number.isNaN(parsed) ? Option.none() : Option.some(parsed)
      })
    ),
    Effect.catch(() => Effect.succeed(Option.none<number>()))
  )

/**
 * How two clocks go together.
 *
 * @category checks
 * @since 0.1.0
 */
export const clockFinding = (ours: number, theirs: number): Finding => {
  const skew = Duration.millis(Math.abs(ours - theirs))
  const shown = Duration.format(Duration.seconds(Math.round(Duration.toSeconds(skew))))
  return Duration.isGreaterThan(skew, skewMax)
    ? findings.problem(
        subject,
        `this machine's clock is ${shown} ${ours > theirs ? "ahead of" : "behind"} the service's`,
        "set it (timedatectl, or the host of the container): signatures carry the time"
      )
    : findings.ok(subject, `${shown === "0" ? "less than 1s" : shown} from the service's`)
}

/** A service that cannot be asked says nothing of the clock; its queues will say why. */
const checkClock = Effect.fnUntraced(function* (address: string) {
  const theirs = yield* serverTime(address)
  const ours = yield* Clock.currentTimeMillis
  return Option.isNone(theirs) ? [] : [clockFinding(ours, theirs.value)]
})

/**
 * Looks at everything there is to look at.
 *
 * @category checks
 * @since 0.1.0
 */
export const examine = Effect.fnUntraced(function* (
  queues: ReadonlyArray<QueueName.QueueName>
): Effect.fn.Return<ReadonlyArray<Finding>, never, Diagnostics> {
  const { address, check } = yield* Diagnostics
  const clock = address === undefined ? [] : yield* checkClock(address)
  const checked = yield* Effect.forEach(queues, check, { concurrency: 4 })
  return [...clock, ...checked.flat()]
})

/**
 * What kept the stack from being opened.
 *
 * @category checks
 * @since 0.1.0
 */
export const unopened = (error: QueueError.QueueError): Finding =>
  findings.ofError(
    error.reason._tag === "ConfigurationInvalid" ? "configuration" : "provider",
    error
  )
