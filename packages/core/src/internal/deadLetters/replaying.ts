import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Check from "../../Check.ts"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import type * as QueueClient from "../../QueueClient.ts"
import * as QueueError from "../../QueueError.ts"
import * as holds from "./hold.ts"
import * as planning from "./planning.ts"
import * as progress from "./progress.ts"
import * as reading from "./reading.ts"
import * as resending from "./resending.ts"
import * as seeing from "./seeing.ts"
import * as selecting from "./selecting.ts"
import * as windows from "./windows.ts"

type Progress = Stream.Stream<DeadLetters.Progress, QueueError.QueueError>

/** What there is to do, of which letters. */
interface Work {
  readonly selection: DeadLetters.Selection
  /** How many there were at the start, where the service tells it. */
  readonly there: number | undefined
}

/** Letter after letter, and at the end whether these were all. */
const report = (
  { selection, there }: Work,
  items: Stream.Stream<DeadLetters.Item, QueueError.QueueError>,
  complete: Effect.Effect<boolean, QueueError.QueueError>
): Progress => {
  const whole = selecting.completeOf(selection, items, complete)
  const total = selecting.total(selection, there)
  return progress.of(whole.items, { complete: whole.complete, total })
}

/** Those that would be taken, and nothing else. */
const dry = Effect.fnUntraced(function* (
  place: reading.Place,
  filter: (letter: DeadLetters.DeadLetter) => boolean,
  work: Work
) {
  const { complete, found } = yield* reading.open(place, undefined)
  const wanted = Stream.filter(found, ({ letter }) => filter(letter))
  const items = Stream.map(wanted, ({ letter }) => progress.item(letter, "done"))
  return report(work, items, complete)
})

/** Part after part of what the windows bring, the next window when all of one is done. */
const parts = (
  next: windows.Windows["next"],
  plan: (window: ReadonlyArray<holds.Held>) => ReadonlyArray<ReadonlyArray<holds.Held>>
) =>
  Stream.paginate(undefined, () =>
    Effect.map(next, (window) =>
      window === undefined
        ? ([[], Option.none<undefined>()] as const)
        : ([plan(window), Option.some(undefined)] as const)
    )
  )

/** Waits so that there are not more than so many a second. */
const pacer = (pause: number) => {
  let due = 0
  return (count: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const at = Math.max(now, due)
      due = at + count * pause
      return at > now ? Effect.sleep(at - now) : Effect.void
    })
}

/** Behind one that failed nothing of its session is sent: the error that it failed with, by session. */
class Stopped {
  readonly #errors = new Map<string, QueueError.QueueError>()

  of({ message: { sessionId } }: DeadLetters.DeadLetter): QueueError.QueueError | undefined {
    return sessionId === undefined ? undefined : this.#errors.get(sessionId)
  }

  /** Bounded by what is held: a letter that failed stays in hand. */
  add({ message: { sessionId } }: DeadLetters.DeadLetter, error: QueueError.QueueError): void {
    if (sessionId !== undefined) this.#errors.set(sessionId, error)
  }
}

const expired = QueueError.make(new QueueError.ReceiptExpired())

/** Sends a part and removes what was sent. An interruption waits for it: half of it would be twice. */
const replayPart = (hold: holds.Hold, settings: resending.Settings, stopped: Stopped | undefined) =>
  Effect.fnUntraced(function* (part: ReadonlyArray<holds.Held>) {
    const refused = new Map<holds.Held, QueueError.QueueError>()
    for (const held of part) {
      // What is not in hand any more, somebody else may have.
      const lost = hold.find(held.key) === undefined ? expired : undefined
      const error = stopped?.of(held.letter) ?? lost
      if (error !== undefined) refused.set(held, error)
    }
    const going = part.filter((held) => !refused.has(held))
    const { outcomes, trouble } = yield* resending.send(hold.options.client, going, settings)
    const sent = outcomes.flatMap(([held, outcome]) => (Result.isSuccess(outcome) ? held : []))
    const failed = resending.failuresOf(outcomes)
    const left = resending.failuresOf(Arr.zip(sent, yield* hold.remove(sent)))
    if (trouble !== undefined) return yield* Effect.fail(trouble)
    return part.map((held) => {
      const { letter } = held
      const error = refused.get(held) ?? failed.get(held)
      if (error === undefined) {
        const kept = left.get(held)
        return progress.item(letter, kept === undefined ? "done" : "duplicated", kept)
      }
      stopped?.add(letter, error)
      return progress.item(letter, "failed", error)
    })
  }, Effect.uninterruptible)

/** Sends the selected letters again, then removes each. */
export const replay = (
  place: reading.Place,
  selection: DeadLetters.Selection,
  options: DeadLetters.ReplayOptions
): Progress =>
  Stream.unwrap(
    Effect.gen(function* () {
      const settings = yield* resending.settings(options)
      const { isWanted, wasThere } = yield* selecting.before(selection, settings.replayId)
      const work = { selection, there: yield* selecting.depth(place, selection) }
      if (options.dryRun === true) return yield* dry(place, isWanted, work)
      const { client, queue } = place
      const hold = yield* holds.make({ ...place, isWanted, wasThere })
      const isOrdered = client.capabilities(queue).ordered
      const isPeek = yield* seeing.canPeek(client, queue)
      const unpeeked = isOrdered ? windows.gathered : windows.received
      const { isComplete, next } = isPeek
        ? windows.peeked(hold, isOrdered)
        : unpeeked(hold, work.there)
      const plan = isOrdered ? planning.inOrder<holds.Held> : planning.inAnyOrder<holds.Held>
      const pace = pacer(settings.pause)
      const one = replayPart(hold, settings, isOrdered ? new Stopped() : undefined)
      const items = parts(next, (window) => plan(window, settings.together)).pipe(
        Stream.mapEffect((part) => Effect.andThen(pace(part.length), one(part))),
        Stream.flattenIterable
      )
      return report(work, items, Effect.sync(isComplete))
    })
  )

/** Removes the selected letters. */
export const purge = (
  place: reading.Place,
  selection: DeadLetters.Selection,
  { dryRun, olderThan }: DeadLetters.PurgeOptions
): Progress =>
  Stream.unwrap(
    Effect.gen(function* () {
      const age = yield* Check.duration("olderThan", olderThan ?? 0)
      const until = (yield* Clock.currentTimeMillis) - Duration.toMillis(age)
      const { isWanted: isSelected, wasThere } = yield* selecting.before(selection)
      const isWanted = (letter: DeadLetters.DeadLetter): boolean =>
        (olderThan === undefined || DateTime.toEpochMillis(letter.time) < until) &&
        isSelected(letter)
      const all =
        olderThan === undefined ? selection : ({ _tag: "Where", predicate: isWanted } as const)
      const work = { selection: all, there: yield* selecting.depth(place, all) }
      if (dryRun === true) return yield* dry(place, isWanted, work)
      const hold = yield* holds.make({ ...place, isWanted, wasThere })
      const isPeek = yield* seeing.canPeek(place.client, place.queue)
      const { isComplete, next } = isPeek
        ? windows.peeked(hold, false)
        : windows.received(hold, work.there)
      const remove = (part: ReadonlyArray<holds.Held>) =>
        Effect.map(hold.remove(part), (outcomes) =>
          Arr.zip(part, outcomes).map(([{ letter }, outcome]) =>
            Result.isSuccess(outcome)
              ? progress.item(letter, "done")
              : progress.item(letter, "failed", outcome.failure)
          )
        )
      const items = parts(next, (window) =>
        planning.inAnyOrder(window, Defaults.deadLetterConcurrency)
      ).pipe(
        Stream.mapEffect((part) => Effect.uninterruptible(remove(part))),
        Stream.flattenIterable
      )
      return report(work, items, Effect.sync(isComplete))
    })
  )

/** Sends letters that were exported. */
export const resend = (
  client: QueueClient.Service,
  some: ReadonlyArray<DeadLetters.DeadLetter>,
  settings: resending.Settings
): Progress => {
  const stopped = new Stopped()
  const pace = pacer(settings.pause)
  const one = Effect.fnUntraced(function* (
    part: ReadonlyArray<{ readonly letter: DeadLetters.DeadLetter }>
  ) {
    const going = part.filter(({ letter }) => stopped.of(letter) === undefined)
    const { outcomes, trouble } = yield* resending.send(client, going, settings)
    if (trouble !== undefined) return yield* Effect.fail(trouble)
    const failed = resending.failuresOf(outcomes)
    return part.map((item) => {
      const { letter } = item
      const error = stopped.of(letter) ?? failed.get(item)
      if (error === undefined) return progress.item(letter, "done")
      stopped.add(letter, error)
      return progress.item(letter, "failed", error)
    })
  }, Effect.uninterruptible)
  const plan = planning.inOrder(
    some.map((letter) => ({ letter })),
    settings.together
  )
  const items = Stream.fromIterable(plan).pipe(
    Stream.mapEffect((part) => Effect.andThen(pace(part.length), one(part))),
    Stream.flattenIterable
  )
  // All of the text was read before the first was sent.
  return progress.of(items, { complete: Effect.succeed(true), total: some.length })
}
