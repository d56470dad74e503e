/**
 * Which settings there are, section by section. Those of a provider are loaded with the provider alone: an
 * SDK takes longer to load than all the rest.
 *
 * @since 0.1.0
 */
import { ClaimCheckConfig } from "@queue-runtime/claim-check"
import { Configuration, ProviderSelection, Setting, Settings } from "@queue-runtime/core"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { SessionLeasesConfig } from "@queue-runtime/session-store"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const { described } = Setting

const sealed = (variable: string, description: string, orElse?: string) =>
  Schema.optionalKey(Schema.String).pipe(
    described({ description, variable, ...(orElse === undefined ? {} : { default: orElse }) })
  )

const secret = (variable: string, description: string) =>
  Schema.optionalKey(Schema.RedactedFromValue(Schema.String)).pipe(
    described({ description, variable })
  )

/**
 * Sealing: what `SealingConfig` and `KeyProviderEnvironment` read, and check themselves, since a value
 * may be followed by values for single queues.
 */
const sealing = Schema.Struct({
  keys: secret("QUEUE_CRYPTO_KEYS", "The keys; without them nothing is sealed."),
  currentKey: sealed("QUEUE_CRYPTO_CURRENT_KEY", "The id of the key that seals.", "the only one"),
  queueKeys: sealed("QUEUE_CRYPTO_QUEUE_KEYS", "Queues with keys of their own."),
  mode: sealed("QUEUE_CRYPTO_MODE", "encrypt, sign or off, and queue=mode.", "encrypt"),
  plaintext: sealed(
    "QUEUE_CRYPTO_PLAINTEXT",
    "What becomes of a readable body: allow, alert or reject, and queue=policy.",
    "reject"
  ),
  freshness: sealed(
    "QUEUE_CRYPTO_FRESHNESS_SECONDS",
    "How long after its sealing a message may be sent: seconds or off, and queue=seconds.",
    "300"
  ),
  freshnessFrom: sealed(
    "QUEUE_CRYPTO_FRESHNESS_FROM",
    "Whose clock counts: enqueued or received, and queue=from.",
    "enqueued"
  ),
  nonceTracking: sealed("QUEUE_CRYPTO_NONCE_TRACKING", "on or off, and queue=on.", "off"),
  nonceWindow: sealed(
    "QUEUE_CRYPTO_NONCE_WINDOW_SECONDS",
    "How long a nonce is remembered: seconds, and queue=seconds.",
    "600"
  ),
  noncesMax: sealed("QUEUE_CRYPTO_NONCES_MAX", "Nonces remembered in this process.", "100000")
})

/**
 * The variables of sealing: with none of them set nothing of it is loaded.
 *
 * @category configuration
 * @since 0.1.0
 */
export const sealingVariables: ReadonlyArray<string> = Setting.settingsOf("sealing", sealing).map(
  ({ variable }) => variable
)

/**
 * What is the same for every provider.
 *
 * @category configuration
 * @since 0.1.0
 */
export const common: ReadonlyArray<Configuration.Section<unknown>> = [
  Settings.section,
  ResilienceConfig.section,
  { root: "sealing", schema: sealing },
  ClaimCheckConfig.section,
  SessionLeasesConfig.section
]

/**
 * The full name of a provider of ours.
 *
 * @category models
 * @since 0.1.0
 */
export type ProviderName = "aws-sqs" | "azure-service-bus" | "memory"

/**
 * The sections of the providers, by the full name of the provider.
 *
 * @category configuration
 * @since 0.1.0
 */
export const providers: {
  readonly [N in ProviderName]: () => Promise<Configuration.Section<unknown>>
} = {
  memory: () =>
    import("@queue-runtime/provider-memory").then(({ MemoryConfig }) => ({
      root: "memory",
      schema: MemoryConfig.MemoryConfig
    })),
  "aws-sqs": () =>
    import("@queue-runtime/provider-aws").then(({ AwsConfig }) => ({
      root: "aws",
      schema: AwsConfig.AwsConfig
    })),
  "azure-service-bus": () =>
    import("@queue-runtime/provider-azure").then(({ AzureConfig }) => ({
      root: "azure",
      schema: AzureConfig.AzureConfig
    }))
}

/**
 * The names of the sections that belong to a provider.
 *
 * @category configuration
 * @since 0.1.0
 */
export const providerRoots = ["memory", "aws", "azure"] as const

const rootOf: { readonly [N in ProviderName]: (typeof providerRoots)[number] } = {
  memory: "memory",
  "aws-sqs": "aws",
  "azure-service-bus": "azure"
}

const isProviderName = (name: string): name is ProviderName => Object.hasOwn(providers, name)

/**
 * A provider of ours by any of its names.
 *
 * @category accessors
 * @since 0.1.0
 */
export const providerOf = (name: string): ProviderName | undefined => {
  const canonical = ProviderSelection.canonicalName(name.trim())
  return isProviderName(canonical) ? canonical : undefined
}

/**
 * The settings that count when this provider is used, and the names at the top of a file that then do
 * not.
 *
 * @category accessors
 * @since 0.1.0
 */
export const forProvider = (name: ProviderName | undefined) =>
  Effect.map(
    name === undefined
      ? Effect.succeed([])
      : Effect.map(Effect.promise(providers[name]), (section) => [section]),
    (own) => ({
      settings: Configuration.settingsOf([...common, ...own]),
      others: providerRoots.filter((root) => name === undefined || root !== rootOf[name])
    })
  )

/**
 * Every setting there is.
 *
 * @category accessors
 * @since 0.1.0
 */
export const all: Effect.Effect<ReadonlyArray<Setting.Setting>> = Effect.map(
  Effect.all([
    Effect.promise(providers["aws-sqs"]),
    Effect.promise(providers["azure-service-bus"]),
    Effect.promise(providers.memory)
  ]),
  (own) => Configuration.settingsOf([...common, ...own])
)
