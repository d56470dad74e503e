/**
 * How a message gets its session: a strategy makes the session id from fields of the message.
 *
 * **Details**
 *
 * The same fields make the same key, always. A strategy that finds no key answers `None`, and the
 * queue's own policy for messages without a session applies. A key that is not a valid `SessionId`
 * (too long, not printable ASCII) is an error that the sender sees, never a silent `None`: the
 * message would lose its order unnoticed. A field that is there and empty counts as missing.
 *
 * @since 0.1.0
 */
import { Check, Message, QueueError, SessionId } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SessionKeyExtractor from "./SessionKeyExtractor.ts"

/**
 * Makes session ids.
 *
 * **Source** SPEC R4.5
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionKeyStrategy {
  /** For errors and logs: `composite(repository, number)`. */
  readonly name: string
  /**
   * The session of a message, or `None` when this strategy finds none. May run concurrently.
   *
   * **Errors** ValidationFailed (never retry) for a key that is no session id, naming the strategy
   */
  readonly generate: (
    from: SessionKeyExtractor.SessionKeyExtractor
  ) => Effect.Effect<Option.Option<SessionId.SessionId>, QueueError.QueueError>
}

const toKey = (
  strategy: string,
  text: string
): Effect.Effect<Option.Option<SessionId.SessionId>, QueueError.QueueError> =>
  Effect.mapBoth(SessionId.make(text), {
    onFailure: (error) => QueueError.withContext(error, { operation: `session key ${strategy}` }),
    onSuccess: Option.some
  })

const read = (from: SessionKeyExtractor.SessionKeyExtractor, name: string): Option.Option<string> =>
  Option.filter(from.get(name), (text) => text !== "")

/**
 * What {@link field} can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface FieldOptions {
  /** Stands before the field's text, as it is. Default: nothing. */
  readonly prefix?: string
}

/**
 * The text of one field.
 *
 * **Example** (All messages of a customer in order)
 *
 * ```ts
 * import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { Effect, Option } from "effect"
 *
 * const strategy = SessionKeyStrategy.field("customer", { prefix: "customer-" })
 * const from = SessionKeyExtractor.fromRecord({ customer: "42" })
 * Option.getOrNull(Effect.runSync(strategy.generate(from))) // => "customer-42"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const field = (name: string, options: FieldOptions = {}): SessionKeyStrategy => {
  const { prefix = "" } = options
  const strategy = `field(${name})`
  return {
    name: strategy,
    generate: (from) => {
      const text = read(from, name)
      return Option.isNone(text) ? Effect.succeedNone : toKey(strategy, prefix + text.value)
    }
  }
}

/**
 * What {@link composite} can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface CompositeOptions {
  /** Between the fields: printable ASCII without letters, digits and `%`. Default: `/`. */
  readonly separator?: string
  /** Stands before the first field, as it is. Default: nothing. */
  readonly prefix?: string
}

/** Letters, digits and the percent sign are what an escape is made of; none may divide fields. */
const separatorPattern = /^[ -$&-/:-@[-`{-~]+$/u

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase()}`

/**
 * Takes every character of the separator out of a text. Whole occurrences would not do: with `--`,
 * the fields `a-`, `b` and `a`, `-b` would read the same.
 */
const escaping = (separator: string): ((text: string) => string) => {
  const special = new Set([...separator, "%"])
  return (text) =>
    Array.from(text, (character) => (special.has(character) ? percent(character) : character)).join(
      ""
    )
}

const joining = (names: ReadonlyArray<string>, prefix: string, separator: string) => {
  const strategy = `composite(${names.join(", ")})`
  const escape = escaping(separator)
  const generate: SessionKeyStrategy["generate"] = (from) => {
    const parts: Array<string> = []
    for (const name of names) {
      const text = read(from, name)
      if (Option.isNone(text)) return Effect.succeedNone
      parts.push(escape(text.value))
    }
    return toKey(strategy, prefix + parts.join(separator))
  }
  return { name: strategy, generate }
}

/**
 * Several fields joined by a separator; `None` if any of them is missing.
 *
 * **Details**
 *
 * Different fields make different keys. Where a field's text has a character of the separator, or
 * `%`, that character is written as `%` and its code: `a`, `b/c` is `a/b%2Fc` and `a/b`, `c` is
 * `a%2Fb/c`. Choose a separator that the fields do not have and keys stay as short as the fields.
 *
 * **Errors** ValidationFailed (never retry) for no names, for one that is empty, and for a separator that
 * cannot divide.
 *
 * **Example** (A session for each pull request)
 *
 * ```ts
 * import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { Effect, Option } from "effect"
 *
 * const names = ["repository.full_name", "pull_request.number"]
 * const strategy = Effect.runSync(SessionKeyStrategy.composite(names, { separator: "#" }))
 * const payload = { repository: { full_name: "acme/shop" }, pull_request: { number: 42 } }
 * const key = Effect.runSync(strategy.generate(SessionKeyExtractor.fromJson(payload)))
 * Option.getOrNull(key) // => "acme/shop#42"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const composite = (
  names: ReadonlyArray<string>,
  options: CompositeOptions = {}
): Effect.Effect<SessionKeyStrategy, QueueError.QueueError> => {
  const { prefix = "", separator = "/" } = options
  if (names.length === 0) {
    return Effect.fail(QueueError.validationFailed("names", "must have at least one field"))
  }
  const empty = names.indexOf("")
  if (empty !== -1) {
    return Effect.fail(QueueError.validationFailed(`names.${empty}`, "must not be empty"))
  }
  return separatorPattern.test(separator)
    ? Effect.succeed(joining([...names], prefix, separator))
    : Effect.fail(
        QueueError.validationFailed(
          "separator",
          "must be printable ASCII without letters, digits and %, and not empty"
        )
      )
}

/**
 * The first strategy that answers; those after it are not tried.
 *
 * **Details** An error of a strategy is the error of the whole: the message has that key, and it is
 * a bad one. Of no strategies the answer is `None`.
 *
 * **Example** (By customer, else by region)
 *
 * ```ts
 * import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { Effect, Option } from "effect"
 *
 * const strategy = SessionKeyStrategy.fallback([
 *   SessionKeyStrategy.field("customer"),
 *   SessionKeyStrategy.field("region", { prefix: "region-" })
 * ])
 * const from = SessionKeyExtractor.fromRecord({ region: "eu" })
 * Option.getOrNull(Effect.runSync(strategy.generate(from))) // => "region-eu"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const fallback = (strategies: ReadonlyArray<SessionKeyStrategy>): SessionKeyStrategy => {
  const chain = [...strategies]
  const from = (
    index: number,
    extractor: SessionKeyExtractor.SessionKeyExtractor
  ): ReturnType<SessionKeyStrategy["generate"]> => {
    const strategy = chain[index]
    if (strategy === undefined) return Effect.succeedNone
    return Effect.flatMap(strategy.generate(extractor), (key) =>
      Option.isSome(key) ? Effect.succeed(key) : from(index + 1, extractor)
    )
  }
  return {
    name: `fallback(${chain.map(({ name }) => name).join(", ")})`,
    generate: (extractor) => from(0, extractor)
  }
}

/**
 * No session for any message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: SessionKeyStrategy = { name: "none", generate: () => Effect.succeedNone }

/**
 * What {@link byContent} can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ByContentOptions {
  /** For errors and logs. Default: `byContent`. */
  readonly name?: string
}

/**
 * Whatever a function decides from the fields, at once or as an effect.
 *
 * **Gotchas** The function has to answer the same for the same message, or its messages lose their
 * order. An empty text is a bad key here, not a missing one.
 *
 * **Example** (One session for all that is urgent)
 *
 * ```ts
 * import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { Effect, Option } from "effect"
 *
 * const strategy = SessionKeyStrategy.byContent((from) =>
 *   Option.map(from.get("priority"), (priority) => (priority === "high" ? "urgent" : "normal"))
 * )
 * const from = SessionKeyExtractor.fromRecord({ priority: "high" })
 * Option.getOrNull(Effect.runSync(strategy.generate(from))) // => "urgent"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byContent = (
  f: (
    from: SessionKeyExtractor.SessionKeyExtractor
  ) => Option.Option<string> | Effect.Effect<Option.Option<string>, QueueError.QueueError>,
  options: ByContentOptions = {}
): SessionKeyStrategy => {
  const { name = "byContent" } = options
  return {
    name,
    generate: (from) =>
      Effect.suspend(() => {
        const decided = f(from)
        return Effect.flatMap(
          Option.isOption(decided) ? Effect.succeed(decided) : decided,
          (text): ReturnType<SessionKeyStrategy["generate"]> =>
            Option.isNone(text) ? Effect.succeedNone : toKey(name, text.value)
        )
      })
  }
}

/**
 * What {@link timePartitioned} is told.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimePartitionedOptions {
  /** How long one partition is: at least a second. Partitions are counted from 1970 in UTC. */
  readonly partition: Duration.Input
}

const shortestPartition = Duration.seconds(1)

/** The earliest moment that a date can hold; the partition around it begins before. */
const earliestMillis = -8.64e15

/**
 * Only as fine as the partition is: each start ends in the same zeros, and a key has 128
 * characters.
 */
const trimming = (partitionMillis: number): ((iso: string) => string) => {
  if (partitionMillis % 60_000 === 0) return (iso) => `${iso.slice(0, -":00.000Z".length)}Z`
  if (partitionMillis % 1_000 === 0) return (iso) => `${iso.slice(0, -".000Z".length)}Z`
  return (iso) => iso
}

const partitioning = (
  inner: SessionKeyStrategy,
  partition: Duration.Duration
): SessionKeyStrategy => {
  const name = `timePartitioned(${inner.name}, ${Duration.format(partition)})`
  const partitionMillis = Duration.toMillis(partition)
  const trim = trimming(partitionMillis)
  const suffixOf = (time: DateTime.Utc): string => {
    const index = Math.floor(DateTime.toEpochMillis(time) / partitionMillis)
    const start = Math.max(index * partitionMillis, earliestMillis)
    return `@${trim(DateTime.formatIso(DateTime.makeUnsafe(start)))}`
  }
  const generate = Effect.fnUntraced(function* (from: SessionKeyExtractor.SessionKeyExtractor) {
    const key = yield* inner.generate(from)
    if (Option.isNone(key)) return key
    const time = from.timestamp ?? (yield* DateTime.now)
    return yield* toKey(name, key.value + suffixOf(time))
  })
  return { name, generate }
}

/**
 * Another strategy's key with the start of the time partition behind it: `42@2026-11-21T10:00Z`. A
 * session then ends by itself, and a long-lived key does not hold all its messages in one line.
 *
 * **Details** The time is the extractor's `timestamp`; without one, the Clock's when the key is
 * made.
 *
 * **Gotchas** No order is promised across a boundary: the sessions on both sides run side by side.
 * By the Clock, a message whose key is made again later may get another one.
 *
 * **Errors** ValidationFailed (never retry) for a partition under a second or without an end.
 *
 * **Example** (A session an hour)
 *
 * ```ts
 * import { SessionKeyExtractor, SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { DateTime, Effect, Option } from "effect"
 *
 * const customer = SessionKeyStrategy.field("customer")
 * const strategy = Effect.runSync(
 *   SessionKeyStrategy.timePartitioned(customer, { partition: "1 hour" })
 * )
 * const timestamp = DateTime.makeUnsafe("2026-11-21T10:59:59Z")
 * const from = SessionKeyExtractor.fromRecord({ customer: "42" }, { timestamp })
 * Option.getOrNull(Effect.runSync(strategy.generate(from))) // => "42@2026-11-21T10:00Z"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const timePartitioned = (
  inner: SessionKeyStrategy,
  options: TimePartitionedOptions
): Effect.Effect<SessionKeyStrategy, QueueError.QueueError> =>
  Effect.map(Check.duration("partition", options.partition, shortestPartition), (partition) =>
    partitioning(inner, partition)
  )

/**
 * Gives messages the session that a strategy makes for them. One that already has a session keeps
 * it, and one for which the strategy answers `None` stays as it is.
 *
 * **Details** `extract` says what the strategy reads; by default the attributes. Give your own to
 * read a body that you know, or to give the message's own time to a time-partitioned strategy.
 *
 * **Errors** ValidationFailed (never retry) for a key that is no session id.
 *
 * **Example** (On the way to the queue)
 *
 * ```ts
 * import { Message } from "@queue-runtime/core"
 * import { SessionKeyStrategy } from "@queue-runtime/sessions"
 * import { Effect } from "effect"
 *
 * const withSession = SessionKeyStrategy.apply(SessionKeyStrategy.field("customer"))
 * const message = Effect.runSync(Message.text("paid", { attributes: { customer: "42" } }))
 * Effect.runSync(withSession(message)).sessionId // => "42"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const apply =
  (
    strategy: SessionKeyStrategy,
    extract: (
      message: Message.Message
    ) => SessionKeyExtractor.SessionKeyExtractor = SessionKeyExtractor.fromMessage
  ) =>
  (message: Message.Message): Effect.Effect<Message.Message, QueueError.QueueError> =>
    message.sessionId === undefined
      ? Effect.map(
          Effect.suspend(() => strategy.generate(extract(message))),
          Option.match({
            onNone: () => message,
            onSome: (sessionId) => new Message.Message({ ...message, sessionId })
          })
        )
      : Effect.succeed(message)
