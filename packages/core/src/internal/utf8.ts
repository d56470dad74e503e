const encoder = new TextEncoder()
const lenient = new TextDecoder("utf-8", { ignoreBOM: true })
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** UTF-8 bytes. */
export const fromText = (text: string): Uint8Array => encoder.encode(text)

/** UTF-8 text; bytes that are none become U+FFFD. */
export const toText = (bytes: Uint8Array): string => lenient.decode(bytes)

/** UTF-8 text, or `undefined` when the bytes are none. */
export const toTextStrict = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

/** The length of a string in UTF-8, without encoding it. A lone surrogate counts as U+FFFD, 3 bytes. */
export const textLength = (text: string): number => Buffer.byteLength(text)
