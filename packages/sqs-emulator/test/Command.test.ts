import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as command from "../src/internal/command.ts"

const file = (text: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(join(tmpdir(), "sqs-emulator-"))
      const path = join(folder, "config.json")
      writeFileSync(path, text)
      return { folder, path }
    }),
    ({ folder }) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ).pipe(Effect.map(({ path }) => path))

const problem = (args: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(command.parse(args)), ({ message }) => message)

describe("arguments", () => {
  it.effect("become options; flags come before the file", () =>
    Effect.gen(function* () {
      const path = yield* file('{ "queues": { "q": { "DelaySeconds": "3" } }, "seed": "s" }')
      const options = yield* command.parse(["--port", "9324", "--config", path, "--host", "::1"])
      assert.deepEqual(options, {
        queues: { q: { DelaySeconds: "3" } },
        seed: "s",
        host: "::1",
        port: 9_324
      })
      assert.deepEqual(yield* command.parse([]), {})
      assert.isUndefined(yield* command.parse(["--help"]))
    }).pipe(Effect.scoped)
  )

  it.effect("wrong ones say what is wrong", () =>
    Effect.gen(function* () {
      assert.match(yield* problem(["--prot", "1"]), /--prot/u)
      assert.match(yield* problem(["stray"]), /stray/u)
      assert.match(yield* problem(["--port", "65536"]), /"65536" is no port/u)
      assert.match(yield* problem(["--port", "x"]), /"x" is no port/u)
      assert.match(yield* problem(["--config", "/no/such/file"]), /--config: ENOENT/u)
      for (const text of [
        "{",
        '{ "queue": {} }',
        '{ "account": "1" }',
        '{ "queues": { "q": 1 } }'
      ]) {
        const path = yield* file(text)
        assert.include(yield* problem(["--config", path]), `--config ${path}: `)
      }
    }).pipe(Effect.scoped)
  )
})

describe("running", () => {
  it.live("prints its endpoint, or its help", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const write = (text: string) => void written.push(text)
      yield* command.run(["--help"], write)
      assert.deepStrictEqual(written.splice(0), [command.usage])
      const fiber = yield* Effect.forkChild(command.run(["--port", "0"], write))
      yield* Effect.repeat(Effect.sleep(1), { until: () => written.length > 0 })
      assert.match(written[0] ?? "", /^sqs-emulator listens on http:\/\/127\.0\.0\.1:\d+\n$/u)
      yield* Fiber.interrupt(fiber)
    })
  )
})

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command as a process of its own; `signal` is sent once it printed something. */
const process_ = (args: ReadonlyArray<string>, signal?: NodeJS.Signals) =>
  Effect.callback<Ended>((resume) => {
    const node = ["--conditions=@queue-runtime/source", main, ...args]
    const child = spawn(process.execPath, node)
    const texts = { out: "", err: "" }
    child.stdout.on("data", (chunk: Buffer) => {
      texts.out += chunk.toString()
      if (signal !== undefined) child.kill(signal)
    })
    child.stderr.on("data", (chunk: Buffer) => {
      texts.err += chunk.toString()
    })
    child.once("close", (code) => resume(Effect.succeed({ code, ...texts })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

describe("the process", () => {
  it.live("ends cleanly on signals, with 2 when called wrongly, with 1 when it cannot start", () =>
    Effect.gen(function* () {
      const [terminated, interrupted, wrong, failed] = yield* Effect.all(
        [
          process_(["--port", "0"], "SIGTERM"),
          process_([], "SIGINT"),
          process_(["--bogus"]),
          process_(["--host", "256.256.256.256"])
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual([terminated.code, terminated.err], [0, ""])
      assert.match(terminated.out, /listens on http/u)
      assert.deepStrictEqual([interrupted.code, interrupted.err], [0, ""])
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.err, /^sqs-emulator: Unknown option '--bogus'/u)
      assert.include(wrong.err, command.usage)
      assert.strictEqual(failed.code, 1)
      assert.match(failed.err, /^sqs-emulator: the SQS emulator did not start: /u)
    })
  )
})
