import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { QueueError, SessionId, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

/** What a session has handed out and not yet heard of, in order. */
type InHand = Array<wrap.Received>

/** Sessions that know what they have handed out. */
const withInHand = (
  provider: wrap.Provider,
  f: (session: wrap.Session, inHand: InHand) => Partial<wrap.Session>
): wrap.Provider =>
  wrap.withSessions(provider, (session) => {
    const inHand: InHand = []
    const watched = wrap.changeSession(session, {
      receive: (options) =>
        Effect.tap(session.receive(options), (messages) =>
          Effect.sync(() => inHand.push(...messages))
        ),
      settle: (receipts, verdict) =>
        Effect.tap(session.settle(receipts, verdict), () =>
          Effect.sync(() => {
            const tokens = new Set(receipts.map(({ token }) => token))
            const rest = inHand.filter(({ receipt }) => !tokens.has(receipt.token))
            inHand.splice(0, inHand.length, ...rest)
          })
        )
    })
    return { receive: watched.receive, settle: watched.settle, ...f(watched, inHand) }
  })

const receiptsOf = (messages: ReadonlyArray<wrap.Received>) =>
  messages.map(({ receipt }) => receipt)

/** Those handed out behind the message of a receipt. */
const behind = (inHand: InHand, token: string): ReadonlyArray<wrap.Received> => {
  const place = inHand.findIndex(({ receipt }) => receipt.token === token)
  return place < 0 ? [] : inHand.slice(place + 1)
}

const atOnce = { max: 10, wait: Duration.zero }

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
    id: "session-newest-first",
    title: "a session hands out what is ready, the newest first",
    source: "a stack where a queue is meant; a query without ORDER BY",
    caughtBy: ["MODEL-2", "SESSION-1", "SESSION-2"],
    kind: "order",
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => {
        const ready: Array<wrap.Received> = []
        return {
          receive: Effect.fnUntraced(function* (options) {
            const wait = ready.length > 0 ? Duration.zero : options.wait
            ready.push(...(yield* session.receive({ max: Math.max(options.max, 10), wait })))
            return ready.splice(-options.max).toReversed()
          })
        }
      })
    )
  },
  {
    id: "session-abandoned-goes-last",
    title: "after a failure a session goes on with those behind, and the failed one comes last",
    source: "SQS FIFO: one failure inside a received batch, and the batch goes on (SQS.md §1)",
    caughtBy: ["MODEL-2", "SESSION-7", "SESSION-8"],
    kind: "order",
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => {
        // Abandons that are told to the broker when nothing else is left.
        const later: Array<Parameters<wrap.Settle>> = []
        return {
          settle: (receipts, verdict) => {
            if (verdict._tag !== "Abandon") return session.settle(receipts, verdict)
            later.push([receipts, verdict])
            return wrap.pretend(receipts)
          },
          receive: Effect.fnUntraced(function* (options) {
            const next = yield* session.receive({ ...options, wait: Duration.zero })
            if (next.length > 0) return next
            for (const [receipts, verdict] of later.splice(0)) {
              yield* session.settle(receipts, verdict)
            }
            return yield* session.receive(options)
          })
        }
      })
    )
  },
  {
    id: "session-abandon-one-by-one",
    title: "the rest of a session is given back one by one, the last one first to be handed out",
    source: "visibility changed entry by entry, without the prefix rule (SQS.md §1)",
    caughtBy: ["SESSION-10"],
    kind: "order",
    beyondModel: "the model settles one receipt a call",
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => {
        let turned = 0
        return {
          settle: (receipts, verdict) => {
            if (verdict._tag === "Abandon" && receipts.length > 1) turned = receipts.length
            return session.settle(receipts, verdict)
          },
          receive: (options) =>
            Effect.suspend(() => {
              const max = Math.max(options.max, turned)
              if (turned === 0) return session.receive(options)
              turned = 0
              return Effect.map(session.receive({ ...options, max }), (messages) =>
                messages.toReversed().slice(0, options.max)
              )
            })
        }
      })
    )
  },
  {
    id: "session-abandon-keeps-those-behind",
    title: "after an abandon the receipts behind it still settle",
    source: "SQS.md §10 I3: completing A2 while A1 waits",
    caughtBy: ["MODEL-2", "SESSION-8"],
    kind: "order",
    make: wrap.plain((provider) =>
      withInHand(provider, (session, inHand) => ({
        settle: (receipts, verdict) =>
          Effect.gen(function* () {
            const [first] = receipts
            const rest = first === undefined ? [] : behind(inHand, first.token)
            const isAlone = verdict._tag === "Abandon" && receipts.length === 1
            // Completed here and now, as their holder is about to be told that they are.
            if (isAlone) yield* session.settle(receiptsOf(rest), Verdict.complete)
            const outcomes = yield* session.settle(receipts, verdict)
            if (isAlone) inHand.push(...rest)
            return outcomes.map((one, index) =>
              Result.isFailure(one) &&
              verdict._tag === "Complete" &&
              inHand.some(({ receipt }) => receipt.token === receipts[index]?.token)
                ? wrap.ok
                : one
            )
          })
      }))
    )
  },
  {
    id: "session-abandon-takes-all-back",
    title: "an abandon takes back what is in hand before it as well",
    source: "the whole group released at once (SQS.md §1)",
    caughtBy: ["SESSION-9"],
    make: wrap.plain((provider) =>
      withInHand(provider, (session, inHand) => ({
        settle: (receipts, verdict) =>
          Effect.suspend(() => {
            const [first] = inHand
            return verdict._tag === "Abandon" && first !== undefined
              ? Effect.tap(session.settle(receipts, verdict), () =>
                  session.settle([first.receipt], Verdict.abandon())
                )
              : session.settle(receipts, verdict)
          })
      }))
    )
  },
  {
    id: "session-abandon-counts-all",
    title: "a failure counts as a delivery of everything behind it",
    source: "SQS.md §1: A9 first handled at count 19, A2 to A5 dead-lettered unseen (S3, X2)",
    caughtBy: ["SESSION-7", "SESSION-12"],
    make: wrap.plain((provider) =>
      withInHand(provider, (session, inHand) => ({
        settle: (receipts, verdict) =>
          Effect.gen(function* () {
            const [first] = receipts
            if (verdict._tag === "Abandon" && first !== undefined) {
              for (const { receipt } of behind(inHand, first.token).toReversed()) {
                yield* session.settle([receipt], Verdict.abandon())
              }
            }
            return yield* session.settle(receipts, verdict)
          })
      }))
    )
  },
  {
    id: "session-goes-on-in-backoff",
    title: "while the first message backs off its session hands out those behind",
    source: "a delay of the message, not of its group (SQS.md §6)",
    caughtBy: ["MODEL-2", "SESSION-11"],
    kind: "order",
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
              if (backing === undefined || now < backing.until) return session.receive(options)
              const { give } = backing
              backing = undefined
              return Effect.andThen(session.settle(...give), session.receive(options))
            })
        }
      })
    )
  },
  {
    id: "session-stops-at-dead-letter",
    title: "a session with a dead-lettered message hands out nothing more",
    source: "a dead-lettering taken for a failure of the session",
    caughtBy: ["SESSION-13"],
    make: wrap.plain((provider) =>
      wrap.withSessions(provider, (session) => {
        let isOver = false
        return {
          settle: (receipts, verdict) => {
            isOver ||= verdict._tag === "DeadLetter"
            return session.settle(receipts, verdict)
          },
          receive: (options) =>
            Effect.suspend(() =>
              isOver ? Effect.as(Effect.sleep(options.wait), []) : session.receive(options)
            )
        }
      })
    )
  },
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
    id: "session-interrupted-receive-skips",
    title: "what an interrupted receive of a session brought is skipped",
    source: "the cursor moved before the answer was handed over",
    caughtBy: ["SESSION-20"],
    kind: "loss",
    beyondModel: "the model interrupts nothing",
    make: wrap.background((provider, scope) =>
      wrap.withSessions(provider, (session) => ({
        receive: (options) =>
          Effect.onInterrupt(session.receive(options), () =>
            // The poll that nobody waits for any more takes what comes next.
            session.receive({ max: 1, wait: options.wait }).pipe(
              Effect.flatMap((messages) => session.settle(receiptsOf(messages), Verdict.complete)),
              Effect.ignore,
              Effect.forkIn(scope, { startImmediately: true })
            )
          )
      }))
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
  },
  {
    id: "session-skips-lost-in-hand",
    title: "what a holder had in hand when its lock ran out is taken for done",
    source: "a cursor that is stored instead of the messages' own state",
    caughtBy: ["MODEL-2", "SESSION-39"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) => {
      const settled = new Set<string>()
      const settling = wrap.withSettles(provider, (settle) => (receipts, verdict) => {
        for (const { token } of receipts) settled.add(token)
        return settle(receipts, verdict)
      })
      return wrap.withSessions(settling, (session) => ({
        receive: Effect.fnUntraced(function* (options) {
          const before = new Set(
            [...deliveries.values()].flatMap(({ message }) =>
              settled.has(message.receipt.token) ? [] : message.messageId
            )
          )
          const messages = yield* session.receive(options)
          const isLost = ({ deliveryCount, messageId }: wrap.Received) =>
            deliveryCount > 1 && before.has(messageId)
          yield* session.settle(receiptsOf(messages.filter(isLost)), Verdict.complete)
          const kept = messages.filter((one) => !isLost(one))
          return kept.length > 0 || messages.length === 0 ? kept : yield* session.receive(atOnce)
        })
      }))
    })
  }
]
