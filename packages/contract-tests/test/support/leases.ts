import { QueueError, type SessionStore } from "@queue-runtime/core"
import { Clock, DateTime, Duration, Effect, Option } from "effect"

/** A store of sessions, as small as it can be. */
export const makeLeases = (): SessionStore.Service => {
  const held = new Map<string, { readonly token: number; readonly until: number }>()
  const states = new Map<string, Uint8Array>()
  let tokens = 0
  const keyOf = ({ queue, sessionId }: Pick<SessionStore.Lease, "queue" | "sessionId">) =>
    `${queue}/${sessionId}`
  const asHolder = <A>(lease: SessionStore.Lease, f: (key: string) => A) =>
    Effect.suspend(() => {
      const key = keyOf(lease)
      const { sessionId } = lease
      return held.get(key)?.token === lease.token
        ? Effect.succeed(f(key))
        : Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId })))
    })
  const untilOf = (duration: Duration.Duration) =>
    Effect.map(Clock.currentTimeMillis, (now) => [now, now + Duration.toMillis(duration)] as const)
  const stateSizeMax = 1_000
  return {
    stateSizeMax,
    acquire: (request) =>
      Effect.map(untilOf(request.duration), ([now, until]): SessionStore.Acquired => {
        const key = keyOf(request)
        const before = held.get(key)
        if (before !== undefined && before.until > now) {
          return { _tag: "Held", until: DateTime.makeUnsafe(before.until) }
        }
        const token = ++tokens
        held.set(key, { token, until })
        const { holder, queue, sessionId } = request
        const expiresAt = DateTime.makeUnsafe(until)
        return { _tag: "Granted", lease: { queue, sessionId, holder, token, expiresAt } }
      }),
    renew: (lease, duration) =>
      Effect.flatMap(untilOf(duration), ([, until]) =>
        asHolder(lease, (key) => {
          held.set(key, { token: lease.token, until })
          return { ...lease, expiresAt: DateTime.makeUnsafe(until) }
        })
      ),
    release: (lease) => Effect.ignore(asHolder(lease, (key) => held.delete(key))),
    readState: (lease) =>
      asHolder(lease, (key) =>
        Option.map(Option.fromUndefinedOr(states.get(key)), (bytes) => Uint8Array.from(bytes))
      ),
    writeState: (lease, state) => {
      if (Option.isSome(state) && state.value.length > stateSizeMax) {
        return Effect.fail(QueueError.validationFailed("state", "is too large"))
      }
      return Effect.asVoid(
        asHolder(lease, (key) =>
          Option.isSome(state) ? states.set(key, Uint8Array.from(state.value)) : states.delete(key)
        )
      )
    }
  }
}
