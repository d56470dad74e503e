/**
 * The options of a provider on Azure Service Bus: which namespace, who we are, and what each queue is.
 *
 * **Details**
 *
 * Everything is checked before any connection: a bad value, a bad queue name and a misspelt option are
 * `ConfigurationInvalid` with the path of the option (`queues.orders.lockDuration`) and the rule. The
 * namespace is given by a connection string, or by its host name and credentials.
 *
 * A queue's logical name leads to a path; without an entry the name itself is used, with `prefix` before
 * it. What a queue is (sessions, deliveries, lock) is set in Azure, and said again here, since a client
 * that may only send and listen cannot ask for it.
 *
 * @since 0.1.0
 */
import type { TokenCredential } from "@azure/identity"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  Defaults,
  PhysicalQueueName,
  type QueueError,
  QueueName,
  Setting
} from "@queue-runtime/core"
import type { Options as CoreOptions } from "@queue-runtime/core"
import * as connectionString from "./internal/connectionString.ts"

const { defaulted, described } = Setting

const positive = Setting.durationPositive

const notNegative = Setting.durationNotNegative

const lock = Setting.durationInput(
  Duration.between({
    minimum: Defaults.serviceBusLockDurationMin,
    maximum: Defaults.serviceBusLockDurationMax
  }),
  "must be from 5 seconds to 5 minutes"
)

const count = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const text = Schema.String.check(Schema.isMinLength(1))

const checked = (problemOf: (value: string) => string | undefined) =>
  Schema.String.check(Schema.makeFilter<string>((value) => problemOf(value) ?? true))

const secret = Schema.Union([Schema.Redacted(text), Schema.RedactedFromValue(text)])

const hostProblem = (value: string): string | undefined => {
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/iu.test(value)) {
    return "must be a host name: acme.servicebus.windows.net"
  }
  return value.includes(".") || value === "localhost"
    ? undefined
    : `must be the whole host name: ${value}.servicebus.windows.net in Azure's public cloud`
}

const pathProblem = (path: string): string | undefined =>
  Effect.runSync(
    Effect.match(PhysicalQueueName.make("azure-service-bus", path), {
      onFailure: ({ reason }) =>
        reason._tag === "ValidationFailed" ? reason.problem : reason.message,
      onSuccess: () => undefined
    })
  )

/** The value is secret, so the rule says nothing of it. */
const isProxy = (value: string): boolean =>
  URL.canParse(value) && /^https?:$/u.test(new URL(value).protocol)

/**
 * What a namespace can do. Basic has no sessions and no duplicate detection; Premium takes larger
 * messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Tier = Schema.Literals(["basic", "standard", "premium"])

/**
 * The type of {@link Tier}.
 *
 * @category models
 * @since 0.1.0
 */
export type Tier = typeof Tier.Type

const settings = {
  /** Whether the queue is ordered: it requires sessions, and is received from by session. */
  sessions: defaulted(Schema.Boolean, false).pipe(
    described("Whether the queue is ordered: it requires sessions.")
  ),
  /** Deliveries of one message before the service moves it to the dead letters. */
  deliveriesMax: defaulted(count(1, 2_000), Defaults.deliveriesMax).pipe(
    described("Deliveries of one message before the service moves it to the dead letters.")
  ),
  /** How long a delivery, or an accepted session, stays locked; renewed while it is worked on. */
  lockDuration: defaulted(lock, Defaults.serviceBusLockDuration).pipe(
    described("How long a delivery, or an accepted session, stays locked.")
  ),
  /** Largest message in bytes. Default: 256 KB, and 1 MB on Premium. */
  messageSizeMax: Schema.optionalKey(count(1_024, Defaults.serviceBusMessageSizeMax)).pipe(
    described({
      description: "Largest message.",
      unit: "bytes",
      default: "262144, and 1048576 on Premium"
    })
  ),
  /** Largest batch on the wire in bytes; the link's own limit counts as well. */
  sendSizeMax: defaulted(
    count(1_024, Defaults.serviceBusBatchSizeMax),
    Defaults.serviceBusBatchSizeMax
  ).pipe(described({ description: "Largest batch on the wire.", unit: "bytes" })),
  /** How long the queue remembers message ids; zero: it detects no duplicates. */
  deduplicationWindow: defaulted(notNegative, Duration.zero).pipe(
    described("How long the queue remembers message ids; zero: it detects no duplicates.")
  )
}

/**
 * The settings of a queue that has no entry of its own.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueSettings = Schema.Struct(settings)

/**
 * The type of {@link QueueSettings}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueSettings = typeof QueueSettings.Type

/**
 * The options of one queue.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueConfig = Schema.Struct({
  /** What it is called in the namespace: `acme/orders.v2`. Default: `prefix` and the logical name. */
  path: Schema.optionalKey(checked(pathProblem)).pipe(
    described({
      description: "What it is called in the namespace: acme/orders.v2.",
      default: "prefix and the logical name"
    })
  ),
  ...settings
})

/**
 * The type of {@link QueueConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueConfig = typeof QueueConfig.Type

const isTokenCredential = (value: unknown): value is TokenCredential =>
  Predicate.hasProperty(value, "getToken") && typeof value.getToken === "function"

/**
 * Who we are, where no connection string says it.
 *
 * **Details**
 *
 * - `Default`: the chain of `@azure/identity`: environment, workload identity, managed identity, and a
 *   developer's own sign-in.
 * - `ManagedIdentity`: the identity of the machine, or one assigned by the user.
 * - `ClientSecret`: a service principal.
 * - `WorkloadIdentity`: a federated token from a file, as on AKS. What is absent is taken from
 *   `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
 * - `Token`: any credential of `@azure/identity`, or one of your own.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Credentials = Schema.Union([
  Schema.TaggedStruct("Default", {}),
  Schema.TaggedStruct("ManagedIdentity", {
    clientId: Schema.optionalKey(text).pipe(
      described("With ManagedIdentity, ClientSecret and WorkloadIdentity: the id of the client.")
    )
  }),
  Schema.TaggedStruct("ClientSecret", {
    tenantId: text.pipe(described("With ClientSecret and WorkloadIdentity: the id of the tenant.")),
    clientId: text,
    clientSecret: secret.pipe(described("With ClientSecret: the secret."))
  }),
  Schema.TaggedStruct("WorkloadIdentity", {
    tenantId: Schema.optionalKey(text),
    clientId: Schema.optionalKey(text),
    tokenFile: Schema.optionalKey(text).pipe(
      described({
        description: "With WorkloadIdentity: the file that holds the token.",
        default: "AZURE_FEDERATED_TOKEN_FILE"
      })
    )
  }),
  Schema.TaggedStruct("Token", {
    credential: Schema.declare(isTokenCredential, { expected: "a TokenCredential" })
  })
])

/**
 * The type of {@link Credentials}.
 *
 * @category models
 * @since 0.1.0
 */
export type Credentials = typeof Credentials.Type

const nameRule =
  "a queue's name must have 1–260 characters of ASCII letters, digits, - and _, " +
  "with no leading, trailing or doubled -"

interface Place {
  readonly connectionString?: Redacted.Redacted | undefined
  readonly namespace?: string | undefined
  readonly transport: "amqp" | "websockets"
  readonly proxy?: Redacted.Redacted | undefined
}

/** What a secret must be, checked here since a schema would say only that it is one. */
const secretIssue = ({ connectionString: string, proxy }: Place) => {
  const issue =
    string === undefined ? undefined : connectionString.problemOf(Redacted.value(string))
  if (issue !== undefined) return { path: ["connectionString"], issue }
  return proxy === undefined || isProxy(Redacted.value(proxy))
    ? true
    : { path: ["proxy"], issue: "must be an http or https URL" }
}

const placeIssue = ({ connectionString: string, namespace, proxy, transport }: Place) => {
  if (string === undefined && namespace === undefined) {
    return { path: ["connectionString"], issue: "must be given, or a namespace" }
  }
  if (string !== undefined && namespace !== undefined) {
    return { path: ["namespace"], issue: "must not stand together with connectionString" }
  }
  return proxy === undefined || transport === "websockets"
    ? true
    : { path: ["proxy"], issue: "needs the transport websockets: AMQP itself goes through none" }
}

interface Queues {
  readonly tier: Tier
  readonly queues: Readonly<Record<string, QueueConfig>>
  readonly others: QueueSettings
}

const tierProblem = (tier: Tier, queue: QueueSettings): readonly [string, string] | undefined => {
  if (tier === "basic" && queue.sessions) return ["sessions", "the Basic tier has no sessions"]
  if (tier === "basic" && !Duration.isZero(queue.deduplicationWindow)) {
    return ["deduplicationWindow", "the Basic tier detects no duplicates"]
  }
  return tier !== "premium" && (queue.messageSizeMax ?? 0) > Defaults.serviceBusMessageSize
    ? ["messageSizeMax", `must be at most ${Defaults.serviceBusMessageSize} below the Premium tier`]
    : undefined
}

const tierIssue = ({ others, queues, tier }: Queues) => {
  for (const [name, queue] of Object.entries(queues)) {
    const problem = tierProblem(tier, queue)
    if (problem !== undefined) return { path: ["queues", name, problem[0]], issue: problem[1] }
  }
  const problem = tierProblem(tier, others)
  return problem === undefined ? true : { path: ["others", problem[0]], issue: problem[1] }
}

const fields = Schema.Struct({
  /** A shared access policy's, with or without an `EntityPath`. */
  connectionString: Schema.optionalKey(secret).pipe(
    described({
      description: "A shared access policy's, with or without an EntityPath.",
      variable: "AZURE_SERVICE_BUS_CONNECTION_STRING"
    })
  ),
  /** Its host name: `acme.servicebus.windows.net`. */
  namespace: Schema.optionalKey(checked(hostProblem)).pipe(
    described("The host name of the namespace: acme.servicebus.windows.net.")
  ),
  /** Of no use beside a connection string, which has a key of its own. */
  credentials: defaulted(Credentials, { _tag: "Default" }).pipe(
    described(
      "Who we are, where no connection string says it; Default is the chain of @azure/identity."
    )
  ),
  tier: defaulted(Tier, "standard").pipe(described("What the namespace can do.")),
  /** `amqp` on port 5671, or `websockets` on 443 where that is all that gets out. */
  transport: defaulted(Schema.Literals(["amqp", "websockets"]), "amqp").pipe(
    described("amqp on port 5671, or websockets on 443.")
  ),
  /** An http or https proxy that tunnels by CONNECT. It may hold a password, so it is redacted. */
  proxy: Schema.optionalKey(secret).pipe(
    described("An http or https proxy that tunnels by CONNECT; with websockets only.")
  ),
  /** Connections; queues are shared out among them. */
  connections: defaulted(
    count(1, Defaults.serviceBusConnectionsMax),
    Defaults.serviceBusConnections
  ).pipe(described("Connections; queues are shared out among them.")),
  /** Of a connection, its token and a link, together. */
  connectTimeout: defaulted(positive, Defaults.serviceBusConnectTimeout).pipe(
    described("How long a connection, its token and a link may take together.")
  ),
  /** Of one call on an open link. */
  requestTimeout: defaulted(positive, Defaults.serviceBusRequestTimeout).pipe(
    described("How long one call on an open link may take.")
  ),
  /** How long a receiver waits in vain before it is looked whether there is a backlog. */
  watchdogInterval: defaulted(positive, Defaults.serviceBusWatchdogInterval).pipe(
    described("How long a receiver waits in vain before it is looked whether there is a backlog.")
  ),
  /** Time between two rebuilds of a link that is silent beside a backlog. */
  rebuildInterval: defaulted(notNegative, Defaults.serviceBusRebuildInterval).pipe(
    described("Time between two rebuilds of a link that is silent beside a backlog.")
  ),
  /** Put before the name of a queue that has no path of its own. */
  prefix: defaulted(
    Schema.String.check(
      Schema.isPattern(/^([\w-][\w/.-]*)?$/u, { expected: "ASCII letters, digits and / . - _" })
    ),
    ""
  ).pipe(described("Put before the name of a queue that has no path of its own.")),
  /** Queues by their logical name. */
  queues: defaulted(
    Schema.Record(Schema.String, QueueConfig).check(
      Schema.makeFilter((queues) => {
        const bad = Object.keys(queues).find((name) => !QueueName.is(name))
        return bad === undefined || { path: [bad], issue: nameRule }
      })
    ),
    {}
  ).pipe(described("Queues by their logical name.")),
  /** The settings of every queue without an entry in `queues`. */
  others: defaulted(QueueSettings, {})
})

/**
 * The options of a provider.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AzureConfig = fields.check(
  Schema.makeFilter<Place>(placeIssue),
  Schema.makeFilter<Place>(secretIssue),
  Schema.makeFilter<Queues>(tierIssue)
)

/**
 * The type of {@link AzureConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type AzureConfig = typeof AzureConfig.Type

/**
 * The options as they are given: durations in any form of Effect's, secrets redacted or plain, defaults
 * left out. What is undefined counts as left out, so `process.env["NAMESPACE"]` is an option as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = CoreOptions.Given<typeof AzureConfig.Encoded>

/**
 * {@link Options} of which each is given as it is, or as a `Config` that reads it.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions = CoreOptions.Configured<Options>

const decode = Setting.decodeOptions(AzureConfig)

/**
 * Checks the options.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * **Example** (The path says where)
 *
 * ```ts
 * import { AzureConfig } from "@queue-runtime/provider-azure"
 * import { Effect } from "effect"
 *
 * const queues = { orders: { lockDuration: "1 hour" } } as const
 * const options = { namespace: "acme.servicebus.windows.net", queues }
 * Effect.runSync(Effect.flip(AzureConfig.make(options))).reason.message
 * // => "queues.orders.lockDuration: must be from 5 seconds to 5 minutes"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<AzureConfig, QueueError.QueueError> =>
  decode(options)

/**
 * One queue as the options have it: its settings, and where it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResolvedQueue extends QueueSettings {
  readonly path: string
  readonly messageSizeMax: number
}

const messageSizeOf = (tier: Tier): number =>
  tier === "premium" ? Defaults.serviceBusPremiumMessageSize : Defaults.serviceBusMessageSize

/**
 * What the options say of a queue, with or without an entry for it.
 *
 * **Example** (A queue without an entry)
 *
 * ```ts
 * import { QueueName } from "@queue-runtime/core"
 * import { AzureConfig } from "@queue-runtime/provider-azure"
 * import { Effect } from "effect"
 *
 * const options = { namespace: "acme.servicebus.windows.net", prefix: "acme/" }
 * const config = Effect.runSync(AzureConfig.make(options))
 * AzureConfig.queue(config, QueueName.makeUnsafe("orders")).path // => "acme/orders"
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const queue = (config: AzureConfig, name: QueueName.QueueName): ResolvedQueue => {
  // A queue may be called like something every object has.
  const own: QueueConfig | undefined = Object.hasOwn(config.queues, name)
    ? config.queues[name]
    : undefined
  const given = own ?? config.others
  return {
    ...given,
    path: own?.path ?? `${config.prefix}${name}`,
    messageSizeMax: given.messageSizeMax ?? messageSizeOf(config.tier)
  }
}
