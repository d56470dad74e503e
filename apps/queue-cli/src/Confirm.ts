/**
 * Asking before anything is destroyed.
 *
 * @since 0.1.0
 */
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import type * as Terminal from "effect/Terminal"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"

/**
 * Goes on with `--yes`, or when somebody at the terminal says so.
 *
 * **Errors** Failure with the code `refused`: the answer was no, or there is nobody to ask
 *
 * @category confirming
 * @since 0.1.0
 */
export const confirm = Effect.fnUntraced(function* (
  message: string,
  options: { readonly yes: boolean }
): Effect.fn.Return<
  void,
  Failure.Failure | Terminal.QuitError,
  Output.Output | Prompt.Environment
> {
  if (options.yes) return
  const { canAsk } = yield* Output.Output
  if (!canAsk) {
    return yield* new Failure.Failure({
      code: "refused",
      message: `${message} Nobody is there to say so, and nothing was done.`,
      hint: "--yes does it without asking"
    })
  }
  const answer = yield* Prompt.run(Prompt.Confirm({ message, initial: false }))
  if (!answer) {
    return yield* new Failure.Failure({ code: "refused", message: "Nothing was done." })
  }
})
