/**
 * A handler at work on a queue, until it is stopped.
 *
 * @since 0.1.0
 */
import type { QueueError } from "@queue-runtime/core"
import type * as Effect from "effect/Effect"
import type * as Runner from "./internal/runner.ts"
import type * as Services from "./internal/services.ts"

/**
 * A running consumer. `stop`, or `await using`, drains it: nothing more is received, running handlers get
 * their grace period, and what is not done by then is given back.
 *
 * **Gotchas** `stopped` is rejected when the consumer had to end by itself: a missing queue, refused
 * credentials. Await it somewhere, or Node reports an unhandled rejection.
 *
 * @category models
 * @since 0.1.0
 */
export class Consumer implements AsyncDisposable {
  /** Settles when the consumer has ended: resolved by a stop, rejected with what ended it. */
  readonly stopped: Promise<void>
  readonly #abort = new AbortController()

  /** @internal */
  constructor(
    runner: Runner.Runner,
    worker: Effect.Effect<unknown, QueueError.QueueError, Services.Services>,
    signal: AbortSignal | undefined
  ) {
    const begun: Runner.Begun = { end: () => this.stop() }
    const stop = (): void => this.#abort.abort()
    runner.begin(begun)
    if (signal?.aborted === true || runner.isClosing) stop()
    signal?.addEventListener("abort", stop, { once: true })
    const { signal: stopping } = this.#abort
    this.stopped = runner.runUntil(worker, stopping).finally(() => {
      runner.ended(begun)
      signal?.removeEventListener("abort", stop)
    })
  }

  /** Drains and ends it; the same as `stopped`. */
  stop(): Promise<void> {
    this.#abort.abort()
    return this.stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
