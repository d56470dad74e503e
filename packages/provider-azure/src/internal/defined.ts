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
