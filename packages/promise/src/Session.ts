/**
 * An accepted session: its messages in order, to one holder at a time.
 *
 * @since 0.1.0
 */
import type { QueueClient, QueueError, TypedQueue } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Delivery from "./Delivery.ts"
import type * as Runner from "./internal/runner.ts"

/** Receives from a session, decoded. */
type Receive<A> = (
  session: QueueClient.Session,
  options: QueueClient.ReceiveOptions
) => Effect.Effect<ReadonlyArray<TypedQueue.Received<A>>, QueueError.QueueError>

/**
 * A session in hand, held until it is released, by `release` or by `await using`.
 *
 * @category models
 * @since 0.1.0
 */
export class Session<A> implements AsyncDisposable {
  readonly sessionId: string
  readonly #runner: Runner.Runner
  readonly #session: QueueClient.Session
  readonly #scope: Scope.Closeable
  readonly #receive: Receive<A>
  readonly #begun: Runner.Begun = { end: () => this.release() }
  #released: Promise<void> | undefined

  /** @internal */
  constructor(
    runner: Runner.Runner,
    session: QueueClient.Session,
    scope: Scope.Closeable,
    receive: Receive<A>
  ) {
    this.sessionId = session.sessionId
    this.#runner = runner
    this.#session = session
    this.#scope = scope
    this.#receive = receive
    runner.begin(this.#begun)
  }

  /** The next messages, in order; none when the wait ends with none. One call at a time. */
  receive(
    options: QueueClient.ReceiveOptions & Runner.Signal = {}
  ): Promise<ReadonlyArray<Delivery.Delivery<A>>> {
    const received = Effect.map(this.#receive(this.#session, options), (all) =>
      all.map(
        ({ message, value }) => new Delivery.Delivery(this.#runner, value, message, this.#session)
      )
    )
    return this.#runner.run(received, options)
  }

  /** Extends the session's lock, and with it those of the messages in hand; until when it holds then. */
  renewLock(): Promise<Date> {
    return this.#runner.run(Effect.map(this.#session.renewLock, DateTime.toDate))
  }

  /** Until when the session is ours as far as this process knows. */
  lockedUntil(): Promise<Date> {
    return this.#runner.run(Effect.map(this.#session.lockedUntil, DateTime.toDate))
  }

  /** What the holders before wrote; `undefined` when nobody did. */
  state(): Promise<Uint8Array | undefined> {
    return this.#runner.run(Effect.map(this.#session.state, Option.getOrUndefined))
  }

  /** Writes the state; `undefined` removes it. */
  setState(state: Uint8Array | undefined): Promise<void> {
    return this.#runner.run(this.#session.setState(Option.fromUndefinedOr(state)))
  }

  /** Gives the session up: what is not settled comes again, to its next holder. */
  release(): Promise<void> {
    this.#runner.ended(this.#begun)
    return (this.#released ??= Effect.runPromise(Scope.close(this.#scope, Exit.void)))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}
