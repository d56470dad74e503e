import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { QueueAddress, QueueError, SessionId, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

const isLost = wrap.isReason("SessionLockLost")

/** Accepts whose answer is changed. */
const withAccepts = (
  provider: wrap.Provider,
  f: (
    accept: (
      changes: Partial<Parameters<wrap.Provider["acceptSession"]>[1]>
    ) => ReturnType<wrap.Provider["acceptSession"]>,
    options: Parameters<wrap.Provider["acceptSession"]>[1]
  ) => ReturnType<wrap.Provider["acceptSession"]>
): wrap.Provider =>
  wrap.change(provider, {
    acceptSession: (queue, options) =>
      f((changes) => provider.acceptSession(queue, { ...options, ...changes }), options)
  })

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
    id: "session-two-holders",
    title: "a held session is granted a second time to who asks for it by id",
    source: "a cache of accepted sessions by id",
    caughtBy: ["MODEL-2", "SESSION-33", "CONCUR-9"],
    kind: "double holding",
    make: wrap.remembering(
      () => new Map<string, wrap.Session>(),
      (provider, held) =>
        withAccepts(provider, (accept, { sessionId }) =>
          accept({}).pipe(
            Effect.tap((session) =>
              Effect.sync(() => {
                if (Option.isSome(session)) held.set(session.value.sessionId, session.value)
              })
            ),
            Effect.catchIf(wrap.isReason("SessionLocked"), (error) => {
              const session = held.get(sessionId ?? "")
              return session === undefined ? Effect.fail(error) : Effect.succeedSome(session)
            })
          )
        )
    )
  },
  {
    id: "session-next-of-another",
    title: "who asks for the next session when none is free gets one that another holds",
    source: "who holds what, kept in the memory of each process",
    caughtBy: ["MODEL-2", "SESSION-34"],
    kind: "double holding",
    make: wrap.remembering(
      () => new Map<string, wrap.Session>(),
      (provider, held) =>
        withAccepts(provider, (accept, { sessionId }) =>
          Effect.flatMap(accept({ wait: Duration.zero }), (session) => {
            if (Option.isSome(session)) {
              held.set(session.value.sessionId, session.value)
              return Effect.as(
                Effect.addFinalizer(() => Effect.sync(() => held.delete(session.value.sessionId))),
                session
              )
            }
            const [another] = held.values()
            return another === undefined || sessionId !== undefined
              ? accept({})
              : Effect.succeedSome(another)
          })
        )
    )
  },
  {
    id: "accept-ignores-id",
    title: "who asks for a session by id is granted the next one",
    source: "SQS cannot be asked for one group (SQS.md §3)",
    caughtBy: ["SESSION-32", "SESSION-33"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        acceptSession: (queue, { wait }) => provider.acceptSession(queue, { wait })
      })
    )
  },
  {
    id: "accept-hangs-when-empty",
    title: "an accept waits until there is a session, whatever its wait",
    source: "Service Bus: the attach is held back until a session is free",
    caughtBy: ["SESSION-30", "SESSION-31"],
    make: wrap.plain((provider) =>
      withAccepts(provider, (accept) =>
        Effect.repeat(accept({ wait: Duration.seconds(1) }), { until: Option.isSome })
      )
    )
  },
  {
    id: "accept-never-waits",
    title: "an accept answers at once, whatever its wait",
    source: "a worker then spins",
    caughtBy: ["SESSION-30", "SESSION-44"],
    make: wrap.plain((provider) =>
      withAccepts(provider, (accept) => accept({ wait: Duration.zero }))
    )
  },
  {
    id: "accept-waits-for-holder",
    title: "who asks for a held session waits until its holder lets it go",
    source: "Service Bus tries session-cannot-be-locked again by itself",
    caughtBy: ["SESSION-33"],
    make: wrap.plain((provider) =>
      withAccepts(provider, (accept) =>
        Effect.retry(accept({}), {
          while: (error) => error.reason._tag === "SessionLocked",
          schedule: Schedule.spaced(Duration.seconds(1))
        })
      )
    )
  },
  {
    id: "accept-held-is-none",
    title: "a held session is answered as one without messages",
    source: "SQS cannot tell the two apart, and a provider that can does not",
    caughtBy: ["SESSION-33"],
    make: wrap.plain((provider) =>
      withAccepts(provider, (accept) =>
        Effect.catchIf(accept({}), wrap.isReason("SessionLocked"), () => Effect.succeedNone)
      )
    )
  },
  {
    id: "accept-grants-done",
    title: "a session whose messages are all done is granted as the next one",
    source: "a list of sessions from which none is taken off",
    caughtBy: ["SESSION-31"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, known) =>
        withAccepts(provider, (accept, { sessionId }) =>
          Effect.flatMap(accept({}), (session) => {
            if (Option.isSome(session)) {
              known.add(session.value.sessionId)
              return Effect.succeed(session)
            }
            const [old] = known
            return old === undefined || sessionId !== undefined
              ? Effect.succeed(session)
              : accept({ sessionId: SessionId.makeUnsafe(old), wait: Duration.zero }).pipe(
                  Effect.catch(() => Effect.succeed(session))
                )
          })
        )
    )
  },
  {
    id: "accept-keeps-foreign",
    title: "who waits for one session keeps the others that it comes upon",
    source: "SQS.md §3: foreign groups received on the way are blocked for others",
    caughtBy: ["CONCUR-11"],
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        acceptSession: (queue, options) => {
          const asked = provider.acceptSession(queue, options)
          if (options.sessionId === undefined) return asked
          const next = Scope.provide(provider.acceptSession(queue, { wait: options.wait }), scope)
          return Effect.tap(asked, () => Effect.forkIn(Effect.ignore(next), scope))
        }
      })
    )
  },
  {
    id: "release-waits-for-lock",
    title: "a session that is let go is free when its lock ends",
    source: "SQS: nothing to release, the visibility is left to run out",
    caughtBy: ["SESSION-35", "SESSION-36", "SESSION-45"],
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
    caughtBy: ["SESSION-37"],
    kind: "loss",
    beyondModel: "the model lets go of a handle with its session",
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
    caughtBy: ["SESSION-38", "SESSION-42"],
    kind: "double holding",
    beyondModel: "the model renews no lost session",
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
  },
  {
    id: "session-receive-unlocked",
    title: "an ordered queue is received from without a session",
    source: "SPEC R3.13; SQS FIFO: ReceiveMessage takes whatever group comes",
    caughtBy: ["RECEIVE-14"],
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        receive: (address, options) =>
          provider.capabilities(address.queue).ordered && address._tag === "Queue"
            ? Effect.flatMap(
                Scope.provide(provider.acceptSession(address.queue, { wait: options.wait }), scope),
                Option.match({
                  onNone: () => Effect.succeed([]),
                  onSome: (session) => session.receive(options)
                })
              )
            : provider.receive(QueueAddress.from(address), options)
      })
    )
  }
]
