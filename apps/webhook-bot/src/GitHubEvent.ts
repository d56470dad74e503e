/**
 * An event as the bots read it from a message.
 *
 * @since 0.1.0
 */
import { HandlerFailure, type ReceivedMessage } from "@queue-runtime/core"
import { SessionKeyExtractor } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Webhook from "./Webhook.ts"

/**
 * What happened, where and by whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface GitHubEvent {
  /** The id of GitHub's delivery. */
  readonly id: string
  /** Its session. */
  readonly session: string
  /** Its kind: `pull_request`. */
  readonly name: string
  readonly action: string | undefined
  readonly sender: string | undefined
  /** Reads the payload: `pull_request.title`. */
  readonly from: SessionKeyExtractor.SessionKeyExtractor
}

const unreadable = (description: string) =>
  Effect.fail(new HandlerFailure.Permanent({ reason: "UnreadableEvent", description }))

/**
 * The event of a message.
 *
 * **Errors** Permanent `UnreadableEvent`: no delivery of the same bytes reads better.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromMessage = Effect.fnUntraced(function* (
  message: ReceivedMessage.ReceivedMessage
): Effect.fn.Return<GitHubEvent, HandlerFailure.Permanent> {
  const { attributes, body, messageId, sessionId } = message
  const name = attributes[Webhook.attributes.event]
  if (name === undefined) return yield* unreadable("the attribute event is missing")
  if (sessionId === undefined) return yield* unreadable("the message has no session")
  const payload = yield* Webhook.payload(body).pipe(
    Effect.catchTag("QueueError", ({ reason }) => unreadable(reason.message))
  )
  const from = SessionKeyExtractor.fromJson(payload)
  return {
    id: messageId,
    session: sessionId,
    name,
    from,
    action: Option.getOrUndefined(from.get("action")),
    sender: Option.getOrUndefined(from.get("sender.login"))
  }
})

/**
 * One line for people.
 *
 * @category formatting
 * @since 0.1.0
 */
export const describe = ({ action, name, sender }: GitHubEvent): string =>
  [name, action, sender === undefined ? undefined : `by ${sender}`]
    .filter((part) => part !== undefined)
    .join(" ")
