import { afterAll, beforeAll } from "@effect/vitest"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as commands from "./support/commands.ts"

const scope = Scope.makeUnsafe()
let cwd = ""
let connectionString = ""

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "queue-cli-"))
  const { ordered, plain } = commands.queues
  const queues = Object.fromEntries([
    ...plain.map((name) => [name, {}] as const),
    ...ordered.map((name) => [name, { requiresSession: true }] as const)
  ])
  const emulator = await Effect.runPromise(
    ServiceBusEmulator.make({ queues }).pipe(Scope.provide(scope))
  )
  connectionString = emulator.connectionString
})

afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(cwd, { recursive: true })
})

commands.suite("Service Bus", () => ({
  cwd,
  environment: {
    QUEUE_RECEIVE_TIMEOUT_SECONDS: "1",
    AZURE_SERVICE_BUS_CONNECTION_STRING: connectionString
  },
  flags: ["--provider", "azure"],
  canPeek: true,
  remedyOfMissing: /az servicebus queue list/u
}))
