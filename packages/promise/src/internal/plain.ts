/** Values of the stack for code without Effect: dates for times, milliseconds for durations. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

/** The same with plain values, all the way down. */
export type Plain<T> = T extends DateTime.DateTime
  ? Date
  : T extends Duration.Duration
    ? number
    : T extends Uint8Array | Error | string | number | bigint | boolean | undefined | null
      ? T
      : T extends ReadonlyArray<infer Element>
        ? ReadonlyArray<Plain<Element>>
        : { readonly [Key in keyof T]: Plain<T[Key]> }

export function plain<T>(value: T): Plain<T>
export function plain(value: unknown): unknown {
  if (DateTime.isDateTime(value)) return DateTime.toDate(value)
  if (Duration.isDuration(value)) return Duration.toMillis(value)
  if (Array.isArray(value)) return value.map((one: unknown) => plain(one))
  if (!Predicate.isObject(value) || value instanceof Uint8Array || value instanceof Error) {
    return value
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]))
}
