/** What a proxy does to those who talk through it: by name, how likely, and how often it did. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * What happens to a TCP connection.
 *
 * - `refused`: a new connection is reset, and the port is closed for a while;
 * - `reset`: in the middle of a chunk, in both directions;
 * - `half open`: nothing arrives any more in one direction, until the connection is reset;
 * - `lost reply`: a chunk arrives at the server, and the connection is reset in place of its reply;
 * - `latency`: for a while all takes its time, now more and now less;
 * - `throttled`: for a while few bytes pass in a second.
 */
export type TcpName = "refused" | ChunkName

/** Those that a chunk of bytes meets. */
export const chunkNames = ["reset", "half open", "lost reply", "latency", "throttled"] as const

export type ChunkName = (typeof chunkNames)[number]

/**
 * What happens to an HTTP request.
 *
 * - `unavailable`: a gateway says 503, in HTML, and the server never sees it;
 * - `too many requests`: a gateway says 429 in the same way;
 * - `dropped reply`: the server does it, and the connection is cut in place of the answer.
 */
export const httpNames = ["unavailable", "too many requests", "dropped reply"] as const

export type HttpName = (typeof httpNames)[number]

/**
 * How likely each fault is at each of its chances: a new connection for `refused`, a request for those of
 * HTTP, and a chunk of bytes for the others. What is not named does not happen.
 */
export type Probabilities<Name extends string> = Readonly<Partial<Record<Name, number>>>

/** Draws from a seed. */
export interface Dice {
  /** From 0 up to 1. */
  readonly next: () => number
  readonly between: (min: number, max: number) => number
  /** At most one of the names, each as likely as it says. */
  readonly draw: <Name extends string>(
    names: ReadonlyArray<Name>,
    probabilities: Probabilities<Name>
  ) => Name | undefined
}

/** Those of one connection are its own: what others draw meanwhile changes none of them. */
export const dice = (seed: string, of: string): Dice => {
  const random = Effect.runSync(Random.withSeed(Random.Random, `${seed} ${of}`))
  const next = (): number => random.nextDoubleUnsafe()
  return {
    next,
    between: (min, max) => min + next() * (max - min),
    draw: (names, probabilities) => {
      let drawn = next()
      return names.find((name) => {
        drawn -= probabilities[name] ?? 0
        return drawn < 0
      })
    }
  }
}

/** How often each fault struck. */
export class Tally<Name extends string> {
  readonly #counts = new Map<Name, number>()

  add(name: Name): void {
    this.#counts.set(name, this.get(name) + 1)
  }

  get(name: Name): number {
    return this.#counts.get(name) ?? 0
  }

  toRecord(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
