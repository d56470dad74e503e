import * as Predicate from "effect/Predicate"

/** What is taken apart: an object of options, and no instance of anything. */
export type Plain = Readonly<Record<string, unknown>>

/** What has methods is somebody's own object, a credential say: a copy would part it from its state. */
export const isOptions = (value: unknown): value is Plain =>
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
        Object.entries(value)
          .filter(([, inner]) => inner !== undefined)
          .map(([name, inner]) => [name, definedThroughout(inner)])
      )
    : value
