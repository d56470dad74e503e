import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Capabilities from "../../Capabilities.ts"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueError from "../../QueueError.ts"
import type * as reading from "./reading.ts"

type Predicate = (letter: DeadLetters.DeadLetter) => boolean

const predicateOf = (selection: DeadLetters.Selection): Predicate => {
  switch (selection._tag) {
    case "All":
      return () => true
    case "Ids": {
      const ids = new Set(selection.ids)
      return ({ id }) => ids.has(id)
    }
    case "Where":
      return selection.predicate
  }
}

const skew = Duration.toMillis(Defaults.deadLetterClockSkew)

/** Which letters are meant. */
export interface Meant {
  /** Whether it was there when the work began: what comes meanwhile stands for none of those. */
  readonly wasThere: Predicate
  readonly isWanted: Predicate
}

/**
 * The selected ones that were there before: what is put aside meanwhile, or again, is for another time.
 * Otherwise a replay of messages that fail at once would never end.
 */
export const before = (selection: DeadLetters.Selection, replayId?: string): Effect.Effect<Meant> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const isSelected = predicateOf(selection)
    return {
      wasThere: ({ time }) => DateTime.toEpochMillis(time) <= now,
      isWanted: (letter) =>
        DateTime.toEpochMillis(letter.time) <= now + skew &&
        (replayId === undefined || letter.replayId !== replayId) &&
        isSelected(letter)
    }
  })

/** How many there are, where the service tells it and somebody wants to know. */
export const depth = (
  { client, queue }: reading.Place,
  selection: DeadLetters.Selection
): Effect.Effect<number | undefined, QueueError.QueueError> => {
  const told = Effect.map(
    client.depth(QueueAddress.deadLetter(queue)),
    Option.match({
      onNone: () => undefined,
      onSome: ({ available, delayed, locked }) => available + delayed + locked
    })
  )
  if (selection._tag === "All") return told
  // A peek shows all of them; and what is there to be told of keeps nothing from being done.
  return Capabilities.isSupported(client.capabilities(queue).peek)
    ? Effect.undefined
    : Effect.orElseSucceed(told, () => undefined)
}

/** How many are selected, where that can be told without reading them. */
export const total = (
  selection: DeadLetters.Selection,
  there: number | undefined
): number | undefined => {
  switch (selection._tag) {
    case "All":
      return there
    case "Ids":
      return new Set(selection.ids).size
    case "Where":
      return undefined
  }
}

/**
 * What was asked for by its id and came is all that was asked for, whatever else there may be; otherwise
 * it is as `complete` says.
 */
export const completeOf = <E, E2>(
  selection: DeadLetters.Selection,
  items: Stream.Stream<DeadLetters.Item, E>,
  complete: Effect.Effect<boolean, E2>
) => {
  if (selection._tag !== "Ids") return { items, complete }
  const left = new Set(selection.ids)
  return {
    items: Stream.map(items, (item) => (left.delete(item.id), item)),
    complete: Effect.suspend(() => (left.size === 0 ? Effect.succeed(true) : complete))
  }
}
