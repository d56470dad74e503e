/**
 * The file in which the memory provider's messages outlive the process: read when the broker starts,
 * written when it ends.
 *
 * **Details**
 *
 * One JSON object a line: the queues, then each message with its body in base64, its deliveries and when
 * the broker took it and as which number, and each dead letter with why, where from and when. A message that somebody held is
 * written as one that nobody holds. Session state, and which ids were seen, are not kept. The file is
 * replaced as a whole, so it is never half written.
 *
 * One process at a time has it: beside it lies `FILE.lock` with that process's id.
 *
 * @since 0.1.0
 */
import {
  Message,
  Options,
  QueueAddress,
  QueueError,
  QueueName,
  type QueueProvider,
  ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"

const QueueLine = Schema.TaggedStruct("Queue", {
  queue: QueueName.QueueName,
  sessions: Schema.Boolean
})

const MessageLine = Schema.TaggedStruct("Message", {
  queue: QueueName.QueueName,
  message: Message.Message,
  deliveryCount: Schema.Int,
  enqueuedAt: Schema.DateTimeUtc,
  sequenceNumber: Schema.optionalKey(Schema.Int),
  deadLetter: Schema.optionalKey(ReceivedMessage.DeadLetterInfo)
})

type MessageLine = typeof MessageLine.Type

const Line = Schema.fromJsonString(Schema.toCodecJson(Schema.Union([QueueLine, MessageLine])))

const decode = Schema.decodeUnknownEffect(Line)
const encode = Schema.encodeEffect(Line)

const key = "--memory-file"

const { configurationInvalid } = QueueError

/**
 * What a file holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Contents {
  /** The queues it knows, and whether each is ordered. */
  readonly queues: ReadonlyMap<QueueName.QueueName, boolean>
  readonly messages: ReadonlyArray<MessageLine>
}

const failed = (path: string, what: string) => (cause: unknown) =>
  configurationInvalid(key, `${path} ${what} (${codeOf(cause)})`)

/**
 * Reads a file; one that is not there holds nothing.
 *
 * **Errors** ConfigurationInvalid naming the file and the line
 *
 * @category files
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<Contents, QueueError.QueueError> {
  const queues = new Map<QueueName.QueueName, boolean>()
  const messages: Array<MessageLine> = []
  if (!existsSync(path)) return { queues, messages }
  const text = yield* Effect.try({
    try: () => readFileSync(path, "utf8"),
    catch: failed(path, "cannot be read")
  })
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue
    const decoded = yield* Effect.mapError(decode(line), () =>
      configurationInvalid(key, `${path}:${index + 1} is no line of such a file`)
    )
    if (decoded._tag === "Queue") queues.set(decoded.queue, decoded.sessions)
    else messages.push(decoded)
  }
  return { queues, messages }
})

const codeOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") ? String(cause.code) : "unknown"

/** Whether there is such a process: signal 0 reaches one that is there. */
const isAlive = (pid: number): Effect.Effect<boolean> =>
  Effect.try({ try: () => process.kill(pid, 0), catch: codeOf }).pipe(
    Effect.as(true),
    Effect.catch((code) => Effect.succeed(code === "EPERM"))
  )

const writeLock = (path: string) =>
  Effect.try({
    try: () => writeFileSync(path, String(process.pid), { flag: "wx" }),
    catch: codeOf
  })

/** A process that was killed leaves its lock behind. */
const takeLock = Effect.fnUntraced(function* (path: string) {
  const written = yield* Effect.result(writeLock(path))
  if (Result.isSuccess(written)) return
  const refused = (code: string) => configurationInvalid(key, `${path} cannot be written (${code})`)
  if (written.failure !== "EEXIST") return yield* Effect.fail(refused(written.failure))
  const pid = Number(
    yield* Effect.mapError(
      Effect.try({ try: () => readFileSync(path, "utf8"), catch: codeOf }),
      refused
    )
  )
  if (pid > 0 && (yield* isAlive(pid))) {
    return yield* Effect.fail(configurationInvalid(key, `${path}: process ${pid} has the file`))
  }
  rmSync(path, { force: true })
  return yield* Effect.mapError(writeLock(path), refused)
})

/** A clock that can be set back, so that what is restored is as old as it was. */
class PastClock implements Clock.Clock {
  readonly #real: Clock.Clock
  /** What it says; absent: the real time. */
  millis: number | undefined

  constructor(real: Clock.Clock) {
    this.#real = real
  }
  currentTimeMillisUnsafe(): number {
    return this.millis ?? this.#real.currentTimeMillisUnsafe()
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  currentTimeNanosUnsafe(): bigint {
    return this.#real.currentTimeNanosUnsafe()
  }
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  monotonicTimeNanosUnsafe(): bigint {
    return this.#real.monotonicTimeNanosUnsafe()
  }
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return this.#real.sleep(duration)
  }
}

interface World {
  readonly client: MemoryClient.Service
  readonly provider: QueueProvider.Service
  readonly clock: PastClock
}

const stampedOf = (message: Message.Message): Effect.Effect<Message.Stamped> =>
  message.messageId === undefined
    ? Effect.die(new Error("a stored message has an id"))
    : Effect.succeed(Message.stamp(message, message.messageId))

/** The newest message of a queue or of its dead letters, as the broker has it. */
const newest = (client: MemoryClient.Service, line: MessageLine, isDead: boolean) =>
  client.use((broker) => {
    const queue = broker.queues.get(line.queue)
    const shelf = isDead ? queue?.dead : queue?.main
    return shelf?.index.take(shelf.sequence, 1, () => true)[0]
  })

/** The next one gets the number it had: the id of a dead letter is made of it. */
const renumber = (client: MemoryClient.Service, line: MessageLine, isDead: boolean) =>
  client.use((broker) => {
    const queue = broker.queues.get(line.queue)
    const shelf = isDead ? queue?.dead : queue?.main
    if (shelf === undefined || line.sequenceNumber === undefined) return
    // Numbers never fall, whatever a file says.
    shelf.sequence = Math.max(shelf.sequence, line.sequenceNumber - 1)
  })

/** Numbers of the queue itself are not used up by dead letters on their way through it. */
const unnumber = (client: MemoryClient.Service, line: MessageLine) =>
  client.use((broker) => {
    const queue = broker.queues.get(line.queue)
    if (queue !== undefined) queue.main.sequence = -1
  })

/** Ids seen before are forgotten: what lay in the queue lay there beside each other. */
const forgetIds = (client: MemoryClient.Service) =>
  client.use((broker) => {
    for (const queue of broker.queues.values()) {
      broker.deduplicationIds -= queue.deduplication.expire(Number.POSITIVE_INFINITY)
    }
  })

const restoreOne = Effect.fnUntraced(function* (world: World, line: MessageLine) {
  const { client, clock, provider } = world
  clock.millis = DateTime.toEpochMillis(line.enqueuedAt)
  yield* forgetIds(client)
  const stamped = yield* stampedOf(line.message)
  const [outcome] = yield* provider.send(line.queue, [stamped])
  if (outcome !== undefined) yield* Effect.fromResult(outcome)
  const entry = yield* newest(client, line, false)
  if (entry === undefined) return
  entry.deliveryCount = line.deliveryCount
  if (line.deliveryCount > 0) entry.firstDeliveredAt = entry.enqueuedAt
})

/** Only on a queue that holds nothing else: what is received is the message just sent. */
const restoreDead = Effect.fnUntraced(function* (
  world: World,
  line: MessageLine,
  info: ReceivedMessage.DeadLetterInfo
) {
  const { client, provider } = world
  yield* unnumber(client, line)
  yield* restoreOne(world, { ...line, deliveryCount: 0 })
  const entry = yield* newest(client, line, false)
  if (entry !== undefined) entry.expiresAt = Number.POSITIVE_INFINITY
  yield* renumber(client, line, true)
  const bury = Verdict.deadLetter(info.reason, info.description)
  const ask = { max: 1, wait: Duration.zero }
  const { sessionId } = line.message
  if (provider.capabilities(line.queue).ordered && sessionId !== undefined) {
    const session = yield* provider.acceptSession(line.queue, { sessionId, wait: Duration.zero })
    if (Option.isSome(session)) {
      const received = yield* session.value.receive(ask)
      yield* session.value.settle(
        received.map(({ receipt }) => receipt),
        bury
      )
    }
  } else {
    const received = yield* provider.receive(QueueAddress.queue(line.queue), ask)
    yield* provider.settle(
      received.map(({ receipt }) => receipt),
      bury
    )
  }
  const dead = yield* newest(client, line, true)
  if (dead === undefined) return
  dead.deadLetter = info
  dead.deliveryCount = line.deliveryCount
}, Effect.scoped)

const restore = Effect.fnUntraced(function* (world: World, { messages }: Contents) {
  for (const line of messages) {
    if (line.deadLetter !== undefined) yield* restoreDead(world, line, line.deadLetter)
  }
  for (const line of messages) {
    if (line.deadLetter !== undefined) continue
    yield* renumber(world.client, line, false)
    yield* restoreOne(world, line)
  }
  yield* forgetIds(world.client)
  world.clock.millis = undefined
})

const everything = Number.MAX_SAFE_INTEGER

const toLine = (
  queue: QueueName.QueueName,
  peeked: ReceivedMessage.PeekedMessage,
  now: DateTime.Utc
): MessageLine => {
  const { attributes, body, contentType, correlationId, messageId } = peeked
  const { scheduledAt, sessionId, timeToLive } = peeked
  const message = new Message.Message({
    body,
    attributes,
    messageId,
    ...Options.defined({ contentType, correlationId, sessionId, timeToLive }),
    ...(scheduledAt === undefined || !DateTime.isGreaterThan(scheduledAt, now)
      ? {}
      : { scheduledAt })
  })
  return {
    _tag: "Message",
    queue,
    message,
    deliveryCount: peeked.deliveryCount,
    enqueuedAt: peeked.enqueuedAt,
    ...(peeked.sequenceNumber === undefined
      ? {}
      : { sequenceNumber: Number(peeked.sequenceNumber) }),
    ...(peeked.deadLetter === undefined ? {} : { deadLetter: peeked.deadLetter })
  }
}

const save = Effect.fnUntraced(function* (
  path: string,
  provider: QueueProvider.Service,
  queues: ReadonlyMap<QueueName.QueueName, boolean>
) {
  const now = yield* DateTime.now
  const lines: Array<string> = []
  for (const [queue, sessions] of queues) {
    lines.push(yield* encode({ _tag: "Queue", queue, sessions }))
  }
  for (const queue of queues.keys()) {
    for (const address of [QueueAddress.queue(queue), QueueAddress.deadLetter(queue)]) {
      const peeked = yield* provider.peek(address, { max: everything })
      for (const message of peeked) lines.push(yield* encode(toLine(queue, message, now)))
    }
  }
  yield* Effect.try({
    try: () => {
      const beside = `${path}.${process.pid}.tmp`
      writeFileSync(beside, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 })
      renameSync(beside, path)
    },
    catch: failed(path, "cannot be written")
  })
})

/**
 * A broker with what the file holds, which is written back when the scope closes. The queues are those of
 * the options and those of the file.
 *
 * **Errors** ConfigurationInvalid
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  path: string,
  options: Parameters<typeof MemoryClient.make>[0]
): Effect.fn.Return<
  { readonly client: MemoryClient.Service; readonly provider: QueueProvider.Service },
  QueueError.QueueError,
  Scope.Scope
> {
  const lock = `${path}.lock`
  yield* Effect.acquireRelease(takeLock(lock), () =>
    Effect.sync(() => rmSync(lock, { force: true }))
  )
  const contents = yield* read(path)
  const known = [...contents.queues].map(([queue, sessions]) => [queue, { sessions }] as const)
  const all = { ...Object.fromEntries(known), ...options.queues }
  const clock = new PastClock(yield* Clock.Clock)
  const client = yield* Effect.provideService(
    MemoryClient.make({ ...options, queues: all }),
    Clock.Clock,
    clock
  )
  const provider = yield* Effect.provideService(
    MemoryProvider.make,
    MemoryClient.MemoryClient,
    client
  )
  yield* restore({ client, provider, clock }, contents)
  const ordered = new Map(
    Object.keys(all)
      .filter(QueueName.is)
      .map((queue) => [queue, provider.capabilities(queue).ordered] as const)
  )
  // Before the broker closes, and whatever the call came to.
  yield* Effect.addFinalizer(() =>
    Effect.catchCause(save(path, provider, ordered), (cause) =>
      Effect.logError(`the messages could not be stored in ${path}`, cause)
    )
  )
  return { client, provider }
})
