import type * as Fault from "../Fault.ts"
import * as Faults from "../Fault.ts"
import type * as History from "../History.ts"
import { Dice } from "./dice.ts"
import type { Kernel } from "./kernel.ts"

/** A fault that is to happen now, and dice for how. */
export interface Hit {
  readonly name: Fault.Name
  readonly key: string
  readonly dice: Dice
  /** Writes it down; called once, when it happens. */
  readonly tell: (node: string, detail: string, refs?: ReadonlyArray<string>) => void
}

const onOf = new Map(Faults.all.map(({ name, on }) => [name, on]))

export interface Options {
  readonly seed: string
  readonly profile: Fault.Profile
  readonly kernel: Kernel
  readonly recorder: History.Recorder
  /** No fault from this time on: a world that is left alone must come to rest. */
  readonly quietAt: number
  /** So many faults at most. */
  readonly max: number
  /** Of the keys drawn these alone; absent: all. */
  readonly only: ReadonlySet<string> | undefined
}

/** Draws the faults of a run. */
export class Chaos {
  readonly #options: Options
  readonly #counts = new Map<string, number>()
  readonly #fired: Array<string> = []

  constructor(options: Options) {
    this.#options = options
  }

  /** The keys of what happened. */
  get fired(): ReadonlyArray<string> {
    return this.#fired
  }

  /** Whether any of these can happen at all. */
  isPossible(names: ReadonlyArray<Fault.Name>): boolean {
    const { profile } = this.#options
    for (const name of names) if ((profile[name] ?? 0) > 0) return true
    return false
  }

  /** How often it was asked for this chance before, this time included. */
  count(chance: string): number {
    const next = (this.#counts.get(chance) ?? 0) + 1
    this.#counts.set(chance, next)
    return next
  }

  /** What befalls this chance, if anything. */
  draw(chance: string, names: ReadonlyArray<Fault.Name>): Hit | undefined {
    const { kernel, max, quietAt } = this.#options
    if (this.#fired.length >= max || kernel.now >= quietAt) return undefined
    return this.isPossible(names) ? this.#drawn(chance, names) : undefined
  }

  #drawn(chance: string, names: ReadonlyArray<Fault.Name>): Hit | undefined {
    const { only, profile, recorder, seed } = this.#options
    const key = `${chance}#${this.count(chance)}`
    const dice = new Dice(`${seed}/${key}`)
    let drawn = dice.nextDoubleUnsafe()
    const name = names.find((one) => {
      const probability = profile[one] ?? 0
      if (drawn < probability) return true
      drawn -= probability
      return false
    })
    if (name === undefined) return undefined
    if (only !== undefined && !only.has(key)) return undefined
    this.#fired.push(key)
    return {
      name,
      key,
      dice,
      tell: (node, detail, refs = []) =>
        recorder.add({
          _tag: "Fault",
          node,
          key,
          kind: name,
          on: onOf.get(name) ?? "world",
          detail,
          refs
        })
    }
  }
}
