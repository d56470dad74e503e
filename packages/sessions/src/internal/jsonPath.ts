/**
 * `a.b.0`: the names on the way to a value. A dot or backslash inside a name stands behind a
 * backslash.
 */
const split = (path: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  let name = ""
  for (let index = 0; index < path.length; index++) {
    const character = path.charAt(index)
    if (character === ".") {
      names.push(name)
      name = ""
    } else if (character === "\\" && index + 1 < path.length) {
      index += 1
      name += path.charAt(index)
    } else {
      name += character
    }
  }
  return [...names, name]
}

const escape = (name: string): string => name.replaceAll(/[\\.]/gu, "\\$&")

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null

/** Own and enumerable is what JSON has: neither `constructor` nor the `length` of an array. */
const child = (value: unknown, name: string): unknown =>
  isContainer(value) && Object.prototype.propertyIsEnumerable.call(value, name)
    ? Reflect.get(value, name)
    : undefined

const textOf = (value: unknown): string | undefined => {
  if (typeof value === "string") return value
  // JSON has no NaN and no infinity.
  return typeof value === "boolean" || Number.isFinite(value) ? String(value) : undefined
}

/** The text at a path; nothing for what is missing, null or an object. */
export const read = (root: unknown, path: string): string | undefined => {
  let value = root
  for (const name of split(path)) value = child(value, name)
  return textOf(value)
}

type Step = { readonly value: unknown; readonly path: string } | { readonly done: object }

/**
 * Every text with its path. Without recursion, since what came over a network may be nested deeper
 * than the stack; what contains itself is entered once.
 */
export const leaves = (root: unknown): ReadonlyArray<readonly [path: string, text: string]> => {
  const found: Array<readonly [string, string]> = []
  const entered = new Set<object>()
  const pending: Array<Step> = []
  const enter = (value: object, prefix: string): void => {
    if (entered.has(value)) return
    entered.add(value)
    pending.push({ done: value })
    for (const name of Object.keys(value).toReversed()) {
      pending.push({ value: child(value, name), path: prefix + escape(name) })
    }
  }
  if (isContainer(root)) enter(root, "")
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if ("done" in step) {
      entered.delete(step.done)
    } else if (isContainer(step.value)) {
      enter(step.value, `${step.path}.`)
    } else {
      const text = textOf(step.value)
      if (text !== undefined) found.push([step.path, text])
    }
  }
  return found
}
