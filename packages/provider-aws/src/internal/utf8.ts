import type * as Option from "effect/Option"
import * as Result from "effect/Result"

const encoder = new TextEncoder()
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** UTF-8 bytes. */
export const fromText = (text: string): Uint8Array => encoder.encode(text)

/** UTF-8 text; none when the bytes are not that. */
export const toText = (bytes: Uint8Array): Option.Option<string> =>
  Result.getSuccess(Result.try(() => strict.decode(bytes)))

/** The length in UTF-8. Node counts without encoding. */
export const length = (text: string): number => Buffer.byteLength(text, "utf8")
