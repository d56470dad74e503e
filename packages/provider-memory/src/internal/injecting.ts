import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Operation, QueueError } from "@queue-runtime/core"
import type { Broker } from "./broker.ts"
import type { Connection } from "./connection.ts"
import { error } from "./errors.ts"
import * as faults from "./faults.ts"
import * as waiting from "./waiting.ts"

/** One call, as faults see it. */
export interface Call<A, R> {
  readonly tag: Operation.Operation<unknown>["_tag"]
  readonly operation: string
  readonly queue: string
  readonly make: (hit: faults.Hit) => Effect.Effect<A, QueueError.QueueError, R>
  /** What follows when the call took effect and its reply is lost; absent: nothing. */
  readonly lose?: (result: A) => void
}

const failing = <A, R>(
  connection: Connection,
  call: Call<A, R>,
  hit: faults.Hit
): Effect.Effect<A, QueueError.QueueError, R> => {
  const { failure } = hit
  if (failure === undefined) return call.make(hit)
  const failed = error(faults.reasonOf(failure, call.operation), call.operation, call.queue)
  if (failure._tag === "DropConnection") {
    waiting.cut(connection, failed)
    return Effect.fail(failed)
  }
  if (failure.applied !== true) return Effect.fail(failed)
  return Effect.flatMap(call.make(hit), (result) => {
    call.lose?.(result)
    return Effect.fail(failed)
  })
}

/** Makes a call with whatever faults are drawn for it. */
export const inject = <A, R>(
  broker: Broker,
  connection: Connection,
  call: Call<A, R>
): Effect.Effect<A, QueueError.QueueError, R> =>
  Effect.suspend(() => {
    const hit = broker.faults.draw(call.tag)
    if (hit === faults.noHit) return call.make(hit)
    const made = Effect.suspend(() => failing(connection, call, hit))
    return hit.delayMillis > 0 ? Effect.delay(made, Duration.millis(hit.delayMillis)) : made
  })
