import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Outcome, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** The messages of these receipts, as they were delivered. */
const delivered = (
  deliveries: wrap.Deliveries,
  receipts: ReadonlyArray<{ readonly token: string }>
): ReadonlyArray<wrap.Received> =>
  receipts.flatMap(({ token }) => deliveries.get(token)?.message ?? [])

/** Deliveries that count as more than they are, by message id. */
const withExtraCounts = (provider: wrap.Provider, extra: Map<string, number>) =>
  wrap.withMessages(provider, (message) => ({
    ...message,
    deliveryCount: message.deliveryCount + (extra.get(message.messageId) ?? 0)
  }))

export const redelivery: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "count-stuck",
    title: "every delivery is the first",
    source: "SQS: ApproximateReceiveCount not asked for",
    caughtBy: ["REDELIVER-1", "REDELIVER-2", "REDELIVER-8"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({ ...message, deliveryCount: 1 }))
    )
  },
  {
    id: "count-from-zero",
    title: "deliveries are counted from zero",
    source: "AMQP: delivery-count is of failed attempts so far (SERVICEBUS.md §1.4)",
    caughtBy: ["RECEIVE-12"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        deliveryCount: message.deliveryCount - 1
      }))
    )
  },
  {
    id: "count-of-renewals",
    title: "every renewal counts as a delivery",
    source: "local-aws-sqs 2.0.2 (probes P4, P12)",
    caughtBy: ["REDELIVER-9"],
    make: wrap.recorded((provider, deliveries) => {
      const extra = new Map<string, number>()
      return wrap.change(withExtraCounts(provider, extra), {
        renewLock: (receipts) =>
          Effect.tap(provider.renewLock(receipts), () =>
            Effect.sync(() => {
              for (const { messageId } of delivered(deliveries, receipts)) {
                extra.set(messageId, (extra.get(messageId) ?? 0) + 1)
              }
            })
          )
      })
    })
  },
  {
    id: "count-of-abandons",
    title: "an abandon counts, and the delivery after it again",
    source: "local-aws-sqs 2.0.2 (probe P4)",
    caughtBy: ["REDELIVER-1", "REDELIVER-8"],
    make: wrap.recorded((provider, deliveries) => {
      const extra = new Map<string, number>()
      return wrap.withVerdicts(
        withExtraCounts(provider, extra),
        "Abandon",
        (settle, receipts, verdict) =>
          Effect.tap(settle(receipts, verdict), () =>
            Effect.sync(() => {
              for (const { messageId } of delivered(deliveries, receipts)) {
                extra.set(messageId, (extra.get(messageId) ?? 0) + 1)
              }
            })
          )
      )
    })
  },
  {
    id: "count-without-lost-locks",
    title: "a delivery whose lock ran out does not count",
    source: "a counter in the abandon",
    caughtBy: ["REDELIVER-2", "REDELIVER-8"],
    make: wrap.remembering(
      () => new Map<string, number>(),
      (provider, abandons) => {
        const deliveries: wrap.Deliveries = new Map()
        const counted = wrap.withMessages(wrap.recording(provider, deliveries), (message) => ({
          ...message,
          deliveryCount: (abandons.get(message.messageId) ?? 0) + 1
        }))
        return wrap.withVerdicts(counted, "Abandon", (settle, receipts, verdict) =>
          Effect.tap(settle(receipts, verdict), () =>
            Effect.sync(() => {
              for (const { messageId } of delivered(deliveries, receipts)) {
                abandons.set(messageId, (abandons.get(messageId) ?? 0) + 1)
              }
            })
          )
        )
      }
    )
  },
  {
    id: "abandon-sends-again",
    title: "an abandon sends a copy and completes the original",
    source: "requeue by republishing, as for brokers without a nack",
    caughtBy: ["MODEL-2", "REDELIVER-1", "DEAD-3", "SESSION-7"],
    kind: "order",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts) =>
        Effect.tap(settle(receipts, Verdict.complete), (outcomes) => {
          const messages = receipts.flatMap(({ token }, index) => {
            const outcome = outcomes[index]
            const message = deliveries.get(token)?.message
            const isDone = outcome !== undefined && Result.isSuccess(outcome)
            return isDone && message !== undefined ? [message] : []
          })
          return Effect.forEach(messages, (message) =>
            provider.send(message.receipt.address.queue, [wrap.copyOf(message)])
          )
        })
      )
    )
  },
  {
    id: "abandon-waits-for-lock",
    title: "an abandon does nothing, and the message comes when its lock ends",
    source: "SQS: not deleting taken for giving back",
    caughtBy: ["RECEIVE-18", "REDELIVER-1"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Abandon", (_, receipts) => wrap.pretend(receipts))
    )
  },
  {
    id: "abandon-completes",
    title: "an abandoned message is removed",
    source: "AMQP 0.9: nack without requeue",
    caughtBy: ["MODEL-1", "REDELIVER-1"],
    kind: "loss",
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts) =>
        settle(receipts, Verdict.complete)
      )
    )
  },
  {
    id: "abandon-first-failure-stops",
    title: "a batch of abandons stops at its first failure, and answers the rest as done",
    source: "a loop that breaks",
    caughtBy: ["BATCH-2"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(
        provider,
        "Abandon",
        Effect.fnUntraced(function* (settle, receipts, verdict) {
          const outcomes: Array<Outcome.Outcome<void>> = []
          for (const receipt of receipts) {
            if (Outcome.failures(outcomes).length > 0) outcomes.push(wrap.ok)
            else outcomes.push(...(yield* settle([receipt], verdict)))
          }
          return outcomes
        })
      )
    )
  },
  {
    id: "abandon-delay-ignored",
    title: "the delay of an abandon is ignored",
    source: "Service Bus has none; a failing message then spins",
    caughtBy: ["REDELIVER-4", "REDELIVER-5", "SESSION-11"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts) =>
        settle(receipts, Verdict.abandon())
      )
    )
  },
  {
    id: "abandon-delay-cut",
    title: "the delay of an abandon ends with the lock at the latest",
    source: "ADR 0001: the delay spent holding a lock that nobody renews",
    caughtBy: ["REDELIVER-5"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts, { delay }) => {
        const [receipt] = receipts
        if (receipt === undefined) return settle(receipts, Verdict.abandon(delay))
        const { lockDuration } = provider.capabilities(receipt.address.queue)
        return settle(receipts, Verdict.abandon(Duration.min(delay, lockDuration)))
      })
    )
  },
  {
    id: "abandon-delay-unchecked",
    title: "an endless or negative delay of an abandon is taken for none",
    source: "Math.max(0, delay) || 0",
    caughtBy: ["ERROR-10"],
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts, { delay }) => {
        const isUsable = Duration.isFinite(delay) && !Duration.isNegative(delay)
        return settle(receipts, Verdict.abandon(isUsable ? delay : Duration.zero))
      })
    )
  },
  {
    id: "backoff-blocks-queue",
    title: "while one message backs off the queue hands out none",
    source: "a consumer that sleeps its backoff",
    caughtBy: ["REDELIVER-7"],
    make: wrap.remembering(
      () => ({ until: 0 }),
      (provider, backoff) => {
        const settling = wrap.withVerdicts(provider, "Abandon", (settle, receipts, verdict) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            backoff.until = now + Duration.toMillis(verdict.delay)
            return settle(receipts, verdict)
          })
        )
        return wrap.withReceives(
          settling,
          (receive) => (options) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              const left = Duration.millis(Math.max(backoff.until - now, 0))
              return Duration.isGreaterThan(left, options.wait)
                ? Effect.as(Effect.sleep(options.wait), [])
                : Effect.andThen(Effect.sleep(left), receive(options))
            })
        )
      }
    )
  },
  {
    id: "redelivery-without-attributes",
    title: "a redelivery has lost the attributes",
    source: "SQS: MessageAttributeNames not asked for on the second path",
    caughtBy: ["REDELIVER-10"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) =>
        message.deliveryCount > 1 ? Object.assign(message, { attributes: {} }) : message
      )
    )
  },
  {
    id: "redelivery-never",
    title: "a message that was delivered three times is removed without a word",
    source: "a maximum of attempts in the client",
    caughtBy: ["MODEL-1", "REDELIVER-8", "DEAD-3"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withVerdicts(provider, "Abandon", (settle, receipts, verdict) => {
        const isLast = delivered(deliveries, receipts).some((one) => one.deliveryCount >= 3)
        return settle(receipts, isLast ? Verdict.complete : verdict)
      })
    )
  },
  {
    id: "receipt-of-message",
    title: "every delivery of a message has the receipt of the first",
    source: "the message's id taken for the receipt",
    caughtBy: ["MODEL-1", "SETTLE-5", "REDELIVER-1"],
    kind: "double holding",
    make: wrap.remembering(
      () => ({ first: new Map<string, string>(), latest: new Map<string, string>() }),
      (provider, { first, latest }) => {
        const current = <A extends { readonly token: string }>(receipt: A): A => ({
          ...receipt,
          token: latest.get(receipt.token) ?? receipt.token
        })
        const settling = wrap.withSettles(
          provider,
          (settle) => (receipts, verdict) => settle(receipts.map(current), verdict)
        )
        const renewing = wrap.change(settling, {
          renewLock: (receipts) => provider.renewLock(receipts.map(current))
        })
        return wrap.withMessages(renewing, (message) => {
          const { receipt } = message
          const key = `${receipt.address._tag} ${message.messageId} ${message.enqueuedAt.epochMilliseconds}`
          const token = first.get(key) ?? receipt.token
          first.set(key, token)
          latest.set(token, receipt.token)
          return { ...message, receipt: { ...receipt, token } }
        })
      }
    )
  },
  {
    id: "lock-ends-early",
    title: "a delivery comes again when half of its lock is over",
    source: "SQS: the queue's own visibility instead of the one declared",
    caughtBy: ["MODEL-1", "REDELIVER-3"],
    kind: "double holding",
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        receive: (address, options) =>
          Effect.tap(provider.receive(address, options), (messages) => {
            const { lockDuration } = provider.capabilities(address.queue)
            const receipts = messages.map(({ receipt }) => receipt)
            return Effect.sleep(Duration.divideUnsafe(lockDuration, 2)).pipe(
              Effect.andThen(provider.settle(receipts, Verdict.abandon())),
              Effect.ignore,
              Effect.forkIn(scope, { startImmediately: true })
            )
          })
      })
    )
  },
  {
    id: "lock-told-from-epoch",
    title: "the end of a lock is told in seconds where it is milliseconds",
    source: "an epoch in the wrong unit",
    caughtBy: ["RECEIVE-12"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        lockedUntil: DateTime.makeUnsafe(
          Math.floor(DateTime.toEpochMillis(message.lockedUntil) / 1_000)
        )
      }))
    )
  }
]
