import type { SqsMessage } from "../sqs.ts"
import * as wire from "../wire.ts"
import { Delivery } from "./delivery.ts"
import type { Line } from "./line.ts"

/** What a receive brought, read. */
export const read = (
  line: Line,
  messages: ReadonlyArray<SqsMessage>,
  visibilitySeconds: number,
  now: number
): ReadonlyArray<Delivery> => {
  const { address, settings } = line
  const lockedUntil = line.lockedUntil(now, visibilitySeconds)
  const { bodyEncoding } = settings
  return messages.map(
    (message) => new Delivery(wire.fromWire(message, { address, bodyEncoding }), now, lockedUntil)
  )
}

/** It is no longer worth delivering. */
export const isExpired = ({ content }: Delivery, now: number): boolean => content.expiresAt <= now

/**
 * It was delivered as often as its queue allows. On a FIFO queue the broker's count is no proof of that,
 * since those behind a failing message are received along with it: there it counts what this process
 * handed out itself, and for what ends every process that gets it, the broker's count ten times over, less the
 * receives of which this process knows that nobody had it.
 */
export const isSpent = (line: Line, delivery: Delivery, isOrdered: boolean): boolean => {
  if (!line.hasDeadLetters) return false
  const { deliveriesMax } = line.settings
  if (!isOrdered) return line.counts.next(delivery) > deliveriesMax
  const isWornOut = line.counts.next(delivery) > deliveriesMax * line.factor
  return line.counts.seen(delivery) >= deliveriesMax || isWornOut
}
