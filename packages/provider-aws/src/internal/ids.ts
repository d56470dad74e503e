import { hash } from "node:crypto"
import * as legal from "./legal.ts"

/** What begins so was encoded; an id of somebody's that happens to is encoded for that alone. */
const mark = "~qr~"
const hashMark = "~qr#"

/**
 * A session or message id as SQS takes it: as it is, with its spaces encoded, or, where that is too long,
 * a hash that cannot be turned back. The same id always gives the same one.
 */
export const toSqs = (id: string): string => {
  const isMarked = id.startsWith(mark) || id.startsWith(hashMark)
  if (!isMarked && legal.isId(id)) return id
  const encoded = mark + id.replaceAll("%", "%25").replaceAll(" ", "%20")
  return legal.isId(encoded) ? encoded : hashMark + hash("sha256", id, "base64url")
}

/** The id as it was; nothing where only a hash is there. An id of somebody else's is read as it is. */
export const fromSqs = (id: string): string | undefined => {
  if (id.startsWith(hashMark)) return undefined
  return id.startsWith(mark)
    ? id.slice(mark.length).replaceAll("%20", " ").replaceAll("%25", "%")
    : id
}

/** Whether SQS made it of the body, where a queue deduplicates by content: it says who it is not. */
export const isContentHash = (deduplicationId: string): boolean =>
  /^[\da-f]{64}$/u.test(deduplicationId)
