/**
 * The options of a layer as an application writes them down: some undefined, some read from
 * configuration.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Record from "effect/Record"
import { isOptions, type Plain } from "./internal/options.ts"

/**
 * Options of which any that may be left out may be undefined too, as what was not given.
 *
 * @category models
 * @since 0.1.0
 */
export type Given<A> = A extends Plain
  ? {
      readonly [K in keyof A]: string extends K
        ? Given<A[K]>
        : Partial<Pick<A, K>> extends Pick<A, K>
          ? Given<A[K]> | undefined
          : Given<A[K]>
    }
  : A

/**
 * An object of which properties that may be undefined are left out where they are.
 *
 * @category models
 * @since 0.1.0
 */
export type Defined<A> = {
  [K in keyof A as undefined extends A[K] ? never : K]: A[K]
} & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

type Parts<A> = A extends Plain ? { readonly [K in keyof A]: Configured<A[K]> } : never

/**
 * Options as they are, or read from configuration: the whole, or any part of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Configured<A> = A | Config.Config<A> | Parts<A>

/**
 * One configuration of them all; what is none is taken as it is.
 *
 * **Example** (The secret from configuration, the rest in code)
 *
 * ```ts
 * import { Options } from "@queue-runtime/core"
 * import { Config, ConfigProvider, Effect } from "effect"
 *
 * const options = Options.read<{ readonly host: string; readonly port: number }>({
 *   host: Config.String("HOST"),
 *   port: 5671
 * })
 * const provider = ConfigProvider.fromUnknown({ HOST: "acme.servicebus.windows.net" })
 * await Effect.runPromise(options.parse(provider))
 * // => { host: "acme.servicebus.windows.net", port: 5671 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export function read<A>(options: Configured<A>): Config.Config<A>
// A walk through options forgets which name has which type.
export function read(options: unknown): Config.Config<unknown> {
  if (Config.isConfig(options)) return options
  return isOptions(options)
    ? Config.all(Record.map(options, (part) => read<unknown>(part)))
    : Config.succeed(options)
}

/** Assigned, a property of the name `__proto__` would be the prototype instead. */
const own = { configurable: true, enumerable: true, writable: true }

/**
 * A copy of an object without its undefined properties: they count as not given, and exact optional
 * properties refuse them.
 *
 * **Gotchas** One level deep: an object inside is handed on as it is.
 *
 * **Example** (What a provider sends)
 *
 * ```ts
 * import { Options } from "@queue-runtime/core"
 *
 * const toWire = (text: string, group?: string) => ({ text, ...Options.defined({ group }) })
 * toWire("hello") // => { text: "hello" }
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export function defined<A extends object>(value: A): Defined<A>
// A loop forgets which name has which type; it takes half the time of entries made an object again.
export function defined(value: Plain): object {
  const kept: globalThis.Record<string, unknown> = {}
  for (const name of Object.keys(value)) {
    const property = value[name]
    if (property === undefined) continue
    if (name === "__proto__") Object.defineProperty(kept, name, { ...own, value: property })
    else kept[name] = property
  }
  return kept
}
