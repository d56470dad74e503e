/**
 * The commands, their flags and their help: the one file that knows Effect's command line.
 *
 * @since 0.1.0
 */
import { type QueueError, QueueName, Settings } from "@queue-runtime/core"
import * as Argument from "effect/cli/Argument"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as dashboard from "./commands/dashboard.ts"
import { readFileSync } from "node:fs"
import * as dlq from "./commands/dlq.ts"
import * as emulate from "./commands/emulate.ts"
import * as health from "./commands/health.ts"
import * as receive from "./commands/receive.ts"
import * as send from "./commands/send.ts"
import * as sessions from "./commands/sessions.ts"
import * as stats from "./commands/stats.ts"
import * as ConfigFile from "./ConfigFile.ts"
import * as Confirm from "./Confirm.ts"
import { Diagnostics } from "./Diagnostics.ts"
import * as Doctor from "./Doctor.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Queues from "./Queues.ts"
import * as QueueStack from "./QueueStack.ts"

const name = "queue-runtime"

const decodeManifest = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
)

const { version } = decodeManifest(
  readFileSync(new URL("../package.json", import.meta.url), "utf8")
)

const units: Readonly<Record<string, string>> = {
  ms: "millis",
  s: "seconds",
  m: "minutes",
  h: "hours",
  d: "days"
}

/** A time from now that no clock reaches is a slip of the keys. */
const longest = Duration.days(36_500)

/** `30s`, `5m`, `30 seconds`. */
const toDuration = (text: string): Duration.Duration => {
  const [, amount = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/u.exec(text.trim()) ?? []
  const parsed = Schema.decodeUnknownOption(Schema.DurationFromString)(
    `${amount} ${units[unit] ?? unit}`
  )
  const wanted = "a duration: 500ms, 30s, 5m, 2h, 1d"
  const found = Option.getOrThrowWith(parsed, () => new Error(wanted))
  if (Duration.isGreaterThan(found, longest)) throw new Error(`${wanted}; at most 36500d`)
  return found
}

const duration = (flag: string) =>
  Flag.String(flag).pipe(
    Flag.withMetavar("DURATION"),
    Flag.mapTryCatch(toDuration, (cause) => (cause instanceof Error ? cause.message : "a duration"))
  )

const interval = (orElse: Duration.Duration) =>
  duration("interval").pipe(
    Flag.filter(
      (between) => Duration.isGreaterThanOrEqualTo(between, Duration.millis(100)),
      () => "a duration of at least 100ms"
    ),
    Flag.withDescription("Between two looks"),
    Flag.withDefault(orElse)
  )

const text = (flag: string, metavar: string) => Flag.String(flag).pipe(Flag.withMetavar(metavar))

const orUndefined = <A>(flag: Flag.Flag<A>) =>
  flag.pipe(Flag.optional, Flag.map(Option.getOrUndefined))

/** The first `=` ends the name; a value may be empty, and have one in it. */
const toPair = (pair: string): readonly [string, string] => {
  const at = pair.indexOf("=")
  if (at < 1) throw new Error("NAME=VALUE")
  return [pair.slice(0, at), pair.slice(at + 1)]
}

const pairs = (flag: string) =>
  text(flag, "NAME=VALUE").pipe(
    Flag.mapTryCatch(toPair, () => "NAME=VALUE, as in team=blue"),
    Flag.atLeast(0),
    Flag.map((all): Readonly<Record<string, string>> => Object.fromEntries(all))
  )

const no = (flag: string) => Flag.Boolean(flag).pipe(Flag.withDefault(false))

const numberFrom = (flag: string, least: number) =>
  Flag.Int(flag).pipe(
    Flag.filter(
      (number) => number >= least,
      () => `a number of at least ${least}`
    ),
    Flag.withMetavar("NUMBER")
  )

const portFlag = Flag.Int("port").pipe(
  Flag.filter(
    (port) => port >= 0 && port <= 65_535,
    () => "a port, 0 to 65535"
  ),
  Flag.withMetavar("NUMBER"),
  Flag.withDescription("The port; 0 for a free one"),
  Flag.withDefault(0)
)

const shared = {
  queues: text("queue", "QUEUE").pipe(
    Flag.withAlias("q"),
    Flag.withDescription(
      "The queue (QUEUE_NAME); stats, watch, health, doctor and dashboard take several"
    ),
    Flag.atLeast(0)
  ),
  provider: text("provider", "NAME").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("azure-service-bus, aws-sqs or memory (QUEUE_PROVIDER)"),
    orUndefined
  ),
  config: text("config", "FILE").pipe(
    Flag.withAlias("c"),
    Flag.withDescription("Configuration, JSON or YAML (QUEUE_CONFIG_FILE, ./queue-runtime.yaml)"),
    orUndefined
  ),
  memoryFile: text("memory-file", "FILE").pipe(
    Flag.withDescription("Where the memory provider keeps its messages between calls"),
    orUndefined
  ),
  ordered: no("ordered").pipe(
    Flag.withDescription("The queue has sessions (Service Bus) or is FIFO (SQS)")
  ),
  raw: no("raw").pipe(Flag.withDescription("Leave sealed bodies as they are")),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription(
      "JSON, one line a result; --no-json tables. Default: tables on a terminal"
    ),
    orUndefined
  ),
  yes: no("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDescription("Do not ask before something is destroyed")
  )
}

const root = Command.make(name).pipe(Command.withSharedFlags(shared))

type Shared = Effect.Success<typeof root>

const logged = (output: Output.Service) =>
  Logger.layer([
    Logger.make(({ cause, logLevel, message }) => {
      const words = Array.isArray(message) ? message.map(String).join(" ") : String(message)
      const why = cause.reasons.length === 0 ? "" : `: ${Cause.pretty(cause)}`
      const colour = logLevel === "Error" ? output.errorStyle.red : output.errorStyle.yellow
      Effect.runFork(output.say(`${colour(logLevel.toLowerCase())}: ${words}${why}`))
    })
  ])

const outputOf = ({ json }: Shared) =>
  Effect.map(Output.Surroundings, (surroundings) =>
    Output.make(surroundings, json === undefined ? {} : { json })
  )

/** The settings of a call, read once. */
const settle = Effect.fnUntraced(function* (given: Shared) {
  const surroundings = yield* Output.Surroundings
  const found = yield* ConfigFile.load(surroundings.environment, {
    path: given.config,
    provider: given.provider
  })
  const settings = yield* Effect.provide(Settings.read, ConfigProvider.layer(found.configuration))
  const named = given.queues.length > 0 ? given.queues : Option.toArray(settings.queue)
  const queues = yield* Effect.forEach(new Set(named), (queue) =>
    Queues.parse(queue, given.ordered)
  )
  return { found, settings, queues }
})

/** Runs with the queues open; every queue of the configuration where none is named. */
const opened = <E, R>(
  use: (
    queues: ReadonlyArray<QueueName.QueueName>,
    given: Shared
  ) => Effect.Effect<void, E, R | Output.Output | QueueStack.Services>,
  orElse?: (error: QueueError.QueueError) => Effect.Effect<void, E, Output.Output>
) =>
  Effect.gen(function* () {
    const given = yield* root
    const output = yield* outputOf(given)
    const call = Effect.gen(function* () {
      const { found, queues, settings } = yield* settle(given)
      const stack = QueueStack.layer({
        provider: found.provider,
        queues,
        settings,
        memoryFile: given.memoryFile,
        isRaw: given.raw
      })
      const built = Layer.build(stack).pipe(
        Effect.provide(ConfigProvider.layer(found.configuration))
      )
      const services = yield* Effect.result(built)
      if (Result.isFailure(services)) {
        return yield* orElse === undefined
          ? Effect.fail(services.failure)
          : orElse(services.failure)
      }
      const program = Effect.flatMap(Diagnostics, ({ queues: configured }) =>
        use(queues.length === 0 ? configured : queues.map(({ name: one }) => one), given)
      )
      return yield* Effect.provideContext(program, services.success)
    })
    return yield* call.pipe(
      Effect.scoped,
      Effect.provide(logged(output)),
      Effect.provideService(Output.Output, output)
    )
  })

/** More would hide the question. */
const shownMax = 10

const which = (queues: ReadonlyArray<QueueName.QueueName>): Failure.Failure => {
  const names = queues.slice(0, shownMax).join(", ")
  const more = queues.length > shownMax ? ", …" : ""
  return Failure.usage(
    queues.length === 0 ? "which queue?" : `which queue? one of ${names}${more}`,
    "--queue NAME, or QUEUE_NAME"
  )
}

/** Runs with one queue. */
const onOne = <E, R>(
  use: (
    queue: QueueName.QueueName,
    given: Shared
  ) => Effect.Effect<void, E, R | Output.Output | QueueStack.Services>
) =>
  opened<E | Failure.Failure, R>((queues, given) => {
    const [queue, ...more] = queues
    return queue === undefined || more.length > 0 ? Effect.fail(which(queues)) : use(queue, given)
  })

/** Runs with one queue or more. */
const onSome = <E, R>(
  use: (
    queues: ReadonlyArray<QueueName.QueueName>
  ) => Effect.Effect<void, E, R | Output.Output | QueueStack.Services>
) =>
  opened<E | Failure.Failure, R>((queues) =>
    queues.length === 0 ? Effect.fail(which(queues)) : use(queues)
  )

const sendCommand = Command.make(
  "send",
  {
    body: Argument.String("body").pipe(
      Argument.withDescription("The body; absent: --file, or the standard input"),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    ),
    file: text("file", "FILE").pipe(Flag.withDescription("The body is in this file"), orUndefined),
    ndjson: text("ndjson", "FILE").pipe(
      Flag.withDescription("Many messages, a line of JSON each; - is the standard input"),
      orUndefined
    ),
    attributes: pairs("attribute").pipe(
      Flag.withAlias("a"),
      Flag.withDescription("An attribute; may be given again")
    ),
    session: text("session", "ID").pipe(
      Flag.withAlias("s"),
      Flag.withDescription("The session, or message group"),
      orUndefined
    ),
    id: text("id", "ID").pipe(
      Flag.withDescription("The message id; absent: a new one"),
      orUndefined
    ),
    correlation: text("correlation", "ID").pipe(
      Flag.withDescription("The correlation id"),
      orUndefined
    ),
    contentType: text("content-type", "TYPE").pipe(
      Flag.withDescription("The media type of the body"),
      orUndefined
    ),
    delay: duration("delay").pipe(
      Flag.withDescription("Not delivered before this long from now"),
      orUndefined
    ),
    timeToLive: duration("ttl").pipe(
      Flag.withDescription("Not delivered when older than this"),
      orUndefined
    )
  },
  (input) => onOne((queue) => send.run(queue, input))
).pipe(
  Command.withDescription("Send a message, or many"),
  Command.withExamples([
    { command: `${name} send -q orders '{"id":1}' --attribute team=blue` },
    { command: `${name} send -q events --session pr-7 --file body.json` },
    { command: `${name} send -q orders --ndjson messages.ndjson` }
  ])
)

const max = (orElse: number) =>
  numberFrom("max", 1).pipe(
    Flag.withDefault(orElse),
    Flag.withAlias("n"),
    Flag.withDescription("At most so many")
  )

const dead = no("dead-letters").pipe(
  Flag.withAlias("d"),
  Flag.withDescription("The dead letters of the queue")
)

const session = text("session", "ID").pipe(
  Flag.withAlias("s"),
  Flag.withDescription("This session alone"),
  orUndefined
)

const receiveCommand = Command.make(
  "receive",
  {
    max: max(10),
    wait: duration("wait").pipe(
      Flag.withDescription("How long to wait for the first one (QUEUE_RECEIVE_TIMEOUT_SECONDS)"),
      orUndefined
    ),
    settlement: Flag.Literals("then", ["abandon", "complete", "dead-letter"]).pipe(
      Flag.withDescription("What becomes of them: given back, removed, or put aside"),
      Flag.withDefault("abandon" as const)
    ),
    reason: text("reason", "WORD").pipe(
      Flag.withDescription("Of what is put aside"),
      Flag.withDefault("Operator")
    ),
    session,
    isDead: dead
  },
  (input) =>
    onOne((queue, { yes }) =>
      Effect.andThen(
        input.settlement === "complete"
          ? Confirm.confirm(
              input.max === 1
                ? `Remove a message from ${queue} for good?`
                : `Remove up to ${input.max} messages from ${queue} for good?`,
              { yes }
            )
          : Effect.void,
        receive.run(queue, input)
      )
    )
).pipe(
  Command.withDescription(
    "Receive messages, show them, and give them back, remove them or put them aside"
  ),
  Command.withExamples([
    { command: `${name} receive -q orders --max 5` },
    { command: `${name} receive -q orders --then complete --yes --json > taken.ndjson` },
    { command: `${name} receive -q events --session pr-7 --then dead-letter --reason Poison` }
  ])
)

const mayReceive = no("receive").pipe(
  Flag.withDescription("Where nothing can be looked at (SQS): receive and give back, which counts")
)

const peekCommand = Command.make(
  "peek",
  {
    max: max(20),
    from: numberFrom("from", 0).pipe(
      Flag.withDescription("From this sequence number on"),
      Flag.withDefault(0),
      Flag.map(BigInt)
    ),
    session,
    isDead: dead,
    mayReceive
  },
  (input) => onOne((queue) => receive.peek(queue, input))
).pipe(
  Command.withDescription("Look at messages without receiving them"),
  Command.withExamples([
    { command: `${name} peek -q orders` },
    { command: `${name} peek -q orders --dead-letters --json | jq .deadLetter.reason` }
  ])
)

const statsCommand = Command.make("stats", {}, () => onSome(stats.run)).pipe(
  Command.withDescription("What queues hold"),
  Command.withExamples([{ command: `${name} stats -q orders -q invoices` }])
)

const watchCommand = Command.make(
  "watch",
  {
    interval: interval(Duration.seconds(2)),
    count: numberFrom("count", 1).pipe(
      Flag.withDescription("Looks before it ends; absent: until Ctrl-C"),
      orUndefined
    )
  },
  (input) => onSome((queues) => stats.watch(queues, input))
).pipe(
  Command.withDescription("What queues hold, again and again, and how fast it changes"),
  Command.withExamples([{ command: `${name} watch -q orders --interval 5s` }])
)

const selected = {
  ids: Argument.String("id").pipe(
    Argument.withDescription("Ids, as list shows them"),
    Argument.variadic()
  ),
  all: no("all").pipe(Flag.withDescription("All of them")),
  reason: text("reason", "REASON").pipe(Flag.withDescription("Those with this reason"), orUndefined)
}

const edits = {
  set: pairs("set").pipe(Flag.withDescription("Set an attribute; may be given again")),
  unset: text("unset", "NAME").pipe(
    Flag.withDescription("Remove an attribute; may be given again"),
    Flag.atLeast(0)
  ),
  rate: Flag.Finite("rate").pipe(
    Flag.filter(
      (rate) => rate > 0,
      () => "a number above 0"
    ),
    Flag.withMetavar("NUMBER"),
    Flag.withDescription("At most so many a second"),
    orUndefined
  )
}

const dryRun = no("dry-run").pipe(
  Flag.withDescription("Say what would be done, and change nothing")
)

const listLetters = Command.make("list", { max: max(50), reason: selected.reason }, (input) =>
  onOne((queue) => dlq.list(queue, input))
).pipe(Command.withDescription("List dead letters"))

const showLetter = Command.make(
  "show",
  { id: Argument.String("id").pipe(Argument.withDescription("As list shows it")) },
  ({ id }) => onOne((queue) => dlq.show(queue, id))
).pipe(Command.withDescription("Show one with everything that is known of it"))

const replayLetters = Command.make(
  "replay",
  {
    ...selected,
    ...edits,
    dryRun,
    keepCount: no("keep-count").pipe(
      Flag.withDescription("Count the deliveries before the replay too")
    ),
    to: text("to", "QUEUE").pipe(
      Flag.withDescription("Send them to this queue instead"),
      orUndefined
    )
  },
  ({ to, ...input }) =>
    onOne(
      Effect.fnUntraced(function* (queue) {
        const target = to === undefined ? undefined : yield* QueueName.make(to)
        yield* dlq.replay(queue, { ...input, to: target })
      })
    )
).pipe(
  Command.withDescription("Send dead letters again"),
  Command.withExamples([
    { command: `${name} dlq replay -q orders --all --dry-run` },
    { command: `${name} dlq replay -q orders --reason Timeout --rate 50 --set retried=yes` }
  ])
)

const purgeLetters = Command.make(
  "purge",
  {
    ...selected,
    olderThan: duration("older-than").pipe(
      Flag.withDescription("Only those put aside longer ago than this"),
      orUndefined
    ),
    dryRun
  },
  (input) => onOne((queue, { yes }) => dlq.purge(queue, { ...input, yes }))
).pipe(
  Command.withDescription("Remove dead letters for good"),
  Command.withExamples([{ command: `${name} dlq purge -q orders --all --older-than 30d` }])
)

const exportLetters = Command.make(
  "export",
  {
    path: Argument.String("file").pipe(
      Argument.withDescription("Where to; absent: the standard output"),
      Argument.withDefault("-")
    ),
    reason: selected.reason
  },
  (input) => onOne((queue, { yes }) => dlq.exportTo(queue, { ...input, yes }))
).pipe(
  Command.withDescription("Write dead letters as lines of JSON; they stay where they are"),
  Command.withExamples([{ command: `${name} dlq export -q orders letters.ndjson` }])
)

const importLetters = Command.make(
  "import",
  {
    path: Argument.String("file").pipe(
      Argument.withDescription("What was exported; - is the standard input")
    ),
    ...edits
  },
  (input) => onOne((queue) => dlq.importFrom(queue, input))
).pipe(Command.withDescription("Send what was exported"))

const letterStats = Command.make("stats", {}, () => onOne(dlq.stats)).pipe(
  Command.withDescription("Sum up dead letters by reason, service and hour")
)

const dlqCommand = Command.make("dlq").pipe(
  Command.withDescription("Dead letters"),
  Command.withSubcommands([
    listLetters,
    showLetter,
    replayLetters,
    purgeLetters,
    exportLetters,
    importLetters,
    letterStats
  ])
)

const sessionsCommand = Command.make("sessions").pipe(
  Command.withDescription("Sessions, or message groups"),
  Command.withSubcommands([
    Command.make("list", { max: max(100), mayReceive }, (input) =>
      onOne((queue) => sessions.list(queue, input))
    ).pipe(Command.withDescription("List sessions that have messages"))
  ])
)

const healthCommand = Command.make("health", {}, () => onSome(() => health.run)).pipe(
  Command.withDescription("Whether queues can be used; ends with 5 when one cannot")
)

/** What the provider warns of as it starts, the doctor says himself. */
const doctorCommand = Command.make("doctor", {}, () =>
  opened<Failure.Failure, never>(health.doctor, (error) =>
    health.report([Doctor.unopened(error)])
  ).pipe(Effect.provideService(References.MinimumLogLevel, "Error"))
).pipe(
  Command.withDescription("What is wrong, and what to do; ends with 5 when something is"),
  Command.withExamples([{ command: `${name} doctor --provider aws-sqs -q orders` }])
)

const dashboardCommand = Command.make(
  "dashboard",
  {
    host: text("host", "NAME").pipe(
      Flag.withDescription("Where to listen; absent: 127.0.0.1, this machine alone"),
      orUndefined
    ),
    port: portFlag,
    allowedHosts: text("allow-host", "NAME").pipe(
      Flag.withDescription("Another name of this machine that a browser may ask for"),
      Flag.atLeast(0)
    ),
    interval: interval(Duration.seconds(5)),
    isReadOnly: no("read-only").pipe(Flag.withDescription("Nothing may be replayed or purged"))
  },
  (input) => onSome((queues) => dashboard.run(queues, input))
).pipe(
  Command.withDescription("A web page: what queues hold over time, and their dead letters"),
  Command.withExamples([
    { command: `${name} dashboard -q orders -q invoices` },
    { command: `${name} dashboard --port 8080 --read-only` }
  ])
)

const emulateCommand = Command.make(
  "emulate",
  {
    service: Argument.Literals("service", ["servicebus", "sqs"]),
    host: text("host", "NAME").pipe(
      Flag.withDescription("The address to listen on"),
      Flag.withDefault("127.0.0.1")
    ),
    port: portFlag,
    queues: text("make", "QUEUE").pipe(
      Flag.withDescription("A queue to make; may be given again"),
      Flag.atLeast(0)
    ),
    ordered: text("make-ordered", "QUEUE").pipe(
      Flag.withDescription("A queue to make with sessions, or FIFO; may be given again"),
      Flag.atLeast(0)
    ),
    deadLetters: Flag.Boolean("dead-letter-queues").pipe(
      Flag.withDescription("In SQS, a dead-letter queue beside each"),
      Flag.withDefault(true)
    )
  },
  (input) =>
    Effect.gen(function* () {
      const output = yield* outputOf(yield* root)
      return yield* Effect.provideService(emulate.run(input), Output.Output, output)
    })
).pipe(
  Command.withDescription("Start SQS or Service Bus in memory on this machine"),
  Command.withExamples([
    { command: `${name} emulate sqs --port 9324 --make orders --make-ordered events` }
  ])
)

const command = root.pipe(
  Command.withDescription("Look after queues on Azure Service Bus, AWS SQS or in memory"),
  Command.withSubcommands([
    sendCommand,
    receiveCommand,
    peekCommand,
    watchCommand,
    statsCommand,
    dlqCommand,
    sessionsCommand,
    healthCommand,
    doctorCommand,
    dashboardCommand,
    emulateCommand
  ])
)

const toFailure = (error: unknown): Failure.Failure | undefined =>
  Failure.isFailing(error) ? Failure.from(error) : undefined

const tell = Effect.fnUntraced(function* (failure: Failure.Failure, args: ReadonlyArray<string>) {
  const surroundings = yield* Output.Surroundings
  const isJson = args.includes("--json")
  const output = Output.make(surroundings, isJson ? { json: true } : {})
  const { code, hint, message, reason } = failure
  if (isJson) {
    const error = { code, exitCode: ExitCode.codes[code], reason, message, hint }
    return yield* output.say(JSON.stringify({ error }))
  }
  const { dim, red } = output.errorStyle
  const label = code === "nothing" ? dim("nothing there") : red("error")
  yield* output.say(`${label}: ${message}${hint === undefined ? "" : `\n${dim("→")} ${hint}`}`)
})

/** Errors of the call alone, and where its help is: the help itself would push them off the screen. */
const presenter = (args: ReadonlyArray<string>): CliOutput.Presenter => ({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    const lines = event.errors.map(({ message }) => message)
    const help = `${event.commandPath.join(" ")} --help says more`
    return tell(Failure.usage(lines.join("\n       "), help), args)
  }
})

/**
 * Runs a call and answers the code to end with; what failed was told.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  args: ReadonlyArray<string>
): Effect.Effect<number, never, Command.Environment> =>
  Command.runWith(command, { version })(args).pipe(
    Effect.as<number>(ExitCode.codes.ok),
    Effect.catch((error) => {
      const failure = toFailure(error)
      if (failure !== undefined) {
        return Effect.as(tell(failure, args), ExitCode.codes[failure.code])
      }
      return Effect.succeed(ExitCode.codes.usage)
    }),
    Effect.provide(CliOutput.layerPresenter(presenter(args))),
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )
