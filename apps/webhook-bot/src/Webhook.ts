/**
 * A delivery of GitHub's as a message: pure, and the body's bytes as they came.
 *
 * **Details**
 *
 * | of the delivery | of the message |
 * |---|---|
 * | `X-GitHub-Delivery` | message id and correlation id; a redelivery keeps it, so the queue drops it |
 * | `X-GitHub-Event`, `action`, `repository.full_name`, `installation.id` | attributes |
 * | the body | the body, byte for byte, `application/json` |
 * | its pull request, issue or branch | session id, by `SessionKeys` |
 *
 * @since 0.1.0
 */
import { Message, MessageId, QueueError } from "@queue-runtime/core"
import { SessionKeyExtractor } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as SessionKeys from "./SessionKeys.ts"

/**
 * The largest payload GitHub sends: 25 MB.
 *
 * **Source** GitHub, "Webhook events and payloads": payloads are capped at 25 MB
 *
 * @category limits
 * @since 0.1.0
 */
export const bodyBytesMax = 25 * 1024 * 1024

/**
 * The headers a delivery has, by lower-case name.
 *
 * @category headers
 * @since 0.1.0
 */
export const headers = {
  delivery: "x-github-delivery",
  event: "x-github-event",
  contentType: "content-type"
} as const

/**
 * The names of the attributes.
 *
 * @category attributes
 * @since 0.1.0
 */
export const attributes = {
  event: "event",
  action: "action",
  repository: "repository",
  installation: "installation"
} as const

/**
 * A delivery before anything of it is trusted but its signature.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly header: (name: string) => string | undefined
  readonly body: Uint8Array
}

const eventPattern = /^[a-z][a-z0-9_]{0,63}$/u

const event = (header: Delivery["header"]): Effect.Effect<string, QueueError.QueueError> => {
  const name = header(headers.event)
  return name !== undefined && eventPattern.test(name)
    ? Effect.succeed(name)
    : Effect.fail(
        QueueError.validationFailed(
          "X-GitHub-Event",
          "must have 1–64 characters of a–z, 0–9 and _, beginning with a letter"
        )
      )
}

const messageId = (
  header: Delivery["header"]
): Effect.Effect<MessageId.MessageId, QueueError.QueueError> =>
  Effect.mapError(MessageId.make(header(headers.delivery) ?? ""), ({ reason }) =>
    QueueError.validationFailed(
      "X-GitHub-Delivery",
      reason._tag === "ValidationFailed" ? reason.problem : reason.message
    )
  )

const isJson = (contentType: string | undefined): boolean =>
  /^application\/json\s*(?:;|$)/iu.test(contentType ?? "")

const json = (header: Delivery["header"]): Effect.Effect<void, QueueError.QueueError> =>
  isJson(header(headers.contentType))
    ? Effect.void
    : Effect.fail(
        QueueError.validationFailed(
          "Content-Type",
          "must be application/json; choose it in the webhook's settings"
        )
      )

const decoder = new TextDecoder("utf-8", { fatal: true })

const invalidBody = (problem: string): QueueError.QueueError =>
  QueueError.validationFailed("body", problem)

/**
 * The payload of a body.
 *
 * **Errors** ValidationFailed (never retry) when it is not a JSON object in UTF-8; the body is not
 * shown.
 *
 * @category parsing
 * @since 0.1.0
 */
export const payload = (
  body: Uint8Array
): Effect.Effect<Readonly<Record<string, unknown>>, QueueError.QueueError> =>
  Effect.try({
    try: (): unknown => JSON.parse(decoder.decode(body)),
    // The parser's own message quotes the body.
    catch: () => invalidBody("must be JSON in UTF-8")
  }).pipe(
    Effect.filterOrFail(
      (value): value is Readonly<Record<string, unknown>> =>
        Predicate.isObject(value) && !Array.isArray(value),
      () => invalidBody("must be a JSON object")
    )
  )

const attributesOf = (name: string, from: SessionKeyExtractor.SessionKeyExtractor) => {
  const found: Record<string, string> = { [attributes.event]: name }
  const paths = [
    [attributes.action, "action"],
    [attributes.repository, "repository.full_name"],
    [attributes.installation, "installation.id"]
  ] as const
  for (const [attribute, path] of paths) {
    const value = Option.getOrElse(from.get(path), () => "")
    // JSON may hold half a surrogate pair, and an attribute may not.
    if (value !== "") found[attribute] = value.toWellFormed()
  }
  return found
}

/**
 * The message of a delivery.
 *
 * **Errors** ValidationFailed (never retry), naming the header or field and its rule.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toMessage = Effect.fnUntraced(function* ({ body, header }: Delivery) {
  const id = yield* messageId(header)
  const name = yield* event(header)
  yield* json(header)
  const content = yield* payload(body)
  return yield* Message.bytes(body, {
    messageId: id,
    correlationId: id,
    sessionId: yield* SessionKeys.of(name, content),
    contentType: "application/json",
    attributes: attributesOf(name, SessionKeyExtractor.fromJson(content))
  })
})
