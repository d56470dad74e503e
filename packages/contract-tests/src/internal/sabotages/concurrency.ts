import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

export const concurrency: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "settlements-race-both-win",
    title: "of two settlements of one delivery side by side both are answered as made",
    source: "a receipt looked at first and used later",
    caughtBy: ["CONCUR-3"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, under) =>
        wrap.withSettles(
          provider,
          (settle) => (receipts, verdict) =>
            Effect.suspend(() => {
              const known = receipts.map(({ token }) => under.has(token))
              for (const { token } of receipts) under.add(token)
              return Effect.yieldNow.pipe(
                Effect.andThen(settle(receipts, verdict)),
                Effect.map((outcomes) =>
                  outcomes.map((one, index) => (known[index] === true ? wrap.ok : one))
                ),
                Effect.tap(() => Effect.yieldNow),
                Effect.ensuring(
                  Effect.sync(() => {
                    for (const { token } of receipts) under.delete(token)
                  })
                )
              )
            })
        )
    )
  },
  {
    id: "renewal-stores-again",
    title: "a renewal side by side with a completion stores the message again",
    source: "read, change and write without a version",
    caughtBy: ["MODEL-1", "CONCUR-4"],
    kind: "duplication",
    make: wrap.recorded((provider, deliveries) => {
      const under = new Set<string>()
      return wrap.change(provider, {
        renewLock: (receipts) =>
          Effect.gen(function* () {
            for (const { token } of receipts) under.add(token)
            yield* Effect.yieldNow
            const outcomes = yield* provider.renewLock(receipts)
            for (const { address, token } of receipts) {
              const message = deliveries.get(token)?.message
              const isDone = !under.delete(token)
              if (isDone && message !== undefined) {
                yield* provider.send(address.queue, [wrap.copyOf(message)])
              }
            }
            return outcomes
          }),
        settle: (receipts, verdict) =>
          Effect.suspend(() => {
            for (const { token } of receipts) under.delete(token)
            return provider.settle(receipts, verdict)
          })
      })
    })
  },
  {
    id: "sends-race-one-lost",
    title: "of two sends that meet one is lost",
    source: "read, change and write without a lock",
    caughtBy: ["MODEL-1", "CONCUR-6"],
    kind: "loss",
    make: wrap.remembering(
      () => ({ isSending: false }),
      (provider, state) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.suspend(() => {
              if (state.isSending) {
                return Effect.succeed(messages.map(({ messageId }) => wrap.sent(messageId)))
              }
              state.isSending = true
              return Effect.yieldNow.pipe(
                Effect.andThen(provider.send(queue, messages)),
                Effect.ensuring(Effect.sync(() => void (state.isSending = false)))
              )
            })
        })
    )
  },
  {
    id: "receives-race-one-message",
    title: "receivers that meet get one message",
    source: "a message picked first and marked later",
    caughtBy: ["MODEL-1", "CONCUR-7"],
    kind: "duplication",
    make: wrap.remembering(
      (): { last?: ReadonlyArray<wrap.Received>; under: number } => ({ under: 0 }),
      (provider, state) =>
        wrap.change(provider, {
          receive: (address, options) =>
            Effect.suspend(() => {
              state.under++
              return Effect.yieldNow.pipe(
                Effect.andThen(
                  Effect.suspend(() => {
                    const { last } = state
                    if (state.under > 1 && last !== undefined) return Effect.succeed(last)
                    return Effect.tap(provider.receive(address, options), (messages) =>
                      Effect.sync(() => {
                        if (messages.length > 0) state.last = messages
                      })
                    )
                  })
                ),
                Effect.ensuring(
                  Effect.sync(() => {
                    state.under--
                    if (state.under === 0) delete state.last
                  })
                )
              )
            })
        })
    )
  },
  {
    id: "wakes-one-of-two",
    title: "of two receivers that wait the second sleeps through its message",
    source: "one flag for all who wait",
    caughtBy: ["CONCUR-8"],
    make: wrap.remembering(
      () => ({ waiting: 0 }),
      (provider, state) =>
        wrap.change(provider, {
          receive: (address, options) =>
            Effect.suspend(() => {
              const isSecond = state.waiting > 0 && Duration.isPositive(options.wait)
              state.waiting++
              const now = provider.receive(address, { ...options, wait: Duration.zero })
              return Effect.ensuring(
                isSecond
                  ? Effect.tap(now, ({ length }) =>
                      length > 0 ? Effect.void : Effect.sleep(options.wait)
                    )
                  : provider.receive(address, options),
                Effect.sync(() => state.waiting--)
              )
            })
        })
    )
  },
  {
    id: "accepts-race-one-session",
    title: "who asks for the next session at one moment gets the same one",
    source: "a session picked first and marked later",
    caughtBy: ["MODEL-2", "CONCUR-10"],
    kind: "double holding",
    make: wrap.remembering(
      (): { picked?: Deferred.Deferred<Option.Option<wrap.Session>> } => ({}),
      (provider, state) =>
        wrap.change(provider, {
          acceptSession: (queue, options) =>
            Effect.suspend(() => {
              if (options.sessionId !== undefined) return provider.acceptSession(queue, options)
              if (state.picked !== undefined) return Deferred.await(state.picked)
              const picked = Deferred.makeUnsafe<Option.Option<wrap.Session>>()
              state.picked = picked
              return Effect.yieldNow.pipe(
                Effect.andThen(provider.acceptSession(queue, options)),
                Effect.tap((session) => Deferred.succeed(picked, session)),
                Effect.ensuring(
                  Effect.suspend(() => {
                    delete state.picked
                    return Deferred.succeed(picked, Option.none())
                  })
                )
              )
            })
        })
    )
  },
  {
    id: "renewal-has-last-word",
    title: "a renewal that overtakes an abandon locks the message again, and nobody has it",
    source: "novu #12437; SQS.md §4 (S9): nothing came back for 30 s",
    caughtBy: ["CONCUR-5"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, under) =>
        wrap.withVerdicts(
          wrap.change(provider, {
            renewLock: (receipts) =>
              Effect.gen(function* () {
                for (const { token } of receipts) under.add(token)
                yield* Effect.yieldNow
                const outcomes = yield* provider.renewLock(receipts)
                for (const { address, token } of receipts) {
                  if (under.delete(token)) continue
                  yield* provider.receive(address, { max: 1, wait: Duration.zero })
                }
                return outcomes
              })
          }),
          "Abandon",
          (settle, receipts, verdict) => {
            for (const { token } of receipts) under.delete(token)
            return settle(receipts, verdict)
          }
        )
    )
  }
]
