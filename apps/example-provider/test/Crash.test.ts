import { assert, it } from "@effect/vitest"
import { Clock, Duration, Effect, Option, Random } from "effect"
import { spawn } from "node:child_process"
import { mkdtempDisposableSync } from "node:fs"
import { tmpdir } from "node:os"
import { fileURLToPath } from "node:url"
import {
  Outcome,
  QueueAddress,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import { SqliteClient, SqliteProvider } from "../src/index.ts"
import * as Journal from "./crash/Journal.ts"
import * as Judge from "./crash/Judge.ts"
import { options, ordered, plain } from "./crash/queues.ts"

const program = fileURLToPath(new URL("crash/program.ts", import.meta.url))

/** Starts the program, and kills it this long after it began to work; how it ended. */
const killAfter = (time: Duration.Duration, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { child, ended, ready } = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const started = spawn(
          process.execPath,
          ["--conditions=@queue-runtime/source", program, ...args],
          { stdio: ["ignore", "pipe", "inherit"] }
        )
        return {
          child: started,
          ready: new Promise((resolve) => started.stdout.once("data", resolve)),
          ended: new Promise<string>((resolve) =>
            started.once("exit", (code, signal) => resolve(signal ?? String(code)))
          )
        }
      }),
      (one) => Effect.sync(() => one.child.kill("SIGKILL"))
    )
    yield* Effect.raceFirst(
      Effect.promise(() => ready),
      Effect.promise(() => ended)
    )
    yield* Effect.sleep(time)
    child.kill("SIGKILL")
    return yield* Effect.promise(() => ended)
  }).pipe(Effect.scoped)

type Received = ReceivedMessage.ReceivedMessage

const toFound = ({ attributes, body, deliveryCount, messageId }: Received): Judge.Found => {
  assert.strictEqual(new TextDecoder().decode(body), `body of ${messageId}`)
  assert.deepStrictEqual(attributes, { id: messageId })
  return { id: messageId, deliveryCount }
}

/** Longer than a lock: what its holder left comes again. */
const wait = Duration.millis(500)

/** Receives and completes until nothing comes. */
const drain = Effect.fnUntraced(function* (
  self: Pick<QueueSession.QueueSession, "receive" | "settle">,
  patience: Duration.Duration
) {
  const all: Array<Judge.Found> = []
  while (true) {
    const messages = yield* self.receive({ max: 100, wait: patience })
    if (messages.length === 0) return all
    all.push(...messages.map(toFound))
    const receipts = messages.map(({ receipt }) => receipt)
    yield* Outcome.all(yield* self.settle(receipts, Verdict.complete))
  }
})

const drainSessions = Effect.fnUntraced(function* (provider: QueueProvider.Service) {
  const all: Array<Judge.Found> = []
  while (true) {
    const some = yield* Effect.scoped(
      Effect.flatMap(
        provider.acceptSession(ordered, { wait }),
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (session) => Effect.asSome(drain(session, Duration.zero))
        })
      )
    )
    if (Option.isNone(some)) return all
    all.push(...some.value)
  }
})

/** Everything there is, completed. */
const rest = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  const from = (address: QueueAddress.QueueAddress) =>
    drain(
      {
        receive: (receiveOptions) => provider.receive(address, receiveOptions),
        settle: provider.settle
      },
      wait
    )
  return yield* Effect.all(
    {
      plain: from(QueueAddress.queue(plain)),
      ordered: drainSessions(provider),
      deadPlain: from(QueueAddress.deadLetter(plain)),
      deadOrdered: from(QueueAddress.deadLetter(ordered))
    },
    { concurrency: "unbounded" }
  )
})

/** So many, or as many as there is time for on a slow machine. */
const kills = { most: 8, least: 3, millis: 8_000 }

it.live(
  "R3.2 killed at any moment, what was acknowledged is there, and in order",
  () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireDisposable(
        Effect.sync(() => mkdtempDisposableSync(`${tmpdir()}/queues-`))
      )
      const path = `${folder.path}/queues.db`
      const journal = `${folder.path}/journal`
      const seed = String(yield* Random.nextInt)
      const client = yield* SqliteClient.make({ path })
      yield* client.createQueue(plain, options)
      yield* client.createQueue(ordered, { ...options, sessions: true })
      const start = yield* Clock.currentTimeMillis
      for (let run = 0; run < kills.most; run++) {
        const elapsed = (yield* Clock.currentTimeMillis) - start
        if (run >= kills.least && elapsed > kills.millis) break
        const time = Duration.millis(yield* Random.nextIntBetween(20, 400))
        assert.strictEqual(yield* killAfter(time, path, journal, String(run), seed), "SIGKILL")
      }
      const found = yield* Effect.provide(rest, SqliteProvider.layer({ path }))
      const past = Judge.history(Journal.read(journal))
      const problems = Judge.problems(past, {
        live: [...found.plain, ...found.ordered],
        dead: [...found.deadPlain, ...found.deadOrdered]
      })
      assert.deepStrictEqual(problems, [], `seed ${seed}`)
      // It did work, and something of every kind was left.
      assert.isAtLeast(past.runs, kills.least)
      assert.isAbove(past.fates.size, 100)
      for (const some of Object.values(found)) assert.isNotEmpty(some)
    }),
  30_000
)
