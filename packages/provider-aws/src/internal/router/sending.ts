import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  type Capabilities,
  Defaults,
  type Message,
  type Outcome,
  QueueError,
  type QueueProvider,
  SendCalls
} from "@queue-runtime/core"
import { provider } from "../errors.ts"
import { sizeOf } from "../size.ts"
import type { SendEntry, SentEntry } from "../sqs.ts"
import * as wire from "../wire.ts"
import type { Lanes } from "./lanes.ts"
import type { Line } from "./line.ts"

/** A message that was sent behind one of its session that was not: the order is broken. */
export interface OutOfOrder extends QueueProvider.Sent {
  readonly isOrderBroken: true
}

type Sent = QueueProvider.Sent | OutOfOrder

/** A message of a call, as SQS takes it. */
interface Item {
  /** Its place in the call. */
  readonly index: number
  readonly message: Message.Stamped
  readonly entry: SendEntry
  readonly bytes: number
}

const tooMany = (maximum: number): QueueError.Reason =>
  new QueueError.ValidationFailed({
    field: "messages",
    problem: `must be at most ${maximum} in one call`
  })

const unsupported = (what: string): QueueError.Reason =>
  new QueueError.UnsupportedOperation({ what, provider })

const isScheduled = (message: Message.Message): boolean =>
  message.delay !== undefined || message.scheduledAt !== undefined

const isTooLate = (message: Message.Message, delayMax: Duration.Duration, now: number): boolean => {
  const { delay, scheduledAt } = message
  const left = scheduledAt === undefined ? 0 : DateTime.toEpochMillis(scheduledAt) - now
  return (delay === undefined ? left : Duration.toMillis(delay)) > Duration.toMillis(delayMax)
}

/** Why this message cannot be sent, whatever becomes of the others. */
const problemOf = (
  { bytes, index, message }: Item,
  capabilities: Capabilities.Capabilities,
  maximumBytes: number,
  now: number
): QueueError.Reason | undefined => {
  const { delayMax, ordered } = capabilities
  // As the service counts: of what is no text, its base64.
  if (bytes > maximumBytes) {
    return new QueueError.MessageTooLarge({ actualBytes: bytes, maximumBytes, index })
  }
  if (ordered && message.sessionId === undefined) {
    const problem = "an ordered queue takes no message without a session id"
    return new QueueError.ValidationFailed({ field: "sessionId", problem })
  }
  if (!isScheduled(message)) return undefined
  if (delayMax === undefined) return unsupported("scheduling a message of a FIFO queue")
  return isTooLate(message, delayMax, now)
    ? unsupported(`a delay of more than ${Duration.format(delayMax)}`)
    : undefined
}

/** Why nothing of the call can be sent, whatever its bytes are in all. */
const problemOfAny = (
  items: ReadonlyArray<Item>,
  capabilities: Capabilities.Capabilities,
  maximumBytes: number,
  now: number
): QueueError.Reason | undefined => {
  const { sendCountMax } = capabilities
  if (items.length > sendCountMax) return tooMany(sendCountMax)
  for (const item of items) {
    const problem = problemOf(item, capabilities, maximumBytes, now)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Cut where the bytes of one call are over. */
const cut = (items: ReadonlyArray<Item>): ReadonlyArray<ReadonlyArray<Item>> => {
  const calls: Array<Array<Item>> = []
  let left = 0
  for (const item of items) {
    const last = calls.at(-1)
    if (last === undefined || item.bytes > left) {
      calls.push([item])
      left = Defaults.sqsSendSizeMax
    } else last.push(item)
    left -= item.bytes
  }
  return calls
}

type Answers = ReadonlyMap<Item, Outcome.Outcome<SentEntry>>

/** An error of one call to SQS: a message that it names is named by its place among all of them. */
const inAll = (error: QueueError.QueueError, items: ReadonlyArray<Item>): QueueError.QueueError =>
  QueueError.mapIndex(error, (index) => items[index]?.index ?? index)

/** One call; where it failed as a whole, nobody knows of any of it. */
const call = (line: Line, items: ReadonlyArray<Item>): Effect.Effect<Answers> =>
  Effect.match(
    line.on((to) =>
      line.shared.sqs.send(
        to,
        items.map(({ entry }) => entry)
      )
    ),
    {
      onFailure: (error) => {
        const own = inAll(error, items)
        return new Map(items.map((item) => [item, Result.fail(own)] as const))
      },
      onSuccess: (outcomes) =>
        new Map(
          items.map((item, index) => {
            const outcome = outcomes[index] ?? Result.fail(line.closed("send"))
            return [item, Result.mapError(outcome, (error) => inAll(error, items))]
          })
        )
    }
  )

const calls = Effect.fnUntraced(function* (line: Line, items: ReadonlyArray<Item>) {
  const answers = new Map<Item, Outcome.Outcome<SentEntry>>()
  for (const some of cut(items)) {
    for (const [item, answer] of yield* call(line, some)) answers.set(item, answer)
  }
  return answers
})

const groupOf = ({ entry }: Item): string => entry.groupId ?? ""

/**
 * One message of a group a call: what comes behind it is sent when it is there for certain, and a
 * failure stops its group alone.
 */
const strictly = Effect.fnUntraced(function* (line: Line, items: ReadonlyArray<Item>) {
  const answers = new Map<Item, Outcome.Outcome<SentEntry>>()
  let left = items
  while (left.length > 0) {
    const firsts = new Map(left.toReversed().map((item) => [groupOf(item), item]))
    const round = left.filter((item) => firsts.get(groupOf(item)) === item)
    const stopped = new Map<string, QueueError.QueueError>()
    for (const [item, answer] of yield* calls(line, round)) {
      answers.set(item, answer)
      if (Result.isFailure(answer)) stopped.set(groupOf(item), answer.failure)
    }
    const rest: Array<Item> = []
    for (const item of left) {
      if (answers.has(item)) continue
      const error = stopped.get(groupOf(item))
      if (error === undefined) rest.push(item)
      else answers.set(item, Result.fail(error))
    }
    left = rest
  }
  return answers
})

/** All in one call: those sent behind one of their group that failed are told so. */
const outOfOrder = (items: ReadonlyArray<Item>, answers: Answers): ReadonlySet<Item> => {
  const broken = new Set<string>()
  const late = new Set<Item>()
  for (const item of items) {
    const answer = answers.get(item)
    if (answer !== undefined && Result.isFailure(answer)) broken.add(groupOf(item))
    else if (broken.has(groupOf(item))) late.add(item)
  }
  return late
}

/** Sends messages in order; one outcome each. What can be known beforehand fails the whole call. */
export const send = Effect.fnUntraced(function* (
  line: Line,
  lanes: Lanes,
  capabilities: Capabilities.Capabilities,
  messages: ReadonlyArray<Message.Stamped>
) {
  if (line.shared.isClosed) return yield* Effect.fail(line.closed("send"))
  const now = yield* Clock.currentTimeMillis
  const { bodyEncoding, fifo, sendOrder } = line.settings
  const items = messages.map((message, index): Item => {
    const entry = wire.toWire(message, { isFifo: fifo, bodyEncoding, now })
    return { index, message, entry, bytes: sizeOf(entry) }
  })
  const { sendSizeMax } = capabilities
  const problem =
    problemOfAny(items, capabilities, line.settings.messageSizeMax, now) ??
    // The bytes of all are those that the client cuts by.
    SendCalls.refusal(messages, { sendSizeMax })
  if (problem !== undefined) return yield* Effect.fail(line.error(problem, "send"))
  const isStrict = fifo && sendOrder === "strict"
  const sending = isStrict ? strictly(line, items) : calls(line, items)
  const answers = yield* fifo ? lanes.within(items.map(groupOf), sending) : sending
  const late = fifo && !isStrict ? outOfOrder(items, answers) : new Set<Item>()
  const outcomes = items.map((item): Outcome.Outcome<Sent> => {
    const { messageId } = item.message
    const answer = answers.get(item) ?? Result.fail(line.closed("send"))
    return Result.map(answer, ({ sequenceNumber }) => ({
      messageId,
      ...(sequenceNumber === undefined ? {} : { sequenceNumber }),
      ...(late.has(item) ? { isOrderBroken: true as const } : {})
    }))
  })
  // Nothing of it took effect, or nobody can tell.
  const [first] = outcomes
  if (first === undefined || Result.isSuccess(first)) return outcomes
  const error = first.failure
  const isWhole = outcomes.every((one) => Result.isFailure(one) && one.failure === error)
  return isWhole ? yield* Effect.fail(error) : outcomes
})
