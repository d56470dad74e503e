import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import * as Options from "../../Options.ts"
import type * as QueueError from "../../QueueError.ts"
import * as reading from "./reading.ts"

const hourMillis = Duration.toMillis(Duration.hours(1))

/** Counts by a word; words beyond the bound count together. */
class Groups {
  readonly #counts = new Map<string, number>()

  add(word: string): void {
    const isKnown = this.#counts.has(word) || this.#counts.size < Defaults.deadLetterGroupsMax
    const name = isKnown ? word : "other"
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** The commonest first. */
  get sorted(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].toSorted(([, one], [, other]) => other - one))
  }
}

/** Counts by the hour; of too many the oldest are forgotten. */
class Hours {
  readonly #counts = new Map<number, number>()

  add(millis: number): void {
    const hour = Math.floor(millis / hourMillis)
    this.#counts.set(hour, (this.#counts.get(hour) ?? 0) + 1)
    if (this.#counts.size > Defaults.deadLetterHoursMax) {
      this.#counts.delete(Math.min(...this.#counts.keys()))
    }
  }

  get sorted(): ReadonlyArray<DeadLetters.Hour> {
    return [...this.#counts]
      .toSorted(([one], [other]) => one - other)
      .map(([hour, count]) => ({ start: DateTime.makeUnsafe(hour * hourMillis), count }))
  }
}

class Sum {
  count = 0
  readonly reasons = new Groups()
  readonly services = new Groups()
  readonly hours = new Hours()
  oldest: DateTime.Utc | undefined
  newest: DateTime.Utc | undefined

  add({ details, reason, time }: DeadLetters.DeadLetter): this {
    this.count++
    this.reasons.add(reason)
    this.services.add(details?.service ?? "unknown")
    this.hours.add(DateTime.toEpochMillis(time))
    this.oldest = this.oldest === undefined ? time : DateTime.min(this.oldest, time)
    this.newest = this.newest === undefined ? time : DateTime.max(this.newest, time)
    return this
  }
}

/** All dead letters of a queue summed up, in bounded memory. */
export const make = (
  place: reading.Place
): Effect.Effect<DeadLetters.Statistics, QueueError.QueueError> =>
  Effect.map(
    reading.fold(
      place,
      () => new Sum(),
      (sum, letter) => sum.add(letter)
    ),
    ([sum, complete]) => ({
      count: sum.count,
      complete,
      byReason: sum.reasons.sorted,
      byService: sum.services.sorted,
      byHour: sum.hours.sorted,
      ...Options.defined({ oldest: sum.oldest, newest: sum.newest })
    })
  )
