/**
 * Which queues a call is about, as they were named.
 *
 * @since 0.1.0
 */
import { QueueName } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Failure from "./Failure.ts"

/**
 * A queue that was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly name: QueueName.QueueName
  /** The name in SQS, where that was given: `orders.fifo`. */
  readonly physical?: string
  /** Whether it was said to be ordered. */
  readonly isOrdered: boolean
}

const suffix = ".fifo"

/**
 * A queue by its name, or by its name in SQS where that ends in `.fifo`.
 *
 * **Errors** Failure with the code `usage`
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (text: string, isOrdered: boolean): Effect.Effect<Asked, Failure.Failure> => {
  const isFifo = text.endsWith(suffix)
  const logical = isFifo ? text.slice(0, -suffix.length) : text
  return Effect.mapBoth(QueueName.make(logical), {
    onFailure: Failure.from,
    onSuccess: (name) => ({
      name,
      isOrdered: isOrdered || isFifo,
      ...(isFifo ? { physical: text } : {})
    })
  })
}
