import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueError from "../../QueueError.ts"
import type * as QueueName from "../../QueueName.ts"
import { type Answer, type Host, Lane, type Limits, type Request } from "./lane.ts"

/** The lanes of one method, by address; one that is idle is forgotten. */
export class Merger<I, A> {
  readonly #host: Host
  readonly #limitsOf: (queue: QueueName.QueueName) => Limits
  readonly #lanes = new Map<string, Lane<I, A>>()
  readonly #onIdle: () => void
  #closed: QueueError.QueueError | undefined

  /** `onIdle` is called whenever the last lane went. */
  constructor(host: Host, limitsOf: (queue: QueueName.QueueName) => Limits, onIdle: () => void) {
    this.#host = host
    this.#limitsOf = limitsOf
    this.#onIdle = onIdle
  }

  /** Lanes at work. */
  get size(): number {
    return this.#lanes.size
  }

  /** The request's own answer, whatever it is merged with; `caller` is the fiber that asks. */
  submit(
    caller: Fiber.Fiber<unknown, unknown>,
    address: QueueAddress.QueueAddress,
    request: Request<I, A>
  ): Answer<A> {
    return Effect.callback((resume) => {
      if (this.#closed !== undefined) return resume(Effect.fail(this.#closed))
      const lane = this.#lane(address)
      const span = Context.getOrUndefined(caller.context, Tracer.ParentSpan)
      const entry = lane.submit(request, span, resume)
      return Effect.sync(() => lane.withdraw(entry))
    })
  }

  /** Nothing is taken in any more, and what waits goes out. */
  close(error: QueueError.QueueError): void {
    this.#closed = error
    for (const lane of this.#lanes.values()) lane.flush()
  }

  /** Whoever still waits waits no longer. */
  end(error: QueueError.QueueError): void {
    for (const lane of this.#lanes.values()) lane.end(Effect.fail(error))
  }

  #lane(address: QueueAddress.QueueAddress): Lane<I, A> {
    const key = QueueAddress.format(address)
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane = new Lane<I, A>(this.#host, this.#limitsOf(address.queue), () => {
      this.#lanes.delete(key)
      if (this.#lanes.size === 0) this.#onIdle()
    })
    this.#lanes.set(key, lane)
    return lane
  }
}
