/**
 * Tells another service what happened, by HTTP.
 *
 * **Details**
 *
 * | answer | what it says |
 * |---|---|
 * | none: refused, broken or too late; 429, 502, 503, 504 | the service is down, for every event: `DownstreamUnavailable` |
 * | any other 5xx | it failed on this event, which comes again after its backoff: `DownstreamFailed` |
 * | any other that is not 2xx | for good: the same request would be refused again, and the message is put aside with the status |
 *
 * The first two are told apart because of an event that always makes the service fail: it must not look
 * like an outage, which nothing is put aside for.
 *
 * The service gets each event at least once, with the delivery's id in `Idempotency-Key`.
 *
 * @since 0.1.0
 */
import { HandlerFailure } from "@queue-runtime/core"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as GitHubEvent from "../GitHubEvent.ts"
import * as Http from "../Http.ts"

/**
 * The service is not there for the moment.
 *
 * @category errors
 * @since 0.1.0
 */
export class DownstreamUnavailable extends Schema.TaggedError<DownstreamUnavailable>()(
  "DownstreamUnavailable",
  { detail: Schema.String }
) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The service failed on this event; the next try may go.
 *
 * @category errors
 * @since 0.1.0
 */
export class DownstreamFailed extends Schema.TaggedError<DownstreamFailed>()("DownstreamFailed", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * How the notifier fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type Failure = DownstreamUnavailable | DownstreamFailed | HandlerFailure.Permanent

/**
 * Tells one event.
 *
 * @category services
 * @since 0.1.0
 */
export class Notifier extends Context.Service<
  Notifier,
  {
    /**
     * Posts the event and waits for the answer.
     *
     * **Errors** DownstreamUnavailable (when it is up again) · DownstreamFailed (again later) ·
     * Permanent `DownstreamRefused` (never)
     */
    readonly notify: (event: GitHubEvent.GitHubEvent) => Effect.Effect<void, Failure>
  }
>()("@queue-runtime/webhook-bot/bots/Notifier") {}

/**
 * Where to post, and how long to wait.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Absent: nobody is told. */
  readonly url: Option.Option<string>
  readonly timeout: Duration.Duration
}

const encoder = new TextEncoder()

const bodyOf = (event: GitHubEvent.GitHubEvent): Uint8Array =>
  encoder.encode(
    JSON.stringify({
      id: event.id,
      session: event.session,
      event: event.name,
      text: GitHubEvent.describe(event)
    })
  )

/** Too many requests, and what proxies answer for a service that is not there. */
const outages: ReadonlySet<number> = new Set([429, 502, 503, 504])

const judge = ({ status }: Http.Answer): Effect.Effect<void, Failure> => {
  if (status >= 200 && status < 300) return Effect.void
  const detail = `the downstream answered ${status}`
  if (outages.has(status)) return Effect.fail(new DownstreamUnavailable({ detail }))
  if (status >= 500) return Effect.fail(new DownstreamFailed({ detail }))
  return Effect.fail(
    new HandlerFailure.Permanent({ reason: "DownstreamRefused", description: detail })
  )
}

/**
 * A notifier over HTTP.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ timeout, url }: Options): Layer.Layer<Notifier, never, Http.Client> =>
  Layer.effect(
    Notifier,
    Effect.map(Http.Client, ({ post }) => ({
      notify: Option.match(url, {
        onNone: () => () => Effect.void,
        onSome: (to) => (event: GitHubEvent.GitHubEvent) =>
          post({
            url: to,
            body: bodyOf(event),
            headers: { "content-type": "application/json", "idempotency-key": event.id },
            timeout
          }).pipe(
            Effect.mapError(
              ({ detail }) =>
                new DownstreamUnavailable({ detail: `the downstream did not answer: ${detail}` })
            ),
            Effect.flatMap(judge)
          )
      })
    }))
  )
