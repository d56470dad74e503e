/**
 * The service the notifier calls: takes what it is told, fails one kind of event for ever, refuses
 * another for good, and can be down for a while.
 *
 * @since 0.1.0
 */
import type { QueueError } from "@queue-runtime/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Http from "../Http.ts"
import type * as History from "./History.ts"
import * as Plan from "./Plan.ts"

/**
 * The service.
 *
 * @category models
 * @since 0.1.0
 */
export interface Downstream {
  readonly url: string
  /** Whether it is down now. */
  readonly isDown: Effect.Effect<boolean>
  /** Calls that found it down, so far. */
  readonly turnedAway: Effect.Effect<number>
  /** Takes it down for so long: every other call is answered 503, and the others are cut off. */
  readonly outage: (duration: Duration.Duration) => Effect.Effect<void>
}

const Notification = Schema.fromJsonString(
  Schema.Struct({ id: Schema.String, session: Schema.String, event: Schema.String })
)

const decode = Schema.decodeUnknownEffect(Notification)

const ok: Http.Reply = { status: 200, json: {} }

const answer = (status: number, error: string): Http.Reply => ({ status, json: { error } })

/**
 * Starts it on a free port; it ends with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  history: History.History
): Effect.fn.Return<Downstream, QueueError.QueueError, Scope.Scope> {
  let isDown = false
  let turnedAway = 0

  const take = Effect.fnUntraced(function* (request: Http.Request) {
    const body = yield* Stream.mkString(Stream.decodeText(request.body))
    const { event, id, session } = yield* decode(body)
    if (event === Plan.failingEvent) return answer(500, "this kind always fails")
    if (event === Plan.refusedEvent) return answer(422, "this kind is not wanted")
    history.add({ _tag: "Notified", id, session })
    return ok
  })

  const handler = (request: Http.Request): Effect.Effect<Http.Reply> =>
    Effect.suspend(() => {
      if (!isDown) return Effect.orElseSucceed(take(request), () => answer(400, "unreadable"))
      turnedAway++
      return Effect.succeed(turnedAway % 2 === 0 ? "hang up" : answer(503, "down"))
    })

  return {
    url: yield* Http.serve({ host: "127.0.0.1", port: 0, handler }),
    isDown: Effect.sync(() => isDown),
    turnedAway: Effect.sync(() => turnedAway),
    outage: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          isDown = true
        }),
        () => Effect.sleep(duration),
        () =>
          Effect.sync(() => {
            isDown = false
          })
      )
  }
})
