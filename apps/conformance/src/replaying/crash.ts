/**
 * A replay that is killed again and again: fills the dead letters of an emulator, lets a process replay
 * them, kills it on the way, starts another, and reads what the queue has in the end.
 */
import {
  DeadLetters,
  Message,
  MessageId,
  Outcome,
  QueueClient,
  type QueueError,
  QueueName,
  QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type Job, Line, type Sessions } from "./history.ts"
import { deduplicationWindow, layerOf } from "./layers.ts"

/** How much, and how often it is killed. */
export interface Options {
  readonly provider: Job["provider"]
  readonly sessions: number
  readonly lettersInEach: number
  readonly kills: number
  readonly lockSeconds: number
  readonly concurrency: number
}

/** What the run came to. */
export interface Evidence {
  readonly sent: Sessions
  readonly found: Sessions
  /** What each process said last; all but the last one were killed. */
  readonly runs: ReadonlyArray<Line & { readonly wasKilled: boolean }>
  /** Dead letters that are left. */
  readonly left: number
  /** Milliseconds of the replays, from the first start to the last end. */
  readonly millis: number
}

/** A replay ended by itself, and not well. */
export class ReplayEnded extends Schema.TaggedError<ReplayEnded>()("ReplayEnded", {
  code: Schema.Int,
  complaints: Schema.String
}) {
  override get message(): string {
    return `a replay ended with ${this.code}: ${this.complaints}`
  }
}

const queue = "work"

const deadLetterTargetArn = "arn:aws:sqs:us-east-1:000000000000:work-dlq.fifo"

const started = ({ concurrency, lockSeconds, provider }: Options) => {
  const common = { provider, queue, lockSeconds, concurrency }
  const sqs = SqsEmulator.make({
    queues: {
      "work-dlq.fifo": {},
      "work.fifo": {
        // Far above what anything fails here: the broker is not to put aside what we judge.
        RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: "1000" })
      }
    }
  })
  const serviceBus = ServiceBusEmulator.make({
    queues: {
      work: {
        requiresSession: true,
        requiresDuplicateDetection: true,
        duplicateDetectionHistoryTimeWindow: deduplicationWindow,
        lockDuration: Duration.seconds(lockSeconds)
      }
    }
  })
  const job = (address: string, name: string): Job => ({ ...common, address, name })
  return provider === "aws-sqs"
    ? Effect.orDie(Effect.map(sqs, ({ endpoint }) => job(endpoint, "work.fifo")))
    : Effect.orDie(Effect.map(serviceBus, ({ connectionString }) => job(connectionString, queue)))
}

const work = QueueName.makeUnsafe(queue)

/** As many messages as one call takes. */
const callMax = 10

const inCalls = <A>(some: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(some.length / callMax) }, (_, part) =>
    some.slice(part * callMax, (part + 1) * callMax)
  )

/** Messages of all sessions, interleaved. */
const fill = Effect.fnUntraced(function* ({ lettersInEach, sessions }: Options) {
  const provider = yield* QueueProvider.QueueProvider
  const sent = new Map<string, Array<string>>()
  for (let turn = 0; turn < lettersInEach; turn++) {
    const messages = yield* Effect.forEach(Array.from({ length: sessions }).keys(), (index) => {
      const session = `session-${index}`
      const id = `${session}-${turn}`
      sent.set(session, [...(sent.get(session) ?? []), id])
      return Effect.map(Message.text(id), (made) =>
        Message.stamp(made, MessageId.makeUnsafe(id), SessionId.makeUnsafe(session))
      )
    })
    yield* Effect.forEach(
      inCalls(messages),
      (some) => Effect.flatMap(provider.send(work, some), Outcome.all),
      { concurrency: 4 }
    )
  }
  return sent
})

/** Takes whole sessions, so many side by side, until none is left. */
const eachSession = <E>(
  handle: (
    session: Parameters<typeof take>[0],
    messages: Effect.Success<ReturnType<typeof take>>
  ) => Effect.Effect<void, E>,
  lettersInEach: number,
  sideBySide: number
) =>
  Effect.gen(function* () {
    const provider = yield* QueueProvider.QueueProvider
    const client = yield* QueueClient.make(provider)
    const one = Effect.scoped(
      Effect.flatMap(client.acceptSession(work, { wait: "2 seconds" }), (accepted) =>
        Option.isNone(accepted)
          ? Effect.succeed(false)
          : Effect.flatMap(take(accepted.value, lettersInEach), (messages) =>
              Effect.as(handle(accepted.value, messages), true)
            )
      )
    )
    const all = Effect.gen(function* () {
      while (yield* one);
    })
    yield* Effect.all(
      Array.from({ length: sideBySide }, () => all),
      { concurrency: "unbounded", discard: true }
    )
  })

/** All of a session; what is in hand hides the rest on SQS, so each part is settled by who asks. */
const take = (session: QueueClient.Session, max: number) =>
  session.receive({ max, wait: "2 seconds" })

/** Puts everything aside, each part of a session backwards, so that nothing is in order by itself. */
const bury = ({ lettersInEach }: Options) =>
  eachSession(
    (session, messages) =>
      Effect.flatMap(
        session.settle(messages.toReversed(), Verdict.deadLetter("Bad", "for the test")),
        (outcomes) => Effect.asVoid(Outcome.all(outcomes))
      ),
    lettersInEach,
    8
  )

/** What the queue has, by session, in the order it comes. */
const drain = Effect.fnUntraced(function* ({ lettersInEach }: Options) {
  const found = new Map<string, Array<string>>()
  yield* eachSession(
    (session, messages) => {
      const ids = messages.map(({ messageId }) => messageId)
      found.set(session.sessionId, [...(found.get(session.sessionId) ?? []), ...ids])
      return Effect.flatMap(session.settle(messages, Verdict.complete), (outcomes) =>
        Effect.asVoid(Outcome.all(outcomes))
      )
    },
    lettersInEach * 2,
    8
  )
  return found
})

const program = fileURLToPath(new URL("replay.ts", import.meta.url))

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Line))

const killDelayMillis = 7

/** One process, killed when it has done so many letters; without a number it may end. */
const replay = Effect.fnUntraced(function* (job: Job, killAt: number | undefined) {
  const ended = yield* Deferred.make<Line & { readonly wasKilled: boolean }, ReplayEnded>()
  const args = ["--conditions=@queue-runtime/source", program, JSON.stringify(job)]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })),
    (one) => Effect.sync(() => one.kill("SIGKILL"))
  )
  const complaints: Array<string> = []
  let last: Line = { done: 0, failed: 0, duplicated: 0 }
  let isDoomed = false
  createInterface({ input: child.stdout }).on("line", (text) => {
    last = decode(text)
    if (killAt === undefined || last.done < killAt || isDoomed) return
    isDoomed = true
    // A moment later it is in the middle of the next step.
    setTimeout(() => child.kill("SIGKILL"), killDelayMillis)
  })
  createInterface({ input: child.stderr }).on("line", (text) => complaints.push(text))
  // After all of its output.
  child.on("close", (code, signal) => {
    const exit =
      code === 0 || signal === "SIGKILL"
        ? Exit.succeed({ ...last, wasKilled: signal === "SIGKILL" })
        : Exit.fail(new ReplayEnded({ code: code ?? -1, complaints: complaints.join("\n") }))
    Deferred.doneUnsafe(ended, exit)
  })
  return yield* Deferred.await(ended)
}, Effect.scoped)

/** Dead letters that are there. */
const count = Effect.gen(function* () {
  const client = yield* QueueClient.make(yield* QueueProvider.QueueProvider)
  const letters = yield* DeadLetters.make(client)
  return (yield* letters.count(work)).count
})

/** Replays that are not killed, until nothing is left. */
const attemptsMax = 3

/** Fills, replays under kills, and reads what is there in the end. */
export const run = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Evidence, QueueError.QueueError | ReplayEnded, Scope.Scope> {
  const { kills, lettersInEach, sessions } = options
  const job = yield* started(options)
  const layer = yield* Effect.promise(() => layerOf(job))
  const sent = yield* Effect.provide(fill(options), layer)
  yield* Effect.provide(bury(options), layer)
  const part = Math.floor((sessions * lettersInEach) / (kills + 1))
  const before = performance.now()
  const runs: Array<Evidence["runs"][number]> = []
  for (let kill = 0; kill < kills; kill++) runs.push(yield* replay(job, part))
  let left = yield* Effect.provide(count, layer)
  // A lock that ran out on a busy machine leaves its letter to the next one.
  for (let attempt = 0; left > 0 && attempt < attemptsMax; attempt++) {
    runs.push(yield* replay(job, undefined))
    left = yield* Effect.provide(count, layer)
  }
  const millis = performance.now() - before
  return yield* Effect.provide(
    Effect.gen(function* () {
      const found = yield* drain(options)
      return { sent, found, runs, left, millis } satisfies Evidence
    }),
    layer
  )
})
