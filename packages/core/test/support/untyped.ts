/**
 * A value as a caller without types passes it; what the code then says of it is a test's subject. An
 * overload, so that no assertion has to be allowed.
 */
export function untyped(value: unknown): never
export function untyped(value: unknown): unknown {
  return value
}
