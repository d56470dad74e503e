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
export const textLength = (text: string): number => {
  let length = text.length
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x800) {
      // A pair of surrogates is 4 bytes for 2 units, everything else of this size 3 for 1.
      if (code >= 0xd800 && code <= 0xdbff && isLowSurrogate(text.charCodeAt(index + 1))) {
        length += 2
        index++
      } else {
        length += 2
      }
    } else if (code >= 0x80) {
      length += 1
    }
  }
  return length
}

const isLowSurrogate = (code: number): boolean => code >= 0xdc00 && code <= 0xdfff
