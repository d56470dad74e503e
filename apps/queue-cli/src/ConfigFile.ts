/**
 * The configuration file, JSON or YAML, under the environment, and the flags above it.
 *
 * @since 0.1.0
 */
import { Configuration, ProviderSelection, type QueueError } from "@queue-runtime/core"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { existsSync, readFileSync } from "node:fs"
import * as Failure from "./Failure.ts"
import * as Sections from "./Sections.ts"

/**
 * The variable that names the file.
 *
 * @category configuration
 * @since 0.1.0
 */
export const variable = "QUEUE_CONFIG_FILE"

/**
 * Files that are looked for in the working directory when none is named.
 *
 * @category configuration
 * @since 0.1.0
 */
export const names = ["queue-runtime.yaml", "queue-runtime.yml", "queue-runtime.json"] as const

/** What an editor goes by. */
const schemaKey = "$schema"

type Environment = Readonly<Record<string, string | undefined>>

/** The parser's own words hold the text around the mistake, which may be a secret: the place is enough. */
const parse = Effect.fnUntraced(function* (path: string, text: string) {
  const { parseDocument } = yield* Effect.promise(() => import("yaml"))
  const document = parseDocument(text, { prettyErrors: true, strict: true })
  const [first] = document.errors
  if (first === undefined) {
    const contents: unknown = document.toJS({ maxAliasCount: 100 })
    return contents
  }
  const at = first.linePos?.[0]
  const place = at === undefined ? "" : `:${at.line}:${at.col}`
  return yield* Effect.fail(
    Failure.usage(
      `${path}${place}: not ${path.endsWith(".json") ? "JSON" : "YAML"} (${first.code})`
    )
  )
})

const read = (path: string) =>
  Effect.try({
    try: () => readFileSync(path, "utf8"),
    catch: (cause) => {
      const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : "unknown"
      return Failure.usage(`${path}: cannot be read (${code})`, "--config FILE names another one")
    }
  }).pipe(Effect.flatMap((text) => parse(path, text)))

const nameIn = (contents: unknown): string | undefined => {
  const provider = Predicate.hasProperty(contents, "provider") ? contents.provider : undefined
  return typeof provider === "string" ? provider : undefined
}

const withPath =
  (path: string) =>
  (error: QueueError.QueueError): Failure.Failure => {
    const failure = Failure.from(error)
    return new Failure.Failure({ ...failure, message: `${path}: ${failure.message}` })
  }

/**
 * What the flags say.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The file; absent: the one the environment names, or one of {@link names}, or none. */
  readonly path?: string | undefined
  readonly provider?: string | undefined
  /** Flags that stand above the environment, by their variables. */
  readonly flags?: Readonly<Record<string, string>>
}

/**
 * Everything that says how the tool is set up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly path: string | undefined
  /** As it was given; absent when nobody says which. */
  readonly provider: string | undefined
  readonly configuration: ConfigProvider.ConfigProvider
}

/**
 * Reads the file if there is one; flags win over the environment, the environment over the file.
 *
 * **Errors** Failure with the code `usage`, naming the file, the key and the rule
 *
 * @category configuration
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function* (
  environment: Environment,
  { flags = {}, path, provider }: Options
): Effect.fn.Return<Found, Failure.Failure> {
  const named = path ?? (environment[variable] === "" ? undefined : environment[variable])
  const file = named ?? names.find((name) => existsSync(name))
  const contents = file === undefined ? undefined : yield* read(file)
  const set = environment[ProviderSelection.variable]
  const chosen = provider ?? (set === "" ? undefined : set) ?? nameIn(contents)
  const own = chosen === undefined ? undefined : Sections.providerOf(chosen)
  const { others, settings } = yield* Sections.forProvider(own)
  const below = yield* Effect.mapError(
    Configuration.fromFile(settings, contents, { others: [...others, schemaKey] }),
    withPath(file ?? "")
  )
  const above = ConfigProvider.fromUnknown({
    ...flags,
    ...(provider === undefined ? {} : { [ProviderSelection.variable]: provider })
  })
  const present = Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]]
    )
  )
  return {
    path: file,
    provider: chosen,
    configuration: above.pipe(
      ConfigProvider.orElse(ConfigProvider.fromEnv({ env: present })),
      ConfigProvider.orElse(below)
    )
  }
})
