import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  type Message,
  type Outcome,
  QueueError,
  type QueueProvider,
  type Receipt
} from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

type Outcomes<A> = ReadonlyArray<Outcome.Outcome<A>>

/** A caller whose one item waits to be merged. */
interface Waiting<I, A> {
  readonly item: I
  readonly answer: Deferred.Deferred<Outcomes<A>, Effect.Error<wrap.Failing<never>>>
}

/** Enough for callers side by side to come together. */
const turns = Effect.repeat(Effect.yieldNow, { times: 10 })

/** Merges what is called side by side, in the order it came, with whatever fault `change` puts in. */
const merging = <I, A>(
  scope: Scope.Scope,
  call: (items: ReadonlyArray<I>) => wrap.Failing<Outcomes<A>>,
  change: (outcomes: Outcomes<A>) => Outcomes<A>,
  onInterrupt: (waiting: Array<Waiting<I, A>>, own: Waiting<I, A>) => void = () => undefined
) => {
  const waiting: Array<Waiting<I, A>> = []
  const flush = Effect.gen(function* () {
    yield* turns
    const all = waiting.splice(0)
    if (all.length === 0) return
    const exit = yield* Effect.exit(call(all.map(({ item }) => item)))
    const changed = Exit.map(exit, change)
    for (const [index, { answer }] of all.entries()) {
      const own = Exit.map(changed, (outcomes) => outcomes.slice(index, index + 1))
      yield* Deferred.done(answer, own)
    }
  })
  return (item: I): wrap.Failing<Outcomes<A>> =>
    Effect.suspend(() => {
      const own: Waiting<I, A> = { item, answer: Deferred.makeUnsafe() }
      waiting.push(own)
      const start = waiting.length === 1 ? Effect.forkIn(flush, scope) : Effect.void
      return Effect.andThen(start, Deferred.await(own.answer)).pipe(
        Effect.onInterrupt(() => Effect.sync(() => onInterrupt(waiting, own)))
      )
    })
}

const same = <A>(outcomes: Outcomes<A>): Outcomes<A> => outcomes

/** Merges single sends to one queue at a time. */
const mergedSends = (
  change: (outcomes: Outcomes<QueueProvider.Sent>) => Outcomes<QueueProvider.Sent>,
  onInterrupt?: (waiting: Array<Waiting<Message.Stamped, QueueProvider.Sent>>) => void
): Sabotage.Sabotage["make"] =>
  wrap.background((provider, scope) => {
    const senders = new Map<
      string,
      (item: Message.Stamped) => wrap.Failing<Outcomes<QueueProvider.Sent>>
    >()
    return wrap.change(provider, {
      send: (queue, messages) => {
        const [only] = messages
        if (only === undefined || messages.length > 1) return provider.send(queue, messages)
        const sender =
          senders.get(queue) ??
          merging(scope, (all) => provider.send(queue, all), change, onInterrupt)
        senders.set(queue, sender)
        return sender(only)
      }
    })
  })

/** Merges single settlements of what looks like one verdict. */
const mergedSettlements = (
  kindOf: (verdict: Parameters<wrap.Settle>[1]) => string,
  change: (outcomes: Outcomes<void>) => Outcomes<void>
): Sabotage.Sabotage["make"] =>
  wrap.background((provider, scope) => {
    const settlers = new Map<string, (item: Receipt.Receipt) => wrap.Failing<Outcomes<void>>>()
    return wrap.change(provider, {
      settle: (receipts, verdict) => {
        const [only] = receipts
        if (only === undefined || receipts.length > 1) return provider.settle(receipts, verdict)
        const kind = kindOf(verdict)
        const settler =
          settlers.get(kind) ?? merging(scope, (all) => provider.settle(all, verdict), change)
        // For this round alone: the next one may begin with another verdict.
        settlers.set(kind, settler)
        return Effect.ensuring(
          settler(only),
          Effect.sync(() => settlers.delete(kind))
        )
      }
    })
  })

export const batching: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "batching-outcomes-swapped",
    title: "of sends that are merged each caller is answered what became of the next one's",
    source: "outcomes matched by the order of the answer, which SQS does not promise",
    caughtBy: ["BATCH-8"],
    make: mergedSends((outcomes) => [...outcomes.slice(1), ...outcomes.slice(0, 1)])
  },
  {
    id: "batching-too-large-fails-all",
    title: "of sends that are merged one that is too large fails all",
    source: "merged first and checked later",
    caughtBy: ["BATCH-9"],
    make: mergedSends(same)
  },
  {
    id: "batching-failure-swallowed",
    title: "settlements that are merged are answered as made when one of them was",
    source: "SQS answers 200 to a batch whose entries failed",
    caughtBy: ["BATCH-10"],
    make: mergedSettlements(
      (verdict) => JSON.stringify(verdict),
      (outcomes) => (outcomes.some(Result.isSuccess) ? outcomes.map(() => wrap.ok) : outcomes)
    )
  },
  {
    id: "batching-one-fails-all",
    title: "settlements that are merged are answered as failed when one of them was",
    source: "one promise for the whole batch",
    caughtBy: ["BATCH-10"],
    make: mergedSettlements(
      (verdict) => JSON.stringify(verdict),
      (outcomes) => {
        const failed = outcomes.find(Result.isFailure)
        return failed === undefined ? outcomes : outcomes.map(() => failed)
      }
    )
  },
  {
    id: "batching-delay-of-first",
    title: "abandons are merged whatever their delay, and have the first one's",
    source: "merged by the name of the verdict",
    caughtBy: ["BATCH-11", "CONCUR-2"],
    make: mergedSettlements(({ _tag }) => _tag, same)
  },
  {
    id: "batching-verdict-of-first",
    title: "settlements are merged whatever their verdict, and have the first one's",
    source: "rhea 3.0.5 does it to those of one tick (SERVICEBUS.md §5.1)",
    caughtBy: ["CONCUR-1"],
    make: mergedSettlements(() => "any", same)
  },
  {
    id: "batching-renewal-of-first",
    title: "renewals that are merged are answered what the first one is",
    source: "one answer for the whole batch",
    caughtBy: ["BATCH-12"],
    make: wrap.background((provider, scope) => {
      const renew = merging(
        scope,
        (all: ReadonlyArray<Receipt.Receipt>) => provider.renewLock(all),
        (outcomes) => outcomes.flatMap(() => outcomes.slice(0, 1))
      )
      return wrap.change(provider, {
        renewLock: (receipts) => {
          const [only] = receipts
          return only === undefined || receipts.length > 1
            ? provider.renewLock(receipts)
            : renew(only)
        }
      })
    })
  },
  {
    id: "batching-newest-first",
    title: "sends are answered at once and made later, the newest first",
    source: "a buffer that is a stack, and a sender that does not wait",
    caughtBy: ["BATCH-13"],
    make: wrap.background((provider, scope) => {
      const stack: Array<wrap.Failing<unknown>> = []
      const flush = Effect.andThen(
        turns,
        Effect.suspend(() =>
          Effect.forEach(stack.splice(0).toReversed(), (call) => Effect.ignore(call), {
            discard: true
          })
        )
      )
      return wrap.change(provider, {
        send: (queue, messages) => {
          const isPlain = messages.some(({ sessionId }) => sessionId === undefined)
          if (isPlain) return provider.send(queue, messages)
          stack.push(provider.send(queue, messages))
          return Effect.as(
            Effect.forkIn(flush, scope),
            messages.map(({ messageId }) => wrap.sent(messageId))
          )
        }
      })
    })
  },
  {
    id: "batching-interruption-swallows",
    title: "a caller that is interrupted takes with it what it would have been merged with",
    source: "a buffer that is cleared where one entry was to be taken out",
    caughtBy: ["BATCH-14"],
    make: mergedSends(same, (waiting) => {
      waiting.length = 0
    })
  },
  {
    id: "batching-names-place-in-merged",
    title: "a message that is too large is named by its place among all that is under way",
    source: "the index of the merged call, passed on as it is",
    caughtBy: ["BATCH-15"],
    make: wrap.remembering(
      () => ({ underWay: 0 }),
      (provider, shared) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.suspend(() => {
              const before = shared.underWay
              shared.underWay += messages.length
              return Effect.yieldNow.pipe(
                Effect.andThen(provider.send(queue, messages)),
                Effect.mapError((error) => QueueError.mapIndex(error, (index) => before + index)),
                Effect.ensuring(
                  Effect.sync(() => {
                    shared.underWay -= messages.length
                  })
                )
              )
            })
        })
    )
  },
  {
    id: "batching-counts-entries-on",
    title:
      "entries are numbered on from call to call, and what is too large is named by its number",
    source: "SQS: the id of an entry taken for its place",
    caughtBy: ["BATCH-16", "BATCH-17"],
    make: wrap.remembering(
      () => ({ entries: 0 }),
      (provider, shared) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.suspend(() => {
              const before = shared.entries
              shared.entries += messages.length
              return Effect.mapError(provider.send(queue, messages), (error) =>
                QueueError.mapIndex(error, (index) => before + index)
              )
            })
        })
    )
  }
]
