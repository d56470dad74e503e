/**
 * Which messages were handled: claimed by one worker at a time, and remembered when they are done.
 *
 * **Details**
 *
 * A claim is a lease: it ends by itself when its worker dies. Of any number that claim one key at once,
 * one alone is told `Claimed`. What is done stays done until its time to live is over, and is then
 * forgotten, as is a claim whose lease ran out.
 *
 * Times are of the Clock of whoever calls: processes that share a store share the time, give or take what
 * their clocks differ by, which a lease should be long against.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as QueueError from "./QueueError.ts"

/**
 * The answer to a claim.
 *
 * @category models
 * @since 0.1.0
 */
export type Claim =
  /** Ours until then, unless renewed; the token proves it. */
  | { readonly _tag: "Claimed"; readonly token: string; readonly until: DateTime.Utc }
  /** Somebody else's until then, unless renewed. */
  | { readonly _tag: "Busy"; readonly until: DateTime.Utc }
  /** It was completed. */
  | { readonly _tag: "Done" }

/**
 * The methods of a store. All may run at once with each other, in one process or many.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /** Takes the key for as long as the lease, if it is free. */
  readonly claim: (
    key: string,
    lease: Duration.Duration
  ) => Effect.Effect<Claim, QueueError.QueueError>
  /**
   * Extends the lease from now; answers its new end.
   *
   * **Errors** ReceiptExpired when it ran out, or the key is another's
   */
  readonly renew: (
    key: string,
    token: string,
    lease: Duration.Duration
  ) => Effect.Effect<DateTime.Utc, QueueError.QueueError>
  /**
   * Remembers for so long that it is done. A lease that ran out is no hindrance while nobody took the key.
   *
   * **Errors** ReceiptExpired when the key is another's, or was given up
   */
  readonly complete: (
    key: string,
    token: string,
    timeToLive: Duration.Duration
  ) => Effect.Effect<void, QueueError.QueueError>
  /** Gives the key up; of one that is not held, or done, nothing. */
  readonly release: (key: string, token: string) => Effect.Effect<void, QueueError.QueueError>
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class IdempotencyStore extends Context.Service<IdempotencyStore, Service>()(
  "@queue-runtime/core/IdempotencyStore"
) {}

/**
 * Bounds of the store in memory.
 *
 * @category options
 * @since 0.1.0
 */
export interface MemoryOptions {
  /** Keys held and remembered at once. Default: 100,000. */
  readonly keysMax?: number
}

interface Held {
  readonly token: string
  readonly until: number
}

const expired = () => QueueError.make(new QueueError.ReceiptExpired())

/** Without a clock: each method is one synchronous step, so that fibers see it whole. */
class Keys {
  /** In the order of their last renewal: those that run out first stand first, of one lease. */
  readonly #held = new Map<string, Held>()
  /** Until when each is remembered, in the order they were completed. */
  readonly #done = new Map<string, number>()
  readonly #max: number
  #tokens = 0

  constructor(max: number) {
    this.#max = max
  }

  claim(key: string, now: number, until: number): Claim | undefined {
    if ((this.#done.get(key) ?? now) > now) return { _tag: "Done" }
    const held = this.#held.get(key)
    if (held !== undefined && held.until > now) {
      return { _tag: "Busy", until: DateTime.makeUnsafe(held.until) }
    }
    this.#done.delete(key)
    this.#held.delete(key)
    if (!this.#hasRoom(now)) return undefined
    const token = String(this.#tokens++)
    this.#held.set(key, { token, until })
    return { _tag: "Claimed", token, until: DateTime.makeUnsafe(until) }
  }

  renew(key: string, token: string, now: number, until: number): boolean {
    const held = this.#held.get(key)
    if (held?.token !== token || held.until <= now) return false
    this.#held.delete(key)
    this.#held.set(key, { token, until })
    return true
  }

  complete(key: string, token: string, until: number): boolean {
    if (!this.release(key, token)) return false
    this.#done.set(key, until)
    return true
  }

  release(key: string, token: string): boolean {
    return this.#held.get(key)?.token === token && this.#held.delete(key)
  }

  /** Room for one more: by a claim that ran out, or else by the oldest of what is done. */
  #hasRoom(now: number): boolean {
    if (this.#held.size + this.#done.size < this.#max) return true
    for (const [key, { until }] of this.#held) {
      if (until > now) break
      this.#held.delete(key)
      return true
    }
    for (const key of this.#done.keys()) return this.#done.delete(key)
    return false
  }
}

/**
 * A store in this process: bounded, and gone with it. When it is full the oldest of what is done is
 * forgotten early; what is claimed never is.
 *
 * **Gotchas** Several processes on one queue need a store that they share.
 *
 * **Errors** ValidationFailed for a bound below 1; of a claim: QuotaExceeded (transient) when all keys are
 * claimed
 *
 * **Example** (The second claim waits for the first)
 *
 * ```ts
 * import { IdempotencyStore } from "@queue-runtime/core"
 * import { Duration, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* IdempotencyStore.makeMemory()
 *   const claim = store.claim("orders m-1", Duration.seconds(30))
 *   return [(yield* claim)._tag, (yield* claim)._tag]
 * })
 * Effect.runSync(program) // => ["Claimed", "Busy"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = Effect.fnUntraced(function* (
  options: MemoryOptions = {}
): Effect.fn.Return<Service, QueueError.QueueError> {
  const maximum = yield* Check.wholeNumber(
    "keysMax",
    options.keysMax ?? Defaults.idempotencyKeysMax
  )
  const keys = new Keys(maximum)
  const full = () =>
    QueueError.make(
      new QueueError.QuotaExceeded({ resource: "the idempotency store (keysMax)", maximum })
    )
  /** Now, and the time so much later. */
  const times = (duration: Duration.Duration) =>
    Effect.map(Clock.currentTimeMillis, (now) => [now, now + Duration.toMillis(duration)] as const)
  return {
    claim: (key, lease) =>
      Effect.flatMap(times(lease), ([now, until]) => {
        const claim = keys.claim(key, now, until)
        return claim === undefined ? Effect.fail(full()) : Effect.succeed(claim)
      }),
    renew: (key, token, lease) =>
      Effect.flatMap(times(lease), ([now, until]) =>
        keys.renew(key, token, now, until)
          ? Effect.succeed(DateTime.makeUnsafe(until))
          : Effect.fail(expired())
      ),
    complete: (key, token, timeToLive) =>
      Effect.flatMap(times(timeToLive), ([, until]) =>
        keys.complete(key, token, until) ? Effect.void : Effect.fail(expired())
      ),
    release: (key, token) =>
      Effect.sync(() => {
        keys.release(key, token)
      })
  }
})

/**
 * The store in memory as a layer.
 *
 * **Errors** as {@link makeMemory}
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (
  options: MemoryOptions = {}
): Layer.Layer<IdempotencyStore, QueueError.QueueError> =>
  Layer.effect(IdempotencyStore, makeMemory(options))
