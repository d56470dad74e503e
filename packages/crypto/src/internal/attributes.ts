import type { Message } from "@queue-runtime/core"

/** Attributes of this package; an application may not use them. */
export const attributeNames = {
  /** Of a signed message: header and signature in base64url. */
  signature: "queue-runtime-signature",
  /** Of one that is handed out as it lies in the queue: why it could not be opened. */
  unopened: "queue-runtime-unopened"
} as const

/** The attributes without some; the same object where none of them is there. */
export const without = (
  attributes: Message.Attributes,
  ...names: ReadonlyArray<string>
): Message.Attributes => {
  if (!names.some((name) => Object.hasOwn(attributes, name))) return attributes
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)))
}
