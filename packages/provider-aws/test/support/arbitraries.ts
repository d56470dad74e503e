import { Arbitrary, Duration, Schema } from "effect"
import { Message, MessageId, SessionId } from "@queue-runtime/core"

export const integers = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

/** Characters of every kind: what SQS takes, and what it refuses, and pairs. */
const character = Arbitrary.flatMap(integers(0, 5), (kind) => {
  if (kind === 0) return integers(0x00, 0x1f)
  if (kind === 1) return integers(0x20, 0x7f)
  if (kind === 2) return integers(0x80, 0xd7ff)
  if (kind === 3) return integers(0xfffd, 0xffff)
  if (kind === 4) return integers(0x1_0000, 0x10_ffff)
  return Arbitrary.schema(Schema.Literals([0x09, 0x0a, 0x0d, 0x2e, 0x7f, 0xfeff]))
})

/** Any well-formed text. */
export const text = (minLength: number, maxLength: number) =>
  Arbitrary.array(character, { minLength, maxLength }).pipe(
    Arbitrary.map((codes) => String.fromCodePoint(...codes))
  )

/** Half of it text, half of it any bytes, none among both. */
export const body = Arbitrary.flatMap(integers(0, 1), (kind) =>
  kind === 0
    ? text(0, 30).pipe(Arbitrary.map((value): Uint8Array => new TextEncoder().encode(value)))
    : Arbitrary.array(integers(0, 255), { minLength: 0, maxLength: 60 }).pipe(
        Arbitrary.map((values): Uint8Array => Uint8Array.from(values))
      )
)

const special = [
  "__proto__",
  "constructor",
  "queue-runtime",
  "AWSTraceHeader",
  "AWS.secret",
  "amazon.x",
  "a..b",
  ".a",
  "traceparent",
  "tracestate",
  " ",
  "0"
] as const

const name = Arbitrary.flatMap(integers(0, 3), (kind) => {
  if (kind === 0) return Arbitrary.schema(Schema.Literals(special))
  if (kind === 1) return text(1, 12)
  return integers(0, 40).pipe(Arbitrary.map((n) => `attribute-${n}`))
})

const value = Arbitrary.flatMap(integers(0, 2), (kind) =>
  kind === 0 ? text(0, 20) : integers(0, 9_999).pipe(Arbitrary.map((n) => `value ${n}`))
)

export const attributes = Arbitrary.array(Arbitrary.all([name, value]), {
  minLength: 0,
  maxLength: 24
}).pipe(Arbitrary.map((entries): Record<string, string> => Object.fromEntries(entries)))

/** Printable ASCII, at times long, full of spaces, or like what an encoded one looks like. */
export const id = Arbitrary.flatMap(integers(0, 3), (kind) => {
  if (kind === 0) {
    return integers(1, 128).pipe(Arbitrary.map((length) => " %~".repeat(43).slice(0, length)))
  }
  if (kind === 1) {
    return Arbitrary.schema(
      Schema.Literals(["~qr~a%20b", "~qr#x", "%20", "0".repeat(64), "acme/shop/pull/42"])
    )
  }
  return Arbitrary.array(integers(0x20, 0x7e), { minLength: 1, maxLength: 128 }).pipe(
    Arbitrary.map((codes) => String.fromCharCode(...codes))
  )
})

const maybe = <A>(values: Arbitrary.Arbitrary<A>) =>
  Arbitrary.flatMap(integers(0, 1), (there): Arbitrary.Arbitrary<A | undefined> =>
    there === 0 ? Arbitrary.Constant(undefined) : values
  )

const present = (parts: object): Message.Options =>
  Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined))

/** Any message, with or without each of what it may have. */
export const message = Arbitrary.all([
  body,
  attributes,
  id.pipe(Arbitrary.map(MessageId.makeUnsafe)),
  maybe(id.pipe(Arbitrary.map(SessionId.makeUnsafe))),
  maybe(text(1, 20)),
  maybe(text(1, 20)),
  maybe(integers(1, 2 ** 40).pipe(Arbitrary.map(Duration.millis)))
]).pipe(
  Arbitrary.map(
    ([bytes, attributesOf, messageId, sessionId, correlationId, contentType, timeToLive]) =>
      Message.stamp(
        new Message.Message({
          body: bytes,
          attributes: attributesOf,
          ...present({ sessionId, correlationId, contentType, timeToLive })
        }),
        messageId
      )
  )
)
