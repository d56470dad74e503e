/**
 * Keys in AWS Secrets Manager: each version of one secret is a key, its version id the key's id, and
 * `AWSCURRENT` the one that seals.
 *
 * **Details**
 *
 * A version holds 32 bytes, as `SecretBinary` or as base64 in `SecretString`. Rotation: put a new value;
 * within `refresh` every process seals with it, and older versions still open.
 *
 * **Gotchas**
 *
 * AWS may delete a version without a staging label. Give those that must still open one of their own.
 *
 * What the SDK copied of a key on its way here is out of reach: what is wiped are the bytes that are
 * used.
 *
 * **Source** AWS Secrets Manager, GetSecretValue and ListSecretVersionIds
 *
 * @since 0.1.0
 */
import {
  GetSecretValueCommand,
  type GetSecretValueCommandOutput,
  ListSecretVersionIdsCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig
} from "@aws-sdk/client-secrets-manager"
import installed from "@aws-sdk/client-secrets-manager/package.json" with { type: "json" }
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
 * Where the keys are, and how often they are asked for.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Name or ARN of the secret. */
  readonly secret: string
  /** What the SDK's client is made with; its own defaults for what is left out. */
  readonly client?: SecretsManagerClientConfig
  /** How long a key is used before it is asked for again. Default: 5 minutes. */
  readonly refresh?: Duration.Input
  /** Keys held at once. Default: 1,000. */
  readonly keysMax?: number
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "3.1162.0",
  below: "4.0.0"
}

const provider = "aws-secrets-manager"

/** Version ids as AWS makes them: an id comes from a body that anybody may have written. */
const versionId = /^[\w-]{32,64}$/u

const makeClient = (config: SecretsManagerClientConfig) => {
  const client = new SecretsManagerClient(config)
  client.middlewareStack.add(
    (next) => (call) => {
      const problem = aws.problemOf(call.request)
      return problem === undefined ? next(call) : Promise.reject(problem)
    },
    { step: "finalizeRequest", name: "queueRuntimeOnlyTls" }
  )
  return client
}

const keyOf = (
  answer: GetSecretValueCommandOutput,
  place: keyService.Place
): Effect.Effect<KeyProvider.Key, QueueError.QueueError> => {
  const { CreatedDate, SecretBinary, SecretString, VersionId = "" } = answer
  const bytes =
    SecretBinary === undefined ? keyService.keyOfText(SecretString) : Uint8Array.from(SecretBinary)
  // The SDK's own array is nobody's any more.
  SecretBinary?.fill(0)
  return keyService.isKey(bytes)
    ? Effect.succeed({
        id: VersionId,
        material: Redacted.make(bytes, { label: "key" }),
        ...(CreatedDate === undefined ? {} : { createdAt: DateTime.fromDateUnsafe(CreatedDate) })
      })
    : Effect.fail(keyService.noKey(place, `version ${VersionId} of the secret`))
}

const makeSource = (
  client: SecretsManagerClient,
  secret: string,
  currentFor: Duration.Duration
) => {
  const timeout = Defaults.cryptoKeyTimeout
  const getPlace = { provider, operation: "GetSecretValue" }
  const listPlace = { provider, operation: "ListSecretVersionIds" }
  const current = keyService
    .call(getPlace, timeout, (abortSignal) =>
      client.send(new GetSecretValueCommand({ SecretId: secret }), { abortSignal })
    )
    .pipe(Effect.flatMap((answer) => keyOf(answer, getPlace)))
  const version = (VersionId: string) =>
    keyService.call(
      getPlace,
      timeout,
      (abortSignal) =>
        client.send(new GetSecretValueCommand({ SecretId: secret, VersionId }), { abortSignal }),
      ({ name }) => (name === "ResourceNotFoundException" ? Effect.undefined : undefined)
    )
  const page = (NextToken: string | undefined) =>
    keyService.call(listPlace, timeout, (abortSignal) =>
      client.send(
        new ListSecretVersionIdsCommand({
          SecretId: secret,
          IncludeDeprecated: true,
          ...(NextToken === undefined ? {} : { NextToken })
        }),
        { abortSignal }
      )
    )
  const listed = Effect.fnUntraced(function* () {
    const ids: Array<string> = []
    let token: string | undefined
    do {
      const { NextToken, Versions = [] } = yield* page(token)
      for (const { VersionId } of Versions) if (VersionId !== undefined) ids.push(VersionId)
      token = NextToken
    } while (token !== undefined && token !== "")
    return ids
  })
  const source: keyCache.Source = {
    wrappedSizeMax: 0,
    currentFor,
    current,
    byId: ({ id }) =>
      versionId.test(id)
        ? Effect.flatMap(version(id), (answer) =>
            answer === undefined ? Effect.succeedNone : Effect.asSome(keyOf(answer, getPlace))
          )
        : Effect.succeedNone,
    ids: listed
  }
  return source
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
  if (options.secret === "") {
    return yield* Effect.fail(QueueError.configurationInvalid("secret", "must not be empty"))
  }
  const bounds = yield* keyCache.read(options)
  yield* SdkVersion.check(sdk)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(options.client ?? {})),
    (self) => Effect.sync(() => self.destroy())
  )
  return yield* keyCache.make(makeSource(client, options.secret, bounds.refresh), bounds)
})

/**
 * The keys of a secret as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (As part of a stack)
 *
 * ```ts
 * import { KeyProviderAwsSecretsManager } from "@queue-runtime/crypto/aws-secrets-manager"
 * import { Layer } from "effect"
 *
 * const keys = KeyProviderAwsSecretsManager.layer({
 *   secret: "prod/queue-keys",
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
