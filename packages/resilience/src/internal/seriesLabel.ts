/** Stands for what is beyond the bound. No queue can have this name. */
export const others = "(other)"

/** A registry never forgets a series: names beyond `max` are called {@link others}. */
export const make = (max: number): ((name: string) => string) => {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= max) return others
    known.add(name)
    return name
  }
}
