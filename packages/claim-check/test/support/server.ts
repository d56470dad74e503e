import { spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect, type Scope } from "effect"

/** A folder of a test's own. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "blobs-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const { resolve } = createRequire(import.meta.url)

/** What it begins with: it ends with the tests, however these end. */
const endsWithTests = "process.stdin.resume().once('end', () => process.exit()); "

/** A program of a package, until the scope closes: the port that it says it listens on. */
const run = (args: ReadonlyArray<string>, listens: RegExp) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly stop: () => void }>((resume) => {
      const child = spawn(process.execPath, [...args], {
        env: { PATH: process.env["PATH"] ?? "" },
        stdio: ["pipe", "pipe", "pipe"]
      })
      let output = ""
      const onData = (chunk: Buffer): void => {
        output += chunk.toString()
        const port = listens.exec(output)?.[1]
        if (port === undefined) return
        child.stdout.removeAllListeners("data").resume()
        child.stderr.removeAllListeners("data").resume()
        resume(Effect.succeed({ port: Number(port), stop: () => child.kill("SIGKILL") }))
      }
      child.stdout.on("data", onData)
      child.stderr.on("data", onData)
      child.once("exit", (code) => {
        resume(Effect.die(new Error(`${args.join(" ")} ended with ${code}: ${output}`)))
      })
      return Effect.sync(() => child.kill("SIGKILL"))
    }),
    ({ stop }) => Effect.sync(stop)
  )

/** The account that Azurite has from the start, as its documentation says. */
const account = {
  name: "devstoreaccount1",
  key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
}

/** Azure Blob Storage: the connection string of its account. */
export const azurite = Effect.gen(function* () {
  const file = join(dirname(resolve("azurite/package.json")), "dist/src/blob/main.js")
  const args = ["--blobPort", "0", "--inMemoryPersistence", "--silent", "--disableTelemetry"]
  // It lags behind the SDK's version of the API.
  args.push("--skipApiVersionCheck")
  const program = `${endsWithTests}require(process.argv[1])`
  const { port } = yield* run(["-e", program, file, ...args], /successfully listens on \S+:(\d+)/u)
  const endpoint = `http://127.0.0.1:${port}/${account.name}`
  return [
    "DefaultEndpointsProtocol=http",
    `AccountName=${account.name}`,
    `AccountKey=${account.key}`,
    `BlobEndpoint=${endpoint}`
  ].join(";")
})

/**
 * What starts it; as published it brings no program of its own. It leaves the slash behind the name of a
 * bucket out of what it signs, which S3 does not, and makes its tokens of pages with DES.
 */
const s3Program =
  `${endsWithTests}const S3rver = require(process.argv[1]); ` +
  "new S3rver({ directory: process.argv[2], port: 0, silent: true, allowMismatchedSignatures: true })" +
  ".run()" +
  ".then(({ port }) => console.log(`listens on :${port}`))"

/** S3: its endpoint. Whoever has the key `S3RVER` with the secret `S3RVER` may do all. */
export const s3rver = Effect.gen(function* () {
  const directory = yield* folder
  const args = [
    "--openssl-legacy-provider",
    "-e",
    s3Program,
    resolve("@20minutes/s3rver"),
    directory
  ]
  const { port } = yield* run(args, /listens on :(\d+)/u)
  return `http://127.0.0.1:${port}`
})
