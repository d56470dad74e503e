import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Options, ReceivedMessage } from "@queue-runtime/core"

/** The one attribute of ours: what SQS has no place for, as JSON. A plain message has none. */
export const attribute = "queue-runtime"

const version = 1

/** What became of a message before it was put aside. */
export interface Dead {
  readonly reason: string
  readonly description?: string
  /** The logical name of its queue. */
  readonly source: string
  /** In milliseconds, as all times here. */
  readonly time: number
  readonly deliveryCount: number
  /** The broker's id it had there. */
  readonly id: string
  /** The broker's number it had there, of its group. */
  readonly sequence?: string
  readonly enqueuedAt: number
  readonly firstDeliveredAt: number
  /** What else is known of the failure, as JSON has it. */
  readonly details?: unknown
}

const Details = Schema.toCodecJson(ReceivedMessage.DeadLetterDetails)

/** Details as JSON has them. */
export const toDetails: (details: ReceivedMessage.DeadLetterDetails) => unknown =
  Schema.encodeSync(Details)

const decodeDetails = Schema.decodeUnknownOption(Details)

/** Details that came as JSON; nothing when they are not ours after all. */
export const fromDetails = (details: unknown): ReceivedMessage.DeadLetterDetails | undefined =>
  Option.getOrUndefined(decodeDetails(details))

/** What SQS has no place for. */
export interface Metadata {
  /** The message id. */
  readonly id?: string
  /** The session id, where the message group is another one. */
  readonly session?: string
  readonly correlation?: string
  readonly type?: string
  /** In milliseconds. */
  readonly timeToLive?: number
  readonly expiresAt?: number
  /** How the body stands for the bytes, where it is not their text. */
  readonly body?: "base64" | "empty"
  /** Attributes SQS would refuse, and those beyond its ten. */
  readonly attributes?: Readonly<Record<string, string>>
  readonly dead?: Dead
}

/** Two characters that are fine in JSON and not in SQS; the rest JSON escapes by itself. */
const escaped = (json: string): string =>
  json.replaceAll("\uFFFE", String.raw`\ufffe`).replaceAll("\uFFFF", String.raw`\uffff`)

/** As the value of the attribute; nothing when there is nothing to say. */
export const encode = (metadata: Metadata): string | undefined =>
  Object.keys(metadata).length === 0
    ? undefined
    : escaped(JSON.stringify({ v: version, ...metadata }))

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" && value.isWellFormed() ? value : undefined

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined

/** Within what a Date can hold. */
const timeOf = (value: unknown): number | undefined => {
  const time = numberOf(value)
  return time === undefined || time > 8.64e15 ? undefined : time
}

const recordOf = (value: unknown): Readonly<Record<string, string>> | undefined =>
  Predicate.isObject(value)
    ? Object.fromEntries(
        Object.entries(value).filter(
          (entry): entry is [string, string] => typeof entry[1] === "string"
        )
      )
    : undefined

const deadOf = (value: unknown): Dead | undefined => {
  if (!Predicate.isObject(value)) return undefined
  const dead: Partial<Record<keyof Dead, unknown>> = value
  const reason = textOf(dead.reason)
  const time = timeOf(dead.time)
  if (reason === undefined || time === undefined) return undefined
  return {
    reason,
    time,
    source: textOf(dead.source) ?? "",
    deliveryCount: Math.max(1, Math.trunc(numberOf(dead.deliveryCount) ?? 1)),
    id: textOf(dead.id) ?? "",
    enqueuedAt: timeOf(dead.enqueuedAt) ?? time,
    firstDeliveredAt: timeOf(dead.firstDeliveredAt) ?? time,
    ...Options.defined({
      description: textOf(dead.description),
      sequence: textOf(dead.sequence),
      details: dead.details
    })
  }
}

const bodyOf = (value: unknown): Metadata["body"] =>
  value === "base64" || value === "empty" ? value : undefined

type Writable<A> = { -readonly [K in keyof A]: A[K] }

/** By hand, not by a Schema: once a message, and each part that is not usable is left out alone. */
const read = (value: object): Metadata => {
  const given: Partial<Record<keyof Metadata, unknown>> = value
  const metadata: Writable<Metadata> = {}
  const id = textOf(given.id)
  if (id !== undefined) metadata.id = id
  const session = textOf(given.session)
  if (session !== undefined) metadata.session = session
  const correlation = textOf(given.correlation)
  if (correlation !== undefined) metadata.correlation = correlation
  const type = textOf(given.type)
  if (type !== undefined) metadata.type = type
  const timeToLive = numberOf(given.timeToLive)
  if (timeToLive !== undefined) metadata.timeToLive = timeToLive
  const expiresAt = numberOf(given.expiresAt)
  if (expiresAt !== undefined) metadata.expiresAt = expiresAt
  const body = bodyOf(given.body)
  if (body !== undefined) metadata.body = body
  const attributes = recordOf(given.attributes)
  if (attributes !== undefined) metadata.attributes = attributes
  const dead = deadOf(given.dead)
  if (dead !== undefined) metadata.dead = dead
  return metadata
}

/** What the attribute says; nothing when it is somebody else's. */
export const decode = (text: string | undefined): Metadata | undefined => {
  if (text === undefined) return undefined
  const parsed = Result.getOrElse(
    Result.try((): unknown => JSON.parse(text)),
    () => undefined
  )
  return Predicate.hasProperty(parsed, "v") && parsed.v === version ? read(parsed) : undefined
}
