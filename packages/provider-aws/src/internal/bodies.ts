import * as Option from "effect/Option"
import type * as AwsConfig from "../AwsConfig.ts"
import * as legal from "./legal.ts"
import type * as metadata from "./metadata.ts"
import * as utf8 from "./utf8.ts"

type Encoding = AwsConfig.QueueSettings["bodyEncoding"]

/** A body as SQS takes it, and what it must be known by to be read. */
export interface WireBody {
  readonly text: string
  readonly mark?: NonNullable<metadata.Metadata["body"]>
}

/** SQS takes no empty body; this is the least of one. */
const blank = " "

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"))

const isBase64 = (text: string): boolean =>
  text.length % 4 === 0 && /^[A-Za-z\d+/]+={0,2}$/u.test(text)

/** Text stays text, for whoever reads it; what SQS would refuse is in base64, and marked. */
export const toWire = (body: Uint8Array, encoding: Encoding): WireBody => {
  if (body.byteLength === 0) return { text: blank, mark: "empty" }
  if (encoding === "base64") return { text: toBase64(body) }
  const text = utf8.toText(body)
  return Option.isSome(text) && legal.isText(text.value)
    ? { text: text.value }
    : { text: toBase64(body), mark: "base64" }
}

/** A plain message's body is its text, also where base64 is expected and it is none. */
export const fromWire = (
  text: string,
  mark: metadata.Metadata["body"],
  encoding: Encoding
): Uint8Array => {
  if (mark === "empty") return new Uint8Array()
  return mark === "base64" || (encoding === "base64" && isBase64(text))
    ? fromBase64(text)
    : utf8.fromText(text)
}
