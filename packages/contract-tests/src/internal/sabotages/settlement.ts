import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { type Outcome, type Receipt, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

type Outcomes = ReadonlyArray<Outcome.Outcome<void>>

const isExpired = (outcome: Outcome.Outcome<unknown>): boolean =>
  Result.isFailure(outcome) && wrap.isReason("ReceiptExpired")(outcome.failure)

/** Changes the outcomes of every settlement. */
const withOutcomes = (provider: wrap.Provider, f: (outcomes: Outcomes) => Outcomes) =>
  wrap.withSettles(
    provider,
    (settle) => (receipts, verdict) => Effect.map(settle(receipts, verdict), f)
  )

/** Renewals whose outcomes are made up by `f` from those of the healthy provider. */
const withRenewals = (
  provider: wrap.Provider,
  f: (
    outcome: Outcome.Outcome<DateTime.Utc>,
    fromNow: DateTime.Utc,
    receipt: Receipt.Receipt | undefined
  ) => Outcome.Outcome<DateTime.Utc>
) =>
  wrap.change(provider, {
    renewLock: (receipts) => {
      const [first] = receipts
      if (first === undefined) return provider.renewLock(receipts)
      return Effect.zipWith(
        provider.renewLock(receipts),
        wrap.lockFromNow(provider, first.address.queue),
        (outcomes, fromNow) => outcomes.map((one, index) => f(one, fromNow, receipts[index]))
      )
    }
  })

export const settlement: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "complete-hides",
    title: "a completion is answered, and the message comes again when its lock ends",
    source: "an acknowledgement that never leaves the buffer",
    caughtBy: ["MODEL-1", "SETTLE-1"],
    kind: "duplication",
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Complete", (_, receipts) => wrap.pretend(receipts))
    )
  },
  {
    id: "complete-abandons",
    title: "a completed message is delivered again at once",
    source: "rhea 3.0.5 turns one settlement into another (SERVICEBUS.md §5.1)",
    caughtBy: ["MODEL-1", "SETTLE-1"],
    kind: "duplication",
    make: wrap.plain((provider) =>
      wrap.withVerdicts(provider, "Complete", (settle, receipts) =>
        settle(receipts, Verdict.abandon())
      )
    )
  },
  {
    id: "settlement-late-accepted",
    title: "a used or expired receipt is answered with success",
    source: "SQS answers the second deletion with success (probe P20); fauxqs 2.4.1 (probe P10)",
    caughtBy: ["SETTLE-3", "SETTLE-4", "SETTLE-6", "SETTLE-7", "SESSION-15"],
    make: wrap.plain((provider) =>
      withOutcomes(provider, (outcomes) => outcomes.map((one) => (isExpired(one) ? wrap.ok : one)))
    )
  },
  {
    id: "settlement-by-message-id",
    title: "a late settlement settles the delivery that came after it",
    source: "azure-sdk-for-js #11682: deliveries kept by message id",
    caughtBy: ["MODEL-1", "SETTLE-5"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(provider, (settle) =>
        Effect.fnUntraced(function* (receipts, verdict) {
          const outcomes = yield* settle(receipts, verdict)
          return yield* Effect.forEach(outcomes, (one, index) => {
            const token = receipts[index]?.token ?? ""
            const id = deliveries.get(token)?.message.messageId
            const latest = [...deliveries.values()].findLast(
              ({ message }) => message.messageId === id
            )
            const again = latest?.message.receipt
            return isExpired(one) && again !== undefined && again.token !== token
              ? Effect.map(provider.settle([again], verdict), ([other]) => other ?? one)
              : Effect.succeed(one)
          })
        })
      )
    )
  },
  {
    id: "settlement-by-first-of-id",
    title: "of two messages of one id the first is settled, whichever receipt was given",
    source: "azure-sdk-for-js #11682: deliveries kept by message id",
    caughtBy: ["SETTLE-12"],
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          settle(
            receipts.map((receipt) => {
              const delivery = deliveries.get(receipt.token)
              const id = delivery?.message.messageId
              return delivery?.batch.find(({ messageId }) => messageId === id)?.receipt ?? receipt
            }),
            verdict
          )
      )
    )
  },
  {
    id: "settlement-up-to",
    title: "a settlement settles everything received before it as well",
    source: "rhea 3.0.5 settles a range of deliveries; AMQP 0.9: multiple",
    caughtBy: ["MODEL-1", "SETTLE-2", "SETTLE-11", "SESSION-14"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.tap(settle(receipts, verdict), () => {
            const before = receipts.flatMap(({ token }) => {
              const batch = deliveries.get(token)?.batch ?? []
              const place = batch.findIndex(({ receipt }) => receipt.token === token)
              return batch.slice(0, Math.max(place, 0)).map(({ receipt }) => receipt)
            })
            return settle(before, verdict)
          })
      )
    )
  },
  {
    id: "settlement-of-whole-batch",
    title: "a settlement settles everything that was received together",
    source: "a receipt of the batch taken for one of the message",
    caughtBy: ["MODEL-1", "SETTLE-2"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.tap(settle(receipts, verdict), () =>
            settle(
              receipts.flatMap(
                ({ token }) => deliveries.get(token)?.batch.map(({ receipt }) => receipt) ?? []
              ),
              verdict
            )
          )
      )
    )
  },
  {
    id: "settlement-one-verdict-a-tick",
    title: "settlements of one moment all get the verdict of the first",
    source: "rhea 3.0.5 merges dispositions of one tick (SERVICEBUS.md §5.1)",
    caughtBy: ["MODEL-1", "CONCUR-1"],
    kind: "loss",
    make: wrap.remembering(
      (): { verdict?: Verdict.Verdict } => ({}),
      (provider, tick) =>
        wrap.withSettles(
          provider,
          (settle) => (receipts, verdict) =>
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
    id: "settlement-partial-is-success",
    title: "a batch of settlements of which one succeeded is answered as a success",
    source: "SQS: DeleteMessageBatch answers 200, and Failed is not looked at",
    caughtBy: ["BATCH-1"],
    make: wrap.plain((provider) =>
      withOutcomes(provider, (outcomes) =>
        outcomes.some(Result.isSuccess) ? outcomes.map(() => wrap.ok) : outcomes
      )
    )
  },
  {
    id: "settlement-one-fails-all",
    title: "one bad receipt fails the whole call, although the others were settled",
    source: "Promise.all over the entries of a batch",
    caughtBy: ["BATCH-1"],
    make: wrap.plain((provider) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.flatMap(settle(receipts, verdict), (outcomes) => {
            const failed = outcomes.find(Result.isFailure)
            return failed === undefined ? Effect.succeed(outcomes) : Effect.fail(failed.failure)
          })
      )
    )
  },
  {
    id: "settlement-outcomes-sorted",
    title: "the outcomes of a batch come successes first",
    source: "SQS answers Successful and Failed as two lists",
    caughtBy: ["BATCH-1"],
    make: wrap.plain((provider) =>
      withOutcomes(provider, (outcomes) => [
        ...outcomes.filter(Result.isSuccess),
        ...outcomes.filter(Result.isFailure)
      ])
    )
  },
  {
    id: "settlement-cut-at-ten",
    title: "of a batch of settlements ten are made, and the others answered as if they had been",
    source: "SQS takes ten entries a batch",
    caughtBy: ["LIMIT-10"],
    make: wrap.plain((provider) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.map(settle(receipts.slice(0, 10), verdict), (outcomes) =>
            receipts.map((_, index) => outcomes[index] ?? wrap.ok)
          )
      )
    )
  },
  {
    id: "settlement-unknown-dies",
    title: "a receipt that cannot be read ends the fiber with a defect",
    source: "a token split and indexed without a look",
    caughtBy: ["SETTLE-10", "SESSION-21"],
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          receipts.every(({ token }) => deliveries.has(token))
            ? settle(receipts, verdict)
            : Effect.die(new TypeError("Cannot read properties of undefined"))
      )
    )
  },
  {
    id: "renewal-added",
    title: "a renewal answers a lock duration on top of what is left",
    source: "QueueProvider.renewLock: from now, not on top of what is left",
    caughtBy: ["SETTLE-13"],
    make: wrap.recorded((provider, deliveries) => {
      const ends = new Map<string, DateTime.Utc>()
      return withRenewals(provider, (outcome, _, receipt) =>
        Result.map(outcome, (until) => {
          if (receipt === undefined) return until
          const { address, token } = receipt
          const before = ends.get(token) ?? deliveries.get(token)?.message.lockedUntil ?? until
          const { lockDuration } = provider.capabilities(address.queue)
          const added = DateTime.addDuration(before, lockDuration)
          ends.set(token, added)
          return added
        })
      )
    })
  },
  {
    id: "renewal-not-made",
    title: "a renewal is answered and not made",
    source: "a heartbeat whose failure is only logged",
    caughtBy: ["MODEL-1", "SETTLE-14", "SETTLE-15"],
    kind: "double holding",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        renewLock: (receipts) =>
          Effect.forEach(receipts, ({ address }) =>
            Effect.map(wrap.lockFromNow(provider, address.queue), Result.succeed)
          )
      })
    )
  },
  {
    id: "renewal-late-accepted",
    title: "the renewal of a used or expired receipt is answered with success",
    source: "SQS standard queues (probe P11)",
    caughtBy: ["MODEL-1", "SETTLE-16", "SETTLE-17"],
    kind: "double holding",
    make: wrap.plain((provider) =>
      withRenewals(provider, (outcome, fromNow) =>
        isExpired(outcome) ? Result.succeed(fromNow) : outcome
      )
    )
  },
  {
    id: "renewal-first-only",
    title: "of several renewals in a call the first is made, and the others answered",
    source: "SQS: ChangeMessageVisibility instead of its batch",
    caughtBy: ["BATCH-4"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        renewLock: (receipts) =>
          Effect.map(provider.renewLock(receipts.slice(0, 1)), (outcomes) =>
            receipts.flatMap((_, index) => outcomes[index] ?? outcomes[0] ?? [])
          )
      })
    )
  },
  {
    id: "renewal-overwrites-delay",
    title: "a late renewal takes the place of an abandon's delay",
    source: "novu #12437; SQS.md §4: abandon(1 s) overwritten by a heartbeat 200 ms late (S9)",
    caughtBy: ["SETTLE-18"],
    make: wrap.background((provider, scope) => {
      // Abandons whose delay is spent here, the lock still held, until a renewal cancels them.
      const waiting = new Map<string, Fiber.Fiber<void>>()
      const settling = wrap.withVerdicts(provider, "Abandon", (settle, receipts, verdict) => {
        const [receipt] = receipts
        if (receipt === undefined || receipts.length > 1) return settle(receipts, verdict)
        const { lockDuration } = provider.capabilities(receipt.address.queue)
        const isShort = Duration.isLessThan(verdict.delay, lockDuration)
        if (Duration.isZero(verdict.delay) || !isShort) return settle(receipts, verdict)
        return Effect.sleep(verdict.delay).pipe(
          Effect.andThen(Effect.ignore(settle(receipts, Verdict.abandon()))),
          Effect.forkIn(scope, { startImmediately: true }),
          Effect.tap((fiber) => Effect.sync(() => waiting.set(receipt.token, fiber))),
          Effect.andThen(wrap.pretend(receipts))
        )
      })
      return wrap.change(settling, {
        renewLock: (receipts) =>
          Effect.andThen(
            Effect.forEach(receipts, ({ token }) => {
              const fiber = waiting.get(token)
              return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
            }),
            provider.renewLock(receipts)
          )
      })
    })
  },
  {
    id: "renewal-for-ever",
    title: "what is received is renewed for ever, so that its lock never runs out",
    source: "@azure/service-bus: maxAutoLockRenewalDurationInMs without an end",
    caughtBy: ["MODEL-1", "REDELIVER-2", "REDELIVER-3"],
    kind: "loss",
    make: wrap.background((provider, scope) =>
      wrap.withReceives(
        provider,
        (receive, { queue }) =>
          (options) =>
            Effect.tap(receive(options), (messages) => {
              const { lockDuration } = provider.capabilities(queue)
              const receipts = messages.map(({ receipt }) => receipt)
              const renewing = Effect.sleep(Duration.divideUnsafe(lockDuration, 2)).pipe(
                Effect.andThen(provider.renewLock(receipts)),
                Effect.repeat({ while: (outcomes) => outcomes.some(Result.isSuccess) })
              )
              return receipts.length === 0
                ? Effect.void
                : Effect.forkIn(Effect.ignore(renewing), scope, { startImmediately: true })
            })
      )
    )
  },
  {
    id: "expired-is-failure-of-provider",
    title: "a used receipt is an error of the service that nobody translated",
    source: "SQS: ReceiptHandleIsInvalid and InvalidParameterValue (probe P10)",
    caughtBy: ["SETTLE-3", "SETTLE-4"],
    make: wrap.plain((provider) =>
      wrap.withErrors(provider, (error) =>
        error.reason._tag === "ReceiptExpired"
          ? wrap.untranslated(provider, "ReceiptHandleIsInvalid")
          : error
      )
    )
  }
]
