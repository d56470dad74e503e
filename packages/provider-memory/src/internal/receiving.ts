import * as Duration from "effect/Duration"
import { Defaults, QueueError, type ReceivedMessage } from "@queue-runtime/core"
import * as moves from "./moves.ts"
import type { Entry } from "./entry.ts"
import type { Faults } from "./faults.ts"
import type { Queue, Shelf } from "./queue.ts"

type Messages = ReadonlyArray<ReceivedMessage.ReceivedMessage>

const invalid = (field: string, problem: string): QueueError.Reason =>
  new QueueError.ValidationFailed({ field, problem })

/** Why nothing can be received with these options. */
export const problemOf = (options: {
  readonly max: number
  readonly wait?: Duration.Duration
}): QueueError.Reason | undefined => {
  const { max, wait } = options
  if (!Number.isSafeInteger(max) || max < 1) {
    return invalid("max", `must be a whole number of at least 1; got ${max}`)
  }
  return wait === undefined ? undefined : problemOfWait(wait)
}

/** Why nobody can wait that long. */
export const problemOfWait = (wait: Duration.Duration): QueueError.Reason | undefined =>
  Duration.isFinite(wait) ? undefined : invalid("wait", "must be a finite duration")

/** How long is really waited. */
export const waitMillis = (wait: Duration.Duration): number =>
  Math.max(0, Duration.toMillis(Duration.min(wait, Defaults.memoryReceiveWaitMax)))

/** How many are really taken. */
export const countOf = (max: number): number => Math.min(max, Defaults.memoryReceiveCountMax)

/** Chooses the order in which what was taken is handed out. */
export type Shuffle = <A>(items: ReadonlyArray<A>) => ReadonlyArray<A>

/**
 * The first messages that may be delivered. With a shuffle, another one than the first where there is
 * one, and in another order.
 */
export const take = (
  queue: Queue,
  shelf: Shelf,
  max: number,
  shuffle: Shuffle | undefined,
  now: number
): Messages => {
  const entries: Array<Entry> = []
  const count = shuffle === undefined ? max : max + 1
  while (entries.length < count) {
    const entry = shelf.ready.pop()
    if (entry === undefined) break
    entries.push(entry)
  }
  if (entries.length > max) {
    const [first] = entries.splice(0, 1)
    if (first !== undefined) shelf.ready.push(first)
  }
  const order = shuffle === undefined ? entries : shuffle(entries)
  return order.map((entry) => moves.deliver(queue, shelf, entry, now))
}

/** Takes back deliveries that nobody saw. */
export const undo = (queue: Queue, shelf: Shelf, messages: Messages, now: number): void => {
  for (const message of messages) {
    const entry = shelf.deliveries.get(message.receipt.token)
    if (entry !== undefined) moves.undo(queue, entry, now)
  }
}

/** Nothing instead of an empty answer: there is something to wait for. */
export const some = (messages: Messages): Messages | undefined =>
  messages.length === 0 ? undefined : messages

/** A shuffle drawn from the faults' random numbers. */
export const shuffleOf =
  (faults: Faults): Shuffle =>
  (items) =>
    faults.order(items.length).flatMap((index) => items.slice(index, index + 1))
