/**
 * GitHub's signature over the raw bytes of a payload.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import { createHmac, timingSafeEqual } from "node:crypto"

/**
 * The header that carries it, in lower case.
 *
 * @category headers
 * @since 0.1.0
 */
export const header = "x-hub-signature-256"

const digest = (secret: Redacted.Redacted, body: Uint8Array): Buffer =>
  createHmac("sha256", Redacted.value(secret)).update(body).digest()

/**
 * The value of the header for a body.
 *
 * **Source** GitHub, "Validating webhook deliveries", with its own example
 *
 * **Example** (GitHub's own)
 *
 * ```ts no-run
 * const secret = Redacted.make("It's a Secret to Everybody")
 * Signature.sign(secret, new TextEncoder().encode("Hello, World!"))
 * // => "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
 * ```
 *
 * @category signing
 * @since 0.1.0
 */
export const sign = (secret: Redacted.Redacted, body: Uint8Array): string =>
  `sha256=${digest(secret, body).toString("hex")}`

const shape = /^sha256=([0-9a-f]{64})$/iu

/**
 * Whether a header signs exactly these bytes. What is compared is two digests of equal length, in a
 * time that does not tell where they differ; a header of another shape is no signature.
 *
 * @category signing
 * @since 0.1.0
 */
export const isValid = (
  secret: Redacted.Redacted,
  body: Uint8Array,
  value: string | undefined
): boolean => {
  const hex = shape.exec(value ?? "")?.[1]
  return hex !== undefined && timingSafeEqual(Buffer.from(hex, "hex"), digest(secret, body))
}
