import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call, connect, until } from "./world.ts"

const main = join(import.meta.dirname, "../src/main.ts")

/** The command under way; it is ended with the scope. */
const start = (args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [main, ...args], { stdio: "pipe" })
      const text = { out: "", error: "" }
      child.stdout.on("data", (bytes) => (text.out += String(bytes)))
      child.stderr.on("data", (bytes) => (text.error += String(bytes)))
      const ended = once(child, "close").then(([code]): unknown => code)
      return { child, text, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { ended, text } = yield* start(args)
  const code = yield* call(() => ended)
  return { code, ...text }
})

const configFile = (config: object) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "servicebus-emulator-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    ),
    (folder) => {
      const path = join(folder, "config.json")
      writeFileSync(path, JSON.stringify(config))
      return path
    }
  )

const config = (namespace: object) => configFile({ UserConfig: { Namespaces: [namespace] } })

describe("the command servicebus-emulator", () => {
  it.live("serves the queues of a file, prints the connection string and ends on a signal", () =>
    Effect.gen(function* () {
      const path = yield* config({ Queues: [{ Name: "orders" }] })
      const { child, ended, text } = yield* start(["--config", path, "--port", "0"])
      yield* until(Effect.sync(() => text.out.endsWith("\n")))
      assert.match(text.out, /^Endpoint=sb:\/\/127\.0\.0\.1:\d+;.*;UseDevelopmentEmulator=true\n$/u)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect(text.out.trim())
          yield* call(() => client.createSender("orders").sendMessages({ body: 1 }))
        })
      )
      child.kill("SIGTERM")
      assert.strictEqual(yield* call(() => ended), 0)
      assert.strictEqual(text.error, "")
    })
  )

  it.live("--help says how to use it", () =>
    Effect.gen(function* () {
      const { code, out } = yield* run(["--help"])
      assert.strictEqual(code, 0)
      for (const option of ["--config", "--port", "--host", "--help"]) assert.include(out, option)
    })
  )

  it.live("R10.1 a mistake ends it with 2 and names the path", () =>
    Effect.gen(function* () {
      const topics = yield* config({ Topics: [{ Name: "t" }] })
      const runs = yield* Effect.all(
        [run(["--config", topics]), run(["--port", "http"]), run(["--prot", "1"])],
        { concurrency: 3 }
      )
      assert.deepStrictEqual(
        runs.map(({ code }) => code),
        [2, 2, 2]
      )
      const [first, second, third] = runs
      assert.match(first.error, /UserConfig\.Namespaces\[0\]\.Topics: topics are out of scope/u)
      assert.match(second.error, /--port: must be a whole number/u)
      assert.match(third.error, /--prot/u)
    })
  )

  it.live("a port that is taken ends it with 1", () =>
    Effect.gen(function* () {
      const taken = createServer().listen(0, "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => taken.close()))
      yield* call(() => once(taken, "listening"))
      const address = taken.address()
      const port = typeof address === "object" ? String(address?.port) : ""
      const path = yield* config({})
      const { code, error } = yield* run(["--config", path, "--port", port])
      assert.strictEqual(code, 1)
      assert.include(error, `cannot listen on 127.0.0.1:${port}`)
    })
  )
})
