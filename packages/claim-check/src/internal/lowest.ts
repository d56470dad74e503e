/** The first so many of some texts that come in any order. */
export class Lowest {
  readonly #max: number
  #some: Array<string> = []

  constructor(max: number) {
    this.#max = max
  }

  /** Sorted now and then: twice as many are kept. */
  add(text: string): void {
    this.#some.push(text)
    if (this.#some.length > this.#max * 2) this.#some = [...this.sorted]
  }

  get sorted(): ReadonlyArray<string> {
    return this.#some.toSorted((one, other) => (one < other ? -1 : 1)).slice(0, this.#max)
  }
}
