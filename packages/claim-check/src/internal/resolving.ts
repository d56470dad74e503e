/** From a claim to the body it stands for. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BlobStore, QueueAddress, QueueError, ReceivedMessage } from "@queue-runtime/core"
import * as claims from "./claim.ts"

/** Why a body is not there, in a word that operators group by. */
export type Reason = "BlobMissing" | "BlobChanged" | "ClaimInvalid" | "UnsupportedVersion"

/** What became of one message. */
export type Resolved<M> =
  /** Its body is here; `key` where it came from the store, and proved to be what was put. */
  | { readonly _tag: "Opened"; readonly message: M; readonly key?: string }
  /** Another delivery would find the same. */
  | { readonly _tag: "Rejected"; readonly reason: Reason; readonly description: string }
  /** The store could not be asked, and may be later. */
  | { readonly _tag: "Later"; readonly error: QueueError.QueueError }

/** One that is not handed out. */
export type Unresolved = Exclude<Resolved<never>, { readonly _tag: "Opened" }>

const rejected = (reason: Reason, description: string): Unresolved => ({
  _tag: "Rejected",
  reason,
  description
})

const missing = (key: string) =>
  rejected(
    "BlobMissing",
    `the blob ${key} is not in the store: another copy of the message was completed, or it was swept`
  )

const changed = (key: string, what: string) =>
  rejected("BlobChanged", `the blob ${key} is not what was put: ${what}`)

/** What may be behind claims of one queue: those of another are not for its receivers. */
export const folderFor = (prefix: string, address: QueueAddress.QueueAddress): string =>
  // Queues may share their dead letters.
  address._tag === "Queue" ? claims.folderOf(prefix, address.queue) : `${prefix}/`

/** Gets what is claimed, and looks whether it is that. */
const fetched = <M extends ReceivedMessage.PeekedMessage>(
  store: BlobStore.Service,
  { digest, key, length }: claims.Claim,
  message: M
): Effect.Effect<Resolved<M>> =>
  Effect.match(store.get(key), {
    onFailure: (error): Resolved<M> =>
      // Larger than what the store hands out, or no key of it: that stays so.
      error.reason._tag === "ValidationFailed"
        ? changed(key, error.reason.message)
        : { _tag: "Later", error },
    onSuccess: (blob): Resolved<M> => {
      if (Option.isNone(blob)) return missing(key)
      const { body } = blob.value
      if (body.byteLength !== length) {
        return changed(key, `it has ${body.byteLength} bytes, and ${length} were put`)
      }
      if (claims.digestOf(body) !== digest) return changed(key, "its SHA-256 is another")
      return { _tag: "Opened", message: { ...message, body }, key }
    }
  })

/** The message with its own body. */
export const resolve = <M extends ReceivedMessage.PeekedMessage>(
  store: BlobStore.Service,
  folder: string,
  message: M
): Effect.Effect<Resolved<M>> => {
  const decoded = claims.decode(message.body)
  switch (decoded._tag) {
    case "Body":
      return Effect.succeed({ _tag: "Opened", message })
    case "Invalid":
      return Effect.succeed(rejected("ClaimInvalid", "what stands for the body is no claim"))
    case "UnsupportedVersion":
      return Effect.succeed(
        rejected(
          "UnsupportedVersion",
          `version ${decoded.version} of claims is not known here; update the reader`
        )
      )
    case "Claim":
      return decoded.claim.key.startsWith(folder)
        ? fetched(store, decoded.claim, message)
        : Effect.succeed(
            rejected("ClaimInvalid", "it claims a blob that is not one of its queue's")
          )
  }
}
