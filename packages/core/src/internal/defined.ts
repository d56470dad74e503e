import * as Predicate from "effect/Predicate"

type Defined<A> = {
  [K in keyof A as undefined extends A[K] ? never : K]: A[K]
} & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

/**
 * The value without its undefined properties, which exact optional properties refuse. An overload,
 * since Object.fromEntries forgets which name has which type.
 */
export function defined<A extends object>(value: A): Defined<A>
export function defined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, property]) => property !== undefined))
}

/** What has methods is somebody's own object, which a copy would part from its state. */
const isOptions = (value: unknown): value is object =>
  Predicate.isObject(value) &&
  Object.getPrototypeOf(value) === Object.prototype &&
  !Object.values(value).some(Predicate.isFunction)

/**
 * The options without what is undefined, inside of objects too: `process.env.REGION` that is not set is an
 * option that was not given. Lists, instances of a class and objects with methods stay as they are.
 */
export const definedThroughout = (value: unknown): unknown =>
  isOptions(value)
    ? Object.fromEntries(
        Object.entries(defined(value)).map(([name, inner]) => [name, definedThroughout(inner)])
      )
    : value
