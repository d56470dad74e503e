/**
 * The options of a layer as an application writes them down: some undefined, some read from
 * configuration.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"

/** What is taken apart: an object of options, and no instance of anything. */
type Plain = Readonly<globalThis.Record<string, unknown>>

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

type Parts<A> = A extends Plain ? { readonly [K in keyof A]: Configured<A[K]> } : never

/**
 * Options as they are, or read from configuration: the whole, or any part of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Configured<A> = A | Config.Config<A> | Parts<A>

/** What has methods is somebody's own object: a credential, say. */
const isOptions = (value: unknown): value is Plain =>
  Predicate.isObject(value) &&
  Object.getPrototypeOf(value) === Object.prototype &&
  !Object.values(value).some(Predicate.isFunction)

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
