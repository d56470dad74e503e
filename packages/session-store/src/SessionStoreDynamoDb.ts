/**
 * Leases and session state in a table of DynamoDB, which every process shares.
 *
 * **Details**
 *
 * One item a session, under the key `pk`: its holder, fencing token, version and state. Every call is one
 * conditional write or one consistent read of it; a session that another holds costs one read more.
 *
 * Time is nobody's but one's own: DynamoDB tells no time to conditions, and clocks differ. Each grant and
 * each renewal gives the item another version; a contender that has seen one version for the whole duration
 * of the lease, by its own clock that is never set, takes the session under the condition that it still is
 * that version. A dead holder's session so is free a duration after it was first asked for.
 *
 * Tokens begin at the time of a session's first grant in milliseconds, and rise by one: what the table
 * forgot after `retention` so begins above what it had, as long as clocks differ by less than that.
 *
 * **Gotchas**
 *
 * A write costs what the whole item weighs, renewals included: a state of 10 KB makes each of them ten
 * units. State is not encrypted by this library; the table is, by DynamoDB.
 *
 * Nothing is ever removed but by the table's own time to live: switch it on for the attribute `expires`.
 *
 * **Source** DynamoDB, condition expressions; ADR 0018; `docs/session-store.md`
 *
 * @since 0.1.0
 */
import {
  type AttributeValue,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  UpdateItemCommand
} from "@aws-sdk/client-dynamodb"
import installed from "@aws-sdk/client-dynamodb/package.json" with { type: "json" }
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  Check,
  Configuration,
  Defaults,
  MessageId,
  Options as CoreOptions,
  QueueError,
  SdkVersion,
  SessionStore
} from "@queue-runtime/core"
import { call } from "./internal/dynamoCall.ts"
import { keyOf } from "./internal/keyOf.ts"
import { Observed, overAt } from "./internal/observed.ts"
import { problemOf } from "./internal/onlyTls.ts"
import * as settings from "./internal/settings.ts"
import { stateProblem } from "./internal/stateProblem.ts"
import { time } from "./internal/time.ts"

/**
 * Which table, and what is kept in it for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Name or ARN of the table; its partition key is `pk`, text, and it has no sort key. */
  readonly table: string
  /** Stands before every key, for tables that several applications share. Default: nothing. */
  readonly keyPrefix?: string
  /** How long a session is kept that nobody holds or touches, its state too. Default: 30 days. */
  readonly retention?: Duration.Input
  /** Bytes of one state. Default, and at most: 262,144. */
  readonly stateSizeMax?: number
  /** How long one call may take. Default: 5 seconds. */
  readonly timeout?: Duration.Input
  /** Leases of others that are watched at once. Default: 10,000. */
  readonly observedMax?: number
  /** What the SDK's client is made with; its own defaults for what is left out, and one try a call. */
  readonly client?: DynamoDBClientConfig
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "3.1162.0",
  below: "4.0.0"
}

const makeClient = (config: DynamoDBClientConfig): DynamoDBClient => {
  const client = new DynamoDBClient({ maxAttempts: 1, ...CoreOptions.defined(config) })
  client.middlewareStack.add(
    (next) => (request) => {
      const problem = problemOf(request.request)
      return problem === undefined ? next(request) : Promise.reject(problem)
    },
    { step: "finalizeRequest", name: "queueRuntimeOnlyTls" }
  )
  return client
}

/** The words of expressions for the attributes of an item: DynamoDB reserves some of their names. */
const names = {
  "#holder": "holder",
  "#token": "token",
  "#version": "version",
  "#millis": "leaseMillis",
  "#expires": "expires",
  "#state": "state"
} as const

/** Those that an expression uses: DynamoDB refuses one more. */
const namesIn = (...expressions: ReadonlyArray<string>): Record<string, string> => {
  const used = new Set(expressions.join(" ").match(/#\w+/gu))
  return Object.fromEntries(Object.entries(names).filter(([word]) => used.has(word)))
}

const text = (S: string): AttributeValue => ({ S })

const number = (value: number): AttributeValue => ({ N: String(value) })

type Item = Readonly<Record<string, AttributeValue>>

const numberIn = (item: Item, name: string): number => Number(item[name]?.N)

const textIn = (item: Item, name: string): string => item[name]?.S ?? ""

/** Free for who was granted nothing: nobody holds it, or its holder said nothing for too long. */
const isFree = "attribute_not_exists(#holder)"

const isOurs = "#token = :token AND attribute_exists(#holder)"

/** A session that changes hands with every look: who asks is told to come again. */
const triesMax = 3

/**
 * A store over a table that is there, until the scope ends.
 *
 * **Errors** ConfigurationInvalid and ValidationFailed for an option · then, of each call:
 * ConfigurationInvalid when there is no such table · PermissionDenied · AuthenticationFailed · Throttled ·
 * ConnectionFailed · Timeout · ProviderFailure
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<SessionStore.Service, QueueError.QueueError, Scope.Scope> {
  const { keyPrefix = "", table: TableName } = options
  if (TableName === "") {
    return yield* Effect.fail(QueueError.configurationInvalid("table", "must not be empty"))
  }
  const second = Duration.seconds(1)
  const retention = Duration.toMillis(
    yield* Check.duration("retention", options.retention ?? Defaults.sessionStoreRetention, second)
  )
  const timeout = yield* Check.duration(
    "timeout",
    options.timeout ?? Defaults.sessionStoreTimeout,
    Duration.millis(1)
  )
  const stateSizeMax = yield* Check.wholeNumber(
    "stateSizeMax",
    options.stateSizeMax ?? Defaults.sessionStoreStateSizeMax
  )
  if (stateSizeMax > Defaults.sessionStoreStateSizeMax) {
    const problem = `must be at most ${Defaults.sessionStoreStateSizeMax}`
    return yield* Effect.fail(QueueError.validationFailed("stateSizeMax", problem))
  }
  const observedMax = yield* Check.wholeNumber(
    "observedMax",
    options.observedMax ?? Defaults.sessionStoreObservedMax
  )
  const observed = new Observed(observedMax)
  /** Asked for here, and nobody knows whether it was granted: it is nobody's but ours to take. */
  const unanswered = new Observed(observedMax)
  yield* SdkVersion.check(sdk)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(options.client ?? {})),
    (self) => Effect.sync(() => self.destroy())
  )

  const keyed = (lease: Parameters<typeof keyOf>[0]): string => `${keyPrefix}${keyOf(lease)}`

  /** When the table may forget what is written now: never while somebody holds it. */
  const expiryAfter = (end: DateTime.Utc) =>
    number(Math.floor((end.epochMilliseconds + retention) / 1_000))

  /** What was written, as the item has it now; `undefined` when the condition was not met. */
  const update = Effect.fnUntraced(function* (
    queue: string,
    key: string,
    write: {
      readonly set: string
      readonly remove?: string
      readonly condition: string
      readonly values: Item
      /** Until when it is held. */
      readonly end: DateTime.Utc
      /** What the answer has of it; a state is not sent back. */
      readonly returns?: "UPDATED_NEW"
    }
  ): Effect.fn.Return<Item | undefined, QueueError.QueueError> {
    const { condition, end, remove, returns = "NONE", set } = write
    const UpdateExpression =
      `SET ${set}, #expires = :expires` + (remove === undefined ? "" : ` REMOVE ${remove}`)
    const command = new UpdateItemCommand({
      TableName,
      Key: { pk: text(key) },
      UpdateExpression,
      ConditionExpression: condition,
      ExpressionAttributeNames: namesIn(UpdateExpression, condition),
      ExpressionAttributeValues: { ...write.values, ":expires": expiryAfter(end) },
      ReturnValues: returns
    })
    const answer = yield* call(
      { operation: "UpdateItem", table: TableName, queue },
      timeout,
      (abortSignal) => client.send(command, { abortSignal })
    )
    return answer === undefined ? undefined : (answer.Attributes ?? {})
  })

  const read = Effect.fnUntraced(function* (
    queue: string,
    key: string,
    ProjectionExpression: string
  ): Effect.fn.Return<Item, QueueError.QueueError> {
    const command = new GetItemCommand({
      TableName,
      Key: { pk: text(key) },
      ConsistentRead: true,
      ProjectionExpression,
      ExpressionAttributeNames: namesIn(ProjectionExpression)
    })
    const answer = yield* call(
      { operation: "GetItem", table: TableName, queue },
      timeout,
      (abortSignal) => client.send(command, { abortSignal })
    )
    return answer?.Item ?? {}
  })

  const lost = ({ queue, sessionId }: SessionStore.Lease) =>
    Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId }), { queue }))

  const acquire = Effect.fnUntraced(function* (
    request: SessionStore.Request
  ): Effect.fn.Return<SessionStore.Acquired, QueueError.QueueError> {
    const { duration, holder, queue, sessionId } = request
    const key = keyed(request)
    const millis = Duration.toMillis(duration)
    const version = yield* MessageId.generate
    const start = yield* time
    const expiresAt = start.date(start.now + millis)

    const grant = Effect.fnUntraced(function* (
      token: number
    ): Effect.fn.Return<SessionStore.Acquired> {
      unanswered.forget(key)
      observed.see(key, { version, at: (yield* time).now, millis })
      return { _tag: "Granted", lease: { queue, sessionId, holder, token, expiresAt } }
    })

    /** Whether it was granted nobody knows. */
    const unknown = Effect.sync(() => unanswered.see(key, { version, at: start.now, millis }))

    for (let tries = 0; tries < triesMax; tries++) {
      const seen = observed.get(key)
      const isSilent = seen !== undefined && (yield* time).now >= overAt(seen)
      const own = unanswered.get(key)
      const free = [
        isFree,
        ...(isSilent ? ["#version = :seen"] : []),
        ...(own === undefined ? [] : ["#version = :own"])
      ]
      const asking = update(queue, key, {
        set:
          "#token = if_not_exists(#token, :first) + :one, #holder = :holder, " +
          "#version = :version, #millis = :millis",
        condition: free.join(" OR "),
        end: expiresAt,
        returns: "UPDATED_NEW",
        values: {
          ":first": number(start.date(start.now).epochMilliseconds),
          ":one": number(1),
          ":holder": text(holder),
          ":version": text(version),
          ":millis": number(millis),
          ...(isSilent ? { ":seen": text(seen.version) } : {}),
          ...(own === undefined ? {} : { ":own": text(own.version) })
        }
      })
      const taken = yield* Effect.tapError(asking, () => unknown)
      if (taken !== undefined) return yield* grant(numberIn(taken, names["#token"]))

      const reading = read(queue, key, "#holder, #token, #version, #millis")
      const item = yield* Effect.tapError(reading, () => unknown)
      const found = textIn(item, names["#version"])
      // The first answer was lost on its way, and the SDK asked again.
      if (found === version) return yield* grant(numberIn(item, names["#token"]))
      if (item[names["#holder"]] === undefined) continue
      const { date, now } = yield* time
      const known = observed.see(key, {
        version: found,
        at: now,
        millis: numberIn(item, names["#millis"])
      })
      if (overAt(known) > now) return { _tag: "Held", until: date(overAt(known)) }
    }
    const { date, now } = yield* time
    return { _tag: "Held", until: date(now) }
  })

  const renew = Effect.fnUntraced(function* (
    lease: SessionStore.Lease,
    duration: Duration.Duration
  ): Effect.fn.Return<SessionStore.Lease, QueueError.QueueError> {
    const key = keyed(lease)
    const millis = Duration.toMillis(duration)
    const version = yield* MessageId.generate
    const start = yield* time
    const expiresAt = start.date(start.now + millis)
    const renewed = yield* update(lease.queue, key, {
      set: "#version = :version, #millis = :millis",
      condition: isOurs,
      end: expiresAt,
      values: {
        ":version": text(version),
        ":millis": number(millis),
        ":token": number(lease.token)
      }
    })
    if (renewed === undefined) return yield* lost(lease)
    observed.see(key, { version, at: (yield* time).now, millis })
    return { ...lease, expiresAt }
  })

  const release = Effect.fnUntraced(function* (
    lease: SessionStore.Lease
  ): Effect.fn.Return<void, QueueError.QueueError> {
    const key = keyed(lease)
    const released = yield* update(lease.queue, key, {
      set: "#millis = :none",
      remove: "#holder, #version",
      condition: isOurs,
      end: yield* DateTime.now,
      values: { ":none": number(0), ":token": number(lease.token) }
    })
    if (released !== undefined) observed.forget(key)
  })

  const readState = Effect.fnUntraced(function* (
    lease: SessionStore.Lease
  ): Effect.fn.Return<Option.Option<Uint8Array>, QueueError.QueueError> {
    const item = yield* read(lease.queue, keyed(lease), "#holder, #token, #state")
    const isHeld = item[names["#holder"]] !== undefined
    if (!isHeld || numberIn(item, names["#token"]) !== lease.token) return yield* lost(lease)
    return Option.map(Option.fromUndefinedOr(item[names["#state"]]?.B), (bytes) =>
      Uint8Array.from(bytes)
    )
  })

  const writeState = Effect.fnUntraced(function* (
    lease: SessionStore.Lease,
    state: Option.Option<Uint8Array>
  ): Effect.fn.Return<void, QueueError.QueueError> {
    const problem = stateProblem(state, stateSizeMax)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const token = { ":token": number(lease.token) }
    // One that ran out may still be ours, and is touched now.
    const end = DateTime.max(lease.expiresAt, yield* DateTime.now)
    const written = yield* update(
      lease.queue,
      keyed(lease),
      Option.isSome(state)
        ? {
            set: "#state = :state",
            condition: isOurs,
            end,
            values: { ...token, ":state": { B: Uint8Array.from(state.value) } }
          }
        : { set: "#token = :token", remove: "#state", condition: isOurs, end, values: token }
    )
    if (written === undefined) return yield* lost(lease)
  })

  return { stateSizeMax, acquire, renew, release, readState, writeState }
})

/**
 * The store as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (As part of a stack)
 *
 * ```ts
 * import { SessionStoreDynamoDb } from "@queue-runtime/session-store/aws-dynamodb"
 * import { Layer } from "effect"
 *
 * const store = SessionStoreDynamoDb.layer({
 *   table: "acme-prod-sessions",
 *   client: { region: "eu-central-1" }
 * })
 * Layer.isLayer(store) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<SessionStore.SessionStore, QueueError.QueueError> =>
  Layer.effect(SessionStore.SessionStore, make(options))

const schema = Schema.Struct(settings.dynamoDb)

/**
 * The settings as a section of a file: `sessionLeases` stands at its top, as of the leases themselves.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<typeof schema.Type> = { root: settings.root, schema }

const unnamed = QueueError.configurationInvalid(
  "QUEUE_SESSION_STORE_TABLE",
  "must be set to the name or the ARN of a table"
)

/**
 * {@link layer} with its settings from the environment (Effect's `ConfigProvider`); what code says wins.
 * Region, endpoint and credentials are the SDK's own.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_SESSION_STORE_TABLE` | `table` | required |
 * | `QUEUE_SESSION_STORE_KEY_PREFIX` | `keyPrefix` | none |
 * | `QUEUE_SESSION_STORE_RETENTION_SECONDS` | `retention` | 2592000 |
 * | `QUEUE_SESSION_STORE_STATE_SIZE_MAX` | `stateSizeMax` | 262144 |
 * | `QUEUE_SESSION_STORE_TIMEOUT_SECONDS` | `timeout` | 5 |
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule; as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  overrides: Partial<Options> = {}
): Layer.Layer<SessionStore.SessionStore, QueueError.QueueError> => {
  const { client, observedMax, ...code } = overrides
  return Layer.unwrap(
    Effect.flatMap(Configuration.read(section, code), ({ table, ...read }) =>
      table === undefined
        ? Effect.fail(unnamed)
        : Effect.succeed(
            layer({
              ...read,
              table,
              ...(client === undefined ? {} : { client }),
              ...(observedMax === undefined ? {} : { observedMax })
            })
          )
    )
  )
}
