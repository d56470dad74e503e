import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Verdict } from "@queue-runtime/core"
import { middle } from "./support/middle.ts"
import {
  accept,
  address,
  connect,
  inSession,
  open,
  receive,
  seconds,
  send,
  settle
} from "./world.ts"

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
  it.live("with a settlement that was under way when the connection was lost", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open()
      yield* emulator.inject({ operation: "Settle", fault: { _tag: "DropConnection" } })
      const { code, lingered } = yield* run(emulator.connectionString, "cut")
      assert.strictEqual(code, 0)
      assert.isBelow(lingered, 3_000)
    })
  )

  it.live(
    "closing waits five seconds for a service that has fallen silent, and no longer",
    () =>
      Effect.gen(function* () {
        const { emulator } = yield* open()
        const { fallSilent, port } = yield* middle(emulator.host, emulator.port)
        const scope = yield* Scope.make()
        const { provider } = yield* connect(emulator, {
          connectionString: emulator.connectionString.replace(`:${emulator.port}`, `:${port}`)
        }).pipe(Scope.provide(scope))
        yield* send(provider, ["a"])
        yield* send(provider, ["s1"], inSession("S"))
        const [a] = yield* receive(provider, 1)
        if (a === undefined) return assert.fail("a was sent")
        assert.strictEqual(yield* settle(provider, a, Verdict.abandon(seconds(60))), "ok")
        yield* Scope.provide(accept(provider, "S"), scope)
        const waiting = yield* Effect.forkChild(
          Effect.exit(provider.receive(address, { max: 1, wait: seconds(30) })),
          { startImmediately: true }
        )
        yield* Effect.sleep(200)
        yield* fallSilent
        const [took] = yield* Effect.timed(Scope.close(scope, Exit.void))
        assert.isBelow(Duration.toMillis(took), 8_000)
        yield* Fiber.interrupt(waiting)
      }),
    30_000
  )

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
