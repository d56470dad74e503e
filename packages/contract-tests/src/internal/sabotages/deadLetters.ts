import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Struct from "effect/Struct"
import {
  type Outcome,
  QueueError,
  type ReceivedMessage,
  type Receipt,
  Verdict
} from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** Dead-letterings in words that `f` changes. */
const inOtherWords = (
  f: (verdict: typeof Verdict.DeadLetter.Type) => Verdict.Verdict
): Sabotage.Sabotage["make"] =>
  wrap.plain((provider) =>
    wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, verdict) =>
      settle(receipts, f(verdict))
    )
  )

/** Dead letters as `f` changes them; nothing: they are removed. */
const withDead = (
  provider: wrap.Provider,
  f: (message: wrap.Received, now: DateTime.Utc) => wrap.Received | undefined
): wrap.Provider =>
  wrap.change(provider, {
    receive: (address, options) => {
      const receive = provider.receive(address, options)
      if (address._tag === "Queue") return receive
      return Effect.gen(function* () {
        const now = yield* DateTime.now
        const found = (yield* receive).map((message) => ({ message, kept: f(message, now) }))
        const gone = found.filter(({ kept }) => kept === undefined)
        yield* provider.settle(
          gone.map(({ message }) => message.receipt),
          Verdict.complete
        )
        return found.flatMap(({ kept }) => kept ?? [])
      })
    }
  })

const withInfo = (
  message: wrap.Received,
  changes: Partial<ReceivedMessage.DeadLetterInfo>
): wrap.Received =>
  message.deadLetter === undefined
    ? message
    : { ...message, deadLetter: { ...message.deadLetter, ...changes } }

const isDead = ({ address }: Receipt.Receipt): boolean => address._tag === "DeadLetter"

/** Settlements of dead letters as `f` makes them. */
const withDeadSettles = (provider: wrap.Provider, f: (settle: wrap.Settle) => wrap.Settle) =>
  wrap.change(provider, {
    settle: (receipts, verdict) =>
      receipts.some(isDead)
        ? f((some, other) => provider.settle(some, other))(receipts, verdict)
        : provider.settle(receipts, verdict)
  })

const expired = (): Outcome.Outcome<void> =>
  Result.fail(QueueError.make(new QueueError.ReceiptExpired()))

export const deadLetters: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "dead-letter-deletes",
    title: "dead-lettering removes the message",
    source: "AMQP: reject on a queue without a dead-letter exchange",
    caughtBy: ["MODEL-1", "DEAD-1"],
    kind: "loss",
    make: inOtherWords(() => Verdict.complete)
  },
  {
    id: "dead-letter-abandons",
    title: "dead-lettering gives the message back",
    source: "SQS has no such call; the redrive policy is left to do it",
    caughtBy: ["MODEL-1", "DEAD-1", "DEAD-2"],
    kind: "duplication",
    make: inOtherWords(() => Verdict.abandon())
  },
  {
    id: "dead-letter-leaves-original",
    title: "the copy goes to the dead letters, and the original is delivered again",
    source: "SQS: a copy is sent first, and the deletion after it is forgotten",
    caughtBy: ["MODEL-1", "DEAD-2"],
    kind: "duplication",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, verdict) =>
        Effect.tap(settle(receipts, verdict), () =>
          Effect.forEach(receipts, ({ address, token }) => {
            const message = deliveries.get(token)?.message
            return message === undefined
              ? Effect.void
              : provider.send(address.queue, [wrap.copyOf(message)])
          })
        )
      )
    )
  },
  {
    id: "dead-letter-reason-dropped",
    title: "a dead letter has one reason, whatever was given",
    source: "SQS's redrive gives none; a constant in its place",
    caughtBy: ["DEAD-1"],
    make: inOtherWords(({ description }) => Verdict.deadLetter("DeadLettered", description))
  },
  {
    id: "dead-letter-description-dropped",
    title: "the description of a dead letter is dropped",
    source: "Service Bus: DeadLetterErrorDescription left out",
    caughtBy: ["DEAD-1"],
    make: inOtherWords(({ reason }) => Verdict.deadLetter(reason))
  },
  {
    id: "dead-letter-description-made-up",
    title: "a dead letter without a description has an empty one",
    source: 'description ?? ""',
    caughtBy: ["DEAD-13"],
    make: inOtherWords(({ description, reason }) => Verdict.deadLetter(reason, description ?? ""))
  },
  {
    id: "dead-letter-one-reason-a-tick",
    title: "dead-letterings of one moment all get the reason of the first",
    source: "rhea 3.0.5: two in one tick, and B gets A's reason (SERVICEBUS.md §5.1)",
    caughtBy: ["CONCUR-2"],
    make: wrap.remembering(
      (): { verdict?: Verdict.Verdict } => ({}),
      (provider, tick) =>
        wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, verdict) =>
          Effect.suspend(() => {
            if (tick.verdict !== undefined) return settle(receipts, tick.verdict)
            tick.verdict = verdict
            return Effect.yieldNow.pipe(
              Effect.andThen(Effect.sync(() => delete tick.verdict)),
              Effect.andThen(settle(receipts, verdict))
            )
          })
        )
    )
  },
  {
    id: "dead-letter-without-attributes",
    title: "a dead letter has lost its attributes",
    source: "SQS: a copy made of the body alone",
    caughtBy: ["DEAD-1"],
    make: wrap.plain((provider) =>
      withDead(provider, (message) => ({ ...message, attributes: {} }))
    )
  },
  {
    id: "dead-letter-without-session",
    title: "a dead letter has lost its session",
    source: "DESIGN §8: a dead letter's own id as its group, and the session nowhere",
    caughtBy: ["DEAD-11"],
    make: wrap.plain((provider) =>
      withDead(provider, (message) => Struct.omit(message, ["sessionId"]))
    )
  },
  {
    id: "dead-letter-own-count",
    title: "a dead letter tells its own deliveries as those before",
    source: "one counter for both queues",
    caughtBy: ["DEAD-1"],
    make: wrap.plain((provider) =>
      withDead(provider, (message) => withInfo(message, { deliveryCount: 0 }))
    )
  },
  {
    id: "dead-letter-time-of-reading",
    title: "a dead letter tells the time when it is read as that of its dead-lettering",
    source: "SQS keeps no time of the move; the clock at the receive in its place",
    caughtBy: ["DEAD-1"],
    make: wrap.plain((provider) =>
      withDead(provider, (message, now) => withInfo(message, { time: now }))
    )
  },
  {
    id: "dead-letter-swallowed",
    title: "a second dead letter of one id is swallowed as a duplicate, its original removed",
    source: "SQS.md §5: the copy sent under the application's message id",
    caughtBy: ["MODEL-1", "DEAD-12"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) => {
      const sent = new Set<string>()
      return wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, verdict) =>
        Effect.map(
          Effect.forEach(receipts, (receipt) => {
            const id = deliveries.get(receipt.token)?.message.messageId ?? ""
            const isKnown = sent.has(id)
            sent.add(id)
            return settle([receipt], isKnown ? Verdict.complete : verdict)
          }),
          (outcomes) => outcomes.flat()
        )
      )
    })
  },
  {
    id: "dead-letter-by-broker-lost",
    title: "what was delivered too often is removed instead of put aside",
    source: "SQS: a redrive policy with no dead-letter queue to read; RabbitMQ's delivery limit",
    caughtBy: ["MODEL-1", "DEAD-3", "DEAD-4", "SESSION-12"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) => {
      const asked = new Set<string>()
      const settling = wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, verdict) => {
        for (const { token } of receipts) {
          const id = deliveries.get(token)?.message.messageId
          if (id !== undefined) asked.add(id)
        }
        return settle(receipts, verdict)
      })
      return withDead(settling, (message) => (asked.has(message.messageId) ? message : undefined))
    })
  },
  {
    id: "dead-letter-at-last-delivery",
    title: "a message goes to the dead letters while its last handler is at work",
    source: "a maximum checked at the receive; local-aws-sqs 2.0.2 (probe P13)",
    caughtBy: ["DEAD-5"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          Effect.tap(provider.receive(address, options), (messages) =>
            address._tag === "DeadLetter"
              ? Effect.void
              : provider.settle(
                  messages.flatMap(({ deliveryCount, receipt }) =>
                    deliveryCount >= 2 ? [receipt] : []
                  ),
                  Verdict.deadLetter("MaxDeliveryCountExceeded")
                )
          )
      })
    )
  },
  {
    id: "dead-letter-receipts-unknown",
    title: "receipts of dead letters are looked for in the queue, and settle nothing",
    source: "the address of a receipt ignored",
    caughtBy: ["DEAD-6"],
    make: wrap.plain((provider) =>
      withDeadSettles(provider, () => (receipts) => Effect.succeed(receipts.map(expired)))
    )
  },
  {
    id: "dead-letter-dies-twice",
    title: "a dead letter that is abandoned twice is put aside once more, where nobody looks",
    source: "one maximum for both queues",
    caughtBy: ["MODEL-1", "DEAD-7"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      withDeadSettles(provider, (settle) => (receipts, verdict) => {
        const isSecond = receipts.some(
          ({ token }) => (deliveries.get(token)?.message.deliveryCount ?? 0) > 1
        )
        return settle(receipts, isSecond ? Verdict.complete : verdict)
      })
    )
  },
  {
    id: "dead-letter-dead-lettered-lost",
    title: "dead-lettering a dead letter removes it",
    source: "a dead letter of the dead letters has no place",
    caughtBy: ["MODEL-1", "DEAD-8"],
    kind: "loss",
    make: wrap.plain((provider) =>
      withDeadSettles(
        provider,
        (settle) => (receipts, verdict) =>
          settle(receipts, verdict._tag === "DeadLetter" ? Verdict.complete : verdict)
      )
    )
  },
  {
    id: "dead-letters-expire",
    title: "a dead letter is dropped when its time to live is over",
    source: "SQS: the retention of the dead-letter queue counts from the first sending",
    caughtBy: ["MODEL-1", "DEAD-9"],
    kind: "loss",
    make: wrap.plain((provider) =>
      withDead(provider, (message, now) => {
        const { enqueuedAt, timeToLive } = message
        if (timeToLive === undefined) return message
        const isOver = DateTime.isLessThan(DateTime.addDuration(enqueuedAt, timeToLive), now)
        return isOver ? undefined : message
      })
    )
  },
  {
    id: "dead-letters-ask-once",
    title: "a wait on the dead letters asks once, and sleeps",
    source: "waiters kept for the queue alone",
    caughtBy: ["DEAD-10"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) => {
          if (address._tag === "Queue") return provider.receive(address, options)
          const now = provider.receive(address, { ...options, wait: Duration.zero })
          return Effect.tap(now, ({ length }) =>
            length === 0 ? Effect.sleep(options.wait) : Effect.void
          )
        }
      })
    )
  },
  {
    id: "dead-letters-need-session",
    title: "the dead letters of an ordered queue are refused without a session",
    source: "the queue's own rule applied to both",
    caughtBy: ["DEAD-11"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) => {
          const isRefused =
            address._tag === "DeadLetter" && provider.capabilities(address.queue).ordered
          const reason = new QueueError.UnsupportedOperation({
            what: "receive without a session",
            provider: provider.name
          })
          return isRefused
            ? Effect.fail(QueueError.make(reason))
            : provider.receive(address, options)
        }
      })
    )
  },
  {
    id: "dead-letter-copied-first",
    title: "the copy is sent to the dead letters before the receipt is known to be any good",
    source: "SQS has no such call: a copy is sent first, the original deleted after",
    caughtBy: ["MODEL-1", "SETTLE-8", "BATCH-3"],
    kind: "duplication",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withVerdicts(
        provider,
        "DeadLetter",
        Effect.fnUntraced(function* (settle, receipts, verdict) {
          const outcomes = yield* settle(receipts, verdict)
          for (const [index, one] of outcomes.entries()) {
            const message = deliveries.get(receipts[index]?.token ?? "")?.message
            if (message === undefined || Result.isSuccess(one)) continue
            yield* wrap.buryCopy(provider, message, verdict)
          }
          return outcomes
        })
      )
    )
  }
]
