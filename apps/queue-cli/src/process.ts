/**
 * The life of the process: the call, the signals that end it, and the code it ends with.
 *
 * @since 0.1.0
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cli from "./Cli.ts"
import * as ExitCode from "./ExitCode.ts"

/** A reader that went away (`| head`): the shell's own code for it. */
const brokenPipe = 141

const fiber = Effect.runFork(Effect.provide(Cli.run(process.argv.slice(2)), NodeServices.layer))

let ended: number | undefined

/** The first ends the call, which gives back what it holds; the second ends the process. */
const end = (code: number) => (): void => {
  if (ended !== undefined) process.exit(ended)
  ended = code
  fiber.interruptUnsafe()
}

process.on("SIGINT", end(ExitCode.codes.interrupted))
process.on("SIGTERM", end(ExitCode.codes.terminated))
process.stdout.on("error", end(brokenPipe))

// A fiber that waits keeps no process alive.
const alive = setInterval(() => undefined, 2 ** 30)

fiber.addObserver((exit) => {
  clearInterval(alive)
  if (Exit.isSuccess(exit)) return process.exit(ended ?? exit.value)
  if (Cause.hasInterruptsOnly(exit.cause)) process.exit(ended ?? ExitCode.codes.interrupted)
  process.stderr.write(`${Cause.pretty(exit.cause)}\n`, () => process.exit(ExitCode.codes.failure))
})
