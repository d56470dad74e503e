/**
 * The program that is killed: `node program.ts QUEUES JOURNAL RUN SEED` does random operations on both
 * queues for ever, and keeps a journal.
 */
import {
  Message,
  MessageId,
  Outcome,
  QueueAddress,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { SqliteProvider } from "../../src/index.ts"
import * as Journal from "./Journal.ts"
import { ordered, plain } from "./queues.ts"

const [path = "", journal = "", run = "", seed = ""] = process.argv.slice(2)

const note = (line: Journal.Line) => Effect.sync(() => Journal.append(journal, line))

const below = (count: number) => Random.nextIntBetween(0, count - 1)

let sent = 0

const send = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  const session = ["a", "b", "c", undefined, undefined][yield* below(5)]
  const count = 1 + (yield* below(20))
  const ids = Array.from({ length: count }, () =>
    [session === undefined ? "p" : `o-${session}`, run, sent++].join("-")
  )
  const options = session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }
  const messages = yield* Effect.forEach(ids, (id) =>
    Effect.map(Message.text(`body of ${id}`, { ...options, attributes: { id } }), (message) =>
      Message.stamp(message, MessageId.makeUnsafe(id))
    )
  )
  yield* note({ _tag: "Sending", ids })
  yield* Outcome.all(yield* provider.send(session === undefined ? plain : ordered, messages))
  yield* note({ _tag: "Sent", ids })
})

const verdicts = [
  Verdict.complete,
  Verdict.complete,
  Verdict.abandon(),
  Verdict.abandon(Duration.millis(5)),
  Verdict.deadLetter("Random")
]

/** Settles it somehow, or leaves it to the end of its lock; what was decided, if it took effect. */
const settle = Effect.fnUntraced(function* (
  { messageId: id, receipt }: ReceivedMessage.ReceivedMessage,
  by: Pick<QueueSession.QueueSession, "settle">
) {
  const verdict = verdicts[yield* below(verdicts.length + 1)]
  if (verdict === undefined) return undefined
  yield* note({ _tag: "Settling", id, verdict: verdict._tag })
  const [outcome] = yield* by.settle([receipt], verdict)
  const isDone = outcome !== undefined && Result.isSuccess(outcome)
  yield* note(isDone ? { _tag: "Settled", id, verdict: verdict._tag } : { _tag: "Refused", id })
  return isDone ? verdict._tag : undefined
})

const delivered = (messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>) =>
  note({ _tag: "Delivered", ids: messages.map(({ messageId }) => messageId) })

const receive = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  const wait = Duration.millis(yield* below(5))
  const messages = yield* provider.receive(QueueAddress.queue(plain), { max: 10, wait })
  yield* delivered(messages)
  for (const message of messages) yield* settle(message, provider)
})

const work = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  const session = yield* provider.acceptSession(ordered, { wait: Duration.zero })
  if (Option.isNone(session)) return
  const { sessionId } = session.value
  yield* note({ _tag: "Accepted", session: sessionId })
  for (let rounds = yield* below(4); rounds > 0; rounds--) {
    const messages = yield* session.value.receive({ max: 10, wait: Duration.zero })
    yield* delivered(messages)
    for (const message of messages) {
      const verdict = yield* settle(message, session.value)
      // Those behind an abandoned one are taken back; one that is left to its lock ends the work.
      if (verdict === undefined) return
      if (verdict === "Abandon") break
    }
  }
}).pipe(Effect.scoped)

const operations = [send, send, receive, receive, work, work]

const program = Effect.gen(function* () {
  yield* note({ _tag: "Started", run: Number(run) })
  yield* Effect.sync(() => process.stdout.write("ready\n"))
  return yield* Effect.forever(
    Effect.flatMap(below(operations.length), (index) => operations[index] ?? Effect.void)
  )
})

// A timer keeps the process alive while a receive waits.
const alive = setInterval(() => undefined, 1_000)
const layer = SqliteProvider.layer({ path })
void Effect.runPromise(program.pipe(Effect.provide(layer), Random.withSeed(`${seed}-${run}`))).then(
  () => clearInterval(alive)
)
