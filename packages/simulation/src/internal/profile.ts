import * as Fault from "../Fault.ts"
import type { Dice } from "./dice.ts"

/**
 * A profile of a seed: a few kinds of fault, some rare and some frequent. Runs with few kinds find what
 * runs with all of them hide (swarm testing).
 */
export const draw = (dice: Dice, among: ReadonlyArray<Fault.Name>): Fault.Profile => {
  // Some runs have one kind alone, some have nearly all.
  const part = dice.oneOf([0.1, 0.25, 0.5, 0.8])
  const profile: Partial<Record<Fault.Name, number>> = {}
  for (const { max, name } of Fault.all) {
    const drawn = dice.nextDoubleUnsafe() < part
    const share = dice.oneOf([0.1, 0.3, 1])
    if (drawn && among.includes(name)) profile[name] = max * share
  }
  return profile
}
