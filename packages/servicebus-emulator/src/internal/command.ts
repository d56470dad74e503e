/** The command `servicebus-emulator`. */
import { parseArgs } from "node:util"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as ConfigFile from "../ConfigFile.ts"
import { ConfigurationInvalid, type ListenFailed } from "../EmulatorError.ts"
import * as ServiceBusEmulator from "../ServiceBusEmulator.ts"

/** The port of AMQP, which clients expect when a connection string names none. */
const amqpPort = 5672

const help = `servicebus-emulator: queues of Azure Service Bus on this machine, for development.

  --config <file>  queues, as in the config.json of Microsoft's emulator (default: config.json)
  --port <port>    where to listen; 0 for any free port (default: ${amqpPort})
  --host <host>    on which address (default: 127.0.0.1)
  --help           this text

It prints the connection string and runs until it is stopped. Messages are not kept.`

const options = {
  config: { type: "string", default: "config.json" },
  port: { type: "string", default: String(amqpPort) },
  host: { type: "string", default: "127.0.0.1" },
  help: { type: "boolean", default: false }
} as const

const wrong = (path: string, detail: string): ConfigurationInvalid =>
  new ConfigurationInvalid({ path, detail })

const parse = (args: ReadonlyArray<string>) =>
  Effect.try({
    try: () => parseArgs({ args: [...args], options }).values,
    catch: (cause) => wrong("arguments", cause instanceof Error ? cause.message : String(cause))
  })

const portOf = (text: string): Effect.Effect<number, ConfigurationInvalid> => {
  const port = /^\d+$/u.test(text) ? Number(text) : Number.NaN
  return port <= 65_535
    ? Effect.succeed(port)
    : Effect.fail(wrong("--port", "must be a whole number from 0 to 65535"))
}

/** Runs until it is interrupted; the text of `--help` is all it then does. */
export const run: (
  args: ReadonlyArray<string>
) => Effect.Effect<void, ConfigurationInvalid | ListenFailed> = Effect.fnUntraced(function* (args) {
  const values = yield* parse(args)
  if (values.help) return yield* Console.log(help)
  const port = yield* portOf(values.port)
  const queues = yield* ConfigFile.read(values.config)
  return yield* ServiceBusEmulator.make({ host: values.host, port, queues }).pipe(
    Effect.tap((emulator) => Console.log(emulator.connectionString)),
    Effect.andThen(Effect.never),
    Effect.scoped
  )
})

/** The exit code of an error: 2 when the one who called made a mistake, else 1. */
export const exitCode = (error: ConfigurationInvalid | ListenFailed): number =>
  error._tag === "ConfigurationInvalid" ? 2 : 1
