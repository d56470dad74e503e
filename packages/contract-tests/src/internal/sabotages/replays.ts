import * as Effect from "effect/Effect"
import { type ReceivedMessage, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** How this library calls what it puts beside a message. */
const ours = /^queue-runtime-/u

/** Backwards, and still numbers that a peek can go by. */
const last = 1_000_000n

const backwards = <M extends ReceivedMessage.PeekedMessage>(message: M): M =>
  message.sequenceNumber === undefined
    ? message
    : { ...message, sequenceNumber: last - message.sequenceNumber }

/** Faults that an operator meets on the day of a replay. */
export const replays: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "dead-letter-details-dropped",
    title: "a dead letter keeps its reason and its description, and nothing else of its failure",
    source: "Service Bus has two fields for it, and SQS none",
    caughtBy: ["DEAD-16"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "DeadLetter", (settle, receipts, { description, reason }) =>
        settle(receipts, Verdict.deadLetter(reason, description))
      )
    )
  },
  {
    id: "library-attributes-dropped",
    title: "attributes that are not the application's are dropped on the way down",
    source: "a gateway that lets through what it has a list of",
    caughtBy: ["REPLAY-2", "REPLAY-3", "REPLAY-10"],
    make: wrap.plain((provider) =>
      wrap.withSent(provider, (message) => {
        const kept = Object.entries(message.attributes).filter(([name]) => !ours.test(name))
        return wrap.edit(message, { attributes: Object.fromEntries(kept) })
      })
    )
  },
  {
    id: "deduplicates-by-body",
    title: "a body that was sent before is dropped, whatever its id",
    source: "SQS: content-based deduplication switched on",
    caughtBy: ["REPLAY-2", "REPLAY-3"],
    kind: "loss",
    beyondModel: "the model gives each message a body of its own",
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, seen) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.suspend(() => {
              const isNew = messages.map(({ body, sessionId = "" }) => {
                const key = `${queue} ${sessionId} ${body.join()}`
                const isFirst = !seen.has(key)
                seen.add(key)
                return isFirst
              })
              const fresh = messages.filter((_, index) => isNew[index])
              const sent = fresh.length === 0 ? Effect.succeed([]) : provider.send(queue, fresh)
              return Effect.map(sent, (outcomes) => {
                const rest = outcomes.values()
                return messages.map(({ messageId }, index) =>
                  isNew[index] === true
                    ? (rest.next().value ?? wrap.sent(messageId))
                    : wrap.sent(messageId)
                )
              })
            })
        })
    )
  },
  {
    id: "dead-letters-given-back-are-gone",
    title: "a dead letter that is given back is removed",
    source: "SQS: a receive that deletes what it shows",
    caughtBy: ["DEAD-7", "REPLAY-4"],
    kind: "loss",
    beyondModel: "the model completes the dead letters that it receives",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        settle: (receipts, verdict) => {
          const isDead = receipts.some(({ address }) => address._tag === "DeadLetter")
          return provider.settle(
            receipts,
            isDead && verdict._tag === "Abandon" ? Verdict.complete : verdict
          )
        }
      })
    )
  },
  {
    id: "dead-letters-peek-begins-again",
    title: "a peek at the dead letters begins with the first, wherever it is to begin",
    source: "a sequence number that is not handed on",
    caughtBy: ["REPLAY-1"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        peek: (address, options) =>
          provider.peek(address, address._tag === "DeadLetter" ? { max: options.max } : options)
      })
    )
  },
  {
    id: "dead-letters-peek-hides-held",
    title: "a peek at the dead letters does not show those that somebody holds",
    source: "a peek that is a receive without a lock",
    caughtBy: ["REPLAY-13"],
    make: wrap.remembering(
      () => new Map<string, bigint | undefined>(),
      (provider, held) =>
        wrap.change(provider, {
          receive: (address, options) =>
            Effect.tap(provider.receive(address, options), (messages) =>
              Effect.sync(() => {
                if (address._tag === "Queue") return
                for (const { receipt, sequenceNumber } of messages) {
                  held.set(receipt.token, sequenceNumber)
                }
              })
            ),
          settle: (receipts, verdict) =>
            Effect.tap(provider.settle(receipts, verdict), () =>
              Effect.sync(() => {
                for (const { token } of receipts) held.delete(token)
              })
            ),
          peek: (address, options) =>
            Effect.map(provider.peek(address, options), (messages) =>
              address._tag === "Queue"
                ? messages
                : messages.filter(
                    ({ sequenceNumber }) => ![...held.values()].includes(sequenceNumber)
                  )
            )
        })
    )
  },
  {
    id: "dead-letters-numbered-backwards",
    title: "the later a dead letter came, the lower is its number",
    source: "a stack where a queue should be",
    caughtBy: ["REPLAY-5"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          address._tag === "Queue"
            ? provider.receive(address, options)
            : Effect.map(provider.receive(address, options), (messages) => messages.map(backwards)),
        peek: (address, options) =>
          address._tag === "Queue"
            ? provider.peek(address, options)
            : Effect.map(provider.peek(address, { max: 1_000 }), (messages) =>
                messages
                  .map(backwards)
                  .toReversed()
                  .filter(
                    ({ sequenceNumber = 0n }) =>
                      sequenceNumber >= (options.fromSequenceNumber ?? 0n)
                  )
                  .slice(0, options.max)
              )
      })
    )
  },
  {
    id: "depth-forgets-locked",
    title: "the depth of a queue has no message that somebody holds",
    source: "SQS: ApproximateNumberOfMessages alone",
    caughtBy: ["REPLAY-12"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        depth: (address) =>
          Effect.map(
            provider.depth?.(address) ?? Effect.succeed({ available: 0, delayed: 0 }),
            ({ available, delayed }) => ({ available, delayed, locked: 0 })
          )
      })
    )
  }
]
