/**
 * `docs/LIMITS.md`, made from what the providers declare of their queues.
 *
 * @since 0.1.0
 */
import { Capabilities, type QueueError, QueueName, QueueProvider } from "@queue-runtime/core"
import { SqliteClient, SqliteProvider } from "@queue-runtime/example-provider"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Lexer from "./lexer.ts"
import * as Repository from "./repository.ts"

/**
 * The page.
 *
 * @category models
 * @since 0.1.0
 */
export const path = "docs/LIMITS.md"

const source = "packages/core/src/Capabilities.ts"

/**
 * A provider's queues without sessions and with them, as options leave them and as single options
 * make them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly provider: string
  readonly plain: ReadonlyArray<Variant>
  readonly ordered: ReadonlyArray<Variant>
}

/**
 * What a queue can do; the first variant of a column is by default, the others say what makes them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Variant {
  readonly when: string
  readonly capabilities: Capabilities.Capabilities
}

const plain = QueueName.makeUnsafe("plain")
const ordered = QueueName.makeUnsafe("ordered")

/** Asks one provider for the capabilities of queues it has. */
const ask = <A, E, R>(
  layer: Layer.Layer<QueueProvider.QueueProvider | A, E, R>,
  names: Readonly<Record<string, QueueName.QueueName>>,
  before: (context: Context.Context<A>) => Effect.Effect<unknown, E> = () => Effect.void
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const context = yield* Layer.build(layer)
      yield* before(context)
      const provider = Context.get(context, QueueProvider.QueueProvider)
      return Object.entries(names).map(([when, name]): Variant => ({
        when,
        capabilities: provider.capabilities(name)
      }))
    })
  )

const named = (name: string) => QueueName.makeUnsafe(name)

const memory = Effect.gen(function* () {
  const layer = MemoryProvider.layer({
    queues: {
      plain: {},
      ordered: { sessions: true },
      forgetful: { deduplicationWindow: 0 },
      "forgetful-ordered": { sessions: true, deduplicationWindow: 0 }
    }
  })
  const without = "with `deduplicationWindow: 0`"
  return {
    provider: "memory",
    plain: yield* ask(layer, { "": plain, [without]: named("forgetful") }),
    ordered: yield* ask(layer, { "": ordered, [without]: named("forgetful-ordered") })
  }
})

const sqs = Effect.gen(function* () {
  const { endpoint } = yield* SqsEmulator.make({
    queues: {
      plain: {},
      "plain-dlq": {},
      bare: {},
      "ordered.fifo": {},
      "ordered-dlq.fifo": {},
      "bare-ordered.fifo": {}
    }
  })
  const settings = { endpoint, region: "us-east-1" } as const
  const credentials = { _tag: "Keys", accessKeyId: "local", secretAccessKey: "local" } as const
  const letters = { name: "ordered-dlq.fifo" }
  const layer = AwsProvider.layer({
    ...settings,
    credentials,
    queues: {
      plain: { deadLetter: { name: "plain-dlq" } },
      text64: { name: "plain", deadLetter: { name: "plain-dlq" }, bodyEncoding: "base64" },
      bare: {},
      ordered: { name: "ordered.fifo", deadLetter: letters },
      "ordered-strict": { name: "ordered.fifo", deadLetter: letters, strict: true },
      ordered64: { name: "ordered.fifo", deadLetter: letters, bodyEncoding: "base64" },
      "bare-ordered": { name: "bare-ordered.fifo" }
    }
  })
  const base64 = 'with `bodyEncoding: "base64"`'
  const without = "without a dead-letter queue"
  return {
    provider: "AWS SQS",
    plain: yield* ask(layer, { "": plain, [base64]: named("text64"), [without]: named("bare") }),
    ordered: yield* ask(layer, {
      "": ordered,
      [base64]: named("ordered64"),
      [without]: named("bare-ordered"),
      "with `strict`": named("ordered-strict")
    })
  }
})

const serviceBus = Effect.gen(function* () {
  const deduplicating = { deduplicationWindow: "10 minutes" } as const
  const queues = {
    plain: {},
    ordered: { sessions: true },
    once: deduplicating,
    "once-ordered": { ...deduplicating, sessions: true }
  }
  const namespace = "acme.servicebus.windows.net"
  const standard = AzureProvider.layer({ namespace, queues })
  const premium = AzureProvider.layer({ namespace, queues, tier: "premium" })
  const onPremium = "on Premium"
  const once = "with a `deduplicationWindow`, here 10 minutes"
  return {
    provider: "Azure Service Bus",
    plain: [
      ...(yield* ask(standard, { "": plain, [once]: named("once") })),
      ...(yield* ask(premium, { [onPremium]: plain }))
    ],
    ordered: [
      ...(yield* ask(standard, { "": ordered, [once]: named("once-ordered") })),
      ...(yield* ask(premium, { [onPremium]: ordered }))
    ]
  }
})

const sqlite = Effect.gen(function* () {
  const layer = SqliteProvider.layer({ path: ":memory:" })
  const create = (context: Context.Context<SqliteClient.SqliteClient>) => {
    const { createQueue } = Context.get(context, SqliteClient.SqliteClient)
    return Effect.all([
      createQueue(plain),
      createQueue(ordered, { sessions: true }),
      createQueue(named("once"), { deduplication: true }),
      createQueue(named("once-ordered"), { deduplication: true, sessions: true })
    ])
  }
  const once = "with `deduplication`"
  return {
    provider: "SQLite (an example)",
    plain: yield* ask(layer, { "": plain, [once]: named("once") }, create),
    ordered: yield* ask(layer, { "": ordered, [once]: named("once-ordered") }, create)
  }
})

/**
 * What every provider of the repository declares. An SQS and nothing else is asked on the way: ours,
 * in this process.
 *
 * @category reading
 * @since 0.1.0
 */
export const columns: Effect.Effect<
  ReadonlyArray<Column>,
  QueueError.QueueError | SqsEmulator.StartFailed
> = Effect.scoped(Effect.all([memory, sqs, serviceBus, sqlite]))

type Key = keyof Capabilities.Capabilities

interface Field {
  readonly key: Key
  readonly what: string
}

const isKey = (name: string): name is Key => name in Capabilities.Capabilities.fields

/**
 * The fields in their order, each with the sentence that stands above it in `Capabilities`.
 *
 * @category reading
 * @since 0.1.0
 */
export const fields = (text: string): ReadonlyArray<Field> =>
  Lexer.comments(text).flatMap((comment) => {
    const [, key] = /^\s*(\w+): /u.exec(text.slice(comment.end)) ?? []
    if (key === undefined || !comment.text.startsWith("/**")) return []
    const what = comment.text
      .replace(/^\/\*\*|\*\/$/gu, "")
      .replaceAll(/^\s*\* ?/gmu, "")
      .replaceAll(/\{@link (\w+)\}/gu, "`Capabilities.$1`")
      .replaceAll(/\s+/gu, " ")
      .trim()
    return isKey(key) ? [{ key, what }] : []
  })

const whole = new Intl.NumberFormat("en-GB")

const units: ReadonlyArray<readonly [string, number]> = [
  ["MiB", 1_048_576],
  ["KiB", 1_024]
]

const size = (bytes: number): string => {
  const [unit, by] = units.find(([, one]) => bytes % one === 0) ?? ["", 0]
  return by === 0 ? `${whole.format(bytes)} B` : `${whole.format(bytes / by)} ${unit}`
}

const isSize = (key: Key): boolean => key.endsWith("SizeMax")

/** The limits of a feature say nothing where there is no such feature. */
const featureOf: Partial<Record<Key, "abandonDelay" | "deduplication" | "scheduling">> = {
  abandonDelayMax: "abandonDelay",
  deduplicationWindow: "deduplication",
  delayMax: "scheduling"
}

const nothing = "–"

const read = (key: Key, capabilities: Capabilities.Capabilities) =>
  key === "locksIdleSession" ? Capabilities.locksIdleSession(capabilities) : capabilities[key]

const valueOf = (key: Key, capabilities: Capabilities.Capabilities): string => {
  const feature = featureOf[key]
  if (feature !== undefined && !Capabilities.isSupported(capabilities[feature])) return nothing
  const value = read(key, capabilities)
  if (value === undefined) return "no limit"
  if (typeof value === "boolean") return value ? "yes" : "no"
  if (typeof value === "number") return isSize(key) ? size(value) : whole.format(value)
  return Duration.isDuration(value) ? Duration.format(value) : value
}

const cell = (key: Key, variants: ReadonlyArray<Variant>): string => {
  const [usual, ...others] = variants.map(({ capabilities, when }) => ({
    when,
    text: valueOf(key, capabilities)
  }))
  const different = others
    .filter(({ text }) => text !== usual?.text && text !== nothing)
    .map(({ text, when }) => `${text} ${when}`)
  const said = usual === undefined || usual.text === nothing ? [] : [usual.text]
  return [...said, ...different].join("; ") || nothing
}

/** What is said of sessions is for ordered queues. */
const ofSessions: ReadonlySet<Key> = new Set<Key>([
  "ordered",
  "sessions",
  "acceptSpecific",
  "locksEmptySession",
  "locksIdleSession",
  "sessionState"
])

const table = (
  all: ReadonlyArray<Field>,
  kind: "plain" | "ordered",
  providers: ReadonlyArray<Column>
): string => {
  const head = ["capability", ...providers.map(({ provider }) => provider)]
  const rows = all.map(({ key }) => [
    `\`${key}\``,
    ...providers.map((column) => cell(key, column[kind]))
  ])
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")
}

const meaning = ({ key, what }: Field): string =>
  `| \`${key}\` | ${what.replaceAll("|", String.raw`\|`)} |`

/**
 * What of a provider needs a sentence: the field, and how it is emulated. A test holds that nothing
 * emulated goes without one, and that none is left of what no longer is.
 *
 * @category models
 * @since 0.1.0
 */
export const emulations: Readonly<Record<string, Partial<Record<Key, string>>>> = {
  "AWS SQS": {
    sessions:
      "message groups, dealt out by one router in each process; exclusive across processes only while something is in flight ([Sessions on SQS](sessions-on-sqs.md))",
    acceptSpecific:
      "reserves the id in this process and receives until its group comes along, which costs other groups a receive count ([what it costs](sessions-on-sqs.md#accepting-a-session-by-its-id))",
    timeToLive:
      "the library puts the time on the message and, when it is received too late, drops or dead-letters it (`expired`)",
    deadLetter:
      "sent to the dead-letter queue with its reason, then removed: a crash between the two leaves it twice, never lost"
  },
  "Azure Service Bus": {
    abandonDelay:
      "held and renewed by this process, then abandoned: a crash shortens the delay to what is left of the lock ([After a failure](sessions-on-service-bus.md#after-a-failure))"
  }
}

/**
 * The fields that a provider emulates on some queue.
 *
 * @category reading
 * @since 0.1.0
 */
export const emulated = ({ ordered: sessions, plain: without }: Column): ReadonlyArray<string> => {
  const found = [...sessions, ...without].flatMap(({ capabilities }) =>
    Object.entries(capabilities).flatMap(([key, value]) => (value === "emulated" ? [key] : []))
  )
  return [...new Set(found)].toSorted()
}

const emulationsOf = ({ provider }: Column): ReadonlyArray<string> =>
  Object.entries(emulations[provider] ?? {}).map(
    ([key, how]) => `| ${provider} | \`${key}\` | ${how} |`
  )

/**
 * The page's text.
 *
 * @category rendering
 * @since 0.1.0
 */
export const page = (providers: ReadonlyArray<Column>): string => {
  const all = fields(Repository.read(source).text)
  return `# Limits

<!-- Generated from what the providers declare by \`npm run --silent codegen\`. -->

What a queue of each provider can do, as its [\`Capabilities\`](../${source}) say in a running program: \`client.capabilities(queue)\`. The contract compares what is declared with what is done. \`native\` is done by the service, \`emulated\` by the library, \`unsupported\` not at all: asking for it fails with \`UnsupportedOperation\` before anything is sent. Values are those of a queue with default options; what an option changes stands behind the semicolon.

1 KiB is 1,024 bytes, 1 MiB 1,048,576. Other bounds (buffers, caches, waits) and every default are in [\`Defaults\`](../packages/core/src/Defaults.ts), settings in [Configuration](configuration.md).

## Queues without order

${table(
  all.filter(({ key }) => !ofSessions.has(key)),
  "plain",
  providers
)}

## Ordered queues

With sessions switched on: a queue with sessions of Service Bus, a FIFO queue of SQS.

${table(all, "ordered", providers)}

## What each capability means

| capability | what it is |
|---|---|
${all.map(meaning).join("\n")}

## How what is emulated works

| provider | capability | how |
|---|---|---|
${providers.flatMap(emulationsOf).join("\n")}
`
}
