import * as DateTime from "effect/DateTime"

/** A prime: a lock of whole seconds begins and ends at different places. */
const keptMax = 31

const kept: Array<DateTime.Utc | undefined> = Array.from({ length: keptMax }, () => undefined)

/**
 * A time as Effect has it. What one call stores or delivers has the same few times, and making one costs
 * as much as delivering a message: the last ones are handed out again.
 */
export const toUtc = (millis: number): DateTime.Utc => {
  // Of the lower 32 bits: the rest of a number that is no such integer takes ten times as long.
  const place = (millis >>> 0) % keptMax
  const known = kept[place]
  if (known?.epochMilliseconds === millis) return known
  const made = DateTime.makeUnsafe(millis)
  kept[place] = made
  return made
}
