/**
 * Data keys of AWS KMS: KMS makes each, and hands it out in clear and wrapped. The wrapped one travels
 * beside every body it sealed, so whoever may call `kms:Decrypt` opens them, and nothing has to be kept
 * or shared.
 *
 * **Details**
 *
 * A process makes a data key of its own every `dataKeyLifetime`, and seals with it without a call. Opening
 * asks KMS once for each data key, and again after `refresh`. The id of a data key is a hash of its
 * wrapped form. Rotation of the KMS key is KMS's own; one that is disabled opens nothing after `refresh`.
 *
 * **Gotchas**
 *
 * Every body grows by the wrapped key, 184 bytes as KMS makes them.
 *
 * What comes in is opened under `keyId` alone: a key wrapped under anybody else's KMS key is not known.
 *
 * **Source** AWS KMS, GenerateDataKey and Decrypt; ADR 0010
 *
 * @since 0.1.0
 */
import {
  DecryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
  type KMSClientConfig
} from "@aws-sdk/client-kms"
import installed from "@aws-sdk/client-kms/package.json" with { type: "json" }
import { createHash } from "node:crypto"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Defaults, KeyProvider, QueueError, SdkVersion } from "@queue-runtime/core"
import * as aws from "./internal/aws.ts"
import * as keyCache from "./internal/keyCache.ts"
import * as keyService from "./internal/keyService.ts"

/**
 * Which key of KMS wraps, and how long a data key is used.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Id, ARN or alias of the KMS key; a symmetric one. */
  readonly keyId: string
  /** Bound to every data key: KMS unwraps it with the same context alone, and logs it. */
  readonly encryptionContext?: Readonly<Record<string, string>>
  /** How long one data key seals. Default: 1 hour. */
  readonly dataKeyLifetime?: Duration.Input
  /** What the SDK's client is made with; its own defaults for what is left out. */
  readonly client?: KMSClientConfig
  /** How long a data key opens before KMS is asked again. Default: 5 minutes. */
  readonly refresh?: Duration.Input
  /** Data keys held at once. Default: 1,000. */
  readonly keysMax?: number
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "3.1162.0",
  below: "4.0.0"
}

const provider = "aws-kms"

const makeClient = (config: KMSClientConfig) => {
  const client = new KMSClient(config)
  client.middlewareStack.add(
    (next) => (call) => {
      const problem = aws.problemOf(call.request)
      return problem === undefined ? next(call) : Promise.reject(problem)
    },
    { step: "finalizeRequest", name: "queueRuntimeOnlyTls" }
  )
  return client
}

const idOf = (wrapped: Uint8Array): string =>
  createHash("sha256").update(wrapped).digest("base64url")

/** What the wrapped key is, not who asked or whether KMS is there: another call would say the same. */
const isForeign = /^(?:InvalidCiphertext|IncorrectKey)Exception$/u

const own = (bytes: Uint8Array | undefined): Uint8Array | undefined => {
  if (bytes === undefined) return undefined
  const copy = Uint8Array.from(bytes)
  // The SDK's own array is nobody's any more.
  bytes.fill(0)
  return copy
}

const makeSource = (
  client: KMSClient,
  { encryptionContext: EncryptionContext = {}, keyId: KeyId }: Options,
  currentFor: Duration.Duration
): keyCache.Source => {
  const timeout = Defaults.cryptoKeyTimeout
  const makePlace = { provider, operation: "GenerateDataKey" }
  const openPlace = { provider, operation: "Decrypt" }
  const keyOf = (
    bytes: Uint8Array | undefined,
    wrapped: Uint8Array,
    place: keyService.Place
  ): Effect.Effect<KeyProvider.Key, QueueError.QueueError> =>
    keyService.isKey(bytes)
      ? Effect.succeed({
          id: idOf(wrapped),
          wrapped,
          material: Redacted.make(bytes, { label: "key" })
        })
      : Effect.fail(keyService.noKey(place, "the data key"))
  const made = keyService.call(makePlace, timeout, (abortSignal) =>
    client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: "AES_256", EncryptionContext }), {
      abortSignal
    })
  )
  const unwrapped = (CiphertextBlob: Uint8Array) =>
    keyService.call(
      openPlace,
      timeout,
      (abortSignal) =>
        client.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext }), {
          abortSignal
        }),
      ({ name }) => (isForeign.test(name) ? Effect.undefined : undefined)
    )
  return {
    wrappedSizeMax: Defaults.cryptoWrappedSizeMax,
    currentFor,
    current: Effect.gen(function* () {
      const { CiphertextBlob = new Uint8Array(), Plaintext } = yield* made
      const { byteLength } = CiphertextBlob
      if (byteLength === 0 || byteLength > Defaults.cryptoWrappedSizeMax) {
        const problem = `must wrap a data key in 1–${Defaults.cryptoWrappedSizeMax} bytes`
        return yield* Effect.fail(QueueError.configurationInvalid("keyId", problem))
      }
      const key = yield* keyOf(own(Plaintext), Uint8Array.from(CiphertextBlob), makePlace)
      return { ...key, createdAt: yield* DateTime.now }
    }),
    byId: ({ id, wrapped }) =>
      // Another hash: the wrapped key is not the one that the id speaks of.
      wrapped === undefined || idOf(wrapped) !== id
        ? Effect.succeedNone
        : Effect.flatMap(unwrapped(wrapped), (answer) =>
            answer === undefined
              ? Effect.succeedNone
              : Effect.asSome(keyOf(own(answer.Plaintext), wrapped, openPlace))
          ),
    ids: Effect.succeed
  }
}

/**
 * A key provider over KMS, until the scope ends.
 *
 * **Errors** ConfigurationInvalid for an option · then, of each lookup: PermissionDenied ·
 * AuthenticationFailed · Throttled · ConnectionFailed · Timeout · ProviderFailure, for one a key that is
 * disabled
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<KeyProvider.Service, QueueError.QueueError, Scope.Scope> {
  if (options.keyId === "") {
    return yield* Effect.fail(QueueError.configurationInvalid("keyId", "must not be empty"))
  }
  const lifetime = yield* keyCache.duration(
    "dataKeyLifetime",
    options.dataKeyLifetime ?? Defaults.cryptoDataKeyLifetime
  )
  const bounds = yield* keyCache.read(options)
  yield* SdkVersion.check(sdk)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(options.client ?? {})),
    (self) => Effect.sync(() => self.destroy())
  )
  return yield* keyCache.make(makeSource(client, options, lifetime), bounds)
})

/**
 * Data keys of KMS as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (As part of a stack)
 *
 * ```ts
 * import { KeyProviderAwsKms } from "@queue-runtime/crypto/aws-kms"
 * import { Layer } from "effect"
 *
 * const keys = KeyProviderAwsKms.layer({
 *   keyId: "alias/queues",
 *   client: { region: "eu-central-1" }
 * })
 * Layer.isLayer(keys) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<KeyProvider.KeyProvider, QueueError.QueueError> =>
  Layer.effect(KeyProvider.KeyProvider, make(options))
