import type { SqsMessage } from "../sqs.ts"
import * as wire from "../wire.ts"
import { Delivery } from "./delivery.ts"
import type { Line } from "./line.ts"

/** What a receive brought, and when it was asked for. */
export interface Answer {
  readonly messages: ReadonlyArray<SqsMessage>
  readonly sentAt: number
  /** Asked for again, since its first answer was lost: that locks anew, and no time of it tells when. */
  readonly isAgain: boolean
}

/** When the broker locked what came; nothing where it was received before, and nobody says. */
const lockedAtOf = (messages: ReadonlyArray<SqsMessage>): number | undefined => {
  let earliest: number | undefined
  for (const { systemAttributes } of messages) {
    if (systemAttributes["ApproximateReceiveCount"] !== "1") continue
    const at = Number(systemAttributes["ApproximateFirstReceiveTimestamp"])
    if (at > 0 && at < (earliest ?? Infinity)) earliest = at
  }
  return earliest
}

/** What a receive brought, read. */
export const read = (
  line: Line,
  { isAgain, messages, sentAt }: Answer,
  visibilitySeconds: number,
  now: number
): ReadonlyArray<Delivery> => {
  const { address, settings } = line
  const lockMillis = visibilitySeconds * 1_000
  const lockedAt = isAgain ? undefined : lockedAtOf(messages)
  const start = line.brokerClock.startOf({ sentAt, now, lockedAt, lockMillis })
  const options = { address, bodyEncoding: settings.bodyEncoding }
  return messages.map((message) => {
    // Before that nobody could have it. Where it came all the same, somebody else has shown it.
    const shownAt = line.counts.hiddenUntil(message.id)
    const at = shownAt > now ? start : Math.max(start, shownAt)
    const lockedUntil = line.lockedUntil(at, visibilitySeconds)
    return new Delivery(wire.fromWire(message, options), at, lockedUntil)
  })
}

/**
 * The same, to be handed out: nothing of what came so late that its lock is over, since others may have it
 * by now.
 */
export const readInTime: typeof read = (line, answer, visibilitySeconds, now) => {
  const deliveries = read(line, answer, visibilitySeconds, now)
  return deliveries.filter((one) => {
    if (one.lockedUntil > now) return true
    one.phase = "dead"
    line.counts.ended(one)
    return false
  })
}

/** It is no longer worth delivering. */
export const isExpired = ({ content }: Delivery, now: number): boolean => content.expiresAt <= now

/** It was delivered as often as its queue allows, as far as that can be told. */
export const isSpent = (line: Line, delivery: Delivery): boolean =>
  line.hasDeadLetters && line.countOf(delivery) > line.settings.deliveriesMax
