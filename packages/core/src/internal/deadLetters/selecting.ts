import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
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

/**
 * The selected ones that were there before: what is put aside meanwhile, or again, is for another time.
 * Otherwise a replay of messages that fail at once would never end.
 */
export const before = (
  selection: DeadLetters.Selection,
  replayId?: string
): Effect.Effect<Predicate> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const isSelected = predicateOf(selection)
    return (letter) =>
      DateTime.toEpochMillis(letter.time) <= now + skew &&
      (replayId === undefined || letter.replayId !== replayId) &&
      isSelected(letter)
  })

/** How many are selected, where that can be told without reading them. */
export const total = (
  { client, queue }: reading.Place,
  selection: DeadLetters.Selection
): Effect.Effect<number | undefined, QueueError.QueueError> => {
  switch (selection._tag) {
    case "All":
      return Effect.map(
        client.depth(QueueAddress.deadLetter(queue)),
        Option.match({
          onNone: () => undefined,
          onSome: ({ available, delayed, locked }) => available + delayed + locked
        })
      )
    case "Ids":
      return Effect.succeed(new Set(selection.ids).size)
    case "Where":
      return Effect.undefined
  }
}
