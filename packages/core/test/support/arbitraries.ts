import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import * as SessionId from "../../src/SessionId.ts"

const integers = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const bound = { minLength: 0, maxLength: 40 }

/** Strings of any UTF-16 units: lone surrogates, NUL and pairs among them, all often. */
export const units = Arbitrary.array(
  Arbitrary.flatMap(integers(0, 5), (kind) => {
    if (kind === 0) return integers(0x00, 0x7f)
    if (kind === 1) return integers(0x80, 0x7ff)
    if (kind === 2) return integers(0x800, 0xd7ff)
    if (kind === 3) return integers(0xd800, 0xdbff)
    if (kind === 4) return integers(0xdc00, 0xdfff)
    return integers(0xe000, 0xffff)
  }),
  bound
).pipe(Arbitrary.map((codes) => String.fromCharCode(...codes)))

/** Any well-formed text, 4-byte characters among it. */
export const text = units.pipe(Arbitrary.map((value) => value.toWellFormed()))

/** Strings of the characters named and one that is none of them, with 0 to `maxLength`. */
export const textOf = (characters: string, maxLength: number) =>
  Arbitrary.array(Arbitrary.schema(Schema.Literals([...characters])), {
    minLength: 0,
    maxLength
  }).pipe(Arbitrary.map((parts) => parts.join("")))

const printable = Arbitrary.array(integers(0x20, 0x7e), { minLength: 1, maxLength: 128 }).pipe(
  Arbitrary.map((codes) => String.fromCharCode(...codes))
)

export const bytes = Arbitrary.array(integers(0, 255), { minLength: 0, maxLength: 64 }).pipe(
  Arbitrary.map((values) => Uint8Array.from(values))
)

/** Any names and values an application may set; what is special to JavaScript comes up often. */
export const attributes = Arbitrary.array(
  Arbitrary.all([
    Arbitrary.flatMap(integers(0, 3), (kind) =>
      kind === 0
        ? Arbitrary.schema(Schema.Literals(["__proto__", "constructor", "0", " "]))
        : text.pipe(Arbitrary.filter((name) => name !== ""))
    ),
    text
  ]),
  { minLength: 0, maxLength: 30 }
).pipe(Arbitrary.map((entries) => Object.fromEntries(entries)))

const maybe = <K extends string, A>(key: K, values: Arbitrary.Arbitrary<A>) =>
  Arbitrary.flatMap(integers(0, 1), (there): Arbitrary.Arbitrary<{ [P in K]?: A }> =>
    there === 0
      ? Arbitrary.Constant({})
      : values.pipe(Arbitrary.map((value): { [P in K]?: A } => ({ ...named(key, value) })))
  )

const named = <K extends string, A>(key: K, value: A): { [P in K]?: A } => {
  const one: { [P in K]?: A } = {}
  one[key] = value
  return one
}

const positive = integers(1, 2 ** 40).pipe(Arbitrary.map(Duration.millis))
const nonEmpty = text.pipe(Arbitrary.filter((value) => value !== ""))

const schedule = Arbitrary.flatMap(integers(0, 2), (kind) => {
  if (kind === 0) return maybe("delay", integers(0, 2 ** 40).pipe(Arbitrary.map(Duration.millis)))
  return kind === 1 ? maybe("scheduledAt", Arbitrary.schema(Schema.DateTimeUtc)) : none
})

const none = Arbitrary.Constant({})

/** Everything of a message but its body. */
export const options: Arbitrary.Arbitrary<Message.Options> = Arbitrary.all([
  attributes.pipe(Arbitrary.map((all) => ({ attributes: all }))),
  maybe("sessionId", printable.pipe(Arbitrary.map(SessionId.makeUnsafe))),
  maybe("messageId", printable.pipe(Arbitrary.map(MessageId.makeUnsafe))),
  maybe("correlationId", nonEmpty),
  maybe("contentType", nonEmpty),
  maybe("timeToLive", positive),
  schedule
]).pipe(Arbitrary.map((parts): Message.Options => Object.assign({}, ...parts)))
