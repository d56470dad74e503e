import { assert, describe, it } from "@effect/vitest"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cli from "../src/Cli.ts"
import * as ExitCode from "../src/ExitCode.ts"
import * as Output from "../src/Output.ts"
import { captured } from "./support/captured.ts"
import * as processes from "./support/processes.ts"

const { atTerminal, ctrlC, lines, plain, run, start, until } = processes

/** A directory of its own, gone with the scope, and what is in it. */
const place = (files: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "queue-cli-"))),
      (cwd) => Effect.sync(() => rmSync(cwd, { recursive: true }))
    ),
    (cwd): processes.Where => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
      return { cwd, environment: {} }
    }
  )

const configuration = "provider: memory\nwait: 0 seconds\nmemory:\n  queues:\n    orders: {}\n"

const onMemory = place({
  "queue-runtime.yaml": configuration,
  "bad.yaml": "provider: memory\nmemory:\n  queues:\n    orders: { lockDuratoin: 5 seconds }\n",
  "broken.yaml": "provider: [memory",
  "secret.json": '{ "azure": { "connectionString": "SharedAccessKey=s3cret" '
})

const withEnvironment = (
  where: processes.Where,
  environment: Readonly<Record<string, string>>
) => ({
  ...where,
  environment
})

interface Wrong {
  readonly title: string
  readonly args: ReadonlyArray<string>
  readonly code: ExitCode.Name
  readonly says: RegExp
  readonly environment?: Readonly<Record<string, string>>
  /** Of the standard input. */
  readonly input?: string
}

const q = ["-q", "orders"]

const wrong: ReadonlyArray<Wrong> = [
  { title: "no command", args: [], code: "usage", says: /SUBCOMMANDS/u },
  {
    title: "an unknown command",
    args: ["sned"],
    code: "usage",
    says: /Unknown subcommand "sned"[^]*--help/u
  },
  {
    title: "an unknown flag",
    args: ["stats", "--fast"],
    code: "usage",
    says: /--fast[^]*queue-runtime stats --help/u
  },
  {
    title: "a number that is none",
    args: ["peek", ...q, "-n", "many"],
    code: "usage",
    says: /max/u
  },
  {
    title: "a number below one",
    args: ["peek", ...q, "-n", "0"],
    code: "usage",
    says: /at least 1/u
  },
  {
    title: "a duration without unit",
    args: ["receive", ...q, "--wait", "5"],
    code: "usage",
    says: /a duration: 500ms, 30s/u
  },
  {
    title: "a duration that is none",
    args: ["receive", ...q, "--wait", "5 parsecs"],
    code: "usage",
    says: /a duration: 500ms, 30s/u
  },
  {
    title: "no queue of two",
    args: ["peek"],
    code: "usage",
    says: /which queue\? one of one, two\n[^]*--queue NAME/u,
    environment: { QUEUE_MEMORY_QUEUES: '{"one":{},"two":{}}' }
  },
  {
    title: "two queues where one is meant",
    args: ["peek", ...q, "-q", "more"],
    code: "usage",
    says: /which queue\? one of orders, more/u
  },
  {
    title: "no look at all",
    args: ["watch", ...q, "--count", "0"],
    code: "usage",
    says: /--count[^]*at least 1/u
  },
  {
    title: "looks without a pause",
    args: ["watch", ...q, "--interval", "0s"],
    code: "usage",
    says: /--interval[^]*at least 100ms/u
  },
  {
    title: "a sequence number below zero",
    args: ["peek", ...q, "--from", "-1"],
    code: "usage",
    says: /--from[^]*at least 0/u
  },
  {
    title: "a delay that no clock reaches",
    args: ["send", ...q, "x", "--delay", "99999999999999d"],
    code: "usage",
    says: /--delay[^]*at most 36500d/u
  },
  {
    title: "an attribute without a value",
    args: ["send", ...q, "x", "-a", "team"],
    code: "usage",
    says: /--attribute: "team"\. Expected: NAME=VALUE/u
  },
  {
    title: "an attribute without a name",
    args: ["send", ...q, "x", "-a", "=blue"],
    code: "usage",
    says: /--attribute: "=blue"\. Expected: NAME=VALUE/u
  },
  {
    title: "a file of the memory provider for another one",
    args: ["send", ...q, "x", "--memory-file", "m.ndjson"],
    code: "usage",
    says: /--memory-file: is for the provider memory, and the provider is aws-sqs/u,
    environment: { QUEUE_PROVIDER: "aws" }
  },
  {
    title: "a file of the memory provider where none can be",
    args: ["stats", ...q, "--memory-file", "/nonexistent/m.ndjson"],
    code: "usage",
    says: /m\.ndjson\.lock cannot be written \(ENOENT\)\n/u
  },
  {
    title: "a queue's name that is none",
    args: ["peek", "-q", "a b"],
    code: "usage",
    says: /queueName/u
  },
  {
    title: "two bodies",
    args: ["send", ...q, "x", "--file", "y"],
    code: "usage",
    says: /two bodies/u
  },
  {
    title: "a file that is not there",
    args: ["send", ...q, "--file", "nowhere"],
    code: "usage",
    says: /nowhere: cannot be read \(ENOENT\)/u
  },
  {
    title: "lines of a file that is not there",
    args: ["send", ...q, "--ndjson", "nowhere"],
    code: "usage",
    says: /nowhere: cannot be read \(ENOENT\)/u
  },
  {
    title: "a message id that is none",
    args: ["send", ...q, "x", "--id", "ü"],
    code: "usage",
    says: /messageId/u
  },
  {
    title: "a queue that is not there",
    args: ["send", "-q", "nope", "x"],
    code: "notFound",
    says: /"nope"/u
  },
  {
    title: "an empty queue",
    args: ["receive", ...q],
    code: "nothing",
    says: /no message in orders/u
  },
  {
    title: "sessions of a queue without",
    args: ["sessions", "list", ...q],
    code: "unsupported",
    says: /has no sessions[^]*--ordered/u
  },
  {
    title: "a replay of nobody knows what",
    args: ["dlq", "replay", ...q],
    code: "usage",
    says: /which dead letters\?[^]*--all/u
  },
  {
    title: "a replay of two things",
    args: ["dlq", "replay", ...q, "id", "--all"],
    code: "usage",
    says: /which dead letters\?/u
  },
  {
    title: "an unknown provider",
    args: ["stats", ...q, "-p", "rabbit"],
    code: "usage",
    says: /QUEUE_PROVIDER: no provider "rabbit"; known: aws-sqs, azure-service-bus, memory/u
  },
  {
    title: "a misspelt setting in the file",
    args: ["stats", ...q, "-c", "bad.yaml"],
    code: "usage",
    says: /bad\.yaml: .*memory\.queues\.orders\.lockDuratoin/u
  },
  {
    title: "a file that is no YAML",
    args: ["stats", ...q, "-c", "broken.yaml"],
    code: "usage",
    says: /broken\.yaml:1:\d+: not YAML/u
  },
  {
    title: "a configuration that is not there",
    args: ["stats", ...q, "-c", "nowhere.yaml"],
    code: "usage",
    says: /nowhere\.yaml: cannot be read \(ENOENT\)/u
  },
  {
    title: "a wrong variable",
    args: ["stats", ...q],
    code: "usage",
    says: /QUEUE_MAX_RETRY_ATTEMPTS: must be a whole number from 1 to 100/u,
    environment: { QUEUE_MAX_RETRY_ATTEMPTS: "many" }
  },
  {
    title: "an SQS that nobody can reach",
    args: ["health", ...q],
    code: "problems",
    says: /not every queue can be used/u,
    environment: {
      QUEUE_PROVIDER: "aws",
      AWS_REGION: "eu-west-1",
      AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1",
      AWS_ACCESS_KEY_ID: "a",
      AWS_SECRET_ACCESS_KEY: "b",
      QUEUE_MAX_RETRY_ATTEMPTS: "1"
    }
  },
  {
    title: "a Service Bus that nobody can reach",
    args: ["peek", ...q],
    code: "unreachable",
    says: /ConnectionFailed[^]*port 5671/u,
    environment: {
      QUEUE_PROVIDER: "azure",
      QUEUE_MAX_RETRY_ATTEMPTS: "1",
      AZURE_SERVICE_BUS_CONNECTION_STRING:
        "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=n;SharedAccessKey=s3cret;UseDevelopmentEmulator=true"
    }
  },
  {
    title: "a connection string that is none",
    args: ["peek", ...q],
    code: "usage",
    says: /AZURE_SERVICE_BUS_CONNECTION_STRING/u,
    environment: { QUEUE_PROVIDER: "azure", AZURE_SERVICE_BUS_CONNECTION_STRING: "s3cret" }
  }
]

/** What needs a standard input, and so a process. */
const wrongInput: ReadonlyArray<Wrong> = [
  {
    title: "no body",
    args: ["send", ...q],
    code: "usage",
    says: /no body[^]*--file/u,
    input: ""
  },
  {
    title: "a line that is no message",
    args: ["send", ...q, "--ndjson", "-"],
    code: "usage",
    says: /line 2: no message[^]*bodyBase64/u,
    input: '{"body":"one"}\n{"body":2}\n{'
  },
  {
    title: "an import of what is none",
    args: ["dlq", "import", ...q, "-"],
    code: "failure",
    says: /the standard input: line 1: [^]*dlq export/u,
    input: "nonsense\n"
  }
]

/** Runs it in this process: a hundred times as fast, and most mistakes are seen before anything starts. */
const inProcess = Effect.fnUntraced(function* (
  { cwd, environment }: processes.Where,
  args: ReadonlyArray<string>
) {
  const { surroundings, written } = captured({ environment })
  const inPlace = args.map((arg) => (arg.endsWith(".yaml") ? join(cwd, arg) : arg))
  const isNamed = inPlace.some((arg, index) => arg !== args[index])
  const config = isNamed ? [] : ["--config", join(cwd, "queue-runtime.yaml")]
  const code = yield* Cli.run(args.length === 0 ? [] : [...inPlace, ...config]).pipe(
    Effect.provideService(Output.Surroundings, surroundings),
    Effect.provideService(Console.Console, {
      ...globalThis.console,
      log: (text: string) => void (written.output += text)
    }),
    Effect.provide(NodeServices.layer)
  )
  return { code, ...written }
})

describe("wrong input", () => {
  const judge = ({ code, says }: Wrong, ended: processes.Ended): void => {
    assert.strictEqual(ended.code, ExitCode.codes[code], ended.error)
    assert.match(ended.error + ended.output, says)
    assert.notInclude(ended.error + ended.output, "s3cret")
    assert.notMatch(ended.error, /\n {4}at /u)
  }

  it.live.each(wrong)("R10.1 $title is refused with its code and what to do", (one) =>
    Effect.gen(function* () {
      const where = withEnvironment(yield* onMemory, one.environment ?? {})
      judge(one, yield* inProcess(where, one.args))
    }).pipe(Effect.scoped)
  )

  it.live.each(wrongInput)("R10.1 $title is refused with its code and what to do", (one) =>
    Effect.gen(function* () {
      judge(one, yield* run(yield* onMemory, one.args, one.input))
    }).pipe(Effect.scoped)
  )

  it.live("R2.3 a broken file's text, which may be secret, is not shown", () =>
    Effect.gen(function* () {
      const ended = yield* run(yield* onMemory, ["stats", ...q, "-c", "secret.json"])
      assert.strictEqual(ended.code, 2)
      assert.match(ended.error, /secret\.json:1:\d+: not JSON/u)
      assert.notInclude(ended.error, "s3cret")
    }).pipe(Effect.scoped)
  )

  it.live("with --json a call that cannot be read is refused in JSON too", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      const ended = yield* inProcess(where, ["peek", "--json", ...q, "-n", "many"])
      assert.strictEqual(ended.code, 2)
      const failure: unknown = JSON.parse(ended.error)
      assert.deepNestedInclude(failure, {
        "error.code": "usage",
        "error.exitCode": 2,
        "error.hint": "queue-runtime peek --help says more"
      })
    }).pipe(Effect.scoped)
  )

  it.live("with --json the failure is JSON too", () =>
    Effect.gen(function* () {
      const ended = yield* run(yield* onMemory, ["receive", "--json", "-q", "nope"])
      const failure: unknown = JSON.parse(ended.error)
      assert.deepNestedInclude(failure, { "error.code": "notFound", "error.exitCode": 3 })
    }).pipe(Effect.scoped)
  )
})

describe("the order of settings", () => {
  it.live("R10.1 a flag wins over the environment, the environment over the file", () =>
    Effect.gen(function* () {
      const where = yield* place({
        "a.json":
          '{ "$schema": "x", "provider": "rabbit", "queue": "from-file", "aws": { "nonsense": 1 } }',
        "b.yaml":
          "provider: memory\nqueue: from-file\nmemory: { queues: { from-file: {}, from-environment: {}, from-flag: {} } }\n"
      })
      const named = (found: processes.Ended) => lines(found).map(({ queue }) => queue)
      const file = { QUEUE_CONFIG_FILE: "b.yaml" }
      assert.deepStrictEqual(named(yield* run(withEnvironment(where, file), ["stats"])), [
        "from-file"
      ])
      const both = withEnvironment(where, { ...file, QUEUE_NAME: "from-environment" })
      assert.deepStrictEqual(named(yield* run(both, ["stats"])), ["from-environment"])
      assert.deepStrictEqual(named(yield* run(both, ["stats", "-q", "from-flag"])), ["from-flag"])
      const provider = withEnvironment(where, {
        QUEUE_PROVIDER: "memory",
        QUEUE_MEMORY_QUEUES: '{"mine":{}}'
      })
      const found = yield* run(provider, ["stats", "-c", "a.json", "-q", "mine"])
      assert.deepStrictEqual(named(found), ["mine"], found.error)
    }).pipe(Effect.scoped)
  )

  it.live("R10.1 without a name every queue of the configuration is meant", () =>
    Effect.gen(function* () {
      const contents = "provider: memory\nmemory: { queues: { one: {}, two: {} } }\n"
      const where = yield* place({ "queue-runtime.yml": contents })
      const found = lines(yield* run(where, ["stats"]))
      assert.deepStrictEqual(
        found.map(({ queue }) => queue),
        ["one", "two"]
      )
    }).pipe(Effect.scoped)
  )
})

describe("what is named twice, partly, or emptily", () => {
  const file = ["--memory-file", "m.ndjson"]

  it.live("R10.2 dead letters that are named and not there are told of, the others are done", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      const bodies = ["a", "b", "c"].map((body) => JSON.stringify({ body })).join("\n")
      yield* run(where, ["send", ...q, ...file, "--ndjson", "-"], bodies)
      yield* run(where, ["receive", ...q, ...file, "--then", "dead-letter"])
      const list = run(where, ["dlq", "list", ...q, ...file])
      const [first, second] = lines(yield* list).map(({ id }) => String(id))
      assert(first !== undefined && second !== undefined)
      const replay = ["dlq", "replay", ...q, ...file]
      const some = yield* run(where, [...replay, first, "nobody", "none"])
      assert.strictEqual(some.code, 7, some.error)
      assert.match(
        some.error,
        /no dead letter "nobody", nor 1 more that you named, of orders; the others are done/u
      )
      const purge = ["dlq", "purge", ...q, ...file, "--yes", second]
      const young = yield* run(where, [...purge, "--older-than", "1d"])
      assert.strictEqual(young.code, 4, young.error)
      assert.match(young.error, /no dead letter of orders put aside long enough ago/u)
      assert.strictEqual((yield* run(where, purge)).code, 0)
      assert.lengthOf(lines(yield* list), 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "R7.1 letters that fail alike are one line, with their number and the first of them",
    () =>
      Effect.gen(function* () {
        const small = configuration.replace("memory:\n", "memory:\n  messageSizeMax: 2000\n")
        const where = yield* place({ "queue-runtime.yaml": small })
        const bodies = ["a", "b", "c", "d", "e"].map((body) => JSON.stringify({ body })).join("\n")
        yield* run(where, ["send", ...q, ...file, "--ndjson", "-"], bodies)
        yield* run(where, ["receive", ...q, ...file, "-n", "5", "--then", "dead-letter"])
        const big = `big=${"x".repeat(2_000)}`
        const replay = ["dlq", "replay", ...q, ...file, "--all", "--set", big]
        const told = yield* run(where, [...replay, "--no-json"])
        assert.strictEqual(told.code, 7, told.error)
        const [ids] = [lines(yield* run(where, ["dlq", "list", ...q, ...file]))]
        const named = ids.slice(0, 3).map(({ id }) => String(id))
        const grouped = told.error.split("\n").filter((line) => line.includes("MessageTooLarge:"))
        assert.lengthOf(grouped, 1, told.error)
        assert.match(
          grouped[0] ?? "",
          /^5 failed: .*MessageTooLarge: .* \(.*, .*, .* and 2 more\)$/u
        )
        for (const id of named) assert.include(grouped[0], id)
        assert.match(told.error, /5 of 5 failed \(5 × MessageTooLarge\) and stay dead letters/u)
        const json = lines(yield* run(where, replay)).filter(({ outcome }) => outcome === "failed")
        assert.lengthOf(json, 5)
      }).pipe(Effect.scoped)
  )

  it.live("an attribute's value may be empty, and may have an = in it", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      yield* run(where, ["send", ...q, ...file, "x", "-a", "query=a=b", "-a", "empty="])
      const [sent] = lines(yield* run(where, ["peek", ...q, ...file]))
      assert.deepStrictEqual(sent?.["attributes"], { query: "a=b", empty: "" })
    }).pipe(Effect.scoped)
  )

  it.live("a queue that is named twice is one", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      assert.lengthOf(lines(yield* run(where, ["stats", ...q, ...q])), 1)
      assert.strictEqual((yield* run(where, ["send", ...q, ...q, ...file, "x"])).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("a table that is watched is drawn over at a terminal alone", () =>
    Effect.gen(function* () {
      const args = ["watch", ...q, "--no-json", "--count", "2", "--interval", "100ms"]
      const ended = yield* run(yield* onMemory, args)
      assert.lengthOf(ended.output.match(/CHANGE\/S/gu) ?? [], 2)
      assert.notInclude(ended.output, "\u001B")
    }).pipe(Effect.scoped)
  )
})

describe("help", () => {
  it.live("says what there is, with examples, and completes in shells", () =>
    Effect.gen(function* () {
      const where = yield* place()
      const help = yield* run(where, ["dlq", "replay", "--help"])
      assert.strictEqual(help.code, 0)
      assert.match(help.output, /Send dead letters again[^]*--dry-run[^]*EXAMPLES[^]*--rate 50/u)
      for (const shell of ["bash", "zsh", "fish"]) {
        const script = yield* run(where, ["--completions", shell])
        assert.match(script.output, /queue-runtime[^]*doctor/u)
      }
      const version = yield* run(where, ["--version"])
      assert.match(version.output, /queue-runtime v\d+\.\d+\.\d+/u)
    }).pipe(Effect.scoped)
  )

  it.live("NO_COLOR is obeyed at a terminal, and FORCE_COLOR behind a pipe", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      const quiet = withEnvironment(where, { NO_COLOR: "1" })
      const atTty = yield* processes.runAtTerminal(quiet, ["stats", ...q])
      assert.match(atTty.text, /QUEUE/u)
      assert.isFalse(processes.isColoured(atTty.text))
      const forced = withEnvironment(where, { FORCE_COLOR: "1" })
      const behindPipe = yield* run(forced, ["stats", ...q, "--no-json"])
      assert.isTrue(processes.isColoured(behindPipe.output))
    }).pipe(Effect.scoped)
  )
})

describe("Ctrl-C and other ends", () => {
  it.live("R3.3 leaves no message locked that was received", () =>
    Effect.gen(function* () {
      const emulator = yield* SqsEmulator.make({ region: "us-east-1", queues: { orders: {} } })
      const where = withEnvironment(yield* place(), {
        QUEUE_PROVIDER: "aws-sqs",
        AWS_ENDPOINT_URL_SQS: emulator.endpoint,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "a",
        AWS_SECRET_ACCESS_KEY: "b"
      })
      // More than a pipe holds: without a reader the tool stops while it has the messages in hand.
      const body = "x".repeat(200_000)
      for (let sent = 0; sent < 2; sent++) {
        yield* run(where, ["send", ...q, "--ndjson", "-"], JSON.stringify({ body }))
      }
      const held = yield* start(where, ["receive", ...q, "-n", "2"], { isRead: false })
      const view = emulator.inspect("orders")
      yield* processes.untilEffect(
        "both in hand",
        Effect.map(view, (queue) => queue?.inFlight === 2)
      )
      held.child.kill("SIGINT")
      const ended = yield* held.ended
      assert.strictEqual(ended.code, 130, ended.error)
      const queue = yield* view
      assert.deepStrictEqual([queue?.visible, queue?.inFlight], [2, 0])
    }).pipe(Effect.scoped)
  )

  it.live("R3.3 ends a wait at once, with 130; SIGTERM with 143", () =>
    Effect.gen(function* () {
      const emulator = yield* SqsEmulator.make({ region: "us-east-1", queues: { orders: {} } })
      const where = withEnvironment(yield* place(), {
        QUEUE_PROVIDER: "aws-sqs",
        AWS_ENDPOINT_URL_SQS: emulator.endpoint,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "a",
        AWS_SECRET_ACCESS_KEY: "b"
      })
      const args = ["receive", ...q, "--wait", "10m"]
      const polls = Effect.map(emulator.calls, (calls) => calls["ReceiveMessage"] ?? 0)
      const more = (than: number) =>
        processes.untilEffect(
          "a poll",
          Effect.map(polls, (made) => made > than)
        )
      const terminal = yield* atTerminal(where, args)
      yield* more(0)
      yield* terminal.type(ctrlC)
      assert.strictEqual((yield* terminal.ended).code, 130)
      const before = yield* polls
      const piped = yield* start(where, args)
      yield* more(before)
      piped.child.kill("SIGTERM")
      assert.strictEqual((yield* piped.ended).code, 143)
    }).pipe(Effect.scoped)
  )

  it.live("ends the wait for a standard input that nobody closes", () =>
    Effect.gen(function* () {
      const options = { input: "x".repeat(1_000_000), isInputOpen: true }
      const piped = yield* start(yield* onMemory, ["send", ...q], options)
      // More than a pipe holds: what is written is being read.
      yield* until("a reader", () => piped.child.stdin.writableLength === 0)
      piped.child.kill("SIGINT")
      assert.strictEqual((yield* piped.ended).code, 130)
    }).pipe(Effect.scoped)
  )

  it.live("a question that is answered with Ctrl-C does nothing", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      const file = ["--memory-file", "m.ndjson"]
      yield* run(where, ["send", ...q, ...file, "kept"])
      const terminal = yield* atTerminal(where, ["receive", ...q, ...file, "--then", "complete"])
      yield* terminal.shows(/\(y\/N\)/u)
      yield* terminal.type(ctrlC)
      assert.strictEqual((yield* terminal.ended).code, 130)
      assert.lengthOf(lines(yield* run(where, ["peek", ...q, ...file])), 1)
    }).pipe(Effect.scoped)
  )
})

describe("long work", () => {
  it.live("shows a bar at a terminal, and says how many it was", () =>
    Effect.gen(function* () {
      const where = yield* onMemory
      const messages = Array.from({ length: 1_500 }, (_, index) =>
        JSON.stringify({ body: `message ${index}` })
      )
      writeFileSync(join(where.cwd, "many.ndjson"), messages.join("\n"))
      const args = ["send", ...q, "--ndjson", "many.ndjson", "--memory-file", "m.ndjson"]
      const { code, text } = yield* processes.runAtTerminal(where, args)
      assert.strictEqual(code, 0, text)
      assert.match(text, /sending 500/u)
      assert.match(plain(text), /sent 1500 to orders/u)
      const stored = readFileSync(join(where.cwd, "m.ndjson"), "utf8")
      assert.lengthOf(stored.trim().split("\n"), 1_501)
    }).pipe(Effect.scoped)
  )
})

describe("emulate", () => {
  const useful = (where: processes.Where, environment: unknown, send: ReadonlyArray<string>) => {
    assert(typeof environment === "object" && environment !== null)
    const set = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, String(value)])
    )
    return run(withEnvironment(where, set), ["send", ...send])
  }

  it.live("through pipes: an SQS that its variables lead to", () =>
    Effect.gen(function* () {
      const where = yield* place()
      const args = ["emulate", "sqs", "--make", "orders", "--make-ordered", "events"]
      const emulator = yield* start(where, args)
      const line = yield* until(
        "its address",
        () => emulator.output().split("\n", 1)[0] || undefined
      )
      const started: Record<string, unknown> = JSON.parse(line)
      const sent = yield* useful(where, started["environment"], [...q, "hello"])
      assert.strictEqual(sent.code, 0, sent.error)
      const ordered = ["-q", "events.fifo", "-s", "a", "hello"]
      assert.strictEqual((yield* useful(where, started["environment"], ordered)).code, 0)
      emulator.child.kill("SIGINT")
      assert.strictEqual((yield* emulator.ended).code, 130)
    }).pipe(Effect.scoped)
  )

  it.live("takes the name of a dead-letter queue beside its queue, in any order", () =>
    Effect.gen(function* () {
      const where = yield* place()
      const ordered = ["--make-ordered", "events", "--make-ordered", "events-dlq"]
      const args = ["emulate", "sqs", "--make", "orders-dlq", "--make", "orders", ...ordered]
      const emulator = yield* start(where, args)
      const line = yield* until(
        "its address",
        () => emulator.output().split("\n", 1)[0] || emulator.error() || undefined
      )
      const started: Record<string, unknown> = JSON.parse(line)
      for (const to of [
        ["-q", "orders-dlq", "hello"],
        ["-q", "events-dlq.fifo", "-s", "a", "x"]
      ]) {
        const sent = yield* useful(where, started["environment"], to)
        assert.strictEqual(sent.code, 0, sent.error)
      }
      emulator.child.kill("SIGINT")
      assert.strictEqual((yield* emulator.ended).code, 130)
    }).pipe(Effect.scoped)
  )

  it.live("at a terminal: a Service Bus that its exports lead to", () =>
    Effect.gen(function* () {
      const where = yield* place()
      const args = ["emulate", "servicebus", "--make", "orders", "--make-ordered", "events"]
      const terminal = yield* atTerminal(where, args)
      yield* terminal.shows(/Ctrl-C ends it/u)
      const exports = [...plain(terminal.text()).matchAll(/export (\w+)='([^']*)'/gu)]
      const environment = Object.fromEntries(
        exports.map(([, name = "", value = ""]) => [name, value])
      )
      const sent = yield* useful(where, environment, ["-q", "events", "--ordered", "-s", "a", "x"])
      assert.strictEqual(sent.code, 0, sent.error)
      yield* terminal.type(ctrlC)
      assert.strictEqual((yield* terminal.ended).code, 130)
    }).pipe(Effect.scoped)
  )

  it.live("wants to know which queues", () =>
    Effect.gen(function* () {
      const ended = yield* run(yield* place(), ["emulate", "sqs"])
      assert.deepStrictEqual([ended.code, /--make/u.test(ended.error)], [2, true])
    }).pipe(Effect.scoped)
  )
})
