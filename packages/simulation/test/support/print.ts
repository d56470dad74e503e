/** Prints the history of a seed: for a test that looks whether another process has the same. */
import * as Effect from "effect/Effect"
import { Simulation } from "../../src/index.ts"

const [, , seed = "0"] = process.argv
const run = Simulation.run(() => Effect.void, seed, { sessions: true })
process.stdout.write(JSON.stringify(Effect.runSync(run).history))
