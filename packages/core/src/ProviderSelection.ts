/**
 * Chooses the provider at run time from a record of what an application knows. A provider's package is
 * loaded only when it is chosen, so an application installs only what it uses.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as QueueError from "./QueueError.ts"
import type * as QueueProvider from "./QueueProvider.ts"

/**
 * Loads a provider's layer; usually an `import()`. What the layer has besides the provider is not handed
 * on: another provider would not have it.
 *
 * @category models
 * @since 0.1.0
 */
export type Load<R> = () => Promise<
  Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, R>
>

/**
 * The variable that names the provider.
 *
 * @category configuration
 * @since 0.1.0
 */
export const variable = "QUEUE_PROVIDER"

/** Our own providers: the short name and the package of each. */
const ours: ReadonlyMap<string, { readonly alias?: string; readonly package: string }> = new Map([
  ["memory", { package: "@queue-runtime/provider-memory" }],
  ["aws-sqs", { alias: "aws", package: "@queue-runtime/provider-aws" }],
  ["azure-service-bus", { alias: "azure", package: "@queue-runtime/provider-azure" }]
])

/**
 * The full name of a provider: `azure` and `aws` are short for `azure-service-bus` and `aws-sqs`.
 *
 * **Example** (An alias)
 *
 * ```ts
 * import { ProviderSelection } from "@queue-runtime/core"
 *
 * ProviderSelection.canonicalName("azure") // => "azure-service-bus"
 * ProviderSelection.canonicalName("rabbit") // => "rabbit"
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const canonicalName = (name: string): string => {
  for (const [canonical, { alias }] of ours) if (alias === name) return canonical
  return name
}

const known = (names: Iterable<string>): string => [...names].toSorted().join(", ")

const unknownName = (name: string, names: ReadonlyArray<string>): QueueError.QueueError => {
  const missing = ours.get(name)
  const help =
    missing === undefined
      ? `no provider "${name}"`
      : `this application does not list "${name}"; install ${missing.package} and add it`
  return QueueError.configurationInvalid(variable, `${help}; known: ${known(names)}`)
}

const isModuleMissing = (error: unknown): error is Error =>
  error instanceof Error &&
  Predicate.hasProperty(error, "code") &&
  (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND")

/** A file is missing, not a package: nothing to install helps. */
const isPathMissing = (message: string): boolean =>
  /Cannot find module '(?:[./]|file:|[a-z]:[\\/])/iu.test(message)

const packageIn = (message: string): string | undefined =>
  /Cannot find (?:package|module) '([^']+)'/u.exec(message)?.[1]

const loadFailed = (name: string, error: unknown): QueueError.QueueError => {
  const cause = QueueError.OriginalError.from(error)
  if (!isModuleMissing(error) || isPathMissing(error.message)) {
    return QueueError.configurationInvalid(
      variable,
      `provider "${name}" could not be loaded: ${cause.message}`,
      cause
    )
  }
  const missing = packageIn(error.message) ?? ours.get(name)?.package ?? "its package"
  return QueueError.configurationInvalid(
    variable,
    `provider "${name}" needs ${missing}, which is not installed: npm install ${missing}`,
    cause
  )
}

/**
 * The provider that `QUEUE_PROVIDER` names, out of a record of loaders by name.
 *
 * **Errors** ConfigurationInvalid: the variable is not set and there is no `orElse` · the name is
 * unknown (the known ones are listed) · the package is not installed (it is named). Then the chosen
 * layer's own.
 *
 * **Example** (Memory unless told otherwise)
 *
 * ```ts
 * import { ProviderSelection, QueueProvider } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const provider = ProviderSelection.layer(
 *   {
 *     memory: () =>
 *       import("@queue-runtime/provider-memory").then(({ MemoryProvider }) =>
 *         MemoryProvider.layer({ queues: { orders: {} } })
 *       )
 *   },
 *   { orElse: "memory" }
 * )
 * const name = QueueProvider.QueueProvider.useSync((self) => self.name)
 * await Effect.runPromise(name.pipe(Effect.provide(provider))) // => "memory"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  providers: { readonly [name: string]: Load<R> },
  options: { readonly orElse?: string } = {}
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, R> => {
  const loaders = new Map(
    Object.entries(providers).map(([name, load]) => [canonicalName(name), load])
  )
  const choose = Effect.gen(function* () {
    const set = yield* Config.option(Config.String(variable))
    const chosen = Option.getOrElse(set, () => options.orElse)
    if (chosen === undefined) {
      const problem = `must be set to one of: ${known(loaders.keys())}`
      return yield* Effect.fail(QueueError.configurationInvalid(variable, problem))
    }
    const name = canonicalName(chosen.trim())
    const load = loaders.get(name)
    if (load === undefined) return yield* Effect.fail(unknownName(name, [...loaders.keys()]))
    return yield* Effect.tryPromise({ try: load, catch: (error) => loadFailed(name, error) })
  })
  return Layer.unwrap(
    Effect.catchTag(choose, "ConfigError", (error) =>
      Effect.fail(QueueError.configurationInvalid(variable, error.message))
    )
  )
}
