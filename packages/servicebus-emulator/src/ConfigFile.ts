/**
 * The configuration file of Microsoft's own emulator, `config.json`: its queues.
 *
 * @since 0.1.0
 */
import { readFile } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { ConfigurationInvalid } from "./EmulatorError.ts"
import * as settings from "./internal/settings.ts"
import type * as QueueOptions from "./QueueOptions.ts"

/** Longer ones stand for "for ever": the greatest time span of .NET is written so. */
const forever = Duration.days(10_675_199)

const fromIso = (text: string): Option.Option<Duration.Duration> =>
  Option.filter(Duration.fromIso(text), (duration) => !Duration.isNegative(duration))

const IsoDuration = Schema.String.check(
  Schema.makeFilter(
    (text) => Option.isSome(fromIso(text)) || "expected an ISO 8601 duration, such as PT1M"
  )
)

const Nowhere = Schema.String.check(
  Schema.makeFilter((queue) => queue === "" || "forwarding is out of scope of this emulator")
)

const NoTopics = Schema.Array(Schema.Unknown).check(
  Schema.makeFilter(
    (topics) =>
      topics.length === 0 || "topics are out of scope: this emulator has queues only; remove them"
  )
)

const Properties = Schema.Struct({
  DeadLetteringOnMessageExpiration: Schema.optionalKey(Schema.Boolean),
  DefaultMessageTimeToLive: Schema.optionalKey(IsoDuration),
  DuplicateDetectionHistoryTimeWindow: Schema.optionalKey(IsoDuration),
  ForwardDeadLetteredMessagesTo: Schema.optionalKey(Nowhere),
  ForwardTo: Schema.optionalKey(Nowhere),
  LockDuration: Schema.optionalKey(IsoDuration),
  MaxDeliveryCount: Schema.optionalKey(Schema.Number),
  MaxMessageSizeInKilobytes: Schema.optionalKey(Schema.Number),
  MaxSizeInMegabytes: Schema.optionalKey(Schema.Number),
  RequiresDuplicateDetection: Schema.optionalKey(Schema.Boolean),
  RequiresSession: Schema.optionalKey(Schema.Boolean)
})

const Config = Schema.Struct({
  UserConfig: Schema.Struct({
    Namespaces: Schema.Array(
      Schema.Struct({
        Name: Schema.optionalKey(Schema.String),
        Queues: Schema.optionalKey(
          Schema.Array(
            Schema.Struct({ Name: Schema.String, Properties: Schema.optionalKey(Properties) })
          )
        ),
        Topics: Schema.optionalKey(NoTopics)
      })
    ),
    Logging: Schema.optionalKey(Schema.Unknown)
  })
})

const decode = Schema.decodeUnknownResult(Config, { onExcessProperty: "error" })

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const pathOf = (keys: ReadonlyArray<unknown>): string => {
  let path = ""
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`
    else path += path === "" ? String(key) : `.${String(key)}`
  }
  return path === "" ? "config" : path
}

const invalid = (path: string, detail: string): ConfigurationInvalid =>
  new ConfigurationInvalid({ path, detail })

const fromIssue = (issue: SchemaIssue.Issue): ConfigurationInvalid => {
  const [first] = format(issue).issues
  const keys = (first?.path ?? []).map((key) => (typeof key === "object" ? key.key : key))
  return invalid(pathOf(keys), first?.message ?? "is not valid")
}

const durationOf = (text: string | undefined): Duration.Duration | undefined => {
  const duration = Option.getOrUndefined(fromIso(text ?? ""))
  return duration !== undefined && Duration.isLessThan(duration, forever) ? duration : undefined
}

const toOptions = (properties: typeof Properties.Type): QueueOptions.QueueOptions => {
  const { MaxMessageSizeInKilobytes: kilobytes, MaxSizeInMegabytes: megabytes } = properties
  return {
    requiresSession: properties.RequiresSession,
    maxDeliveryCount: properties.MaxDeliveryCount,
    lockDuration: durationOf(properties.LockDuration),
    defaultMessageTimeToLive: durationOf(properties.DefaultMessageTimeToLive),
    requiresDuplicateDetection: properties.RequiresDuplicateDetection,
    duplicateDetectionHistoryTimeWindow: durationOf(properties.DuplicateDetectionHistoryTimeWindow),
    deadLetteringOnMessageExpiration: properties.DeadLetteringOnMessageExpiration,
    messageBytesMax: kilobytes === undefined ? undefined : kilobytes * 1024,
    queueBytesMax: megabytes === undefined ? undefined : megabytes * 1_048_576
  }
}

/** An option's name as the file spells it. */
const fileNames: Readonly<Record<string, string>> = {
  messageBytesMax: "MaxMessageSizeInKilobytes",
  queueBytesMax: "MaxSizeInMegabytes"
}

const toFilePath = (path: string, optionPath: string): string => {
  const option = optionPath.slice(path.length + 1)
  if (option === "") return `${path}.Name`
  return `${path}.Properties.${fileNames[option] ?? option.charAt(0).toUpperCase() + option.slice(1)}`
}

/**
 * The queues of a configuration file.
 *
 * **Details** The bounds of the service hold. Topics, forwarding and properties that are not known are
 * errors, since what would be left out would not be missed until much later.
 *
 * **Errors** ConfigurationInvalid, with the path inside the file
 *
 * **Example** (One queue)
 *
 * ```ts
 * import { ConfigFile } from "@queue-runtime/servicebus-emulator"
 * import { Effect } from "effect"
 *
 * const text = `{ "UserConfig": { "Namespaces": [{ "Queues": [{ "Name": "orders" }] }] } }`
 * Object.keys(Effect.runSync(ConfigFile.parse(text))) // => ["orders"]
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse: (
  text: string
) => Effect.Effect<Readonly<Record<string, QueueOptions.QueueOptions>>, ConfigurationInvalid> =
  Effect.fnUntraced(function* (text) {
    const json = yield* Effect.try({
      // Some editors begin a file with a byte order mark, which JSON does not know.
      try: (): unknown => JSON.parse(text.replace(/^\uFEFF/u, "")),
      catch: (cause) => invalid("config", cause instanceof Error ? cause.message : "is not JSON")
    })
    const decoded = decode(json)
    if (Result.isFailure(decoded)) return yield* fromIssue(decoded.failure.issue)
    const queues = new Map<string, QueueOptions.QueueOptions>()
    for (const [at, namespace] of decoded.success.UserConfig.Namespaces.entries()) {
      for (const [index, queue] of (namespace.Queues ?? []).entries()) {
        const path = `UserConfig.Namespaces[${at}].Queues[${index}]`
        const options = toOptions(queue.Properties ?? {})
        yield* settings
          .resolve(queue.Name, options, path)
          .pipe(Effect.mapError((error) => invalid(toFilePath(path, error.path), error.detail)))
        if (queues.has(queue.Name)) {
          return yield* invalid(`${path}.Name`, `"${queue.Name}" is there twice`)
        }
        queues.set(queue.Name, options)
      }
    }
    return Object.fromEntries(queues)
  })

/**
 * Reads a configuration file.
 *
 * **Errors** ConfigurationInvalid, with the path inside the file, or of the file when it cannot be read
 *
 * @category parsing
 * @since 0.1.0
 */
export const read = (
  path: string
): Effect.Effect<Readonly<Record<string, QueueOptions.QueueOptions>>, ConfigurationInvalid> =>
  Effect.callback<string, ConfigurationInvalid>((resume, signal) => {
    readFile(path, { encoding: "utf8", signal }, (error, text) => {
      resume(error === null ? Effect.succeed(text) : Effect.fail(invalid(path, error.message)))
    })
  }).pipe(Effect.flatMap(parse))
