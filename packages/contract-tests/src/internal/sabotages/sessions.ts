import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { QueueError, SessionId } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** Sessions by other ids than those they are asked for by. */
const withIds = (
  provider: wrap.Provider,
  f: (id: SessionId.SessionId) => SessionId.SessionId
): wrap.Provider =>
  wrap.change(
    wrap.withSent(provider, (message) =>
      message.sessionId === undefined
        ? message
        : wrap.edit(message, { sessionId: f(message.sessionId) })
    ),
    {
      acceptSession: (queue, { sessionId, wait }) =>
        provider.acceptSession(
          queue,
          sessionId === undefined ? { wait } : { sessionId: f(sessionId), wait }
        )
    }
  )

export const sessions: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "session-settles-any",
    title: "a session settles any receipt of its queue",
    source: "one settle for all",
    caughtBy: ["SESSION-16"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, () => ({
        settle: (receipts, verdict) => provider.settle(receipts, verdict)
      }))
    )
  },
  {
    id: "session-receipts-in-handle",
    title: "the provider does not know the receipts of its sessions",
    source: "deliveries kept in the session's receiver alone",
    caughtBy: ["SESSION-17"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, own) => {
        const sessioned = wrap.withSessions(provider, (session) => ({
          receive: (options) =>
            Effect.tap(session.receive(options), (messages) =>
              Effect.sync(() => {
                for (const { receipt } of messages) own.add(receipt.token)
              })
            )
        }))
        const unknown = QueueError.make(new QueueError.ReceiptExpired())
        return wrap.change(sessioned, {
          settle: (receipts, verdict) =>
            receipts.some(({ token }) => own.has(token))
              ? Effect.succeed(receipts.map(() => Result.fail(unknown)))
              : provider.settle(receipts, verdict)
        })
      }
    )
  },
  {
    id: "session-mixes-groups",
    title: "a session hands out messages of other sessions that came with the same receive",
    source: "SQS hands out groups mixed in one receive",
    caughtBy: ["MODEL-2", "SESSION-5"],
    kind: "order",
    make: wrap.background((provider, scope) =>
      wrap.withSessions(provider, (session) => ({
        receive: Effect.fnUntraced(function* (options) {
          const own = yield* session.receive(options)
          const room = options.max - own.length
          if (room <= 0) return own
          const next = provider.acceptSession(session.queue, { wait: Duration.zero })
          const other = yield* Scope.provide(next, scope)
          if (Option.isNone(other)) return own
          return [...own, ...(yield* other.value.receive({ max: room, wait: Duration.zero }))]
        })
      }))
    )
  },
  {
    id: "session-one-at-a-time",
    title: "while one session is held no other is granted",
    source: "one lock for the queue",
    caughtBy: ["SESSION-4"],
    make: wrap.remembering(
      () => ({ held: 0 }),
      (provider, count) =>
        wrap.change(provider, {
          acceptSession: (queue, options) =>
            Effect.suspend(() =>
              count.held > 0
                ? Effect.as(Effect.sleep(options.wait), Option.none())
                : Effect.tap(provider.acceptSession(queue, options), (session) => {
                    if (Option.isNone(session)) return Effect.void
                    count.held++
                    return Effect.addFinalizer(() => Effect.sync(() => count.held--))
                  })
            )
        })
    )
  },
  {
    id: "session-ids-without-case",
    title: "session ids that differ by case alone are one session",
    source: "names in Service Bus are case-insensitive, session ids are not",
    caughtBy: ["LIMIT-7"],
    make: wrap.remembering(
      () => new Map<string, SessionId.SessionId>(),
      (provider, first) =>
        withIds(provider, (id) => {
          const folded = id.toLowerCase()
          const known = first.get(folded) ?? id
          first.set(folded, known)
          return known
        })
    )
  },
  {
    id: "session-ids-cut",
    title: "session ids are cut at 64 characters, and two become one session",
    source: "a column of a width",
    caughtBy: ["LIMIT-6"],
    make: wrap.plain((provider) => withIds(provider, (id) => SessionId.makeUnsafe(id.slice(0, 64))))
  },
  {
    id: "session-scheduled-blocks",
    title: "a scheduled message holds up its session until it is due",
    source: "SQS.md §6: holdGroup, where the order of sending is kept and the group waits",
    caughtBy: ["SCHEDULE-8"],
    make: wrap.remembering(
      () => new Map<string, number>(),
      (provider, dueAt) => {
        const sent = wrap.change(provider, {
          send: (queue, messages) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              for (const { delay, sessionId } of messages) {
                if (delay === undefined || sessionId === undefined) continue
                dueAt.set(sessionId, now + Duration.toMillis(delay))
              }
              return provider.send(queue, messages)
            })
        })
        return wrap.withSessions(sent, (session) => ({
          receive: (options) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              now < (dueAt.get(session.sessionId) ?? 0)
                ? Effect.as(Effect.sleep(options.wait), [])
                : session.receive(options)
            )
        }))
      }
    )
  },
  {
    id: "session-state-in-handle",
    title: "the state of a session is kept in its handle",
    source: "a field where a call should be",
    caughtBy: ["SESSION-23", "LIFE-11"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, () => {
        let kept: Option.Option<Uint8Array> = Option.none()
        return {
          state: Effect.sync(() => kept),
          setState: (state) =>
            Effect.sync(() => {
              kept = state
            })
        }
      })
    )
  },
  {
    id: "session-opened-for-new-message",
    title: "a message sent to a held session offers that session to the next one who asks",
    source: "a queue of ready sessions that is filled by every send",
    caughtBy: ["MODEL-2", "SESSION-6"],
    kind: "double holding",
    make: wrap.remembering(
      () => ({ held: new Map<string, wrap.Session>(), offered: new Array<wrap.Session>() }),
      (provider, { held, offered }) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.tap(provider.send(queue, messages), () =>
              Effect.sync(() => {
                for (const { sessionId } of messages) {
                  const session = sessionId === undefined ? undefined : held.get(sessionId)
                  if (session !== undefined) offered.push(session)
                }
              })
            ),
          acceptSession: (queue, options) =>
            Effect.flatMap(
              provider.acceptSession(queue, { ...options, wait: Duration.zero }),
              (session) => {
                if (Option.isSome(session)) {
                  const { sessionId } = session.value
                  held.set(sessionId, session.value)
                  return Effect.as(
                    Effect.addFinalizer(() => Effect.sync(() => held.delete(sessionId))),
                    session
                  )
                }
                const again = options.sessionId === undefined ? offered.shift() : undefined
                return again === undefined
                  ? provider.acceptSession(queue, options)
                  : Effect.succeedSome(again)
              }
            )
        })
    )
  }
]
