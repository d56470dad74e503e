import type * as Checker from "../../Checker.ts"

/** Gathers what one checker finds: of each message or session the first thing, since more follows from it. */
export class Violations {
  readonly found: Array<Checker.Violation> = []
  readonly #seen = new Set<string>()
  readonly #checker: string

  constructor(checker: string) {
    this.#checker = checker
  }

  add(at: number, what: string, about: ReadonlyArray<string>): void {
    const key = about[0] ?? what
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.found.push({ checker: this.#checker, at, what, about })
  }
}
