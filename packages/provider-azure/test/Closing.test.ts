import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { open } from "./world.ts"

const program = join(import.meta.dirname, "support/closing.ts")

/** A program that does not end is no reason to wait for ever. */
const limit = "20 seconds"

/** Runs the program: its exit code, and how long it lingered after it said that all is closed. */
const run = (connectionString: string, way: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const args = ["--conditions=@queue-runtime/source", program, connectionString, way]
      return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    }),
    (child) =>
      Effect.gen(function* () {
        const ended = once(child, "close").then(([code]): unknown => code)
        yield* Effect.promise(() => once(child.stdout, "data"))
        const [lingered, code] = yield* Effect.timed(Effect.promise(() => ended))
        return { code, lingered: Duration.toMillis(lingered) }
      }).pipe(Effect.timeout(limit)),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

describe("R5.3 nothing of a closed provider keeps the process alive", () => {
  for (const way of ["interrupted", "waiting"]) {
    it.live(
      `with an accept and a receive that were ${way}`,
      () =>
        Effect.gen(function* () {
          const { emulator } = yield* open()
          const { code, lingered } = yield* run(emulator.connectionString, way)
          assert.strictEqual(code, 0)
          assert.isBelow(lingered, 3_000)
        }),
      30_000
    )
  }
})
