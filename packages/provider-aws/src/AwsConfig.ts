/**
 * The options of a provider on SQS: where SQS is, who we are, and what each queue is.
 *
 * **Details**
 *
 * Everything is checked before any connection: a bad value, a bad queue name and a misspelt option are
 * `ConfigurationInvalid` with the path of the option (`queues.orders.visibilityTimeout`) and the rule.
 * What is not said here, the SDK finds where it always does: region, endpoint and credentials in
 * `AWS_REGION`, `AWS_ENDPOINT_URL_SQS`, the shared files and the rest.
 *
 * A queue's logical name leads to a URL, an ARN or a name; without an entry the name itself is used, with
 * `prefix` before it and, on a FIFO queue, `.fifo` behind it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Defaults, type QueueError, QueueName, Setting } from "@queue-runtime/core"
import type { Options as CoreOptions } from "@queue-runtime/core"
import * as target from "./internal/target.ts"
import { endpointProblem, parsed } from "./internal/endpoints.ts"

const { defaulted, described } = Setting

const positive = Setting.durationPositive

const visibility = Setting.durationInput(
  (value) =>
    Number.isInteger(Duration.toSeconds(value)) &&
    Duration.isPositive(value) &&
    Duration.isLessThanOrEqualTo(value, Defaults.sqsVisibilityTimeoutMax),
  "must be whole seconds from 1 second to 12 hours"
)

const count = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const text = Schema.String.check(Schema.isMinLength(1))

const checked = (problemOf: (value: string) => string | undefined) =>
  Schema.String.check(Schema.makeFilter<string>((value) => problemOf(value) ?? true))

/** Plain or redacted as given, redacted from then on; of its value the rule says nothing. */
const redacted = (isUsable: (value: string) => boolean, rule: string) =>
  Schema.Union([Schema.String, Schema.Redacted(Schema.String)]).pipe(
    Schema.decodeTo(
      Schema.Redacted(Schema.String).check(
        Schema.makeFilter<Redacted.Redacted>((value) => isUsable(Redacted.value(value)) || rule)
      ),
      SchemaTransformation.transform<Redacted.Redacted, string | Redacted.Redacted>({
        decode: (value) => (Redacted.isRedacted(value) ? value : Redacted.make(value)),
        encode: (value) => value
      })
    )
  )

const secret = redacted((value) => value !== "", "must not be empty")

const isProxy = (value: string): boolean => /^https?:$/u.test(parsed(value)?.protocol ?? "")

/**
 * Where SQS has the queue: one of a URL, an ARN, and the name it has there.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Target = Schema.Struct({
  url: Schema.optionalKey(checked((url) => target.urlProblem(url) ?? endpointProblem(url))).pipe(
    described("The URL of the queue.")
  ),
  arn: Schema.optionalKey(checked(target.arnProblem)).pipe(described("Its ARN.")),
  /** `.fifo` at the end of a FIFO queue's included. */
  name: Schema.optionalKey(checked(target.nameProblem)).pipe(
    described("The name it has in SQS, .fifo included.")
  )
})

/**
 * The type of {@link Target}.
 *
 * @category models
 * @since 0.1.0
 */
export type Target = typeof Target.Type

const settings = {
  /** Whether it is a FIFO queue, which is to say ordered. Default: whether its name ends in `.fifo`. */
  fifo: Schema.optionalKey(Schema.Boolean).pipe(
    described({
      description: "Whether it is a FIFO queue, which is to say ordered.",
      default: "whether its name ends in .fifo"
    })
  ),
  /** How long a delivery, or a held message group, stays locked; renewed while it is worked on. */
  visibilityTimeout: defaulted(visibility, Defaults.sqsVisibilityTimeout).pipe(
    described("How long a delivery, or a held message group, stays locked.")
  ),
  /** Deliveries of one message before it goes to the dead letters. */
  deliveriesMax: defaulted(count(1, 1_000), Defaults.deliveriesMax).pipe(
    described("Deliveries of one message before it goes to the dead letters.")
  ),
  /** Largest message in bytes, where the queue is set to less than the service allows. */
  messageSizeMax: defaulted(
    count(1_024, Defaults.sqsMessageSizeMax),
    Defaults.sqsMessageSizeMax
  ).pipe(described({ description: "Largest message.", unit: "bytes" })),
  /**
   * What becomes of a message whose time to live is over when it is received: `drop`, or `deadLetter`
   * where there is a dead-letter queue.
   */
  expired: defaulted(Schema.Literals(["drop", "deadLetter"]), "drop").pipe(
    described("What becomes of a message whose time to live is over.")
  ),
  /**
   * On a FIFO queue: `strict` keeps the order whatever fails, with one message of a session under way;
   * `batch` sends several in one call, and a failure among them breaks the order.
   */
  sendOrder: defaulted(Schema.Literals(["strict", "batch"]), "strict").pipe(
    described(
      "On a FIFO queue: strict keeps the order whatever fails, batch sends several in one call."
    )
  ),
  /**
   * `auto`: text as text, other bytes in base64 with a mark. `base64`: every body in base64 without a
   * mark, as queue-runtime 0.2 for Rust does.
   */
  bodyEncoding: defaulted(Schema.Literals(["auto", "base64"]), "auto").pipe(
    described(
      "auto: text as text, other bytes marked and in base64; base64: every body, without a mark."
    )
  ),
  /** `messageGroup` where the FIFO queue remembers ids group by group (high throughput). */
  deduplicationScope: defaulted(Schema.Literals(["queue", "messageGroup"]), "queue").pipe(
    described("messageGroup where a FIFO queue remembers ids group by group.")
  ),
  /**
   * Refuses what SQS does not really do: accepting a session by its id, and a redrive policy that may
   * overtake `deliveriesMax`.
   */
  strict: defaulted(Schema.Boolean, false).pipe(
    described(
      "Refuses what SQS does not really do, and a redrive policy that may overtake deliveriesMax."
    )
  ),
  /** Receive calls under way at most. */
  pollersMax: defaulted(count(1, Defaults.sqsSocketsMax), Defaults.sqsPollersMax).pipe(
    described("Receive calls under way at most.")
  ),
  /** On a FIFO queue: message groups held by this process at most. */
  groupsMax: defaulted(count(1, 10_000), Defaults.sqsGroupsMax).pipe(
    described("Message groups held by this process at most.")
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

const oneTargetRule = "must be one of url, arn and name, not several"

const targetIssue = (at: Target) =>
  target.given(at).length > 1 ? { path: [], issue: oneTargetRule } : true

const DeadLetterTarget = Target.check(
  Schema.makeFilter<Target>((at) =>
    target.given(at).length === 0 ? "must have one of url, arn and name" : targetIssue(at)
  )
)

const suffixIssue = (queue: Target & Pick<QueueSettings, "fifo">) => {
  const physical = target.physicalName(queue)
  if (physical === undefined || queue.fifo === undefined) return true
  return target.isFifoName(physical) === queue.fifo
    ? true
    : {
        path: ["fifo"],
        issue: "must agree with the name, which ends in .fifo on a FIFO queue alone"
      }
}

/** SQS refuses a redrive policy between the two kinds; a copy of ours would be refused as late. */
const pairingIssue = (
  queue: Target & Pick<QueueSettings, "fifo"> & { readonly deadLetter?: Target }
) => {
  const dead = queue.deadLetter === undefined ? undefined : target.physicalName(queue.deadLetter)
  if (dead === undefined) return true
  const own = target.physicalName(queue)
  const isFifo = own === undefined ? queue.fifo === true : target.isFifoName(own)
  if (target.isFifoName(dead) === isFifo) return true
  const issue = isFifo
    ? `must end in .fifo as the queue's own name does: SQS gives a FIFO queue no other dead letters; got ${dead}`
    : `must not end in .fifo since the queue is a standard one: SQS gives it no other dead letters; got ${dead}`
  return { path: ["deadLetter"], issue }
}

/**
 * The options of one queue.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueConfig = Schema.Struct({
  ...Target.fields,
  ...settings,
  /** Its dead-letter queue; absent: the one its redrive policy names. */
  deadLetter: Schema.optionalKey(DeadLetterTarget)
}).check(
  Schema.makeFilter<Target & QueueSettings>((queue) => targetIssue(queue)),
  Schema.makeFilter<Target & QueueSettings>(suffixIssue),
  Schema.makeFilter<Target & QueueSettings & { readonly deadLetter?: Target }>(pairingIssue)
)

/**
 * The type of {@link QueueConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueConfig = typeof QueueConfig.Type

/**
 * Who we are, without an assumed role.
 *
 * **Details**
 *
 * - `Default`: the SDK's chain: environment, shared files, SSO, web identity, container, instance.
 * - `Profile`: a profile of the shared files, of roles and sources too.
 * - `Keys`: these keys, which do not refresh.
 * - `WebIdentity`: a token from a file, exchanged for a role's keys, as on EKS. What is absent is taken
 *   from `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` and `AWS_ROLE_SESSION_NAME`.
 * - `Container`: the credentials of an ECS task or an EKS pod.
 * - `Instance`: the role of an EC2 instance.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SourceCredentials = Schema.Union([
  Schema.TaggedStruct("Default", {}),
  Schema.TaggedStruct("Profile", {
    profile: text.pipe(described("With Profile: a profile of the shared files."))
  }),
  Schema.TaggedStruct("Keys", {
    accessKeyId: text.pipe(described("With Keys: the id of the key.")),
    secretAccessKey: secret.pipe(described("With Keys: the key.")),
    sessionToken: Schema.optionalKey(secret).pipe(
      described("With Keys: the token that goes with temporary keys.")
    )
  }),
  Schema.TaggedStruct("WebIdentity", {
    tokenFile: Schema.optionalKey(text).pipe(
      described({
        description: "With WebIdentity: the file that holds the token.",
        default: "AWS_WEB_IDENTITY_TOKEN_FILE"
      })
    ),
    roleArn: Schema.optionalKey(text).pipe(
      described({
        description: "With WebIdentity and AssumeRole: the role.",
        default: "AWS_ROLE_ARN"
      })
    ),
    sessionName: Schema.optionalKey(text).pipe(
      described({
        description: "With WebIdentity and AssumeRole: what the session is called.",
        default: "AWS_ROLE_SESSION_NAME"
      })
    )
  }),
  Schema.TaggedStruct("Container", {}),
  Schema.TaggedStruct("Instance", {})
])

/**
 * The type of {@link SourceCredentials}.
 *
 * @category models
 * @since 0.1.0
 */
export type SourceCredentials = typeof SourceCredentials.Type

/**
 * Who we are: {@link SourceCredentials}, or `AssumeRole`, a role assumed by one of them. All but `Keys`
 * refresh by themselves.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Credentials = Schema.Union([
  ...SourceCredentials.members,
  Schema.TaggedStruct("AssumeRole", {
    roleArn: text,
    sessionName: Schema.optionalKey(text),
    externalId: Schema.optionalKey(text).pipe(
      described("With AssumeRole: what the role asks for.")
    ),
    /** Who assumes the role. */
    source: defaulted(SourceCredentials, { _tag: "Default" }).pipe(
      described({
        description: "With AssumeRole: who assumes the role; any of the others.",
        isOpaque: true
      })
    )
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

/**
 * The options of a provider.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AwsConfig = Schema.Struct({
  /** Absent: the SDK's own, `AWS_REGION` and the shared files. */
  region: Schema.optionalKey(
    text.check(Schema.isPattern(/^[\w-]*$/u, { expected: "ASCII letters, digits, - and _" }))
  ).pipe(
    described({ description: "The region.", variable: "AWS_REGION", default: "the shared files'" })
  ),
  /** Another server than AWS; plain http for a local one only. Absent: `AWS_ENDPOINT_URL_SQS`, then AWS. */
  endpoint: Schema.optionalKey(checked(endpointProblem)).pipe(
    described({
      description: "Another server than AWS; plain http for a local one only.",
      variable: "AWS_ENDPOINT_URL_SQS",
      default: "AWS"
    })
  ),
  credentials: defaulted(Credentials, { _tag: "Default" }).pipe(
    described("Who we are; Default is the chain of the SDK.")
  ),
  /** An http or https proxy that tunnels by CONNECT. It may hold a password, so it is redacted. */
  proxy: Schema.optionalKey(redacted(isProxy, "must be an http or https URL")).pipe(
    described("An http or https proxy that tunnels by CONNECT.")
  ),
  /** Sockets kept and reused, at most. */
  socketsMax: defaulted(count(1, 10_000), Defaults.sqsSocketsMax).pipe(
    described("Sockets kept and reused, at most.")
  ),
  connectTimeout: defaulted(positive, Defaults.sqsConnectTimeout).pipe(
    described("How long connecting may take.")
  ),
  /** Of one call, connecting included; a long poll has its wait on top. */
  requestTimeout: defaulted(positive, Defaults.sqsRequestTimeout).pipe(
    described("How long one call may take, connecting included.")
  ),
  /** Put before the name of a queue that has no entry, or one that says neither url, arn nor name. */
  prefix: defaulted(
    Schema.String.check(
      Schema.isPattern(/^[\w-]*$/u, { expected: "ASCII letters, digits, - and _" })
    ),
    ""
  ).pipe(described("Put before the name of a queue that says no url, arn or name.")),
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
 * The type of {@link AwsConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type AwsConfig = typeof AwsConfig.Type

/**
 * The options as they are given: durations in any form of Effect's, secrets redacted or plain, defaults
 * left out. What is undefined counts as left out, so `process.env["REGION"]` is an option as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = CoreOptions.Given<typeof AwsConfig.Encoded>

/**
 * {@link Options} of which each is given as it is, or as a `Config` that reads it.
 *
 * @category models
 * @since 0.1.0
 */
export type ConfigOptions = CoreOptions.Configured<Options>

const decode = Setting.decodeOptions(AwsConfig)

/**
 * Checks the options.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * **Example** (The path says where)
 *
 * ```ts
 * import { AwsConfig } from "@queue-runtime/provider-aws"
 * import { Effect } from "effect"
 *
 * const options = { queues: { orders: { visibilityTimeout: "13 hours" } } } as const
 * Effect.runSync(Effect.flip(AwsConfig.make(options))).reason.message
 * // => "queues.orders.visibilityTimeout: must be whole seconds from 1 second to 12 hours"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<AwsConfig, QueueError.QueueError> =>
  decode(options)

/**
 * One queue as the options have it: its settings, and where it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResolvedQueue extends QueueSettings {
  readonly fifo: boolean
  readonly target: Target
  /** Absent: the one its redrive policy names. */
  readonly deadLetter?: Target
}

/**
 * What the options say of a queue, with or without an entry for it.
 *
 * **Example** (A queue without an entry)
 *
 * ```ts
 * import { QueueName } from "@queue-runtime/core"
 * import { AwsConfig } from "@queue-runtime/provider-aws"
 * import { Effect } from "effect"
 *
 * const config = Effect.runSync(AwsConfig.make({ prefix: "acme-", others: { fifo: true } }))
 * AwsConfig.queue(config, QueueName.makeUnsafe("orders")).target.name // => "acme-orders.fifo"
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const queue = (config: AwsConfig, name: QueueName.QueueName): ResolvedQueue => {
  // A queue may be called like something every object has.
  const own = Object.hasOwn(config.queues, name) ? config.queues[name] : undefined
  const { arn: _, name: __, url: ___, ...given } = own ?? { ...config.others }
  const physical = own === undefined ? undefined : target.physicalName(own)
  if (own !== undefined && physical !== undefined) {
    return { ...given, fifo: target.isFifoName(physical), target: target.of(own) }
  }
  const fifo = given.fifo ?? false
  const suffix = fifo ? target.fifoSuffix : ""
  return { ...given, fifo, target: { name: `${config.prefix}${name}${suffix}` } }
}
