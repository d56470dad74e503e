/**
 * A setting as its Schema describes it: where it stands in a file, which environment variable sets it, in
 * what form, and what it is without being set.
 *
 * **Details**
 *
 * A Schema says of each field what it is for with {@link described}; {@link settingsOf} reads that back,
 * with the default that the Schema itself has. The table in `docs/configuration.md`, the JSON Schema for
 * editors and {@link Configuration} all come from it, so that none can say something else.
 *
 * The variable of a setting is the one it names, or `QUEUE_` and its path: `aws.socketsMax` is
 * `QUEUE_AWS_SOCKETS_MAX`. What has no path of its own, since it lies below a name that somebody chose or
 * in one of several kinds, has none of its own either: the variable of the whole holds JSON.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { definedThroughout } from "./internal/options.ts"
import { firstProblem } from "./internal/schemaProblem.ts"
import * as QueueError from "./QueueError.ts"

/**
 * What a Schema says of itself as a setting.
 *
 * @category models
 * @since 0.1.0
 */
export interface About {
  /** One sentence for the table and the editor. */
  readonly description: string
  /** Default: `QUEUE_` and its path. */
  readonly variable?: string
  /** Of the number in the variable; without it a duration is written out there too: `30 seconds`. */
  readonly unit?: string
  /** What holds without it, where the Schema has no default of its own; in words or as it is written. */
  readonly default?: string | number
  /** What is shown instead of the Schema's own problem. */
  readonly rule?: string
  /** Whether what is inside is not taken apart: it is described elsewhere. */
  readonly isOpaque?: boolean
}

const aboutKey = "~queue-runtime/core/Setting"

const About = Schema.Struct({
  description: Schema.String,
  variable: Schema.optionalKey(Schema.String),
  unit: Schema.optionalKey(Schema.String),
  default: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
  rule: Schema.optionalKey(Schema.String),
  isOpaque: Schema.optionalKey(Schema.Boolean)
})

const isAbout = Schema.is(About)

const aboutOf = (schema: Schema.Top): About | undefined => {
  const about = Schema.resolveAnnotations(schema)?.[aboutKey]
  return isAbout(about) ? about : undefined
}

/**
 * Describes a Schema as a setting; what it already says and is not said again stays.
 *
 * **Example** (A field and its variable)
 *
 * ```ts
 * import { Setting } from "@queue-runtime/core"
 * import { Schema } from "effect"
 *
 * const schema = Schema.Struct({
 *   retries: Setting.whole(0, 9).pipe(Setting.described({ description: "How often it is tried." }))
 * })
 * Setting.settingsOf("web", schema).map(({ key, variable }) => [key, variable])
 * // => [["web.retries", "QUEUE_WEB_RETRIES"]]
 * ```
 *
 * @category annotations
 * @since 0.1.0
 */
export const described =
  (about: string | About) =>
  <S extends Schema.Top>(schema: S): S["Rebuild"] =>
    schema.annotate({
      [aboutKey]: {
        ...aboutOf(schema),
        ...(typeof about === "string" ? { description: about } : about)
      }
    })

const ruled =
  (rule: string, unit?: string) =>
  <S extends Schema.Top>(schema: S): S["Rebuild"] =>
    described({ description: "", rule, ...(unit === undefined ? {} : { unit }) })(schema)

/**
 * A whole number from one to another.
 *
 * @category schemas
 * @since 0.1.0
 */
export const whole = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum })).pipe(
    ruled(`must be a whole number from ${minimum} to ${maximum}`)
  )

/**
 * A number from one to another.
 *
 * @category schemas
 * @since 0.1.0
 */
export const number = (minimum: number, maximum: number) =>
  Schema.Finite.check(Schema.isBetween({ minimum, maximum })).pipe(
    ruled(`must be a number from ${minimum} to ${maximum}`)
  )

/**
 * One of some words.
 *
 * @category schemas
 * @since 0.1.0
 */
export const word = <const Words extends ReadonlyArray<string>>(words: Words) =>
  Schema.Literals(words).pipe(ruled(`must be one of ${words.join(", ")}`))

const DurationText = Schema.Union([Schema.Duration, Schema.DurationFromString])

const unitMillis = { seconds: 1_000, milliseconds: 1 } as const

/**
 * The units that a variable may count a duration in.
 *
 * @category models
 * @since 0.1.0
 */
export type DurationUnit = keyof typeof unitMillis

/**
 * A duration between two, in code any duration and in a file text with its unit: `30 seconds`. Its
 * variable holds a number of the unit.
 *
 * @category schemas
 * @since 0.1.0
 */
export const duration = (options: {
  readonly unit: DurationUnit
  /** In the unit. */
  readonly minimum: number
  /** In the unit. */
  readonly maximum: number
  /** Whether parts of the unit are refused. */
  readonly isWhole?: boolean
}) => {
  const { isWhole = false, maximum, minimum, unit } = options
  const kind = isWhole ? "a whole number" : "a number"
  const rule = `must be ${kind} of ${unit} from ${minimum} to ${maximum}`
  const isInRange = (value: Duration.Duration): boolean => {
    const amount = Duration.toMillis(value) / unitMillis[unit]
    return amount >= minimum && amount <= maximum && (!isWhole || Number.isInteger(amount))
  }
  return DurationText.pipe(
    Schema.decodeTo(
      Schema.Duration.check(
        Schema.makeFilter<Duration.Duration>((value) => isInRange(value) || rule)
      ),
      SchemaTransformation.passthrough<Duration.Duration>()
    ),
    ruled(`must be ${kind} from ${minimum} to ${maximum}`, unit)
  )
}

/**
 * A field of options that may be left out: it is decoded from this value then.
 *
 * **Example** (Three unless told otherwise)
 *
 * ```ts
 * import { Setting } from "@queue-runtime/core"
 * import { Schema } from "effect"
 *
 * const schema = Schema.Struct({ retries: Setting.defaulted(Setting.whole(0, 9), 3) })
 * Schema.decodeUnknownSync(schema)({}) // => { retries: 3 }
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const defaulted = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

const isDurationInput = (value: unknown): value is Duration.Input =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no duration makes it answer None
  Option.isSome(Duration.fromInput(value as never))

const DurationInput = Schema.declare(isDurationInput, {
  expected: "a duration, such as 30 seconds"
})

/**
 * A duration in any form of Effect's (`"30 seconds"`, milliseconds, a `Duration`) that keeps to a rule.
 *
 * **Example** (At least a second)
 *
 * ```ts
 * import { Setting } from "@queue-runtime/core"
 * import { Duration, Schema } from "effect"
 *
 * const pause = Setting.durationInput(
 *   (value) => Duration.toMillis(value) >= 1_000,
 *   "must be at least 1 second"
 * )
 * Duration.toMillis(Schema.decodeUnknownSync(pause)("2 seconds")) // => 2000
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const durationInput = (isInRange: (value: Duration.Duration) => boolean, rule: string) =>
  DurationInput.pipe(
    Schema.decodeTo(
      Schema.Duration.check(
        Schema.makeFilter<Duration.Duration>((value) => isInRange(value) || rule)
      ),
      SchemaTransformation.transform<Duration.Duration, Duration.Input>({
        decode: Duration.fromInputUnsafe,
        encode: (value) => value
      })
    )
  )

/**
 * A finite duration above zero, in any form of Effect's.
 *
 * @category schemas
 * @since 0.1.0
 */
export const durationPositive = durationInput(
  (value) => Duration.isFinite(value) && Duration.isPositive(value),
  "must be a finite duration above zero"
)

/**
 * A finite duration that is not below zero, in any form of Effect's.
 *
 * @category schemas
 * @since 0.1.0
 */
export const durationNotNegative = durationInput(
  (value) => Duration.isFinite(value) && !Duration.isNegative(value),
  "must be a finite duration, not below zero"
)

/**
 * What checks options that are given in code, and fills in their defaults. What the Schema does not know is
 * refused: it is misspelt. What is undefined counts as not given.
 *
 * **Details** `root` stands before the path, where the options are a part of others.
 *
 * **Errors** of the check: ConfigurationInvalid (never retry), with the path of the option and the rule
 *
 * **Example** (The path says where)
 *
 * ```ts
 * import { Setting } from "@queue-runtime/core"
 * import { Effect, Schema } from "effect"
 *
 * const check = Setting.decodeOptions(
 *   Schema.Struct({ queues: Schema.Record(Schema.String, Schema.Struct({ fifo: Schema.Boolean })) })
 * )
 * Effect.runSync(Effect.flip(check({ queues: { orders: { fifo: 1 } } }))).message
 * // => "ConfigurationInvalid: queues.orders.fifo: Expected boolean"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeOptions = <A>(
  schema: Schema.Codec<A, unknown>,
  root = ""
): ((options: unknown) => Effect.Effect<A, QueueError.QueueError>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (options) =>
    Effect.suspend(() =>
      Effect.fromResult(
        Result.mapError(decode(definedThroughout(options)), ({ issue }) => {
          const { path, problem } = firstProblem(issue)
          const key = [root, path].filter((part) => part !== "").join(".")
          return QueueError.configurationInvalid(key === "" ? "options" : key, problem)
        })
      )
    )
}

/**
 * How a value is written.
 *
 * **Details** `word` is one of a few; `json` is a list, an object by name, or one of several kinds.
 *
 * @category models
 * @since 0.1.0
 */
export type Form = "text" | "number" | "boolean" | "duration" | "word" | "json"

/**
 * One setting.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting {
  /** Its path in a file, with `<name>` for what is chosen freely: `aws.queues.<name>.fifo`. */
  readonly key: string
  readonly path: ReadonlyArray<string>
  /** The variable that sets it, alone or among others. */
  readonly variable: string
  /** Whether the variable holds JSON with more than this setting. */
  readonly isPart: boolean
  readonly form: Form
  readonly unit?: string
  readonly description: string
  /** As it is written in a file; a text in words where there is no such value. */
  readonly default?: string | number | boolean
  /** The words, of a `word`. */
  readonly words: ReadonlyArray<string>
  readonly rule?: string
  /** Whether its value must not be shown. */
  readonly isSecret: boolean
  readonly schema: Schema.Codec<unknown, unknown>
}

type AnySchema = Schema.Codec<unknown, unknown>

const isSchema = (value: unknown): value is AnySchema => Schema.isSchema(value)

const isFields = (value: unknown): value is Readonly<Record<string, AnySchema>> =>
  Predicate.isObject(value) && Object.values(value).every(isSchema)

/** What an optional field, or one with a default, has inside. */
const inside = (schema: AnySchema): AnySchema => {
  if (Predicate.hasProperty(schema, "to") && isSchema(schema.to)) return inside(schema.to)
  return schema.ast._tag !== "Arrays" &&
    Predicate.hasProperty(schema, "schema") &&
    isSchema(schema.schema)
    ? inside(schema.schema)
    : schema
}

const fieldsOf = (schema: AnySchema): Readonly<Record<string, AnySchema>> | undefined => {
  const inner = inside(schema)
  return Predicate.hasProperty(inner, "fields") && isFields(inner.fields) ? inner.fields : undefined
}

const valuesOf = (schema: AnySchema): AnySchema | undefined => {
  const inner = inside(schema)
  return Predicate.hasProperty(inner, "key") &&
    Predicate.hasProperty(inner, "value") &&
    isSchema(inner.value)
    ? inner.value
    : undefined
}

const tagOf = (fields: Readonly<Record<string, AnySchema>>): ReadonlyArray<string> =>
  fields["_tag"] === undefined ? [] : wordsOf(SchemaAST.toType(fields["_tag"].ast))

/** The kinds of a tagged union, by tag. */
const kindsOf = (
  schema: AnySchema
): ReadonlyMap<string, Readonly<Record<string, AnySchema>>> | undefined => {
  const inner = inside(schema)
  if (!Predicate.hasProperty(inner, "members") || !Array.isArray(inner.members)) return undefined
  const kinds = new Map<string, Readonly<Record<string, AnySchema>>>()
  for (const member of inner.members.filter(isSchema)) {
    const fields = fieldsOf(member)
    if (fields === undefined) return undefined
    const [tag] = tagOf(fields)
    if (tag === undefined) return undefined
    kinds.set(tag, fields)
  }
  return kinds
}

const isOf = (ast: SchemaAST.AST, id: string): boolean => {
  const representation = ast.annotations?.["representation"]
  return Predicate.hasProperty(representation, "id") && representation.id === `effect/schema/${id}`
}

const isAnyOf = (ast: SchemaAST.AST, id: string): boolean =>
  isOf(ast, id) || (ast._tag === "Union" && ast.types.some((type) => isAnyOf(type, id)))

const wordsOf = (ast: SchemaAST.AST): ReadonlyArray<string> => {
  if (ast._tag === "Literal") return [String(ast.literal)]
  return ast._tag === "Union" ? ast.types.flatMap(wordsOf) : []
}

/** How it is written, or nothing for what only code can say. */
const formOf = (schema: AnySchema): Form | undefined => {
  const type = SchemaAST.toType(schema.ast)
  if (isAnyOf(type, "Duration")) return "duration"
  if (isAnyOf(type, "Redacted")) return "text"
  const encoded = SchemaAST.toEncoded(schema.ast)
  switch (encoded._tag) {
    case "Number":
      return "number"
    case "Boolean":
      return "boolean"
    case "String":
      return "text"
    case "Declaration":
      return undefined
    case "Literal":
      return "word"
    case "Union":
      return wordsOf(encoded).length === encoded.types.length ? "word" : "json"
    default:
      return "json"
  }
}

const units = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000]
] as const

/**
 * A duration as a file has it, in the largest unit that divides it.
 *
 * **Example** (A minute and a half)
 *
 * ```ts
 * import { Setting } from "@queue-runtime/core"
 * import { Duration } from "effect"
 *
 * Setting.formatDuration(Duration.millis(90_000)) // => "90 seconds"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatDuration = (value: Duration.Duration): string => {
  const millis = Duration.toMillis(value)
  if (millis === 0) return "0 seconds"
  const [unit, size] = units.find(([, one]) => millis % one === 0) ?? ["milli", 1]
  const amount = millis / size
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`
}

const written = (value: unknown): string | number | boolean | undefined => {
  if (Duration.isDuration(value)) return formatDuration(value)
  if (typeof value === "number" || typeof value === "boolean") return value
  if (typeof value === "string") return value
  return Predicate.hasProperty(value, "_tag") && !Redacted.isRedacted(value)
    ? JSON.stringify(value)
    : undefined
}

/** What the Schema itself makes of an absent key. */
const defaultOf = (schema: AnySchema): string | number | boolean | undefined => {
  const decoded = Schema.decodeUnknownResult(Schema.Struct({ value: schema }))({})
  return Result.isSuccess(decoded) ? written(decoded.success.value) : undefined
}

/** `socketsMax` to `SOCKETS_MAX`. */
const constant = (part: string): string =>
  part.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/gu, "_").toUpperCase()

const variableOf = (path: ReadonlyArray<string>): string =>
  ["QUEUE", ...path.map(constant)].join("_")

interface At {
  readonly schema: AnySchema
  readonly path: ReadonlyArray<string>
  /** The variable of what it is a part of. */
  readonly whole: string | undefined
}

const one = ({ path, schema, whole: container }: At, form: Form): Setting => {
  const about = aboutOf(schema) ?? aboutOf(inside(schema))
  const { description = "", rule, unit, variable } = about ?? {}
  const orElse = about?.default ?? defaultOf(schema)
  return {
    key: path.join("."),
    path,
    variable: container ?? variable ?? variableOf(path),
    isPart: container !== undefined,
    form,
    description,
    words: form === "word" ? wordsOf(SchemaAST.toType(schema.ast)) : [],
    isSecret: isAnyOf(SchemaAST.toType(schema.ast), "Redacted"),
    schema,
    ...(unit === undefined ? {} : { unit }),
    ...(orElse === undefined ? {} : { default: orElse }),
    ...(rule === undefined ? {} : { rule })
  }
}

/** Fields of the same name in several kinds are one setting; it is described where it is first. */
const byKey = (settings: ReadonlyArray<Setting>): ReadonlyArray<Setting> =>
  [...new Map(settings.toReversed().map((setting) => [setting.key, setting])).values()].toReversed()

const ofFields = (
  fields: Readonly<Record<string, AnySchema>>,
  path: ReadonlyArray<string>,
  container: string | undefined
): ReadonlyArray<Setting> =>
  Object.entries(fields).flatMap(([name, schema]) =>
    walk({ schema, path: [...path, name], whole: container })
  )

const ofKinds = (
  kinds: ReadonlyMap<string, Readonly<Record<string, AnySchema>>>,
  { path }: At,
  container: string
): ReadonlyArray<Setting> => {
  const tag = Schema.Literals([...kinds.keys()]).pipe(described("Which of them."))
  const tagged = one({ schema: tag, path: [...path, "_tag"], whole: container }, "word")
  const fields = [...kinds.values()].flatMap((kind) =>
    ofFields(
      Object.fromEntries(Object.entries(kind).filter(([name]) => name !== "_tag")),
      path,
      container
    )
  )
  return [tagged, ...byKey(fields)]
}

const walk = (at: At): ReadonlyArray<Setting> => {
  const { path, schema } = at
  const fields = fieldsOf(schema)
  if (fields !== undefined) return ofFields(fields, path, at.whole)
  const form = formOf(schema)
  if (form === undefined) return []
  const setting = one(at, form)
  if (aboutOf(schema)?.isOpaque === true) return [setting]
  const values = valuesOf(schema)
  const kinds = kindsOf(schema)
  if (values !== undefined) {
    const below = walk({ schema: values, path: [...path, "<name>"], whole: setting.variable })
    return [setting, ...below]
  }
  return kinds === undefined ? [setting] : [setting, ...ofKinds(kinds, at, setting.variable)]
}

/**
 * The settings that a Schema describes, below a root: what stands at the top of a file, or nothing.
 *
 * @category accessors
 * @since 0.1.0
 */
export const settingsOf = (
  root: string,
  schema: Schema.Codec<unknown, unknown>
): ReadonlyArray<Setting> => walk({ schema, path: root === "" ? [] : [root], whole: undefined })
