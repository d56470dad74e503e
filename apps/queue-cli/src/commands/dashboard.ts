/** `dashboard`: the web page, until somebody ends it. */
import type { DeadLetters, QueueClient, QueueError, QueueName } from "@queue-runtime/core"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Output from "../Output.ts"

/** What was asked for. */
export interface Input {
  /** Absent: this machine alone. */
  readonly host: string | undefined
  readonly port: number
  readonly allowedHosts: ReadonlyArray<string>
  readonly interval: Duration.Duration
  readonly isReadOnly: boolean
}

/** A token of one's own; a flag would show it to whoever lists processes. */
const tokenVariable = "QUEUE_DASHBOARD_TOKEN"

const givenToken = Effect.orElseSucceed(Config.option(Config.Redacted(tokenVariable)), () =>
  Option.none<Redacted.Redacted>()
)

/** Serves until it is ended. */
export const run = Effect.fnUntraced(function* (
  queues: ReadonlyArray<QueueName.QueueName>,
  { allowedHosts, host, interval, isReadOnly, port }: Input
): Effect.fn.Return<
  never,
  QueueError.QueueError,
  DeadLetters.DeadLetters | Output.Output | QueueClient.QueueClient
> {
  const output = yield* Output.Output
  const Dashboard = yield* Effect.promise(() => import("../dashboard/Dashboard.ts"))
  const token = yield* givenToken
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const { link, url } = yield* Dashboard.serve({
        queues,
        port,
        allowedHosts,
        every: interval,
        readOnly: isReadOnly,
        ...(host === undefined ? {} : { host }),
        ...Option.match(token, { onNone: () => ({}), onSome: (value) => ({ token: value }) })
      })
      const address = Redacted.value(link)
      yield* output.result({ url, link: address }, () => output.style.cyan(address))
      yield* output.say("open this address in a browser; Ctrl-C ends it")
      return yield* Effect.never
    })
  )
})
