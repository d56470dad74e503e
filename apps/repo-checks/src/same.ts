/**
 * The assertion of examples.
 *
 * @since 0.1.0
 */
import { deepStrictEqual } from "node:assert"
import { basename } from "node:path"

const reached = new Map<string, Set<number>>()

/**
 * Throws unless both are deeply equal, and remembers that this line of this example was reached. It
 * narrows no type, as the assertion of `node:assert` would.
 *
 * @category asserting
 * @since 0.1.0
 */
export const same = (
  actual: unknown,
  expected: unknown,
  place: { readonly file: string; readonly line: number }
): void => {
  const file = basename(place.file)
  reached.set(file, (reached.get(file) ?? new Set()).add(place.line))
  deepStrictEqual(actual, expected)
}

/**
 * The lines of an example whose assertion was reached.
 *
 * @category asserting
 * @since 0.1.0
 */
export const linesReached = (file: string): ReadonlyArray<number> => [
  ...(reached.get(basename(file)) ?? [])
]
