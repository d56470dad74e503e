/**
 * Keys in Azure Key Vault: each version of one secret is a key, its version the key's id, and the newest
 * the one that seals.
 *
 * **Details**
 *
 * A version holds 32 bytes in base64. Rotation: set a new value; within `refresh` every process seals with
 * it, and older versions still open. A version's expiry date is the end of its sealing; one that is
 * disabled opens nothing after `refresh`.
 *
 * **Gotchas**
 *
 * The SDK hands a secret out as text, which nobody can wipe: what is wiped are the bytes that are used.
 *
 * **Source** Azure Key Vault, Get Secret and Get Secret Versions
 *
 * @since 0.1.0
 */
import {
  type KeyVaultSecret,
  SecretClient,
  type SecretClientOptions,
  type SecretProperties
} from "@azure/keyvault-secrets"
import installed from "@azure/keyvault-secrets/package.json" with { type: "json" }
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Defaults, KeyProvider, QueueError, SdkVersion } from "@queue-runtime/core"
import * as keyCache from "./internal/keyCache.ts"
import * as keyService from "./internal/keyService.ts"

/**
 * Where the keys are, and how often they are asked for.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** `https://<name>.vault.azure.net` */
  readonly vaultUrl: string
  /** The name of the secret. */
  readonly secret: string
  /** Who asks: a credential of `@azure/identity`. */
  readonly credential: ConstructorParameters<typeof SecretClient>[1]
  /** What the SDK's client is made with besides. */
  readonly client?: SecretClientOptions
  /** How long a key is used before it is asked for again. Default: 5 minutes. */
  readonly refresh?: Duration.Input
  /** Keys held at once. Default: 1,000. */
  readonly keysMax?: number
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "4.12.0",
  below: "5.0.0"
}

const provider = "azure-key-vault"

/** Versions as Key Vault makes them: an id comes from a body, and would become a part of a URL. */
const version = /^[\da-f]{32}$/u

const times = ({ createdOn, expiresOn }: SecretProperties) => ({
  ...(createdOn === undefined ? {} : { createdAt: DateTime.fromDateUnsafe(createdOn) }),
  ...(expiresOn === undefined ? {} : { notAfter: DateTime.fromDateUnsafe(expiresOn) })
})

const keyOf = (
  { properties, value }: KeyVaultSecret,
  place: keyService.Place
): Effect.Effect<KeyProvider.Key, QueueError.QueueError> => {
  const { version: id = "" } = properties
  const bytes = keyService.keyOfText(value)
  return keyService.isKey(bytes)
    ? Effect.succeed({
        id,
        material: Redacted.make(bytes, { label: "key" }),
        ...times(properties)
      })
    : Effect.fail(keyService.noKey(place, `version ${id} of the secret`))
}

/** The versions that are enabled: page by page, as the SDK asks for them. */
const listed = Effect.fnUntraced(function* (client: SecretClient, name: string) {
  const ids: Array<string> = []
  const place = { provider, operation: "GetSecretVersions" }
  const versions = client.listPropertiesOfSecretVersions(name)
  const next = keyService.call(place, Defaults.cryptoKeyTimeout, () => versions.next())
  for (let one = yield* next; one.done !== true; one = yield* next) {
    const { enabled, version: id } = one.value
    if (enabled !== false && id !== undefined) ids.push(id)
  }
  return ids
})

const makeSource = (
  client: SecretClient,
  name: string,
  currentFor: Duration.Duration
): keyCache.Source => {
  const timeout = Defaults.cryptoKeyTimeout
  const getPlace = { provider, operation: "GetSecret" }
  return {
    wrappedSizeMax: 0,
    currentFor,
    current: keyService
      .call(getPlace, timeout, (abortSignal) => client.getSecret(name, { abortSignal }))
      .pipe(Effect.flatMap((secret) => keyOf(secret, getPlace))),
    byId: ({ id }) =>
      version.test(id)
        ? keyService
            .call(
              getPlace,
              timeout,
              (abortSignal) => client.getSecret(name, { version: id, abortSignal }),
              // 403 is also the answer for a version that is disabled, and then says so.
              ({ detail, status }) =>
                status === 404 || detail === "SecretDisabled" ? Effect.undefined : undefined
            )
            .pipe(
              Effect.flatMap((secret) =>
                secret === undefined ? Effect.succeedNone : Effect.asSome(keyOf(secret, getPlace))
              )
            )
        : Effect.succeedNone,
    ids: () => listed(client, name)
  }
}

/**
 * A key provider over a secret, until the scope ends.
 *
 * **Errors** ConfigurationInvalid for an option · then, of each lookup: PermissionDenied ·
 * AuthenticationFailed · Throttled · ConnectionFailed · Timeout · ConfigurationInvalid when what is
 * stored is no key
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<KeyProvider.Service, QueueError.QueueError, Scope.Scope> {
  const { client = {}, credential, secret, vaultUrl } = options
  if (!/^https:\/\//iu.test(vaultUrl) || !URL.canParse(vaultUrl)) {
    const problem = "must be an https URL: keys travel over it"
    return yield* Effect.fail(QueueError.configurationInvalid("vaultUrl", problem))
  }
  if (!/^[\dA-Za-z-]{1,127}$/u.test(secret)) {
    const problem = "must have 1–127 characters of ASCII letters, digits and -"
    return yield* Effect.fail(QueueError.configurationInvalid("secret", problem))
  }
  const bounds = yield* keyCache.read(options)
  yield* SdkVersion.check(sdk)
  const own = new SecretClient(vaultUrl, credential, client)
  return yield* keyCache.make(makeSource(own, secret, bounds.refresh), bounds)
})

/**
 * The keys of a secret as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (With the SDK's own credentials)
 *
 * ```ts
 * import { KeyProviderAzureKeyVault } from "@queue-runtime/crypto/azure-key-vault"
 * import { Layer } from "effect"
 *
 * // In an application: new DefaultAzureCredential() of @azure/identity.
 * const credential = { getToken: () => Promise.resolve(null) }
 * const keys = KeyProviderAzureKeyVault.layer({
 *   vaultUrl: "https://acme.vault.azure.net",
 *   secret: "queue-keys",
 *   credential
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
