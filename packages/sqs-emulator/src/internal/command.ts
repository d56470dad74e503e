/** The command: its flags, its configuration file, and its life until a signal ends it. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as SqsEmulator from "../SqsEmulator.ts"

/** The command was called wrongly, or its file is wrong: exit code 2. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

/** What `--help` prints. */
export const usage = `Usage: sqs-emulator [options]

An AWS SQS in memory, on a port of this machine.

  --port NUMBER   the port to listen on; a free one when left out
  --host NAME     the address to listen on; 127.0.0.1 when left out
  --config FILE   a JSON file: { "queues": { "orders.fifo": { "VisibilityTimeout": "60" } } }
                  and, if wanted, "region", "account", "seed", "inFlightMax", "deadSockets"
  --help          this text

It prints its endpoint and ends with SIGINT or SIGTERM.
`

const Config = Schema.fromJsonString(
  Schema.Struct({
    queues: Schema.optionalKey(
      Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.String))
    ),
    region: Schema.optionalKey(Schema.String),
    account: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^\d{12}$/u))),
    seed: Schema.optionalKey(Schema.String),
    inFlightMax: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
    deadSockets: Schema.optionalKey(Schema.Literals(["deliver", "forget"])),
    accessKeyIds: Schema.optionalKey(Schema.Array(Schema.String))
  })
)

const decodeConfig = Schema.decodeUnknownEffect(Config, { onExcessProperty: "error" })

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "unknown")

const usageError = (message: string): UsageError => new UsageError({ message })

const readConfig = (path: string) =>
  Effect.try({
    try: () => readFileSync(path, "utf8"),
    catch: (cause) => usageError(`--config: ${messageOf(cause)}`)
  }).pipe(
    Effect.flatMap(decodeConfig),
    Effect.catchTag("SchemaError", ({ message }) =>
      Effect.fail(usageError(`--config ${path}: ${message}`))
    )
  )

const portOf = (text: string): Effect.Effect<number, UsageError> => {
  const port = Number(text)
  return /^\d{1,5}$/u.test(text) && port < 65_536
    ? Effect.succeed(port)
    : Effect.fail(usageError(`--port: "${text}" is no port`))
}

const flagsOf = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        args: [...args],
        options: {
          port: { type: "string" },
          host: { type: "string" },
          config: { type: "string" },
          help: { type: "boolean" }
        }
      }).values,
    catch: (cause) => usageError(messageOf(cause))
  })

/** The options that the arguments stand for, or nothing when help was asked for. */
export const parse = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { config, help, host, port } = yield* flagsOf(args)
  if (help === true) return undefined
  const options: SqsEmulator.Options = {
    ...(config === undefined ? {} : yield* readConfig(config)),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: yield* portOf(port) })
  }
  return options
})

/** Runs until it is interrupted; `write` gets what belongs on the standard output. */
export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  write: (text: string) => void
) {
  const options = yield* parse(args)
  if (options === undefined) return write(usage)
  const { endpoint } = yield* SqsEmulator.make(options)
  write(`sqs-emulator listens on ${endpoint}\n`)
  return yield* Effect.never
}, Effect.scoped)
