import { ProviderContract, type ProviderRule } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import {
  Capabilities,
  Message,
  MessageId,
  Outcome,
  QueueName,
  QueueProvider,
  type QueueSession,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { Clock, Context, Duration, Effect, Fiber, Layer, Option } from "effect"
import { dynamo } from "../src/dynamo.ts"
import { type Job, violations } from "../src/processes/history.ts"
import { layerOf } from "../src/processes/layers.ts"
import { run } from "../src/processes/run.ts"
import { awsSessions } from "../src/providers.ts"

/**
 * Those on who is granted a session, who keeps it, who loses it, and on its state. The order inside of one
 * is the provider's own, and proved on it; `pnpm contract` runs all on both.
 */
const isOurs = ({ group, id }: ProviderRule.ProviderRule): boolean =>
  id === "LIFE-11" || (group === "Sessions" && Number(id.replace("SESSION-", "")) >= 22)

const rules = ProviderContract.rules.filter(isOurs)

describe.concurrent("R4.2 R4.3 R4.4 R12.1 SQS behind leases in DynamoDB, over sockets", () => {
  ProviderContract.suite(it, awsSessions, { rules })
})

const common = {
  provider: "aws-sqs",
  queue: "work",
  name: "work.fifo",
  concurrency: 4,
  lockSeconds: 5,
  handlerMillis: 20
} as const

const queue = QueueName.makeUnsafe(common.queue)

const sqs = Effect.map(SqsEmulator.make({ queues: { "work.fifo": {} } }), ({ endpoint }): Job => ({
  ...common,
  address: endpoint
}))

const sqsWithLeases = Effect.gen(function* () {
  const job = yield* sqs
  return { ...job, sessionStore: yield* dynamo } satisfies Job
})

/** A process's connection to everything. */
const connect = (job: Job) =>
  Effect.promise(() => layerOf(job)).pipe(
    Effect.flatMap((layer) => Layer.build(Layer.fresh(layer))),
    Effect.map(Context.get(QueueProvider.QueueProvider))
  )

const send = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  messages: ReadonlyArray<readonly [session: string, id: string]>
) {
  const stamped = yield* Effect.forEach(messages, ([session, id]) =>
    Effect.map(Message.text(id), (made) =>
      Message.stamp(made, MessageId.makeUnsafe(id), SessionId.makeUnsafe(session))
    )
  )
  // As many as one call takes.
  for (let at = 0; at < stamped.length; at += 10) {
    yield* Outcome.all(yield* provider.send(queue, stamped.slice(at, at + 10)))
  }
})

const accept = (provider: QueueProvider.Service, wait: Duration.Input) =>
  provider.acceptSession(queue, { wait: Duration.fromInputUnsafe(wait) })

const take = Effect.fnUntraced(function* (session: QueueSession.QueueSession) {
  const [message] = yield* session.receive({ max: 1, wait: Duration.seconds(10) })
  if (message === undefined) return undefined
  yield* Outcome.all(yield* session.settle([message.receipt], Verdict.complete))
  return String(message.messageId)
})

/** Whether a second process is granted a session that a first one holds with nothing in hand. */
const isIdleSessionGranted = Effect.fnUntraced(function* (job: Job) {
  const [first, second] = [yield* connect(job), yield* connect(job)]
  yield* send(first, [["A", "a1"]])
  const held = Option.getOrThrow(yield* accept(first, "10 seconds"))
  assert.strictEqual(yield* take(held), "a1")
  const waiting = yield* Effect.forkChild(Effect.scoped(accept(second, "3 seconds")))
  yield* Effect.sleep("200 millis")
  yield* send(first, [["A", "a2"]])
  const renewing = yield* held.renewLock.pipe(
    Effect.delay("1 second"),
    Effect.forever,
    Effect.ignore,
    Effect.forkChild
  )
  const granted = Option.isSome(yield* Fiber.join(waiting))
  const declared = Capabilities.locksIdleSession(first.capabilities(queue))
  // To the holder it comes all the same, and in the end.
  const got = granted ? undefined : yield* take(held)
  yield* Fiber.interrupt(renewing)
  return { granted, declared, got }
})

const sessions = 24
const inEach = 8

/** Messages of all sessions, interleaved, in the order they are to come out again. */
const fill = Effect.fnUntraced(function* (job: Job) {
  const provider = yield* connect(job)
  const sent = new Map<string, Array<string>>()
  for (let turn = 0; turn < inEach; turn++) {
    const messages = Array.from({ length: sessions }, (_, index) => {
      const session = `session-${index}`
      const id = `${session}-${turn}`
      sent.set(session, [...(sent.get(session) ?? []), id])
      return [session, id] as const
    })
    yield* send(provider, messages)
  }
  return sent
}, Effect.scoped)

describe("R4.4 a session across processes", () => {
  it.live(
    "R4.4 with a lease an idle session is granted to nobody else, and its message comes",
    () =>
      Effect.gen(function* () {
        const found = yield* isIdleSessionGranted(yield* sqsWithLeases)
        assert.deepStrictEqual(found, { granted: false, declared: true, got: "a2" })
      })
  )

  it.live("R4.4 without one its next message goes to whoever asks, as is declared", () =>
    Effect.gen(function* () {
      const found = yield* isIdleSessionGranted(yield* sqs)
      assert.deepStrictEqual(found, { granted: true, declared: false, got: undefined })
    })
  )

  it.live(
    "R4.3 a holder that renews nothing has its session until its lease is over, and no longer",
    () =>
      Effect.gen(function* () {
        const job = yield* sqsWithLeases
        const second = yield* connect(job)
        const first = yield* connect(job)
        yield* send(first, [
          ["A", "a1"],
          ["A", "a2"]
        ])
        const held = Option.getOrThrow(yield* accept(first, "10 seconds"))
        assert.strictEqual(yield* take(held), "a1")
        yield* held.setState(Option.some(Uint8Array.of(1)))
        const start = yield* Clock.currentTimeMillis
        const next = Option.getOrThrow(yield* accept(second, "30 seconds"))
        const took = (yield* Clock.currentTimeMillis) - start
        assert.isAtLeast(took, 4_000)
        assert.deepStrictEqual(yield* next.state, Option.some(Uint8Array.of(1)))
        assert.strictEqual(yield* take(next), "a2")
      })
  )

  it.live(
    "R4.1 R4.3 three processes, one killed: no session twice at work, tokens rise, all is done",
    () =>
      Effect.gen(function* () {
        const job = yield* sqsWithLeases
        const sent = yield* fill(job)
        const evidence = yield* run({
          job,
          processes: 3,
          sent,
          killAfter: (sessions * inEach) / 3,
          deadline: "90 seconds"
        })
        assert.strictEqual(evidence.killed.size, 1)
        assert.strictEqual(new Set(evidence.lines.map(({ pid }) => pid)).size, 3)
        assert.deepStrictEqual(violations(evidence), [])
        const began = evidence.lines.filter(({ _tag }) => _tag === "Started")
        assert.isTrue(began.every(({ token }) => token !== undefined))
        const [dead] = evidence.killed
        // What the killed process had in hand was begun again, under a higher token.
        const [last] = began.filter(({ pid }) => pid === dead).slice(-1)
        const again = began.find(({ id, pid }) => id === last?.id && pid !== dead)
        assert.isAbove(again?.token ?? 0, last?.token ?? Number.MAX_VALUE)
      }).pipe(Effect.scoped),
    120_000
  )

  it.live(
    "R4.3 R4.4 a process that stands still and goes on begins nothing, and its token is an old one",
    () =>
      Effect.gen(function* () {
        const job = yield* sqsWithLeases
        const sent = yield* fill(job)
        const evidence = yield* run({
          job,
          processes: 2,
          sent,
          killAfter: (sessions * inEach) / 3,
          // Longer than its locks at the broker and its leases after them.
          standstill: Duration.seconds(15),
          deadline: "100 seconds"
        })
        assert.deepStrictEqual(violations(evidence), [])
        const [still] = evidence.killed
        const lines = evidence.lines.toSorted((a, b) => a.at - b.at)
        const began = lines.filter(({ _tag }) => _tag === "Started")
        const of = (id: string) => began.filter((line) => line.id === id)
        // What it had in hand was begun again elsewhere, under a higher token …
        const twice = began.filter(
          ({ id, pid }) => pid === still && of(id).some((other) => other.pid !== still)
        )
        assert.isNotEmpty(twice)
        for (const { id, token = 0 } of twice) {
          assert.isTrue(of(id).every((line) => line.pid === still || (line.token ?? 0) > token))
          // … and is settled by who has it. What was on its way as the process stood still may arrive when
          // the message is gone: SQS then says yes to anybody.
          const first = lines.find((line) => line._tag === "Completed" && line.id === id)
          assert.isDefined(first)
          assert.notStrictEqual(first?.pid, still)
        }
      }).pipe(Effect.scoped),
    130_000
  )
})
