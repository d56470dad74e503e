/** The value without its undefined properties, which exact optional properties refuse. */
export const defined = <A extends object>(
  value: A
): { [K in keyof A as undefined extends A[K] ? never : K]: A[K] } & {
  [K in keyof A as undefined extends A[K] ? K : never]?: Exclude<A[K], undefined>
} => {
  const entries = Object.entries(value).filter(([, property]) => property !== undefined)
  // Object.fromEntries forgets which name had which type; nothing but undefined was taken out.
  return Object.fromEntries(entries) as never
}
