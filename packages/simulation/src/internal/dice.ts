import type * as Random from "effect/Random"

/** Thirty-two bits of a text: the same everywhere, in any process (cyrb53, its lower half). */
export const hash = (text: string): number => {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return (high ^ low) >>> 0
}

/** Random numbers of a seed (mulberry32): few operations a number, and as good as a simulation needs. */
export class Dice implements Random.Random {
  #state: number

  constructor(seed: string | number) {
    this.#state = typeof seed === "number" ? seed : hash(seed)
  }

  /** From zero up to one. */
  nextDoubleUnsafe(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  nextIntUnsafe(): number {
    return Math.floor(this.nextDoubleUnsafe() * Number.MAX_SAFE_INTEGER)
  }

  /** Whole, both ends included. */
  between(minimum: number, maximum: number): number {
    return minimum + Math.floor(this.nextDoubleUnsafe() * (maximum - minimum + 1))
  }

  chance(part: number): boolean {
    return this.nextDoubleUnsafe() < part
  }

  oneOf<A>(all: readonly [A, ...ReadonlyArray<A>]): A {
    return all[Math.floor(this.nextDoubleUnsafe() * all.length)] ?? all[0]
  }
}
