import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { Options } from "@queue-runtime/core"
import * as wire from "../wire.ts"

type Properties = Readonly<Record<string, string>>

/**
 * What settles single messages: the `actions` of `@azure/functions-extensions-servicebus`, which asks the
 * host of the function to do it.
 */
export interface Actions {
  readonly complete: (message: unknown) => Promise<unknown>
  readonly abandon: (message: unknown, propertiesToModify?: Properties) => Promise<unknown>
  readonly deadletter: (
    message: unknown,
    propertiesToModify?: Properties,
    deadletterReason?: string,
    deadletterErrorDescription?: string
  ) => Promise<unknown>
  readonly releaseSession: (sessionId: string) => Promise<unknown>
}

/** A message as a function gets it, whichever way, read. */
export interface Item {
  /** What the actions know it by: the very object that came. */
  readonly source: unknown
  /** As a receive of the SDK would have it, but for its number and its count. */
  readonly message: ServiceBusReceivedMessage
  readonly sequenceNumber: bigint | undefined
  /** Deliveries, this one included. */
  readonly deliveryCount: number
}

/** What a function was called with. */
export interface Input {
  readonly items: ReadonlyArray<Item>
  /** There with an SDK binding. */
  readonly actions?: Actions
}

type Fields = Readonly<Record<string, unknown>>

/** A text that is JSON comes as what it says: a number, `true`, an object. */
const textOf = (value: unknown): string | undefined => {
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  if (Predicate.isObject(value) && !(value instanceof Uint8Array)) return JSON.stringify(value)
  return typeof value === "string" && value !== "" ? value : undefined
}

const timeOf = (value: unknown): Date | undefined => {
  if (value instanceof Date) return value
  const time = DateTime.make(typeof value === "number" ? value : (textOf(value) ?? ""))
  return Option.getOrUndefined(Option.map(time, DateTime.toDateUtc))
}

const spanPattern = /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?$/u

/** Milliseconds as they are, or as .NET writes a span: `1.02:03:04.5`. */
const millisOf = (value: unknown): number | undefined => {
  if (typeof value === "number") return value
  const [all, days = "0", hours = "0", minutes = "0", seconds = "0", part = "0"] =
    typeof value === "string" ? (spanPattern.exec(value) ?? []) : []
  if (all === undefined) return undefined
  const whole = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)
  return whole * 1_000 + Math.trunc(Number(`0.${part}`) * 1_000)
}

/** A time to live that AMQP has no room for is .NET's way to say that there is none. */
const timeToLiveOf = (value: unknown): number | undefined => {
  const millis = millisOf(value)
  return millis !== undefined && millis <= wire.timeToLiveMaxMillis ? millis : undefined
}

const isLong = (value: unknown): value is { readonly toString: () => string } =>
  Predicate.hasProperty(value, "toNumber") && Predicate.isFunction(value.toNumber)

/** A number of 64 bits as it may come: a number, its text, what has both. */
const sequenceOf = (value: unknown): bigint | undefined => {
  const text = typeof value === "bigint" || isLong(value) ? value.toString() : textOf(value)
  return text !== undefined && /^\d+$/u.test(text) ? BigInt(text) : undefined
}

const countOf = (value: unknown): number => {
  const count = typeof value === "number" && Number.isSafeInteger(value) ? value : 1
  return Math.max(1, count)
}

const propertiesOf = (value: unknown): Fields =>
  Predicate.isObject(value) ? Object.fromEntries(Object.entries(value)) : {}

/** The bytes of an AMQP data section that was decoded and nothing else. */
const sectionOf = (value: unknown): Uint8Array | undefined => {
  if (value instanceof Uint8Array) return value
  return Predicate.hasProperty(value, "content") && value.content instanceof Uint8Array
    ? value.content
    : undefined
}

const itemOf = (source: unknown, fields: Fields, body: unknown): Item => {
  const properties = propertiesOf(fields["applicationProperties"] ?? fields["userProperties"])
  const message = Options.defined({
    messageId: textOf(fields["messageId"]),
    sessionId: textOf(fields["sessionId"]),
    correlationId: textOf(fields["correlationId"]),
    contentType: textOf(fields["contentType"]),
    timeToLive: timeToLiveOf(fields["timeToLive"]),
    enqueuedTimeUtc: timeOf(fields["enqueuedTimeUtc"]),
    scheduledEnqueueTimeUtc: timeOf(fields["scheduledEnqueueTimeUtc"])
  })
  return {
    source,
    message: {
      ...message,
      body,
      applicationProperties: Object.fromEntries(
        Object.entries(properties).map(([name, value]) => [name, propertyOf(value)])
      ),
      state: "active",
      _rawAmqpMessage: { body, bodyType: "value" }
    },
    sequenceNumber: sequenceOf(fields["sequenceNumber"]),
    deliveryCount: countOf(fields["deliveryCount"])
  }
}

/** What an application property may be; the rest as JSON. */
const propertyOf = (value: unknown): string | number | boolean | Date | null => {
  if (value === null || value === undefined) return null
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value
  }
  return value instanceof Date ? value : JSON.stringify(value)
}

const isActions = (value: unknown): value is Actions =>
  ["complete", "abandon", "deadletter", "releaseSession"].every(
    (name) => Predicate.hasProperty(value, name) && Predicate.isFunction(value[name])
  )

/** A message of an SDK binding: what was decoded of its AMQP says more than what was made of it. */
const fromBinding = (source: unknown): Item => {
  const fields: Fields = Predicate.isObject(source) ? { ...source } : {}
  const raw: Fields = propertiesOf(fields["_rawAmqpMessage"])
  const annotations = propertiesOf(raw["messageAnnotations"])
  const enqueued = timeOf(fields["enqueuedTimeUtc"]) ?? timeOf(annotations["x-opt-enqueued-time"])
  const body = sectionOf(raw["body"]) ?? fields["body"]
  return itemOf(source, { ...fields, enqueuedTimeUtc: enqueued }, body)
}

const bindingOf = (input: unknown): Input | undefined => {
  if (!Predicate.hasProperty(input, "actions") || !isActions(input.actions)) return undefined
  const messages = Predicate.hasProperty(input, "messages") ? input.messages : []
  const all: ReadonlyArray<unknown> = Array.isArray(messages) ? messages : [messages]
  return { items: all.map(fromBinding), actions: input.actions }
}

/** The facts of one of many stand in arrays, each under its name and `Array`. */
const oneOf = (metadata: Fields, index: number): Fields =>
  Object.fromEntries(
    Object.entries(metadata).flatMap(([name, values]) =>
      name.endsWith("Array") && Array.isArray(values)
        ? [[name.slice(0, -"Array".length), values[index]]]
        : []
    )
  )

/** What a function was called with, and what its context says of it. */
export const read = (input: unknown, triggerMetadata: unknown): Input => {
  const binding = bindingOf(input)
  if (binding !== undefined) return binding
  const metadata = propertiesOf(triggerMetadata)
  // A single message may be an array too, if that is what its JSON is.
  if (!Array.isArray(input) || !Array.isArray(metadata["messageIdArray"])) {
    return { items: [itemOf(input, metadata, input)] }
  }
  const bodies: ReadonlyArray<unknown> = input
  return { items: bodies.map((body, index) => itemOf(body, oneOf(metadata, index), body)) }
}
