import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ask } from "./DashboardWorld.ts"
import * as processes from "./support/processes.ts"

const Started = Schema.fromJsonString(Schema.Struct({ url: Schema.String, link: Schema.String }))
const decodeStarted = Schema.decodeUnknownSync(Started)

const configuration = "provider: memory\nmemory:\n  queues:\n    mails: {}\n"

/** A directory of its own, gone with the scope. */
const place = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "queue-dashboard-"))),
    (cwd) => Effect.sync(() => rmSync(cwd, { recursive: true }))
  ),
  (cwd): processes.Where => {
    writeFileSync(join(cwd, "queue-runtime.yaml"), configuration)
    return { cwd, environment: {} }
  }
)

const flags = ["--memory-file", "messages.ndjson", "-q", "mails"]

describe("queue-runtime dashboard", () => {
  it.live("prints where it is as JSON, serves, and ends when it is told to", () =>
    Effect.gen(function* () {
      const where = yield* place
      const started = yield* processes.start(where, ["dashboard", ...flags, "--interval", "500ms"])
      const line = yield* processes.until(
        "the address",
        () =>
          started
            .output()
            .split("\n")
            .find((text) => text.startsWith("{")),
        () => started.output() + started.error()
      )
      const { link, url } = decodeStarted(line)
      assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}$/u)
      assert.strictEqual((yield* ask(url, "/")).status, 401)
      const { pathname, search } = new URL(link)
      assert.strictEqual((yield* ask(url, pathname + search)).status, 303)
      started.child.kill("SIGINT")
      const { code, error } = yield* started.ended
      assert.strictEqual(code, 130)
      assert.include(error, "open this address in a browser")
    }).pipe(Effect.scoped)
  )

  it.live("at a terminal shows the address, with the token that the environment gives", () =>
    Effect.gen(function* () {
      const where = yield* place
      const environment = { ...where.environment, QUEUE_DASHBOARD_TOKEN: "sixteen-letters!" }
      const terminal = yield* processes.atTerminal({ ...where, environment }, [
        "dashboard",
        ...flags
      ])
      yield* terminal.shows(/http:\/\/127\.0\.0\.1:\d+\/\?token=sixteen-letters!/u)
      yield* terminal.type(processes.ctrlC)
      assert.strictEqual((yield* terminal.ended).code, 130)
    }).pipe(Effect.scoped)
  )

  it.live("R10.1 wrong input is told, and nothing is served", () =>
    Effect.gen(function* () {
      const where = yield* place
      const short = {
        ...where,
        environment: { ...where.environment, QUEUE_DASHBOARD_TOKEN: "short" }
      }
      const weak = yield* processes.run(short, ["dashboard", ...flags])
      assert.include(weak.error, "token: must have at least 16 characters")
      assert.notInclude(weak.error, "short")
      assert.strictEqual(weak.output, "")
      assert.notStrictEqual(weak.code, 0)
      const port = yield* processes.run(where, ["dashboard", ...flags, "--port", "70000"])
      assert.include(port.error, "a port, 0 to 65535")
      assert.strictEqual(port.code, 2)
    }).pipe(Effect.scoped)
  )
})
