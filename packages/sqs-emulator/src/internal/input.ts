/** Reads a call's input, which is what the caller sent: nothing in it can be relied on. */
import * as refusals from "./refusals.ts"

export type Input = Readonly<Record<string, unknown>>

const isInput = (value: unknown): value is Input =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const object = (value: unknown): Input =>
  isInput(value) ? value : refusals.refuse(refusals.malformed("Expected a structure."))

export const optionalObject = (input: Input, name: string): Input | undefined => {
  const value = input[name]
  return value === undefined || value === null ? undefined : object(value)
}

export const text = (input: Input, name: string): string | undefined => {
  const value = input[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === "string") return value
  return refusals.refuse(refusals.malformed(`${name} is not a string.`))
}

/** A text that has to be there; an empty one is not. */
export const requiredText = (input: Input, name: string): string =>
  text(input, name) || refusals.refuse(refusals.missing(name))

export const int = (input: Input, name: string): number | undefined => {
  const value = input[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === "number" && Number.isInteger(value)) return value
  return refusals.refuse(refusals.malformed(`${name} is not an integer.`))
}

/** An integer within bounds. */
export const intWithin = (
  input: Input,
  name: string,
  min: number,
  max: number
): number | undefined => {
  const value = int(input, name)
  return value === undefined || (value >= min && value <= max)
    ? value
    : refusals.refuse(refusals.outOfRange(name, value, min, max))
}

const none: ReadonlyArray<unknown> = []

export const list = (input: Input, name: string): ReadonlyArray<unknown> => {
  const value = input[name]
  if (value === undefined || value === null) return none
  return Array.isArray(value)
    ? value
    : refusals.refuse(refusals.malformed(`${name} is not a list.`))
}

export const texts = (input: Input, name: string): ReadonlyArray<string> => {
  const values = list(input, name)
  return values.every((value) => typeof value === "string")
    ? values
    : refusals.refuse(refusals.malformed(`${name} is not a list of strings.`))
}

/** A map of texts, as pairs. */
export const textMap = (input: Input, name: string): ReadonlyArray<readonly [string, string]> => {
  const value = optionalObject(input, name)
  if (value === undefined) return []
  return Object.keys(value).map((key) => [
    key,
    text(value, key) ?? refusals.refuse(refusals.malformed(`${name} is not a map of strings.`))
  ])
}
