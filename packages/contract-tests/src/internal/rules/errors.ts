import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Result from "effect/Result"
import {
  Message,
  MessageId,
  QueueAddress,
  type QueueError,
  Receipt,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Errors"

/** The call fails with QueueNotFound, naming the queue. */
const isMissing = Effect.fnUntraced(function* <A>(
  what: string,
  call: Effect.Effect<A, QueueError.QueueError>
) {
  const { missing } = yield* world
  const { reason } = yield* steps.failsWith(what, "QueueNotFound", call)
  const named = reason._tag === "QueueNotFound" ? reason.queue : undefined
  yield* expect.equal("the queue named", named, missing)
})

/** What a person or a log sees of an error. */
const printed = (error: QueueError.QueueError): string =>
  [
    error.message,
    String(error.stack),
    JSON.stringify(error),
    Formatter.format(error),
    Cause.pretty(Cause.fail(error))
  ].join("\n")

export const errors: ReadonlyArray<ProviderRule> = [
  {
    id: "ERROR-1",
    group,
    title: "sending to a queue that does not exist is QueueNotFound, and makes none",
    source: "SPEC R3.12",
    breaks: "makes the queue, or says ConnectionFailed and is retried for ever",
    run: Effect.gen(function* () {
      const { missing, provider } = yield* world
      const one = yield* steps.message("a")
      for (const _ of [1, 2]) yield* isMissing("sending", provider.send(missing, [one]))
    })
  },
  {
    id: "ERROR-2",
    group,
    title: "receiving from a queue that does not exist is QueueNotFound, at once",
    source: "SPEC R3.12",
    breaks: "waits for messages that can never come",
    run: Effect.gen(function* () {
      const { missing, provider } = yield* world
      const options = { max: 1, wait: Duration.seconds(20) }
      yield* isMissing("receiving", provider.receive(QueueAddress.queue(missing), options))
    })
  },
  {
    id: "ERROR-3",
    group,
    title: "peeking into a queue that does not exist is QueueNotFound",
    source: "SPEC R3.12",
    breaks: "shows an empty queue",
    skip: needs("peek"),
    run: Effect.gen(function* () {
      const { missing, provider } = yield* world
      yield* isMissing("peeking", provider.peek(QueueAddress.queue(missing), { max: 1 }))
    })
  },
  {
    id: "ERROR-4",
    group,
    title: "accepting a session of a queue that does not exist is QueueNotFound",
    source:
      "SPEC R3.12; Service Bus says SessionCannotBeLocked whatever it is (SERVICEBUS.md §1.8)",
    breaks: "says SessionLocked, and a worker waits for the holder",
    queue: { sessions: true },
    skip: needs("acceptSpecific"),
    run: Effect.gen(function* () {
      const { missing, provider } = yield* world
      const options = { sessionId: SessionId.makeUnsafe("A"), wait: Duration.zero }
      yield* isMissing("accepting", Effect.scoped(provider.acceptSession(missing, options)))
    })
  },
  {
    id: "ERROR-5",
    group,
    title: "an error says which provider, which operation and which queue",
    source: "SPEC R2.1; STYLE §7",
    breaks: "leaves it to the reader to guess",
    run: Effect.gen(function* () {
      const { missing, provider, queue } = yield* world
      const call = provider.send(missing, [yield* steps.message("a")])
      const error = yield* steps.failure("sending to a missing queue", call)
      yield* expect.equal("the provider", error.provider, provider.name)
      yield* expect.holds("the operation is said", (error.operation ?? "") !== "", error.operation)
      yield* expect.equal("the queue", error.queue, missing)
      const receipt = Receipt.make(QueueAddress.queue(queue), "nobody was given this")
      const [outcome] = yield* steps.ends(provider.settle([receipt], Verdict.complete))
      const failed =
        outcome !== undefined && Result.isFailure(outcome) ? outcome.failure : undefined
      yield* expect.equal("the outcome's provider", failed?.provider, provider.name)
      yield* expect.equal("the outcome's queue", failed?.queue, queue)
    })
  },
  {
    id: "ERROR-6",
    group,
    title: "what can never succeed says so: retry is Never",
    source: "SPEC R2.2",
    breaks: "has a policy send to a missing queue again and again",
    run: Effect.gen(function* () {
      const { missing, provider, queue } = yield* world
      const call = provider.send(missing, [yield* steps.message("a")])
      const error = yield* steps.failure("sending to a missing queue", call)
      yield* expect.equal("the retry state of QueueNotFound", error.retry, "Never")
      const receipt = Receipt.make(QueueAddress.queue(queue), "nobody was given this")
      const [outcome] = yield* steps.ends(provider.settle([receipt], Verdict.complete))
      const failed =
        outcome !== undefined && Result.isFailure(outcome) ? outcome.failure : undefined
      yield* expect.equal("the retry state of ReceiptExpired", failed?.retry, "Never")
    })
  },
  {
    id: "ERROR-7",
    group,
    title: "no error shows a body, an attribute's value or a receipt",
    source: "SPEC R2.3",
    breaks: "prints the request that failed",
    run: Effect.gen(function* () {
      const { capabilities, missing, provider, queue } = yield* world
      const secret = "s3cr3t-of-the-application"
      const options = { attributes: { token: secret } }
      const small = Message.stamp(yield* Message.text(secret, options), MessageId.makeUnsafe("a"))
      const seen = [yield* steps.failure("a missing queue", provider.send(missing, [small]))]
      const { messageSizeMax } = capabilities
      if (messageSizeMax <= 8 * 1024 * 1024) {
        const large = yield* Message.text(
          secret.repeat(messageSizeMax / secret.length + 1),
          options
        )
        const call = provider.send(queue, [Message.stamp(large, MessageId.makeUnsafe("b"))])
        seen.push(yield* steps.failure("a message over the limit", call))
      }
      const receipt = Receipt.make(QueueAddress.queue(queue), secret)
      const outcomes = yield* steps.ends(provider.settle([receipt], Verdict.complete))
      seen.push(...outcomes.flatMap((one) => (Result.isFailure(one) ? [one.failure] : [])))
      for (const error of seen) {
        const isSafe = !printed(error).includes(secret)
        yield* expect.holds("no secret is shown", isSafe, error.reason._tag)
      }
    })
  },
  {
    id: "ERROR-8",
    group,
    title: "a receipt that no provider made is ReceiptExpired, however odd, and no defect",
    source: "SPEC R2.3: nothing throws",
    breaks: "parses the token and dies of it",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const tokens = ["", " ", "{}", "null", "1-1", "\u0000", "😀", "x".repeat(5_000), "__proto__"]
      for (const token of tokens) {
        const receipt = Receipt.make(QueueAddress.queue(queue), token)
        yield* steps.settlesNothing([{ receipt }], Verdict.complete)
        const renewed = steps.tags(yield* steps.ends(provider.renewLock([receipt])))
        yield* expect.equal("the renewal", renewed, ["ReceiptExpired"])
      }
    })
  },
  {
    id: "ERROR-9",
    group,
    title: "asking for no message, for a part of one or for ever is ValidationFailed",
    source: "SPEC R2.1; QueueProvider.ReceiveOptions",
    breaks: "waits for ever, or hands out everything there is",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const address = QueueAddress.queue(queue)
      yield* steps.send(["a"])
      for (const max of [0, -1, 1.5, Number.NaN]) {
        const call = provider.receive(address, { max, wait: Duration.zero })
        yield* steps.failsWith(`receiving ${max}`, "ValidationFailed", call)
      }
      const call = provider.receive(address, { max: 1, wait: Duration.infinity })
      yield* steps.failsWith("waiting for ever", "ValidationFailed", call)
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "ERROR-10",
    group,
    title: "a delay of an abandon that is endless or negative is refused, and the delivery stays",
    source: "SPEC R2.1",
    breaks: "abandons at once, or for ever",
    run: Effect.gen(function* () {
      const { provider } = yield* world
      const a = yield* steps.deliver("a")
      for (const delay of [Duration.infinity, Duration.negate(Duration.seconds(1))]) {
        const call = provider.settle([a.receipt], Verdict.abandon(delay))
        const result = yield* steps.ends(Effect.result(call))
        const reason =
          result._tag === "Failure" ? result.failure.reason._tag : steps.tags(result.success).join()
        yield* expect.oneOf("the outcome", reason, ["ValidationFailed", "UnsupportedOperation"])
      }
      yield* steps.complete([a])
    })
  }
]
