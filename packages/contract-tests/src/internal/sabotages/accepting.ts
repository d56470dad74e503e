import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { QueueAddress, SessionId } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

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

/** A session, and how many of its messages are in its holder's hands. */
interface InHand {
  readonly session: wrap.Session
  count: number
}

/** The session with its messages counted, known until it is released. */
const holding = Effect.fnUntraced(function* (
  session: wrap.Session,
  held: Map<string, InHand>
): Effect.fn.Return<wrap.Session, never, Scope.Scope> {
  const { sessionId } = session
  const counted: wrap.Session = {
    ...session,
    receive: (options) =>
      Effect.tap(session.receive(options), (messages) =>
        Effect.sync(() => {
          one.count += messages.length
        })
      ),
    settle: (receipts, verdict) =>
      Effect.tap(session.settle(receipts, verdict), (outcomes) =>
        Effect.sync(() => {
          one.count -= outcomes.filter(Result.isSuccess).length
        })
      )
  }
  const one: InHand = { session: counted, count: 0 }
  held.set(sessionId, one)
  yield* Effect.addFinalizer(() => Effect.sync(() => held.delete(sessionId)))
  return counted
})

export const accepting: ReadonlyArray<Sabotage.Sabotage> = [
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
    id: "session-idle-granted",
    title: "a message sent to a session whose holder has none in hand offers it to who asks next",
    source: "SQS: a group without a message in flight is anybody's (ADR 0018), declared otherwise",
    caughtBy: ["MODEL-2", "SESSION-50"],
    kind: "double holding",
    make: wrap.remembering(
      () => ({ held: new Map<string, InHand>(), offered: new Array<wrap.Session>() }),
      (provider, { held, offered }) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.tap(provider.send(queue, messages), () =>
              Effect.sync(() => {
                for (const { sessionId = "" } of messages) {
                  const one = held.get(sessionId)
                  if (one?.count === 0) offered.push(one.session)
                }
              })
            ),
          acceptSession: (queue, options) =>
            Effect.flatMap(
              provider.acceptSession(queue, { ...options, wait: Duration.zero }),
              (session) => {
                if (Option.isSome(session)) return Effect.asSome(holding(session.value, held))
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
    id: "accept-ignores-id",
    title: "who asks for a session by id is granted the next one",
    source: "SQS cannot be asked for one group (SQS.md §3)",
    caughtBy: ["SESSION-26"],
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
    caughtBy: ["SESSION-30"],
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
    id: "session-receive-unlocked",
    title: "an ordered queue is received from without a session",
    source: "SPEC R3.13; SQS FIFO: ReceiveMessage takes whatever group comes",
    caughtBy: ["MODEL-2", "RECEIVE-14"],
    kind: "order",
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
