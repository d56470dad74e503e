/**
 * How a message is shown: as JSON for programs, as a row and as a page for people.
 *
 * @since 0.1.0
 */
import type { DeadLetters, Message, ReceivedMessage } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Encoding from "effect/encoding/Base64"
import type * as Style from "./Style.ts"
import * as Table from "./Table.ts"

const strict = new TextDecoder("utf-8", { fatal: true })
const lenient = new TextDecoder("utf-8")

/** Text, or nothing where the bytes are none: `TextDecoder` has no other way to say so. */
const textOf = (body: Uint8Array): string | undefined => {
  const text = lenient.decode(body)
  return text.includes("\uFFFD") && !isStrict(body) ? undefined : text
}

const isStrict = (body: Uint8Array): boolean => {
  try {
    strict.decode(body)
    return true
  } catch {
    return false
  }
}

/**
 * A body as text, or in base64 where it is none.
 *
 * @category formatting
 * @since 0.1.0
 */
export const bodyToJson = (
  body: Uint8Array
): { readonly body: string } | { readonly bodyBase64: string } => {
  const text = textOf(body)
  return text === undefined ? { bodyBase64: Encoding.encode(body) } : { body: text }
}

const iso = DateTime.formatIso

const infoToJson = (info: ReceivedMessage.DeadLetterInfo) => ({
  ...info,
  time: iso(info.time)
})

const known = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const carried = (message: Message.Message) => ({
  ...known({
    messageId: message.messageId,
    sessionId: message.sessionId,
    correlationId: message.correlationId,
    contentType: message.contentType,
    timeToLive: message.timeToLive === undefined ? undefined : Duration.format(message.timeToLive),
    scheduledAt: message.scheduledAt === undefined ? undefined : iso(message.scheduledAt)
  }),
  attributes: message.attributes,
  ...bodyToJson(message.body)
})

/**
 * A message as JSON. What `send --ndjson` reads, it reads from this too.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toJson = (message: ReceivedMessage.PeekedMessage) => ({
  ...carried(message),
  ...known({ sequenceNumber: message.sequenceNumber }),
  deliveryCount: message.deliveryCount,
  enqueuedAt: iso(message.enqueuedAt),
  ...(message.deadLetter === undefined ? {} : { deadLetter: infoToJson(message.deadLetter) })
})

/**
 * A dead letter as JSON.
 *
 * @category formatting
 * @since 0.1.0
 */
export const letterToJson = (letter: DeadLetters.DeadLetter) => {
  const { enqueuedAt, history, message, time, ...rest } = letter
  return {
    ...rest,
    time: iso(time),
    enqueuedAt: iso(enqueuedAt),
    ...carried(message),
    messageId: letter.messageId,
    ...(history.length === 0 ? {} : { history: history.map(infoToJson) })
  }
}

const previewMax = 200

const preview = (message: Pick<Message.Message, "body">): string => {
  const text = textOf(message.body.subarray(0, previewMax * 4))
  return text === undefined
    ? `${message.body.byteLength} bytes`
    : text.slice(0, previewMax).replaceAll(/\s+/gu, " ")
}

/**
 * Local time to the second.
 *
 * @category formatting
 * @since 0.1.0
 */
export const time = (at: DateTime.Utc): string => iso(at).replace("T", " ").slice(0, 19)

/**
 * The columns of messages.
 *
 * @category formatting
 * @since 0.1.0
 */
export const columns = (style: Style.Style): ReadonlyArray<Table.Column> => [
  { heading: "NUMBER", isRight: true, style: style.dim },
  { heading: "MESSAGE", style: style.cyan },
  { heading: "SESSION" },
  { heading: "ENQUEUED (UTC)", style: style.dim },
  { heading: "DELIVERIES", isRight: true },
  { heading: "BODY" }
]

/**
 * A message as a row of them.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toRow = (message: ReceivedMessage.PeekedMessage): ReadonlyArray<string> => [
  String(message.sequenceNumber ?? ""),
  message.messageId,
  message.sessionId ?? "",
  time(message.enqueuedAt),
  String(message.deliveryCount),
  preview(message)
]

/**
 * The columns of dead letters.
 *
 * @category formatting
 * @since 0.1.0
 */
export const letterColumns = (style: Style.Style): ReadonlyArray<Table.Column> => [
  { heading: "ID", style: style.cyan },
  { heading: "REASON", style: style.yellow },
  { heading: "PUT ASIDE (UTC)", style: style.dim },
  { heading: "SESSION" },
  { heading: "DELIVERIES", isRight: true },
  { heading: "BODY" }
]

/**
 * A dead letter as a row of them.
 *
 * @category formatting
 * @since 0.1.0
 */
export const letterToRow = (letter: DeadLetters.DeadLetter): ReadonlyArray<string> => [
  letter.id,
  letter.reason,
  time(letter.time),
  letter.message.sessionId ?? "",
  String(letter.deliveryCount),
  preview(letter.message)
]

const replace = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? String(value) : value

const shown = (value: unknown): string =>
  Table.printable(
    typeof value === "string" || typeof value === "number" || typeof value === "bigint"
      ? String(value)
      : (JSON.stringify(value, replace) ?? "")
  )

/**
 * Everything of one value, a line a field.
 *
 * @category formatting
 * @since 0.1.0
 */
export const toPage = (json: Readonly<Record<string, unknown>>, style: Style.Style): string => {
  const { body, ...fields } = json
  const width = Math.max(...Object.keys(fields).map(({ length }) => length))
  const lines = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${style.bold(name.padEnd(width))}  ${shown(value)}`)
  const text =
    typeof body === "string" ? ["", ...body.split("\n").map((line) => Table.printable(line))] : []
  return [...lines, ...text].join("\n")
}
