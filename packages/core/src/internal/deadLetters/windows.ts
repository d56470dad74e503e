import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Defaults from "../../Defaults.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import * as QueueError from "../../QueueError.ts"
import type { Held, Hold } from "./hold.ts"
import * as letters from "./letter.ts"
import * as seeing from "./seeing.ts"

/**
 * The wanted letters, some at a time, each in hand; `undefined` when there are no more. What is asked for
 * next may be behind what is in hand, so that letters which are not wanted, or failed, stay in hand to
 * the end.
 */
export interface Windows {
  readonly next: Effect.Effect<ReadonlyArray<Held> | undefined, QueueError.QueueError>
  /** Asked behind the last of them: whether these were all. */
  readonly isComplete: () => boolean
}

const context = ({ options: { client, queue } }: Hold): QueueError.Context => ({
  provider: client.provider,
  operation: "deadLetters",
  queue
})

const tooMany = (hold: Hold): QueueError.QueueError => {
  const { heldMax, heldSizeMax } = hold.options
  const problem =
    `this would hold more than ${heldMax} dead letters, or ${heldSizeMax} bytes of them, at a time: ` +
    "raise heldMax and heldSizeMax, or remove some first"
  const reason = new QueueError.ValidationFailed({ field: "heldMax", problem })
  return QueueError.make(reason, context(hold))
}

/** Fails before it grows beyond its bounds by more than one receive. */
const receive = (hold: Hold): ReturnType<Hold["receive"]> =>
  Effect.suspend(() =>
    hold.isFull ? Effect.fail(tooMany(hold)) : hold.receive(Defaults.deadLetterWait)
  )

/** Others have them in hand: a replay under way, or one that was killed. */
const heldByOthers = (hold: Hold, millis: number): QueueError.QueueError =>
  QueueError.make(new QueueError.Timeout({ after: Duration.millis(millis) }), {
    ...context(hold),
    operation: "deadLetters (others hold some of them)"
  })

/** Nobody holds one longer than its lock, twice that if it was renewed just before. */
const patienceOf = ({ options: { client, queue } }: Hold): number => {
  const { lockDuration } = client.capabilities(queue)
  return Duration.toMillis(lockDuration) * 2 + Duration.toMillis(Defaults.deadLetterWait)
}

/** A little later, unless nothing has changed for too long. */
const patience = (hold: Hold) => {
  const most = patienceOf(hold)
  let since: number | undefined
  return {
    changed: Effect.sync(() => {
      since = undefined
    }),
    more: Effect.flatMap(Clock.currentTimeMillis, (now) => {
      since ??= now
      return now - since > most
        ? Effect.fail(heldByOthers(hold, most))
        : Effect.sleep(Defaults.deadLetterWait)
    })
  }
}

/**
 * By the numbers of a peek, which shows what others hold too: where order counts, nothing is handed out
 * while one before it is in other hands.
 */
export const peeked = (hold: Hold, isOrdered: boolean): Windows => {
  const { client, isWanted, queue } = hold.options
  const max = Defaults.deadLetterPageSize
  const waiting = patience(hold)
  let from = 0n
  let isAll = true

  const peek = (fromSequenceNumber: bigint) =>
    client.peek(QueueAddress.deadLetter(queue), { max, fromSequenceNumber })

  /** Those of them that nobody has removed meanwhile. */
  const stillThere = Effect.fnUntraced(function* (start: bigint, some: ReadonlyArray<string>) {
    const there = yield* peek(start)
    const still = new Set(there.map((message) => letters.fromMessage(queue, message).id))
    return some.filter((key) => still.has(key) || hold.find(key) !== undefined)
  })

  /** All of them in hand that are still there. */
  const collect = Effect.fnUntraced(function* (start: bigint, wanted: ReadonlyArray<string>) {
    let left = wanted
    while (left.some((key) => hold.find(key) === undefined)) {
      const received = yield* receive(hold)
      if (received !== undefined) {
        yield* waiting.changed
        continue
      }
      if (isOrdered) yield* waiting.more
      const still = yield* stillThere(start, left)
      if (still.length < left.length) yield* waiting.changed
      left = still
      if (isOrdered || left.every((key) => hold.find(key) !== undefined)) continue
      // Whoever has the others may keep them.
      isAll = false
      break
    }
    return left.flatMap((key) => hold.find(key) ?? []).filter((held) => held.isWanted)
  })

  const next: Windows["next"] = Effect.suspend(() =>
    Effect.flatMap(peek(from), (messages) => {
      const start = from
      const end = seeing.behind(messages, start)
      if (end === undefined) return Effect.undefined
      from = end
      const wanted = messages
        .map((message) => letters.fromMessage(queue, message))
        .filter(isWanted)
        .map(({ id }) => id)
      // Of two copies that a crash left there is one.
      return Effect.flatMap(collect(start, [...new Set(wanted)]), (window) =>
        window.length === 0 ? next : Effect.succeed(window)
      )
    })
  )
  return { next, isComplete: () => isAll }
}

/**
 * Whether as many came as the service said at the start that there were. It is not asked again: what it
 * says lags behind what was removed meanwhile. One of the broker's that is left in hand hides those behind
 * it, whatever it says.
 */
const cameTo = (hold: Hold, there: number | undefined) => (): boolean =>
  there !== undefined && hold.seen >= there && !hold.isHiding

/** As they come; `there` is how many there were at the start, as far as that is told. */
export const received = (hold: Hold, there: number | undefined): Windows => {
  const next: Windows["next"] = Effect.flatMap(receive(hold), (some) => {
    if (some === undefined) return Effect.undefined
    const wanted = some.filter((held) => held.isWanted)
    return wanted.length === 0 ? next : Effect.succeed(wanted)
  })
  return { next, isComplete: cameTo(hold, there) }
}

/**
 * Of a session, what the broker moved stands in one group, of which no more than ten can be in hand; what
 * this library put aside stands apart. While there is more of a group, nothing goes that is behind it.
 */
const upToMoved = (some: ReadonlyArray<Held>): ReadonlyArray<Held> => {
  const bySession = Map.groupBy(some, ({ letter }) => letter.message.sessionId)
  return [...bySession.values()].flatMap((own) => {
    const sorted = own.toSorted((one, other) => letters.compare(one.letter, other.letter))
    const last = sorted.findLastIndex(({ isMoved }) => isMoved)
    return last === -1 ? sorted : sorted.slice(0, last + 1)
  })
}

/**
 * All of them before the first is handed out: without peek nobody can tell what is still to come. Where
 * the service says that others hold some, they are waited for; where it does not say, one lock has to
 * pass without a new one.
 */
export const gathered = (hold: Hold, there: number | undefined): Windows => {
  const { client, queue } = hold.options
  const address = QueueAddress.deadLetter(queue)
  const lock = Duration.toMillis(client.capabilities(queue).lockDuration)
  const waiting = patience(hold)
  const wanted = new Map<string, Held>()
  let isOver = false

  /** Whether there is more behind what is in hand. */
  const gather = Effect.fnUntraced(function* () {
    let last = yield* Clock.currentTimeMillis
    while (true) {
      const some = yield* receive(hold)
      if (some !== undefined) {
        for (const held of some) if (held.isWanted) wanted.set(held.key, held)
        last = yield* Clock.currentTimeMillis
        yield* waiting.changed
        continue
      }
      const depth = yield* client.depth(address)
      if (Option.isSome(depth)) {
        const { available, locked } = depth.value
        if (locked <= hold.deliveries.length) return available > 0
        yield* waiting.more
      } else {
        if ((yield* Clock.currentTimeMillis) - last > lock) return false
        yield* Effect.sleep(Defaults.deadLetterWait)
      }
    }
  })

  const next: Windows["next"] = Effect.suspend(() =>
    isOver
      ? Effect.undefined
      : Effect.map(gather(), (hasMore) => {
          isOver = !hasMore
          const all = [...wanted.values()]
          const window = hasMore ? upToMoved(all) : all
          for (const { key } of window) wanted.delete(key)
          return window.length === 0 ? undefined : window
        })
  )
  return { next, isComplete: cameTo(hold, there) }
}
