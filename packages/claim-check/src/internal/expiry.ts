/** Expiry as one more entry of the metadata, under a name that no caller's has. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { BlobStore } from "@queue-runtime/core"

/** S3 takes both; Azure takes names of C#, which have no hyphen. */
const name = "expires_at"

/** Metadata as a service carries it. */
export const toMetadata = ({
  expiresAt,
  metadata = {}
}: BlobStore.PutOptions): Record<string, string> =>
  expiresAt === undefined
    ? { ...metadata }
    : { ...metadata, [name]: String(DateTime.toEpochMillis(expiresAt)) }

/** The blob of such metadata, its body aside; names come back in any case. */
export const fromMetadata = (
  found: Readonly<Record<string, string>>
): Omit<BlobStore.Blob, "body"> => {
  const metadata: Record<string, string> = {}
  let until: number | undefined
  for (const [key, value] of Object.entries(found)) {
    const lower = key.toLowerCase()
    if (lower === name) until = Number(value)
    else metadata[lower] = value
  }
  return until !== undefined && Number.isSafeInteger(until)
    ? { metadata, expiresAt: DateTime.makeUnsafe(until) }
    : { metadata }
}

/** Whether it is not to be handed out any more. */
export const isOver = ({ expiresAt }: Pick<BlobStore.Blob, "expiresAt">): Effect.Effect<boolean> =>
  expiresAt === undefined
    ? Effect.succeed(false)
    : Effect.map(DateTime.now, (now) => DateTime.isLessThanOrEqualTo(expiresAt, now))
