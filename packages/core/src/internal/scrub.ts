const mark = "<redacted>"

/** What a secret looks like in the messages of the SDKs, and what is left of each. */
const patterns: ReadonlyArray<readonly [RegExp, string]> = [
  // Connection strings: SharedAccessKey=…; AccountKey=…; SharedAccessSignature=…
  [
    /\b(SharedAccessKey|SharedAccessSignature|AccountKey|Password|Pwd|ClientSecret)(\s*=\s*)[^;\s"']+/giu,
    `$1$2${mark}`
  ],
  // Signatures and tokens in URLs and headers.
  [
    /\b(sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|access_token|client_secret|client_assertion)=[^&\s;"']+/giu,
    `$1=${mark}`
  ],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]+/gu, `$1 ${mark}`],
  [/\bSharedAccessSignature\s+sr=\S+/gu, `SharedAccessSignature ${mark}`],
  // A JSON web token anywhere.
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/gu, mark],
  // AWS: access key ids, and secrets that are named.
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/gu, mark],
  [
    /\b(aws_?secret_?access_?key|secretAccessKey|sessionToken)(["']?\s*[:=]\s*["']?)[^\s"',;}]+/giu,
    `$1$2${mark}`
  ],
  // user:password@host
  [/(:\/\/[^\s:/@]+:)[^\s@/]+@/gu, `$1${mark}@`]
]

/** The text without what looks like a secret. */
export const scrub = (text: string): string =>
  patterns.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), text)
