import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { MessageId, type Outcome, type QueueProvider, SessionId } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

type Sent = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

/** Sends only some; the others are answered as if they had been sent. */
const sendOnly = (
  provider: wrap.Provider,
  isSent: (
    message: Parameters<wrap.Provider["send"]>[1][number],
    index: number,
    of: number
  ) => boolean
) =>
  wrap.change(provider, {
    send: (queue, messages) =>
      Effect.suspend(() => {
        const sent = messages.filter((one, index) => isSent(one, index, messages.length))
        return Effect.map(provider.send(queue, sent), (outcomes): Sent => {
          const left = [...outcomes]
          return messages.map(
            (one) =>
              (sent.includes(one) ? left.shift() : undefined) ??
              Result.succeed({ messageId: one.messageId })
          )
        })
      })
  })

/** Messages under ids of our own, and the application's ids again on their way up. */
const withOwnIds = (
  provider: wrap.Provider,
  names: Map<string, MessageId.MessageId>,
  isRenamed: (id: MessageId.MessageId) => boolean
) => {
  const original = (id: MessageId.MessageId) => names.get(id) ?? id
  const back = <A extends { readonly messageId: MessageId.MessageId }>(message: A): A => ({
    ...message,
    messageId: original(message.messageId)
  })
  const up = wrap.withMessages(provider, back)
  return wrap.change(up, {
    peek: (address, options) =>
      Effect.map(provider.peek(address, options), (messages) => messages.map(back)),
    send: (queue, messages) =>
      Effect.suspend(() => {
        const renamed = messages.map((message) => {
          if (!isRenamed(message.messageId)) return message
          const messageId = MessageId.makeUnsafe(`own-${names.size}`)
          names.set(messageId, message.messageId)
          return wrap.edit(message, { messageId })
        })
        return Effect.map(provider.send(queue, renamed), (outcomes) =>
          outcomes.map((one) => Result.map(one, back))
        )
      })
  })
}

export const sending: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "send-loses-last",
    title: "the last message of a batch stays in a buffer and is answered as sent",
    source: "a producer that acknowledges what it has queued and flushes all but the last",
    caughtBy: ["MODEL-1", "SEND-2"],
    kind: "loss",
    make: wrap.plain((provider) => sendOnly(provider, (_, index, of) => of === 1 || index < of - 1))
  },
  {
    id: "send-cut-at-ten",
    title: "what is over ten messages of a batch is cut off and answered as sent",
    source: "SQS takes ten entries a batch",
    caughtBy: ["MODEL-1", "LIMIT-8"],
    kind: "loss",
    make: wrap.plain((provider) => sendOnly(provider, (_, index) => index < 10))
  },
  {
    id: "send-outcomes-reversed",
    title: "the outcomes of a batch come in the service's order",
    source: "SQS answers Successful and Failed as two lists in any order",
    caughtBy: ["SEND-2"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.map(provider.send(queue, messages), (outcomes) => outcomes.toReversed())
      })
    )
  },
  {
    id: "send-side-by-side",
    title: "the messages of one batch are sent side by side, and overtake each other",
    source: "DESIGN §3: one send of a session is in flight at a time; SQS.md §7",
    caughtBy: ["MODEL-2", "SESSION-3"],
    kind: "order",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.map(provider.send(queue, messages.toReversed()), (outcomes) =>
            outcomes.toReversed()
          )
      })
    )
  },
  {
    id: "send-duplicates",
    title: "a send is made twice, as after a reply that was taken for lost",
    source: "a retry of a send that nobody deduplicates",
    caughtBy: ["MODEL-1", "SEND-1"],
    kind: "duplication",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.andThen(provider.send(queue, messages), provider.send(queue, messages))
      })
    )
  },
  {
    id: "send-empty-refused",
    title: "an empty batch goes to the service, which refuses it",
    source: "SQS: EmptyBatchRequest",
    caughtBy: ["SEND-3", "SETTLE-19"],
    make: wrap.plain((provider) => {
      const refused = Effect.fail(wrap.untranslated(provider, "EmptyBatchRequest"))
      return wrap.change(provider, {
        send: (queue, messages) =>
          messages.length === 0 ? refused : provider.send(queue, messages),
        settle: (receipts, verdict) =>
          receipts.length === 0 ? refused : provider.settle(receipts, verdict),
        renewLock: (receipts) => (receipts.length === 0 ? refused : provider.renewLock(receipts))
      })
    })
  },
  {
    id: "send-runs-once",
    title: "a call is sent the first time its effect is run, and answered from memory after",
    source: "a promise behind an effect: a retry waits for the old one",
    caughtBy: ["SEND-13"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) => {
          let before: Sent | undefined
          return Effect.suspend(() =>
            before === undefined
              ? Effect.tap(provider.send(queue, messages), (outcomes) =>
                  Effect.sync(() => {
                    before = outcomes
                  })
                )
              : Effect.succeed(before)
          )
        }
      })
    )
  },
  {
    id: "send-numbers-by-call",
    title: "sequence numbers begin at one with every call",
    source: "the number of the entry in its batch taken for the broker's",
    caughtBy: ["SEND-12"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.map(provider.send(queue, messages), (outcomes) =>
            outcomes.map((one, index) =>
              Result.map(one, (sent) => ({ ...sent, sequenceNumber: BigInt(index + 1) }))
            )
          )
      })
    )
  },
  {
    id: "send-too-large-alone",
    title: "a message over the limit fails alone, and the others of its call are sent",
    source: "SQS: size is an error of the entry",
    caughtBy: ["BATCH-5"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          provider.send(queue, messages).pipe(
            Effect.catchIf(wrap.isReason("MessageTooLarge"), (error) => {
              const { reason } = error
              const bad = reason._tag === "MessageTooLarge" ? reason.index : 0
              const rest = messages.filter((_, index) => index !== bad)
              return Effect.map(provider.send(queue, rest), (outcomes) =>
                outcomes.toSpliced(bad, 0, Result.fail(error))
              )
            })
          )
      })
    )
  },
  {
    id: "deduplication-by-body",
    title: "messages of one body are taken for one message",
    source: "SQS: ContentBasedDeduplication left on",
    caughtBy: ["MODEL-1", "SEND-8"],
    kind: "loss",
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, bodies) =>
        sendOnly(provider, ({ body }) => {
          const key = body.join()
          const isNew = !bodies.has(key)
          bodies.add(key)
          return isNew
        })
    )
  },
  {
    id: "deduplication-missing",
    title: "deduplication is declared, and every send gets an id of its own",
    source: "SQS: MessageDeduplicationId made anew for every send",
    caughtBy: ["SEND-5", "SEND-6", "SEND-9"],
    make: wrap.remembering(
      () => new Map<string, MessageId.MessageId>(),
      (provider, names) => withOwnIds(provider, names, () => true)
    )
  },
  {
    id: "deduplication-for-ever",
    title: "an id is remembered for ever",
    source: "a table of handled ids without a window",
    caughtBy: ["SEND-7"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, seen) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.suspend(() => {
              const isOn = provider.capabilities(queue).deduplication !== "unsupported"
              return sendOnly(provider, ({ messageId }) => {
                const isNew = !seen.has(messageId)
                if (isOn) seen.add(messageId)
                return isNew
              }).send(queue, messages)
            })
        })
    )
  },
  {
    id: "deduplication-unasked",
    title: "the second message of one id is dropped where nothing of the kind is declared",
    source: "a producer's own cache of ids",
    caughtBy: ["MODEL-1", "SEND-4"],
    kind: "loss",
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, seen) =>
        sendOnly(provider, ({ messageId }) => {
          const isNew = !seen.has(messageId)
          seen.add(messageId)
          return isNew
        })
    )
  },
  {
    id: "deduplication-ends-with-message",
    title: "an id is forgotten when its message is completed",
    source: "local-aws-sqs 2.0.2 (probe P19)",
    caughtBy: ["SEND-6"],
    make: wrap.remembering(
      () => ({
        names: new Map<string, MessageId.MessageId>(),
        done: new Set<string>(),
        deliveries: new Map<string, wrap.Delivery>()
      }),
      (provider, { deliveries, done, names }) =>
        wrap.withVerdicts(
          wrap.recording(
            withOwnIds(provider, names, (id) => done.has(id)),
            deliveries
          ),
          "Complete",
          (settle, receipts, verdict) =>
            Effect.tap(settle(receipts, verdict), () =>
              Effect.sync(() => {
                for (const { token } of receipts) {
                  const id = deliveries.get(token)?.message.messageId
                  if (id !== undefined) done.add(id)
                }
              })
            )
        )
    )
  },
  {
    id: "deduplication-of-refused",
    title: "an id is remembered before its message is taken, and the repaired one is dropped",
    source: "a cache that is filled before the call",
    caughtBy: ["SEND-10"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, refused) => {
        const healthy = sendOnly(provider, ({ messageId }) => !refused.has(messageId))
        return wrap.change(provider, {
          send: (queue, messages) =>
            Effect.tapError(healthy.send(queue, messages), () =>
              Effect.sync(() => {
                for (const { messageId } of messages) refused.add(messageId)
              })
            )
        })
      }
    )
  },
  {
    id: "batch-ids-distinct",
    title: "one id twice in a call fails the call",
    source: "SQS: BatchEntryIdsNotDistinct, where entries are named by message id",
    caughtBy: ["SEND-9"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          new Set(messages.map(({ messageId }) => messageId)).size === messages.length
            ? provider.send(queue, messages)
            : Effect.fail(wrap.untranslated(provider, "BatchEntryIdsNotDistinct"))
      })
    )
  },
  {
    id: "session-made-up",
    title: "a message without a session is put into one that nobody named",
    source: "a default for MessageGroupId",
    caughtBy: ["SEND-11"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          provider.send(
            queue,
            provider.capabilities(queue).ordered
              ? messages.map((one) =>
                  wrap.edit(one, { sessionId: one.sessionId ?? SessionId.makeUnsafe("default") })
                )
              : messages
          )
      })
    )
  },
  {
    id: "sessions-first-page",
    title: "of the sessions of a queue the first ten are kept, and messages of others are dropped",
    source: "a listing of which only the first page is read",
    caughtBy: ["MODEL-2", "SESSION-22"],
    kind: "loss",
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, known) =>
        sendOnly(provider, ({ sessionId }) => {
          if (sessionId === undefined) return true
          if (known.size < 10) known.add(sessionId)
          return known.has(sessionId)
        })
    )
  }
]
