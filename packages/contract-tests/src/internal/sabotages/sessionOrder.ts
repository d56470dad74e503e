import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Verdict } from "@queue-runtime/core"
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

export const sessionOrder: ReadonlyArray<Sabotage.Sabotage> = [
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
    caughtBy: ["MODEL-2", "SESSION-10"],
    kind: "order",
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
    id: "session-interrupted-receive-skips",
    title: "what an interrupted receive of a session brought is skipped",
    source: "the cursor moved before the answer was handed over",
    caughtBy: ["MODEL-2", "SESSION-20"],
    kind: "loss",
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
