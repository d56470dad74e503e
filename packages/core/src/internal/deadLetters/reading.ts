import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Check from "../../Check.ts"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import * as Options from "../../Options.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueClient from "../../QueueClient.ts"
import * as QueueError from "../../QueueError.ts"
import type * as QueueName from "../../QueueName.ts"
import * as holds from "./hold.ts"
import * as letters from "./letter.ts"
import * as seeing from "./seeing.ts"

/** What everything here is about. */
export interface Place extends Required<DeadLetters.Options> {
  readonly client: QueueClient.Service
  readonly queue: QueueName.QueueName
}

/** A letter and the cursor that it is at. */
interface Found {
  readonly letter: DeadLetters.DeadLetter
  readonly at: string
}

/** A reading under way. */
export interface Reading {
  readonly found: Stream.Stream<Found, QueueError.QueueError>
  /** Whether cursors grow as letters come. */
  readonly isSorted: boolean
  /** To be asked when the stream has ended: whether that was everything. */
  readonly complete: Effect.Effect<boolean, QueueError.QueueError>
}

const badCursor = (): QueueError.QueueError =>
  QueueError.validationFailed("cursor", "must be the `next` of a page of the same queue")

const peekCursor = /^[0-9]{1,39}$/u

/** Times sort as text: 16 digits reach beyond what a Date can hold. */
const scanCursor = /^[0-9]{16}-[0-9a-f]{32}$/u

const timeDigits = 16

const peeking = (
  { client, queue }: Place,
  cursor: string | undefined
): Effect.Effect<Reading, QueueError.QueueError> => {
  if (cursor !== undefined && !peekCursor.test(cursor)) return Effect.fail(badCursor())
  const address = QueueAddress.deadLetter(queue)
  const options = { max: Defaults.deadLetterPageSize }
  const found = Stream.paginate(BigInt(cursor ?? 0), (fromSequenceNumber) =>
    Effect.map(client.peek(address, { ...options, fromSequenceNumber }), (messages) => {
      const some = messages.map((message): Found => ({
        letter: letters.fromMessage(queue, message),
        at: String(seeing.behind([message]))
      }))
      return [some, Option.fromUndefinedOr(seeing.behind(messages, fromSequenceNumber))] as const
    })
  )
  return Effect.succeed({ found, isSorted: true, complete: Effect.succeed(true) })
}

const cursorOf = ({ id, time }: DeadLetters.DeadLetter): string =>
  `${String(DateTime.toEpochMillis(time)).padStart(timeDigits, "0")}-${id}`

/** Receives all, and gives all back in the end. */
const scanning = Effect.fnUntraced(function* (
  place: Place,
  cursor: string | undefined
): Effect.fn.Return<Reading, QueueError.QueueError, Scope.Scope> {
  if (cursor !== undefined && !scanCursor.test(cursor)) return yield* Effect.fail(badCursor())
  const { client, queue } = place
  const hold = yield* holds.make({ ...place, isWanted: () => false, wasThere: () => true })
  let isCut = false
  const step = Effect.suspend(() => {
    if (hold.isFull) {
      isCut = true
      return Effect.as(
        Effect.logWarning(`the listing of dead letters ends: it holds ${place.heldMax} of them`),
        [[], Option.none<void>()] as const
      )
    }
    return Effect.map(hold.receive(Defaults.deadLetterWait), (some) => {
      if (some === undefined) return [[], Option.none<void>()] as const
      const found = some.map(({ letter }): Found => ({ letter, at: cursorOf(letter) }))
      const rest = cursor === undefined ? found : found.filter(({ at }) => at > cursor)
      return [rest, Option.some<void>(undefined)] as const
    })
  })
  const complete = Effect.suspend(() =>
    // One in flight of a group hides those behind it.
    isCut || hold.isHiding
      ? Effect.succeed(false)
      : Effect.map(
          client.depth(QueueAddress.deadLetter(queue)),
          Option.match({
            onNone: () => false,
            onSome: ({ available, locked }) => available + locked <= hold.deliveries.length
          })
        )
  )
  return { found: Stream.paginate(undefined, () => step), isSorted: false, complete }
})

/** Begins to read, from a cursor or from the first. */
export const open = (
  place: Place,
  cursor: string | undefined
): Effect.Effect<Reading, QueueError.QueueError, Scope.Scope> =>
  Effect.flatMap(seeing.canPeek(place.client, place.queue), (isPeek) =>
    isPeek ? peeking(place, cursor) : scanning(place, cursor)
  )

/** The letters, one after the other. */
export const list = (
  place: Place,
  { filter, from, max }: DeadLetters.ListOptions
): Stream.Stream<DeadLetters.DeadLetter, QueueError.QueueError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const most = max === undefined ? undefined : yield* Check.wholeNumber("max", max)
      const { found } = yield* open(place, from)
      const all = Stream.map(found, ({ letter }) => letter)
      const wanted = filter === undefined ? all : Stream.filter(all, filter)
      return most === undefined ? wanted : Stream.take(wanted, most)
    })
  )

/** The first so many by their cursors, of a stream that has them in any order. */
class Lowest {
  readonly #max: number
  #some: ReadonlyArray<Found> = []

  constructor(max: number) {
    this.#max = max
  }

  /** Sorted now and then: twice as many are kept. */
  add(found: Found): void {
    this.#some = [...this.#some, found]
    if (this.#some.length > this.#max * 2) this.#some = this.sorted
  }

  get sorted(): ReadonlyArray<Found> {
    return this.#some.toSorted((one, other) => (one.at < other.at ? -1 : 1)).slice(0, this.#max)
  }
}

/** One page. */
export const page = (
  place: Place,
  { cursor, size = Defaults.deadLetterPageSize }: DeadLetters.PageOptions
): Effect.Effect<DeadLetters.Page, QueueError.QueueError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const most = yield* Check.wholeNumber("size", size)
      const { complete, found, isSorted } = yield* open(place, cursor)
      // One more tells whether there is another page.
      const some = isSorted
        ? yield* Stream.runCollect(Stream.take(found, most + 1))
        : yield* Effect.map(
            Stream.runFold(
              found,
              () => new Lowest(most + 1),
              (lowest, one) => (lowest.add(one), lowest)
            ),
            ({ sorted }) => sorted
          )
      const shown = some.slice(0, most)
      return {
        letters: shown.map(({ letter }) => letter),
        ...Options.defined({ next: some.length > most ? shown.at(-1)?.at : undefined }),
        complete: yield* complete
      }
    })
  )

/** Adds up all letters, and says whether that was everything. */
export const fold = <A>(
  place: Place,
  start: () => A,
  add: (sum: A, letter: DeadLetters.DeadLetter) => A
): Effect.Effect<readonly [sum: A, complete: boolean], QueueError.QueueError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { complete, found } = yield* open(place, undefined)
      const sum = yield* Stream.runFold(found, start, (before, { letter }) => add(before, letter))
      return [sum, yield* complete] as const
    })
  )

/** How many there are: as the service says, or by counting. */
export const count = (place: Place): Effect.Effect<DeadLetters.Count, QueueError.QueueError> =>
  Effect.flatMap(
    place.client.depth(QueueAddress.deadLetter(place.queue)),
    Option.match({
      onSome: ({ available, delayed, locked }) =>
        Effect.succeed({ count: available + delayed + locked, complete: true }),
      onNone: () =>
        Effect.map(
          fold(
            place,
            () => 0,
            (sum) => sum + 1
          ),
          ([sum, complete]) => ({ count: sum, complete })
        )
    })
  )
