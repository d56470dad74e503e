import { LockKeeper, QueueError } from "@queue-runtime/core"
import type { QueueClient } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as SessionLifecycle from "../SessionLifecycle.ts"

/** A session in a worker's hand. */
export interface HeldSession {
  readonly session: QueueClient.Session
  /** Done when the session's lock is lost, with why. */
  readonly lockLost: Deferred.Deferred<QueueError.QueueError>
  /** Done when somebody asked to give the session up. */
  readonly closeAsked: Deferred.Deferred<void>
  /** Releases the session; the second time it does nothing. */
  readonly close: Effect.Effect<void>
  /** Its turn: when it began and how many messages were handled in it. */
  turn: { readonly since: number; readonly messages: number }
  /** Whether the last receive, or the accept, let expect more messages at once. */
  expectsMore: boolean
  /** Asked for again on a guess, so that it may well be empty: the first receive does not wait. */
  isGuess: boolean
}

const lockLostOf = (sessionId: string, error: QueueError.QueueError): QueueError.QueueError =>
  error.reason._tag === "ReceiptExpired"
    ? QueueError.make(new QueueError.SessionLockLost({ sessionId }))
    : error

/** What a session is accepted with. */
interface Accepting {
  readonly acceptSession: ReturnType<QueueClient.Service["acceptSession"]>
  readonly lifecycle: Option.Option<SessionLifecycle.Service>
  readonly isGuess: boolean
  readonly handOver: (held: HeldSession) => void
}

/**
 * Accepts into a scope of the session's own, keeps its lock from then on and hands it over; whether
 * there was one. Handed over in one step with accepting: an interruption between the two would leave a
 * session that nobody releases and whose lock is renewed for ever.
 */
export const accept = (options: Accepting): Effect.Effect<boolean, QueueError.QueueError> =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.makeUnsafe()
    return Effect.onError(
      Effect.flatMap(restore(Scope.provide(options.acceptSession, scope)), (accepted) =>
        Option.isNone(accepted)
          ? Effect.as(Scope.close(scope, Exit.void), false)
          : Effect.map(hold(accepted.value, scope, options), (held) => {
              options.handOver(held)
              return true
            })
      ),
      () => Scope.close(scope, Exit.void)
    )
  })

const hold = Effect.fnUntraced(function* (
  session: QueueClient.Session,
  scope: Scope.Closeable,
  { isGuess, lifecycle }: Accepting
) {
  const closeAsked = Deferred.makeUnsafe<void>()
  const lockLost = Deferred.makeUnsafe<QueueError.QueueError>()
  const { queue, sessionId } = session
  if (Option.isSome(lifecycle)) {
    const ask = Effect.asVoid(Deferred.succeed(closeAsked, undefined))
    yield* Scope.provide(lifecycle.value.opened(queue, sessionId, ask), scope)
  }
  const lockedUntil = yield* session.lockedUntil
  // The lock is kept for as long as the session is held: what bounds that is the handler's time limit.
  const renewalMax = Duration.infinity
  const kept = LockKeeper.keep({ lockedUntil, renew: session.renewLock, renewalMax })
  // Whoever is told need not wait for the next renewal to find out: another may hold it by then.
  yield* (session.lost === undefined ? kept : Effect.raceFirst(kept, session.lost)).pipe(
    Effect.flatMap((error) => Deferred.succeed(lockLost, lockLostOf(sessionId, error))),
    Effect.forkIn(scope)
  )
  return {
    session,
    lockLost,
    closeAsked,
    close: Scope.close(scope, Exit.void),
    turn: { since: yield* Clock.currentTimeMillis, messages: 0 },
    expectsMore: true,
    isGuess
  } satisfies HeldSession
})
