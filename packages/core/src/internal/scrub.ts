const mark = "<redacted>"

/** Between a name and its value: `=` or `:`, quotes of JSON, escaped ones too. */
const separator = String.raw`\\?["']?\s*[:=]\s*`

/** A value in quotes, to the closing one or, where the text was cut before it, to the line's end. */
const quoted = String.raw`\\?"[^"\r\n]*"?|\\?'[^'\r\n]*'?`

/** The values of these names, up to `end`. */
const named = (names: string, end: string): readonly [RegExp, string] => [
  new RegExp(String.raw`\b(${names})(${separator})(?:${mark}|${quoted}|[^${end}]+)`, "giu"),
  `$1$2${mark}`
]

/** What a secret looks like in the messages of the SDKs, and what is left of each. */
const patterns: ReadonlyArray<readonly [RegExp, string]> = [
  // Connection strings: SharedAccessKey=…; AccountKey=…; SharedAccessSignature=…
  named(
    "SharedAccessKey|SharedAccessSignature|AccountKey|Password|Pwd|ClientSecret",
    String.raw`;\s"'`
  ),
  // Signatures and tokens in URLs, headers and forms.
  named(
    "sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|access_token|client_secret|client_assertion",
    String.raw`&\s;"'`
  ),
  [/\b([Bb]earer|BEARER)\s+[\w.~+/=-]+/gu, `$1 ${mark}`],
  // What Service Bus says of its Basic tier, or SKU, is no credential: one has a colon, in base64.
  [/\bBasic\s+(?!(?:tier|SKU)\.?(?![\w.~+/=-]))[\w.~+/=-]+/gu, `Basic ${mark}`],
  [/\bSharedAccessSignature\s+sr=\S+/gu, `SharedAccessSignature ${mark}`],
  // A JSON web token anywhere.
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/gu, mark],
  // AWS: access key ids, and secrets that are named.
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/gu, mark],
  named("aws_?secret_?access_?key|secretAccessKey|(?:aws_?)?session_?token", String.raw`\s"',;}`),
  // user:password@host; a password that is a key may hold a /, and a user may be missing.
  [/(:\/\/[^\s:/@]*:)[^\s@]+@/gu, `$1${mark}@`]
]

/** The text without what looks like a secret. */
export const scrub = (text: string): string =>
  patterns.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), text)
