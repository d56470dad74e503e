import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { QueueError, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

const isLost = wrap.isReason("SessionLockLost")

/** What is in hand when the scope of a session ends, before the session is released. */
const beforeRelease = (
  provider: wrap.Provider,
  f: (session: wrap.Session, inHand: ReadonlyArray<wrap.Received>) => wrap.Failing<unknown>
): wrap.Provider =>
  wrap.change(provider, {
    acceptSession: (queue, options) =>
      Effect.gen(function* () {
        const accepted = yield* provider.acceptSession(queue, options)
        if (Option.isNone(accepted)) return accepted
        const session = accepted.value
        const inHand = new Map<string, wrap.Received>()
        yield* Effect.addFinalizer(() =>
          Effect.ignore(Effect.suspend(() => f(session, [...inHand.values()])))
        )
        return Option.some(
          wrap.changeSession(session, {
            receive: (asked) =>
              Effect.tap(session.receive(asked), (messages) =>
                Effect.sync(() => {
                  for (const one of messages) inHand.set(one.receipt.token, one)
                })
              ),
            settle: (receipts, verdict) => {
              for (const { token } of receipts) inHand.delete(token)
              return session.settle(receipts, verdict)
            }
          })
        )
      })
  })

/** Abandons one by one, the last one first: the order stays, and each counts. */
const abandonEach = (session: wrap.Session, messages: ReadonlyArray<wrap.Received>) =>
  Effect.forEach(messages.toReversed(), ({ receipt }) =>
    session.settle([receipt], Verdict.abandon())
  )

export const sessionLocks: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "release-waits-for-lock",
    title: "a session that is let go is free when its lock ends",
    source: "SQS: nothing to release, the visibility is left to run out",
    caughtBy: ["SESSION-35", "SESSION-45"],
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          Scope.provide(provider.acceptSession(queue, options), scope)
      })
    )
  },
  {
    id: "release-counts",
    title: "letting a session go counts as a delivery of what was in hand",
    source: "SQS.md §1 D2: a drain adds one to followers already at the limit",
    caughtBy: ["SESSION-36"],
    make: wrap.plain((provider) => beforeRelease(provider, abandonEach))
  },
  {
    id: "release-completes",
    title: "letting a session go completes what was in hand",
    source: "auto-complete at the end of a handler, failed or not",
    caughtBy: ["MODEL-2", "SESSION-36"],
    kind: "loss",
    make: wrap.plain((provider) =>
      beforeRelease(provider, (session, inHand) =>
        session.settle(
          inHand.map(({ receipt }) => receipt),
          Verdict.complete
        )
      )
    )
  },
  {
    id: "release-forgets-delay",
    title: "a session that is let go while its first message backs off is free at once",
    source: "the delay spent in the handle that holds the lock",
    caughtBy: ["SESSION-49"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => {
        let backing: { readonly until: number; readonly give: Parameters<wrap.Settle> } | undefined
        return {
          settle: (receipts, verdict) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              if (verdict._tag !== "Abandon" || Duration.isZero(verdict.delay)) {
                return session.settle(receipts, verdict)
              }
              const until = now + Duration.toMillis(verdict.delay)
              backing = { until, give: [receipts, Verdict.abandon()] }
              return wrap.pretend(receipts)
            }),
          receive: (options) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              if (backing === undefined) return session.receive(options)
              const left = Duration.millis(Math.max(backing.until - now, 0))
              if (Duration.isGreaterThan(left, options.wait)) {
                return Effect.as(Effect.sleep(options.wait), [])
              }
              const { give } = backing
              backing = undefined
              return Effect.sleep(left).pipe(
                Effect.andThen(session.settle(...give)),
                Effect.andThen(session.receive(options))
              )
            })
        }
      })
    )
  },
  {
    id: "released-handle-settles",
    title: "the handle of a session that was let go settles what the next holder has in hand",
    source: "deliveries kept by message id",
    caughtBy: ["MODEL-2", "SESSION-37"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSessions(provider, (session) => ({
        settle: (receipts, verdict) =>
          Effect.catchIf(session.settle(receipts, verdict), isLost, () => {
            const latest = receipts.flatMap(({ token }) => {
              const id = deliveries.get(token)?.message.messageId
              const found = [...deliveries.values()].findLast(
                ({ message }) => message.messageId === id
              )
              return found?.message.receipt ?? []
            })
            return Effect.andThen(provider.settle(latest, verdict), wrap.pretend(receipts))
          })
      }))
    )
  },
  {
    id: "lost-lock-unnoticed",
    title: "a holder whose lock ran out is told nothing: no messages, and settlements as made",
    source: "azure-sdk-for-js #24540: a session receiver stops working silently",
    caughtBy: ["SESSION-38", "SESSION-43"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => ({
        receive: (options) =>
          Effect.catchIf(session.receive(options), isLost, () =>
            Effect.as(Effect.sleep(options.wait), [])
          ),
        settle: (receipts, verdict) =>
          Effect.catchIf(session.settle(receipts, verdict), isLost, () => wrap.pretend(receipts))
      }))
    )
  },
  {
    id: "lost-lock-settles",
    title: "a holder whose lock ran out goes on settling",
    source: "the settlement of a session sent over the queue's own link",
    caughtBy: ["SESSION-38"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => ({
        settle: (receipts, verdict) =>
          Effect.catchIf(session.settle(receipts, verdict), isLost, () =>
            provider.settle(receipts, verdict)
          )
      }))
    )
  },
  {
    id: "session-renewal-not-made",
    title: "the renewal of a session is answered and not made",
    source: "a heartbeat whose failure is only logged",
    caughtBy: ["MODEL-2", "SESSION-41"],
    kind: "double holding",
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => ({
        renewLock: wrap.lockFromNow(provider, session.queue)
      }))
    )
  },
  {
    id: "session-renewal-revives",
    title: "the renewal of a lost session succeeds",
    source: "a lock without a fencing token",
    caughtBy: ["MODEL-2", "SESSION-38", "SESSION-42"],
    kind: "double holding",
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => ({
        renewLock: Effect.catchIf(session.renewLock, isLost, () =>
          wrap.lockFromNow(provider, session.queue)
        )
      }))
    )
  },
  {
    id: "session-lock-twice-as-long",
    title: "a session is held for twice the time declared",
    source: "SQS.md §4: renewed once more by a tick that came too late",
    caughtBy: ["SESSION-40"],
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          Effect.tap(provider.acceptSession(queue, options), (session) => {
            if (Option.isNone(session)) return Effect.void
            const { lockDuration } = provider.capabilities(queue)
            return Effect.sleep(Duration.subtract(lockDuration, Duration.millis(1))).pipe(
              Effect.andThen(session.value.renewLock),
              Effect.ignore,
              Effect.forkIn(scope, { startImmediately: true })
            )
          })
      })
    )
  },
  {
    id: "closed-connection-keeps-sessions",
    title: "the sessions of a closed connection stay locked until their locks end",
    source: "a connection that is dropped instead of closed",
    caughtBy: ["LIFE-9"],
    make: Effect.sync(() => {
      const all = new Map<string, { readonly session: wrap.Session; until: number }>()
      return (provider) =>
        Effect.sync(() =>
          wrap.change(provider, {
            acceptSession: (queue, options) =>
              Effect.gen(function* () {
                const now = yield* Clock.currentTimeMillis
                const { sessionId } = options
                const kept = sessionId === undefined ? undefined : all.get(sessionId)
                if (kept !== undefined && now < kept.until) {
                  const reason = new QueueError.SessionLocked({
                    sessionId: kept.session.sessionId,
                    lockedUntil: DateTime.makeUnsafe(kept.until)
                  })
                  return yield* Effect.fail(QueueError.make(reason))
                }
                const accepted = yield* provider.acceptSession(queue, options)
                if (Option.isSome(accepted)) {
                  const { lockDuration } = provider.capabilities(queue)
                  const until = now + Duration.toMillis(lockDuration)
                  const session = accepted.value
                  all.set(session.sessionId, { session, until })
                  yield* Effect.addFinalizer(() =>
                    Effect.map(Effect.result(session.state), (state) => {
                      // Let go by its holder, not by the end of the connection.
                      if (Result.isSuccess(state)) all.delete(session.sessionId)
                    })
                  )
                }
                return accepted
              })
          })
        )
    })
  },
  {
    id: "session-renewal-leaves-messages",
    title: "the renewal of a session leaves the locks of its messages to run out",
    source: "SQS.md §4: all of a group must be renewed, not only the current one",
    caughtBy: ["SESSION-41"],
    make: wrap.remembering(
      () => new Map<string, number>(),
      (provider, ends) =>
        wrap.withSessions(provider, (session) => {
          const { lockDuration } = provider.capabilities(session.queue)
          return {
            receive: (options) =>
              Effect.tap(session.receive(options), (messages) =>
                Effect.map(Clock.currentTimeMillis, (now) => {
                  for (const { receipt } of messages) {
                    ends.set(receipt.token, now + Duration.toMillis(lockDuration))
                  }
                })
              ),
            settle: (receipts, verdict) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => {
                const isOver = receipts.some(({ token }) => now >= (ends.get(token) ?? Infinity))
                const expired = QueueError.make(new QueueError.ReceiptExpired())
                return isOver
                  ? Effect.succeed(receipts.map(() => Result.fail(expired)))
                  : session.settle(receipts, verdict)
              })
          }
        })
    )
  }
]
