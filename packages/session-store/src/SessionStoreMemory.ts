/**
 * Leases and session state in this process: bounded, and gone with it. For tests, and for one process
 * with several providers.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Check, Defaults, QueueError, SessionStore } from "@queue-runtime/core"
import { keyOf } from "./internal/keyOf.ts"
import { stateProblem } from "./internal/stateProblem.ts"
import { time } from "./internal/time.ts"

/**
 * Bounds.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Sessions that are leased or have a state. Default: 100,000. */
  readonly sessionsMax?: number
  /** Bytes of all states together. Default: 256 MiB. */
  readonly bytesMax?: number
  /** Bytes of one state. Default: 262,144. */
  readonly stateSizeMax?: number
}

interface Record {
  /** Absent: nobody's. */
  held: { readonly token: number; readonly until: number } | undefined
  state: Uint8Array | undefined
}

/** Without a clock: each method is one synchronous step, so that fibers see it whole. */
class Sessions {
  readonly #records = new Map<string, Record>()
  readonly #max: number
  readonly #bytesMax: number
  #bytes = 0
  /** Of all sessions: what is forgotten of one then never comes again. */
  #tokens = 0

  constructor(max: number, bytesMax: number) {
    this.#max = max
    this.#bytesMax = bytesMax
  }

  acquire(key: string, now: number, until: number): number | "held" | "full" {
    const known = this.#records.get(key)
    if (known?.held !== undefined && known.held.until > now) return "held"
    if (known === undefined && !this.#hasRoom(now)) return "full"
    const token = ++this.#tokens
    this.#records.set(key, { held: { token, until }, state: known?.state })
    return token
  }

  /** Until when another holds it. */
  heldUntil(key: string): number {
    return this.#records.get(key)?.held?.until ?? 0
  }

  holds(key: string, token: number): Record | undefined {
    const record = this.#records.get(key)
    return record?.held?.token === token ? record : undefined
  }

  release(key: string, record: Record): void {
    record.held = undefined
    if (record.state === undefined) this.#records.delete(key)
  }

  /** Whether there is room for it. */
  write(record: Record, state: Uint8Array | undefined): boolean {
    const more = (state?.byteLength ?? 0) - (record.state?.byteLength ?? 0)
    if (more > 0 && this.#bytes + more > this.#bytesMax) return false
    this.#bytes += more
    record.state = state
    return true
  }

  /** Room for one more, by one whose lease ran out and that has no state. */
  #hasRoom(now: number): boolean {
    if (this.#records.size < this.#max) return true
    for (const [key, { held, state }] of this.#records) {
      if (state === undefined && (held?.until ?? 0) <= now) return this.#records.delete(key)
    }
    return false
  }
}

const full = (resource: string, maximum: number): QueueError.QueueError =>
  QueueError.make(new QueueError.QuotaExceeded({ resource, maximum }))

/**
 * A store of its own, for everybody who is given it.
 *
 * **Errors** ValidationFailed for a bound below 1; of an acquire and of a write: QuotaExceeded (transient)
 * when it is full
 *
 * **Example** (The second one waits)
 *
 * ```ts
 * import { QueueName, SessionId } from "@queue-runtime/core"
 * import { SessionStoreMemory } from "@queue-runtime/session-store"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* SessionStoreMemory.make()
 *   const request = {
 *     queue: QueueName.makeUnsafe("orders"),
 *     sessionId: SessionId.makeUnsafe("acme/42"),
 *     holder: "worker-1",
 *     duration: Duration.seconds(30)
 *   }
 *   const first = yield* store.acquire(request)
 *   const second = yield* store.acquire(request)
 *   return [first._tag, second._tag]
 * })
 * Effect.runSync(program) // => ["Granted", "Held"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<SessionStore.Service, QueueError.QueueError> {
  const sessionsMax = yield* Check.wholeNumber(
    "sessionsMax",
    options.sessionsMax ?? Defaults.sessionStoreSessionsMax
  )
  const bytesMax = yield* Check.wholeNumber(
    "bytesMax",
    options.bytesMax ?? Defaults.sessionStoreBytesMax
  )
  const stateSizeMax = yield* Check.wholeNumber(
    "stateSizeMax",
    options.stateSizeMax ?? Defaults.sessionStoreStateSizeMax
  )
  const sessions = new Sessions(sessionsMax, bytesMax)

  /** In one step with the check that the lease is the session's. */
  const asHolder = <A>(
    lease: SessionStore.Lease,
    f: (record: Record, key: string) => A
  ): Effect.Effect<A, QueueError.QueueError> =>
    Effect.suspend(() => {
      const { queue, sessionId, token } = lease
      const key = keyOf(lease)
      const record = sessions.holds(key, token)
      if (record !== undefined) return Effect.succeed(f(record, key))
      return Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId }), { queue }))
    })

  return {
    stateSizeMax,
    acquire: ({ duration, holder, queue, sessionId }) =>
      Effect.flatMap(time, ({ date, now }) => {
        const until = now + Duration.toMillis(duration)
        const key = keyOf({ queue, sessionId })
        const token = sessions.acquire(key, now, until)
        if (token === "full") {
          return Effect.fail(full("the store of sessions (sessionsMax)", sessionsMax))
        }
        return Effect.succeed(
          token === "held"
            ? { _tag: "Held", until: date(sessions.heldUntil(key)) }
            : {
                _tag: "Granted",
                lease: { queue, sessionId, holder, token, expiresAt: date(until) }
              }
        )
      }),
    renew: (lease, duration) =>
      Effect.flatMap(time, ({ date, now }) =>
        asHolder(lease, (record) => {
          const until = now + Duration.toMillis(duration)
          record.held = { token: lease.token, until }
          return { ...lease, expiresAt: date(until) }
        })
      ),
    release: (lease) =>
      Effect.ignore(asHolder(lease, (record, key) => sessions.release(key, record))),
    readState: (lease) =>
      asHolder(lease, ({ state }) =>
        Option.map(Option.fromUndefinedOr(state), (bytes) => Uint8Array.from(bytes))
      ),
    writeState: (lease, state) => {
      const problem = stateProblem(state, stateSizeMax)
      if (problem !== undefined) return Effect.fail(problem)
      const bytes = Option.getOrUndefined(Option.map(state, (given) => Uint8Array.from(given)))
      return Effect.flatMap(
        asHolder(lease, (record) => sessions.write(record, bytes)),
        (isWritten) =>
          isWritten
            ? Effect.void
            : Effect.fail(full("the state in the store of sessions (bytesMax)", bytesMax))
      )
    }
  }
})

/**
 * The store as a layer.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<SessionStore.SessionStore, QueueError.QueueError> =>
  Layer.effect(SessionStore.SessionStore, make(options))
