import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Signature from "../src/Signature.ts"
import { bytes, example, headers, secret } from "./fixtures.ts"
import * as Redacted from "effect/Redacted"

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of this application; `onOutput` sees what it has written so far. */
const run = (
  file: "main.ts" | "demo.ts",
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
  onOutput: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void = () => {}
) =>
  Effect.callback<Ended>((resume) => {
    const path = fileURLToPath(new URL(`../src/${file}`, import.meta.url))
    const child = spawn(process.execPath, ["--conditions=@queue-runtime/source", path, ...args], {
      env: { PATH: process.env["PATH"] ?? "", ...env }
    })
    const written = { stdout: "", stderr: "" }
    child.stdout.on("data", (chunk: Buffer) => {
      written.stdout += chunk.toString()
      onOutput(written.stdout, (signal) => child.kill(signal))
    })
    child.stderr.on("data", (chunk: Buffer) => {
      written.stderr += chunk.toString()
    })
    child.on("close", (code) => resume(Effect.succeed({ code, ...written })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const oneLine = ({ code, stderr, stdout }: Ended, line: string) => {
  assert.strictEqual(stderr, `error: ${line}\n`)
  assert.strictEqual(stdout, "")
  assert.strictEqual(code, 1)
}

const limit = 30_000

describe("Program", () => {
  it.live(
    "R10.1 bad settings end it with one line and 1, before anything starts",
    () =>
      Effect.gen(function* () {
        oneLine(
          yield* run("main.ts", {}),
          "ConfigurationInvalid: WEBHOOK_SECRET: must be set to the secret of the webhook's settings on GitHub"
        )
        oneLine(
          yield* run("main.ts", { WEBHOOK_SECRET: "s", QUEUE_PROVIDER: "nonsense" }),
          'ConfigurationInvalid: QUEUE_PROVIDER: no provider "nonsense"; known: aws-sqs, azure-service-bus, memory'
        )
        oneLine(
          yield* run("demo.ts", { QUEUE_PROVIDER: "nonsense" }),
          'ConfigurationInvalid: QUEUE_PROVIDER: no provider "nonsense"; known: aws-sqs, azure-service-bus, memory'
        )
        const badName = yield* run("demo.ts", { QUEUE_NAME: "-x" })
        assert.match(
          badName.stderr,
          /^error: ConfigurationInvalid: QUEUE_NAME: must have [^\n]+\n$/u
        )
        assert.strictEqual(badName.code, 1)
        oneLine(
          yield* run("demo.ts", {}, ["--deliveries", "many"]),
          "ValidationFailed: --deliveries: must be a whole number from 100 to 10000"
        )
      }),
    limit
  )

  it.live(
    "R5.3 serves until SIGTERM, then ends with 0",
    () =>
      Effect.gen(function* () {
        const statuses: Array<number> = []
        const body = bytes(JSON.stringify(example("pull_request")))
        let isPosted = false
        const ended = yield* run(
          "main.ts",
          { WEBHOOK_SECRET: Redacted.value(secret), PORT: "0" },
          [],
          (stdout, kill) => {
            const url = /http:\/\/[\d.:]+\/webhooks/u.exec(stdout)?.[0]
            if (url === undefined || isPosted) return
            isPosted = true
            void fetch(url, {
              method: "POST",
              body: Buffer.from(body),
              headers: headers(body, "d-1")
            })
              .then(({ status }) => statuses.push(status))
              .finally(() => kill("SIGTERM"))
          }
        )
        assert.deepStrictEqual(statuses, [202])
        assert.strictEqual(ended.code, 0)
        assert.include(ended.stdout, "session worker ended")
        assert.notInclude(ended.stdout + ended.stderr, Redacted.value(secret))
        assert.notInclude(ended.stdout + ended.stderr, Signature.sign(secret, body))
      }),
    limit
  )

  it.live(
    "tells how to call the demo",
    () =>
      Effect.gen(function* () {
        const { code, stdout } = yield* run("demo.ts", {}, ["--help"])
        assert.strictEqual(code, 0)
        assert.include(stdout, "--seed")
      }),
    limit
  )
})
