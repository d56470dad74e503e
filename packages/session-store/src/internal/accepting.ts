import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  Defaults,
  QueueError,
  type QueueName,
  type QueueProvider,
  type SessionStore
} from "@queue-runtime/core"
import type { Aside } from "./aside.ts"
import type * as heldLease from "./heldLease.ts"
import { keyOf } from "./keyOf.ts"
import { time } from "./time.ts"

/** What sessions are accepted with. */
export interface Accepting extends heldLease.Keeping {
  readonly self: QueueProvider.Service
  readonly holder: string
  readonly aside: Aside
  /**
   * Lets an interruption in, while something is waited for and nowhere else: between two steps somebody
   * must have what was granted.
   */
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** A session of the broker, and what the store says to it. */
type Attempt =
  | { readonly _tag: "None" }
  | { readonly _tag: "Granted"; readonly granted: heldLease.Granted }
  | {
      readonly _tag: "Held"
      readonly inner: Scope.Closeable
      readonly request: SessionStore.Request
      readonly until: Extract<SessionStore.Acquired, { readonly _tag: "Held" }>["until"]
    }

/** What is granted to somebody who is gone is given back, whenever the answer comes. */
const disown = (
  { metrics: { store }, scope }: Accepting,
  asking: Fiber.Fiber<SessionStore.Acquired, QueueError.QueueError>
) =>
  Effect.forkIn(
    Effect.flatMap(Fiber.await(asking), (exit) =>
      Exit.isSuccess(exit) && exit.value._tag === "Granted"
        ? Effect.ignore(store.release(exit.value.lease))
        : Effect.void
    ),
    scope
  )

/** The next session of the broker, or the one, with its lease. Nothing stays locked when it fails. */
const attempt = Effect.fnUntraced(function* (
  accepting: Accepting,
  queue: QueueName.QueueName,
  options: QueueProvider.AcceptOptions
): Effect.fn.Return<Attempt, QueueError.QueueError> {
  const { duration, holder, metrics, restore, scope, self } = accepting
  const inner = yield* Scope.make()
  return yield* Effect.gen(function* (): Effect.fn.Return<Attempt, QueueError.QueueError> {
    const accepted = yield* restore(Scope.provide(self.acceptSession(queue, options), inner))
    if (Option.isNone(accepted)) {
      yield* Scope.close(inner, Exit.void)
      return { _tag: "None" }
    }
    const session = accepted.value
    const askedAt = yield* time
    const request = { queue, sessionId: session.sessionId, holder, duration }
    // Not cut short: nobody would know what was granted.
    const asking = yield* Effect.forkIn(metrics.store.acquire(request), scope, {
      startImmediately: true
    })
    const answer = yield* restore(Fiber.join(asking)).pipe(
      Effect.onInterrupt(() => disown(accepting, asking))
    )
    if (answer._tag === "Granted") {
      return { _tag: "Granted", granted: { session, lease: answer.lease, inner, askedAt } }
    }
    yield* Metric.update(metrics.contended, 1)
    return { _tag: "Held", inner, request, until: answer.until }
  }).pipe(Effect.onError(() => Scope.close(inner, Exit.void)))
})

/**
 * A provider that cannot be asked for one session gives back what came along, and says that it is locked
 * until that is done; of one that somebody holds it says until when.
 */
const isOnItsWay = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "SessionLocked" && reason.lockedUntil === undefined

const attemptOne = Effect.fnUntraced(function* (
  accepting: Accepting,
  queue: QueueName.QueueName,
  options: QueueProvider.AcceptOptions
): Effect.fn.Return<Attempt, QueueError.QueueError> {
  const isAskable = accepting.self.capabilities(queue).acceptSpecific === "native"
  const start = yield* Clock.currentTimeMillis
  const patience = Duration.min(options.wait, Defaults.sessionLeaseReturnWait)
  let wait = options.wait
  while (true) {
    const found = yield* Effect.result(attempt(accepting, queue, { ...options, wait }))
    if (Result.isSuccess(found)) return found.success
    const passed = Duration.millis((yield* Clock.currentTimeMillis) - start)
    const isLate = Duration.isGreaterThanOrEqualTo(passed, patience)
    // Nobody has it but this process, which met it while it asked for any.
    const isBack = yield* accepting.restore(
      options.sessionId !== undefined && found.failure.reason._tag === "SessionLocked"
        ? accepting.aside.giveBack(keyOf({ queue, sessionId: options.sessionId }))
        : Effect.succeed(false)
    )
    wait = Duration.max(Duration.zero, Duration.subtract(options.wait, passed))
    if (isBack) continue
    if (isAskable || isLate || !isOnItsWay(found.failure)) return yield* Effect.fail(found.failure)
    yield* accepting.restore(Effect.sleep(Defaults.sessionLeaseAside))
  }
})

/** By its id: what another holds is refused at once, and goes back in order. */
const acceptOne = Effect.fnUntraced(function* (
  accepting: Accepting,
  queue: QueueName.QueueName,
  options: QueueProvider.AcceptOptions
): Effect.fn.Return<Option.Option<heldLease.Granted>, QueueError.QueueError> {
  const found = yield* attemptOne(accepting, queue, options)
  if (found._tag === "None") return Option.none()
  if (found._tag === "Granted") return Option.some(found.granted)
  yield* Scope.close(found.inner, Exit.void)
  const { sessionId } = found.request
  return yield* Effect.fail(
    QueueError.make(new QueueError.SessionLocked({ sessionId, lockedUntil: found.until }), {
      provider: accepting.self.name,
      operation: "acceptSession",
      queue
    })
  )
})

/** Whichever comes and is free; what another holds is put aside, and the wait goes on. */
const acceptNext = Effect.fnUntraced(function* (
  accepting: Accepting,
  queue: QueueName.QueueName,
  { wait }: QueueProvider.AcceptOptions
): Effect.fn.Return<Option.Option<heldLease.Granted>, QueueError.QueueError> {
  const { aside, self } = accepting
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(wait)
  let left = wait
  while (true) {
    const found = yield* attempt(accepting, queue, { wait: left })
    if (found._tag === "None") return Option.none()
    if (found._tag === "Granted") return Option.some(found.granted)
    const { lockDuration } = self.capabilities(queue)
    const isAside = yield* aside.put(keyOf(found.request), found.inner, lockDuration)
    left = Duration.millis(Math.max(0, until - (yield* Clock.currentTimeMillis)))
    // One without a wait asks as long as there is something new to it.
    const isLate = Duration.isZero(left) && (!isAside || !Duration.isZero(wait))
    if (isLate) return Option.none()
    if (!isAside) {
      yield* accepting.restore(Effect.sleep(Duration.min(left, Defaults.sessionLeaseAsideMax)))
    }
  }
})

/** To be called where nothing interrupts: whoever takes the answer gives it back. */
export const accept = (
  accepting: Accepting,
  queue: QueueName.QueueName,
  options: QueueProvider.AcceptOptions
): Effect.Effect<Option.Option<heldLease.Granted>, QueueError.QueueError> =>
  options.sessionId === undefined
    ? acceptNext(accepting, queue, options)
    : acceptOne(accepting, queue, options)
