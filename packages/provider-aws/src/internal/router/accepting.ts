import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import {
  Defaults,
  Options,
  QueueError,
  type QueueProvider,
  type QueueSession,
  type SessionId
} from "@queue-runtime/core"
import * as ids from "../ids.ts"
import type { Group } from "./group.ts"
import type { Router } from "./router.ts"
import * as session from "./session.ts"
import { Acceptor } from "./state.ts"

const fresh = Duration.toMillis(Defaults.sqsBufferFresh)

/** Waits until it is granted something, or its wait is over. */
const awaitGrant = Effect.fnUntraced(function* (router: Router, acceptor: Acceptor) {
  yield* router.deal
  yield* router.poller.poke
  const now = yield* Clock.currentTimeMillis
  const wait = Effect.sleep(Math.max(0, acceptor.until - now))
  yield* Effect.raceFirst(Deferred.await(acceptor.answer), wait)
})

/**
 * Without a wait: one receive for any session; for one of an id as many as bring something, since the
 * broker cannot be asked for it. What they bring is kept meanwhile, so that none comes twice.
 */
const askOnce = Effect.fnUntraced(function* (router: Router, acceptor: Acceptor) {
  yield* router.deal
  while (acceptor.granted === undefined && router.hasRoom()) {
    const came = yield* router.once
    if (came === 0 || acceptor.groupId === undefined) return
  }
})

/** Its caller is gone: what it was granted is for others. */
const forsake = (router: Router, acceptor: Acceptor): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    router.state.leave(acceptor, now)
    const { granted } = acceptor
    if (granted === undefined || granted.isOver) return Effect.void
    granted.unhold()
    return Effect.andThen(router.deal, router.tend)
  })

/** A group that was buffered for a while is locked anew: its holder has the whole lock. */
const refresh = (
  router: Router,
  group: Group,
  now: number
): Effect.Effect<boolean, QueueError.QueueError> => {
  const { line } = router
  if (group.freshUntil >= group.lockedUntil - fresh) return Effect.succeed(true)
  const extended = Effect.map(router.extend(group, line.visibilitySeconds), () => {
    // Where it failed, the lock is as long as it was.
    const { freshUntil } = group
    group.lockedUntil = Math.min(group.lockedUntil, freshUntil)
    return group.phase === "Held" && !group.isCut && group.lockedUntil > now
  })
  return line.detached(extended, "acceptSession")
}

const sessionLocked = (
  router: Router,
  sessionId: SessionId.SessionId,
  until: number | undefined
): QueueError.QueueError => {
  const lockedUntil = until === undefined ? undefined : DateTime.makeUnsafe(until)
  const reason = new QueueError.SessionLocked({ sessionId, ...Options.defined({ lockedUntil }) })
  return router.line.error(reason, "acceptSession")
}

/** A session, held until its scope closes; none when there is nothing to accept within the wait. */
export const accept = (
  router: Router,
  options: QueueProvider.AcceptOptions
): Effect.Effect<Option.Option<QueueSession.QueueSession>, QueueError.QueueError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const { sessionId } = options
      const { state } = router
      const wait = Duration.toMillis(Duration.min(options.wait, Defaults.sqsReceiveWaitMax))
      const groupId = sessionId === undefined ? undefined : ids.toSqs(sessionId)
      const start = yield* Clock.currentTimeMillis
      const until = start + wait
      if (groupId !== undefined && sessionId !== undefined) {
        yield* router.expire(state.groups.get(groupId), start)
        const lock = state.lockOf(groupId)
        if (lock !== undefined || (wait === 0 && state.isGoingBack(groupId))) {
          return yield* Effect.fail(sessionLocked(router, sessionId, lock?.lockedUntil))
        }
      }
      while (true) {
        const acceptor = new Acceptor(groupId, until)
        state.enter(acceptor)
        const asked = wait === 0 ? askOnce(router, acceptor) : awaitGrant(router, acceptor)
        yield* Effect.onError(restore(asked), () => forsake(router, acceptor))
        const now = yield* Clock.currentTimeMillis
        state.leave(acceptor, now)
        const group = acceptor.granted
        if (group === undefined) {
          // Kept until the wait ended, and of no use to anybody now.
          if (!state.isWanted)
            yield* Effect.forkIn(router.giveBackBuffered, router.line.shared.scope)
          return Option.none()
        }
        const isFresh = yield* Effect.onError(restore(refresh(router, group, now)), () =>
          forsake(router, acceptor)
        )
        if (isFresh) return Option.some(yield* session.open(router, group))
        // Some of it is lost: what is left goes back, and nobody has it.
        yield* Effect.forkIn(router.giveBack(group), router.line.shared.scope)
        if (now >= until) return Option.none()
      }
    })
  )
