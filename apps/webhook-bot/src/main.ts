/**
 * `pnpm --filter @queue-runtime/webhook-bot start`: the service, until SIGTERM or SIGINT.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Program from "./Program.ts"

NodeRuntime.runMain(Program.reporting(Program.run), {
  disableErrorReporting: true,
  // Being told to end is not a failure of the service.
  teardown: (exit, onExit) =>
    onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
})
