#!/usr/bin/env node
/**
 * The command `servicebus-emulator`: starts an emulator from a configuration file and prints its
 * connection string.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as command from "./internal/command.ts"

const fail = (message: string, code: number) =>
  Effect.andThen(
    Console.error(`servicebus-emulator: ${message}`),
    Effect.sync(() => {
      process.exitCode = code
    })
  )

const program = command.run(process.argv.slice(2)).pipe(
  Effect.catch((error) => fail(error.message, command.exitCode(error))),
  // What nobody expected must not end as if all were well.
  Effect.catchDefect((defect) => fail(String(defect), 1))
)

const fiber = Effect.runFork(program)
// Once: a second signal, while the first one is being obeyed, ends the process at once.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => fiber.interruptUnsafe())
}
