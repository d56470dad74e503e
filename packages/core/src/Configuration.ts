/**
 * Settings from code, environment and file, in that order: what code says wins over the environment, and
 * the environment over a file. A changed setting needs a restart.
 *
 * **Details**
 *
 * A file is an environment of lower rank. {@link fromFile} checks it against the settings that the
 * Schemas describe and answers a `ConfigProvider` that knows each one by its variable, so everything that
 * reads variables (`Settings`, `ResilienceConfig`, {@link read}) reads the file too and knows nothing of it.
 *
 * A variable replaces the whole of its setting: `QUEUE_AWS_QUEUES` replaces all queues of a file.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { definedThroughout } from "./internal/options.ts"
import { schemaProblem } from "./internal/schemaProblem.ts"
import * as QueueError from "./QueueError.ts"
import * as Setting from "./Setting.ts"

type Tree = { readonly [name: string]: unknown }

const isTree = (value: unknown): value is Tree =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype

const isJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Json))

const { configurationInvalid } = QueueError

/** What a value of a setting breaks, and where inside it. */
const problemOf = (
  setting: Setting.Setting,
  value: unknown
): { readonly path: string; readonly problem: string } | undefined => {
  const decode = Schema.decodeUnknownResult(setting.schema, { onExcessProperty: "error" })
  const decoded = decode(value)
  return Result.isFailure(decoded) ? schemaProblem(decoded.failure.issue) : undefined
}

const joined = (key: string, path: string): string => (path === "" ? key : `${key}.${path}`)

const numberOf = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text))

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false]
])

/** What the text of a variable stands for; `None` where it has no such form. */
const parse = (setting: Setting.Setting, text: string): Option.Option<unknown> => {
  switch (setting.form) {
    case "number":
      return Option.some(numberOf(text))
    case "boolean":
      return Option.fromUndefinedOr(booleans.get(text.trim().toLowerCase()))
    case "duration":
      if (setting.unit === undefined) return Option.some(text.trim())
      return Number.isFinite(numberOf(text))
        ? Option.some(
            setting.unit === "seconds"
              ? Duration.seconds(numberOf(text))
              : Duration.millis(numberOf(text))
          )
        : Option.none()
    case "json":
      return isJson(text)
    default:
      return Option.some(text)
  }
}

const formRules: { readonly [F in Setting.Form]: string } = {
  text: "must be text; put it in quotes",
  number: "must be a number",
  boolean: "must be true or false",
  duration: "must be a duration with its unit: 30 seconds",
  word: "must be text",
  json: "must be JSON"
}

const parseVariable = (
  setting: Setting.Setting,
  text: string
): Effect.Effect<unknown, QueueError.QueueError> => {
  const parsed = parse(setting, text)
  if (Option.isNone(parsed)) {
    return Effect.fail(
      configurationInvalid(setting.variable, setting.rule ?? formRules[setting.form])
    )
  }
  const found = problemOf(setting, parsed.value)
  return found === undefined
    ? Effect.succeed(parsed.value)
    : Effect.fail(
        configurationInvalid(joined(setting.variable, found.path), setting.rule ?? found.problem)
      )
}

const put = (tree: Tree, [first = "", ...rest]: ReadonlyArray<string>, value: unknown): Tree => {
  const inner = tree[first]
  const below = rest.length === 0 ? value : put(isTree(inner) ? inner : {}, rest, value)
  return { ...tree, [first]: below }
}

/** What code says over what was read; one of several kinds is replaced as a whole. */
const over = (read: unknown, code: unknown): unknown => {
  if (!isTree(read) || !isTree(code) || "_tag" in code) return code
  const names = [...new Set([...Object.keys(read), ...Object.keys(code)])]
  return Object.fromEntries(
    names.map((name) => [name, name in code ? over(read[name], code[name]) : read[name]])
  )
}

/**
 * Settings that belong together: a Schema and where its fields stand in a file.
 *
 * @category models
 * @since 0.1.0
 */
export interface Section<A> {
  /** The name at the top of a file; empty for fields that stand there themselves. */
  readonly root: string
  readonly schema: Schema.Codec<A, unknown>
}

const within = (root: string, { path }: Setting.Setting): ReadonlyArray<string> =>
  root === "" ? path : path.slice(1)

const isIn = (tree: unknown, [first, ...rest]: ReadonlyArray<string>): boolean =>
  first === undefined || (isTree(tree) && first in tree && isIn(tree[first], rest))

/** The variable that said it, or the path of what code said. */
const keyOf = (root: string, path: string, set: ReadonlyArray<Setting.Setting>): string => {
  const key = [root, path].filter((part) => part !== "").join(".")
  const said = set.find((setting) => key === setting.key || key.startsWith(`${setting.key}.`))
  if (said !== undefined) return `${said.variable}${key.slice(said.key.length)}`
  return key === "" ? "options" : key
}

/**
 * Reads a section: what the environment says, what code says on top of it, and the defaults of the Schema.
 * What code leaves undefined is as if it said nothing.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule; the path of an option that code gave,
 * or that does not go with another.
 *
 * **Example** (The options of a provider)
 *
 * ```ts
 * import { Configuration } from "@queue-runtime/core"
 * import { AwsConfig } from "@queue-runtime/provider-aws"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({ QUEUE_AWS_PREFIX: "acme-", AWS_REGION: "eu-west-1" })
 * const section = { root: "aws", schema: AwsConfig.AwsConfig }
 * const options = Effect.runSync(
 *   Configuration.read(section, { socketsMax: 7 }).pipe(
 *     Effect.provide(ConfigProvider.layer(environment))
 *   )
 * )
 * const { prefix, region, socketsMax } = options
 * [prefix, region, socketsMax] // => ["acme-", "eu-west-1", 7]
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* <A>(
  section: Section<A>,
  overrides: object = {}
): Effect.fn.Return<A, QueueError.QueueError> {
  const { root, schema } = section
  const code = definedThroughout(overrides)
  const set: Array<Setting.Setting> = []
  let tree: Tree = {}
  for (const setting of Setting.settingsOf(root, schema)) {
    if (setting.isPart) continue
    const text = yield* variable(setting.variable)
    if (Option.isNone(text)) continue
    tree = put(tree, within(root, setting), yield* parseVariable(setting, text.value))
    if (!isIn(code, within(root, setting))) set.push(setting)
  }
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return yield* Effect.fromResult(
    Result.mapError(decode(over(tree, code)), ({ issue }) => {
      const { path, problem } = schemaProblem(issue)
      return configurationInvalid(keyOf(root, path, set), problem)
    })
  )
})

const variable = (name: string): Effect.Effect<Option.Option<string>, QueueError.QueueError> =>
  Effect.mapError(Config.option(Config.String(name)), () =>
    configurationInvalid(name, "cannot be read")
  )

interface Leaf {
  readonly setting: Setting.Setting
  readonly key: string
  readonly value: unknown
}

const textOf = ({ setting, value }: Leaf): string | undefined => {
  switch (setting.form) {
    case "number":
      return typeof value === "number" ? String(value) : undefined
    case "boolean":
      return typeof value === "boolean" ? String(value) : undefined
    case "json":
      return JSON.stringify(value)
    case "duration": {
      if (typeof value !== "string") return undefined
      if (setting.unit === undefined) return value
      const parsed = Schema.decodeUnknownOption(Schema.DurationFromString)(value)
      return Option.getOrUndefined(
        Option.map(parsed, (duration) =>
          String(
            setting.unit === "seconds" ? Duration.toSeconds(duration) : Duration.toMillis(duration)
          )
        )
      )
    }
    default:
      return typeof value === "string" ? value : undefined
  }
}

const checkLeaf = (leaf: Leaf): Result.Result<string, QueueError.QueueError> => {
  const { key, setting, value } = leaf
  const text = textOf(leaf)
  if (text === undefined) {
    return Result.fail(configurationInvalid(key, formRules[setting.form]))
  }
  const found = problemOf(setting, value)
  if (found === undefined) return Result.succeed(text)
  const rule = setting.form === "duration" ? undefined : setting.rule
  return Result.fail(configurationInvalid(joined(key, found.path), rule ?? found.problem))
}

/** Letters to change, add or leave out between two words. */
const edits = (a: string, b: string): number => {
  const first = Array.from({ length: b.length + 1 }, (_, index) => index)
  const last = [...a].reduce((row, letter, at) => {
    let diagonal = at
    let left = at + 1
    const next = [left]
    for (const [index, above] of row.slice(1).entries()) {
      const kept = diagonal + (letter === b[index] ? 0 : 1)
      left = Math.min(kept, above + 1, left + 1)
      diagonal = above
      next.push(left)
    }
    return next
  }, first)
  return Math.max(...last.slice(-1))
}

const unknownKey = (key: string, name: string, known: ReadonlyArray<string>) => {
  const near = known.toSorted((a, b) => edits(name, a) - edits(name, b))[0]
  const hint =
    near !== undefined && edits(name, near) <= 3
      ? `did you mean ${near}?`
      : `there are: ${known.join(", ")}`
  return configurationInvalid(key, `is no setting; ${hint}`)
}

/**
 * The environment that a file stands for: an object as it came out of JSON or YAML, checked against the
 * settings. What is null is as if it were not there.
 *
 * **Errors** ConfigurationInvalid naming the key in the file: a value that its Schema refuses, a key that
 * is none.
 *
 * **Example** (The environment wins over a file)
 *
 * ```ts
 * import { Configuration, Settings } from "@queue-runtime/core"
 * import { ConfigProvider, Effect, Option } from "effect"
 *
 * const known = Configuration.settingsOf([Settings.section])
 * const file = Effect.runSync(Configuration.fromFile(known, { queue: "orders", wait: "5 seconds" }))
 * const environment = ConfigProvider.fromUnknown({ QUEUE_NAME: "invoices" })
 * const both = ConfigProvider.layer(ConfigProvider.orElse(environment, file))
 * const settings = Effect.runSync(Effect.provide(Settings.read, both))
 * Option.getOrUndefined(settings.queue) // => "invoices"
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const fromFile = (
  settings: ReadonlyArray<Setting.Setting>,
  contents: unknown,
  options: {
    /** Names at the top that are somebody else's, and not looked at. */
    readonly others?: ReadonlyArray<string>
  } = {}
): Effect.Effect<ConfigProvider.ConfigProvider, QueueError.QueueError> => {
  const own = settings.filter(({ isPart }) => !isPart)
  const variables: Record<string, string> = {}

  const visit = (tree: Tree, path: ReadonlyArray<string>): QueueError.QueueError | undefined => {
    for (const [name, value] of Object.entries(tree)) {
      const isOther = path.length === 0 && options.others?.includes(name) === true
      if (value === null || value === undefined || isOther) continue
      const problem = visitOne(value, [...path, name], name)
      if (problem !== undefined) return problem
    }
    return undefined
  }

  const visitOne = (
    value: unknown,
    path: ReadonlyArray<string>,
    name: string
  ): QueueError.QueueError | undefined => {
    const key = path.join(".")
    const setting = own.find((candidate) => candidate.key === key)
    if (setting !== undefined) {
      const checked = checkLeaf({ setting, key, value })
      if (Result.isFailure(checked)) return checked.failure
      variables[setting.variable] = checked.success
      return undefined
    }
    if (own.some((candidate) => candidate.key.startsWith(`${key}.`))) {
      return isTree(value) ? visit(value, path) : configurationInvalid(key, "must be an object")
    }
    const beside = own.filter(({ path: other }) =>
      path.slice(0, -1).every((part, index) => other[index] === part)
    )
    const known = [
      ...new Set(beside.flatMap((other) => other.path.slice(path.length - 1, path.length)))
    ]
    return unknownKey(key, name, known)
  }

  if (contents === null || contents === undefined)
    return Effect.succeed(ConfigProvider.fromUnknown({}))
  if (!isTree(contents)) return Effect.fail(configurationInvalid("file", "must hold an object"))
  const problem = visit(contents, [])
  return problem === undefined
    ? Effect.succeed(ConfigProvider.fromUnknown(variables))
    : Effect.fail(problem)
}

/**
 * The settings of several sections; one that two of them have is there once.
 *
 * @category accessors
 * @since 0.1.0
 */
export const settingsOf = (
  sections: ReadonlyArray<Section<unknown>>
): ReadonlyArray<Setting.Setting> => {
  const all = sections.flatMap(({ root, schema }) => Setting.settingsOf(root, schema))
  return [...new Map(all.map((setting) => [setting.key, setting])).values()]
}
