#!/usr/bin/env node
/**
 * The command `sqs-emulator`. Exit codes: 0 ended by a signal, 1 could not start, 2 called wrongly.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as command from "./internal/command.ts"

const fiber = Effect.runFork(
  command.run(process.argv.slice(2), (text) => void process.stdout.write(text))
)

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => fiber.interruptUnsafe())

fiber.addObserver((exit) => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const text = error === undefined ? Cause.pretty(exit.cause) : error.message
  process.stderr.write(`sqs-emulator: ${text}\n`)
  if (error?._tag === "UsageError") process.stderr.write(command.usage)
  process.exitCode = error?._tag === "UsageError" ? 2 : 1
})
