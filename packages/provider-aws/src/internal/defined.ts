type Defined<A> = {
  [K in keyof A as undefined extends A[K] ? never : K]: A[K]
} & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
}

/**
 * The value without its undefined properties, which exact optional properties refuse. An overload, since
 * a loop forgets which name has which type. Its names stand in code: a `__proto__` of others is not kept.
 */
export function defined<A extends object>(value: A): Defined<A>
export function defined(value: object): object {
  // Several a message: half the time of entries turned into an object again.
  const kept: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(value)) {
    if (property !== undefined) kept[name] = property
  }
  return kept
}
