/**
 * What a session-key strategy reads from: named texts, wherever they come from.
 *
 * **Details**
 *
 * Pure and domain-free: nothing here knows what a pull request or an order is. A strategy names the
 * fields it wants, and an extractor has them or has them not.
 *
 * @since 0.1.0
 */
import type { Message } from "@queue-runtime/core"
import type * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as jsonPath from "./internal/jsonPath.ts"

/**
 * Named texts of one message.
 *
 * **Source** SPEC R4.5
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionKeyExtractor {
  /** The text of one field; `None` when there is no such field. */
  readonly get: (key: string) => Option.Option<string>
  /** The names of all fields, in no promised order. */
  readonly keys: ReadonlyArray<string>
  /** All fields. To read one by name use `get`: an object inherits names of its own. */
  readonly all: Readonly<Record<string, string>>
  /** When what the message tells of happened; time-partitioned keys go by it. */
  readonly timestamp?: DateTime.Utc
}

/**
 * What is known of a message beside its fields.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** When what the message tells of happened. Absent: time-partitioned keys go by the Clock. */
  readonly timestamp?: DateTime.Utc | undefined
}

const timestampOf = ({ timestamp }: Options): Pick<SessionKeyExtractor, "timestamp"> =>
  timestamp === undefined ? {} : { timestamp }

/**
 * Reads from a record, as it is now: a later change of it is not seen.
 *
 * **Details** Own properties only: `constructor` and `__proto__` are missing unless the record has
 * them.
 *
 * **Example** (What is there and what is inherited)
 *
 * ```ts
 * import { SessionKeyExtractor } from "@queue-runtime/sessions"
 * import { Option } from "effect"
 *
 * const from = SessionKeyExtractor.fromRecord({ repository: "acme/shop" })
 * Option.getOrNull(from.get("repository")) // => "acme/shop"
 * Option.getOrNull(from.get("constructor")) // => null
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromRecord = (
  record: Readonly<Record<string, string>>,
  options: Options = {}
): SessionKeyExtractor => {
  const all = Object.freeze({ ...record })
  return {
    get: (key) => (Object.hasOwn(all, key) ? Option.fromUndefinedOr(all[key]) : Option.none()),
    keys: Object.freeze(Object.keys(all)),
    all,
    ...timestampOf(options)
  }
}

/**
 * Reads from the attributes of a message, and from nothing else of it: the body is bytes, and ids
 * and content type are the envelope's.
 *
 * **Gotchas** `scheduledAt` is not taken for a timestamp: it says when to deliver, not when
 * something happened. Give the timestamp if keys are partitioned by it.
 *
 * **Example** (A message's attributes)
 *
 * ```ts
 * import { Message } from "@queue-runtime/core"
 * import { SessionKeyExtractor } from "@queue-runtime/sessions"
 * import { Effect } from "effect"
 *
 * const message = Effect.runSync(Message.text("hi", { attributes: { team: "blue" } }))
 * SessionKeyExtractor.fromMessage(message).keys // => ["team"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMessage = (
  message: Pick<Message.Message, "attributes">,
  options: Options = {}
): SessionKeyExtractor => fromRecord(message.attributes, options)

/**
 * Reads from a JSON value by dotted paths: `pull_request.number`, arrays by index as in `labels.0`.
 *
 * **Details**
 *
 * Strings, numbers and booleans are read as their text; null, objects and arrays are missing. A dot
 * or a backslash inside a name is written behind a backslash, so that no two values share a path.
 * Only what a `get` asks for is looked at; `keys` and `all` walk the value when they are first
 * read.
 *
 * **Gotchas** The value is read in place: do not change it while the extractor is in use.
 *
 * **Example** (A webhook's payload)
 *
 * ```ts
 * import { SessionKeyExtractor } from "@queue-runtime/sessions"
 * import { Option } from "effect"
 *
 * const payload = { pull_request: { number: 42, draft: false, milestone: null } }
 * const from = SessionKeyExtractor.fromJson(payload)
 * Option.getOrNull(from.get("pull_request.number")) // => "42"
 * Option.getOrNull(from.get("pull_request.milestone")) // => null
 * from.keys // => ["pull_request.number", "pull_request.draft"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJson = (value: unknown, options: Options = {}): SessionKeyExtractor => {
  let known: Readonly<Record<string, string>> | undefined
  const all = () => (known ??= Object.freeze(Object.fromEntries(jsonPath.leaves(value))))
  return {
    get: (path) => Option.fromUndefinedOr(jsonPath.read(value, path)),
    get keys() {
      return Object.keys(all())
    },
    get all() {
      return all()
    },
    ...timestampOf(options)
  }
}

/**
 * Has no fields.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: SessionKeyExtractor = fromRecord({})
