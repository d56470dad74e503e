import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Defaults,
  QueueError,
  type QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { provider } from "../errors.ts"
import * as ids from "../ids.ts"
import * as checks from "./checks.ts"
import type { Delivery } from "./delivery.ts"
import type { Group } from "./group.ts"
import type { Router } from "./router.ts"
import * as settling from "./settling.ts"

type Received = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/** The id of the session: what its messages say, since a long one is a mere hash in its group's. */
const sessionIdOf = (group: Group): SessionId.SessionId => {
  const said = group.deliveries.find(({ content }) => content.message.sessionId !== undefined)
  const id = said?.content.message.sessionId ?? ids.fromSqs(group.id) ?? group.id
  return SessionId.is(id) ? id : SessionId.makeUnsafe("unknown")
}

/** Lost when its time is over, whoever looks. */
const keepTime = Effect.fnUntraced(function* (router: Router, group: Group) {
  while (group.phase === "Held") {
    const now = yield* Clock.currentTimeMillis
    yield* router.expire(group, now)
    yield* Effect.sleep(Math.max(0, group.lockedUntil - now))
  }
})

/** What of a group's has been handed out and did not reach its caller. */
const takeBack = (router: Router, group: Group, handed: ReadonlyArray<Delivery>) =>
  Effect.suspend(() => {
    for (const one of handed) if (one.phase === "out") router.line.takeBack(one)
    return handed.length === 0 ? Effect.void : router.changed(group)
  })

/** A group as the session it is, for as long as its scope is open. */
export const open = Effect.fnUntraced(function* (router: Router, group: Group) {
  const { line, state } = router
  const queue = line.address.queue
  const sessionId = sessionIdOf(group)
  // The holder does not wait for a broker that does not answer.
  const close = Effect.interruptible(line.detached(router.giveBack(group), "close"))
  yield* Effect.addFinalizer(() =>
    Effect.ignore(Effect.timeoutOption(close, Defaults.sqsCloseWait))
  )
  yield* Effect.forkScoped(keepTime(router, group))

  const lost = (operation: string): QueueError.QueueError =>
    line.error(new QueueError.SessionLockLost({ sessionId }), operation)

  /** Fails when the session is not ours any more. */
  const check = Effect.fnUntraced(function* (operation: string) {
    const now = yield* Clock.currentTimeMillis
    yield* router.expire(group, now)
    // What was next is lost, and all before it is done.
    if (group.isCut && group.deliveries.length === 0) yield* router.lose(group, 0, now)
    if (group.isOver) return yield* Effect.fail(lost(operation))
    return now
  })

  /** The next messages that are here. */
  const next = Effect.fnUntraced(function* (max: number) {
    const now = yield* check("receive")
    if (router.needsPreparing(group, now)) {
      yield* line.detached(router.prepare(group), "receive")
      yield* check("receive")
    }
    return group.next(now, max, (delivery) => router.isDue(delivery, now))
  })

  /** Until something changes, or `until`, or what backs off is due. */
  const wait = Effect.fnUntraced(function* (until: number) {
    const now = yield* Clock.currentTimeMillis
    const { head } = group
    const isHidden = head === undefined || group.isBlocked
    const due = isHidden ? until : Math.max(now, head.backsOffUntil)
    const isFree = group.deliveries.length === 0
    if (isFree) state.listen(group, until)
    const change = Effect.andThen(
      isFree ? router.poller.poke : Effect.void,
      Effect.suspend(() =>
        group.isOver || (group.deliveries.length > 0 && isFree) ? Effect.void : router.watch(group)
      )
    )
    yield* Effect.raceFirst(change, Effect.sleep(Math.min(until, due) - now)).pipe(
      Effect.ensuring(
        Effect.map(Clock.currentTimeMillis, (after) => {
          if (isFree) state.hush(group, after)
        })
      )
    )
  })

  /** Without a wait: receives as long as they bring something, and nothing of it is this session's. */
  const ask = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    if (group.deliveries.length > 0) return
    state.listen(group, now)
    const asking = Effect.gen(function* () {
      while (group.deliveries.length === 0 && router.hasRoom()) {
        if ((yield* router.once) === 0) return
      }
    })
    yield* Effect.ensuring(
      asking,
      Effect.map(Clock.currentTimeMillis, (after) => state.hush(group, after))
    )
  })

  const receive = (
    options: QueueProvider.ReceiveOptions
  ): Effect.Effect<Received, QueueError.QueueError> =>
    Effect.suspend(() => {
      const problem = checks.receiveProblem(options)
      if (problem !== undefined) return Effect.fail(line.error(problem, "receive"))
      const max = Math.min(options.max, Defaults.sqsBatchCountMax)
      const millis = Duration.toMillis(Duration.min(options.wait, Defaults.sqsReceiveWaitMax))
      let handed: ReadonlyArray<Delivery> = []
      const receiving = Effect.gen(function* () {
        const until = (yield* Clock.currentTimeMillis) + millis
        let hasAsked = false
        while (true) {
          const ready = yield* next(max)
          const now = yield* Clock.currentTimeMillis
          if (ready.length > 0) {
            handed = ready
            return ready.map((delivery) => line.handOut(delivery, now))
          }
          if (millis === 0 && !hasAsked) {
            hasAsked = true
            yield* ask
          } else if (now >= until) return []
          else yield* wait(until)
        }
      })
      // Handed out to nobody: as if it never was.
      return Effect.onInterrupt(receiving, () => takeBack(router, group, handed))
    })

  const renewLock = Effect.gen(function* () {
    const start = yield* check("renewLock")
    const outcome = yield* router.extend(group, line.visibilitySeconds)
    yield* check("renewLock")
    if (Result.isFailure(outcome)) return yield* Effect.fail(outcome.failure)
    group.lockedUntil = Math.min(start + line.lockMillis, group.freshUntil)
    return DateTime.makeUnsafe(group.lockedUntil)
  })

  const unsupported = (operation: string): Effect.Effect<never, QueueError.QueueError> =>
    Effect.fail(
      line.error(
        new QueueError.UnsupportedOperation({ what: "session state", provider }),
        operation
      )
    )

  const made: QueueSession.QueueSession = {
    queue,
    sessionId,
    lockedUntil: Effect.sync(() => DateTime.makeUnsafe(group.lockedUntil)),
    receive,
    settle: (receipts, verdict) =>
      Effect.andThen(
        check("settle"),
        settling.settle({ shared: line.shared, lineOf: () => line, only: group }, receipts, verdict)
      ),
    renewLock: line.detached(renewLock, "renewLock"),
    state: unsupported("state"),
    setState: () => unsupported("setState")
  }
  return made
})
