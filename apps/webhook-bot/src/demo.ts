/**
 * `npm run demo`: exits with 0 when the run is verified, and with 1 when it is not or could not start.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Demo from "./demo/Demo.ts"
import * as Flags from "./demo/Flags.ts"
import * as Output from "./demo/Output.ts"
import * as Program from "./Program.ts"

const program = Effect.gen(function* () {
  const flags = yield* Flags.read(process.argv.slice(2))
  if (flags.help) {
    yield* Console.log(Flags.help)
    return true
  }
  const { violations } = yield* Demo.run(flags).pipe(
    Effect.provide(Output.layer(process.stdout)),
    // Every retry is a warning there, and the demo has thousands on purpose.
    Effect.provideService(References.MinimumLogLevel, flags.logs ? "Info" : "None")
  )
  return violations.length === 0
})

NodeRuntime.runMain(Program.reporting(program), {
  disableErrorReporting: true,
  teardown: (exit, onExit) => onExit(exit._tag === "Success" && exit.value === true ? 0 : 1)
})
