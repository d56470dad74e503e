import * as Effect from "effect/Effect"
import type * as Output from "../../src/Output.ts"

/** What is written, by where it goes. */
export interface Captured {
  readonly surroundings: Output.Surroundings
  readonly written: Record<"output" | "error", string>
}

/** Pipes without an environment, or what is said of them; what goes into them is kept. */
export const captured = (over: Partial<Output.Surroundings> = {}): Captured => {
  const written = { output: "", error: "" }
  const surroundings: Output.Surroundings = {
    environment: {},
    isInputTerminal: false,
    isOutputTerminal: false,
    isErrorTerminal: false,
    columns: 120,
    write: (to, text) =>
      Effect.sync(() => {
        written[to] += text
      }),
    ...over
  }
  return { surroundings, written }
}
