import { hash } from "node:crypto"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Capabilities from "../../Capabilities.ts"
import * as Check from "../../Check.ts"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import * as Message from "../../Message.ts"
import * as MessageId from "../../MessageId.ts"
import * as Options from "../../Options.ts"
import type * as Outcome from "../../Outcome.ts"
import type * as QueueClient from "../../QueueClient.ts"
import * as QueueError from "../../QueueError.ts"
import type * as QueueName from "../../QueueName.ts"
import * as replayed from "../replayed.ts"

/** Options of a replay, checked. */
export interface Settings {
  readonly edit: DeadLetters.Edit | undefined
  readonly restartDeliveryCount: boolean
  readonly to: QueueName.QueueName | undefined
  /** Sent and not removed at a time. */
  readonly together: number
  /** Milliseconds from one letter to the next. */
  readonly pause: number
  readonly replayId: string
}

/** Of a slow replay so many are sent at a time that there are ten steps a second. */
const stepsPerSecond = 10

/** Checks what a caller without types may have put in. */
export const settings = Effect.fnUntraced(function* (options: DeadLetters.ReplayOptions) {
  const { concurrency = Defaults.deadLetterConcurrency, edit, rate, to } = options
  const most = yield* Check.wholeNumber("concurrency", concurrency)
  if (rate !== undefined && !(Number.isFinite(rate) && rate > 0)) {
    return yield* Effect.fail(QueueError.validationFailed("rate", "must be a number above zero"))
  }
  const perStep = rate === undefined ? most : Math.max(1, Math.floor(rate / stepsPerSecond))
  const checked: Settings = {
    edit,
    to,
    restartDeliveryCount: options.restartDeliveryCount ?? true,
    together: Math.min(most, perStep),
    pause: rate === undefined ? 0 : 1_000 / rate,
    replayId: yield* MessageId.generate
  }
  return checked
})

/** A letter on its way: what is tried, one after the other, when the one before is too large. */
interface Ready<A> {
  readonly item: A
  readonly queue: QueueName.QueueName
  readonly variants: readonly [Message.Message, ...ReadonlyArray<Message.Message>]
}

/** What can be sent again. */
interface Item {
  readonly letter: DeadLetters.DeadLetter
}

/**
 * An id of this replay's own: another than that of the message, and another when it is put aside and
 * replayed again, since the letter's is; after a crash it is the same.
 */
const idOf = ({ id }: DeadLetters.DeadLetter): MessageId.MessageId =>
  MessageId.makeUnsafe(`rp-${hash("sha256", id)}`)

/** Whether a broker that deduplicates would drop it under the id it had. */
const isRemembered = (
  { enqueuedAt }: DeadLetters.DeadLetter,
  { deduplication, deduplicationWindow }: Capabilities.Capabilities,
  now: number
): boolean => {
  if (!Capabilities.isSupported(deduplication)) return false
  const window = Duration.toMillis(deduplicationWindow ?? Duration.infinity)
  return now - DateTime.toEpochMillis(enqueuedAt) <= window
}

const prepare = Effect.fnUntraced(function* <A extends Item>(
  client: QueueClient.Service,
  item: A,
  { edit, replayId, restartDeliveryCount, to }: Settings
) {
  const { letter } = item
  const queue = to ?? letter.source
  const message = edit === undefined ? letter.message : yield* edit(letter.message, letter)
  const { messageId = letter.messageId } = message
  const deliveries = restartDeliveryCount ? undefined : letter.deliveryCount
  const under = (history: DeadLetters.DeadLetter["history"]): Message.Message => {
    const carried = replayed.encode({
      messageId,
      replayId,
      history,
      ...Options.defined({ deliveries })
    })
    const attributes = { ...message.attributes, [replayed.attribute]: carried }
    return Message.stamp(new Message.Message({ ...message, attributes }), idOf(letter))
  }
  const now = yield* Clock.currentTimeMillis
  const plain = isRemembered(letter, client.capabilities(queue), now)
    ? []
    : [Message.stamp(message, messageId)]
  const ready: Ready<A> = {
    item,
    queue,
    // What fills the limit has no room for its history; what has none at all goes as it was.
    variants: [under(replayed.append(letter.history, letter)), under([]), ...plain]
  }
  return ready
})

type Sent = Outcome.Outcome<unknown>

/** The message that it names is this one: with which others it was sent says nothing to who reads it. */
const alone = (error: QueueError.QueueError): QueueError.QueueError =>
  QueueError.mapIndex(error, () => 0)

const isTooLarge = ({ reason }: QueueError.QueueError): boolean => reason._tag === "MessageTooLarge"

/** What keeps anything from being sent for now: a connection that is lost, a queue that is full. */
interface Trouble {
  error: QueueError.QueueError | undefined
}

/** Whether it is one message's: then others can be sent, and it is no use to try this one again. */
const isRefusal = (error: QueueError.QueueError): boolean => error.retry === "Never"

/** One that was too large, with less on it; as it was answered, when there is no less. */
const smaller = <A>(
  client: QueueClient.Service,
  one: Ready<A>,
  error: QueueError.QueueError,
  trouble: Trouble
): Effect.Effect<Sent> => {
  const [next, ...rest] = one.variants.slice(1)
  return next === undefined || !isTooLarge(error)
    ? Effect.succeed(Result.fail(error))
    : sendOne(client, { ...one, variants: [next, ...rest] }, trouble)
}

/** One alone; after trouble it is not tried. */
const sendOne = <A>(
  client: QueueClient.Service,
  one: Ready<A>,
  trouble: Trouble
): Effect.Effect<Sent> =>
  Effect.suspend(() =>
    trouble.error === undefined
      ? Effect.matchEffect(client.send(one.queue, one.variants[0]), {
          onSuccess: (sent): Effect.Effect<Sent> => Effect.succeed(Result.succeed(sent)),
          onFailure: (error) => {
            if (isRefusal(error)) return smaller(client, one, error, trouble)
            trouble.error = error
            return Effect.succeed(Result.fail(error))
          }
        })
      : Effect.succeed(Result.fail(trouble.error))
  )

/** Of one queue: one outcome each. */
const sendAll = <A>(
  client: QueueClient.Service,
  queue: QueueName.QueueName,
  some: ReadonlyArray<Ready<A>>,
  trouble: Trouble
): Effect.Effect<ReadonlyArray<Sent>> =>
  Effect.matchEffect(
    client.sendOutcomes(
      queue,
      some.map(({ variants }) => variants[0])
    ),
    {
      onSuccess: (outcomes) =>
        Effect.forEach(Arr.zip(some, outcomes), ([one, outcome]) =>
          Result.isFailure(outcome)
            ? smaller(client, one, alone(outcome.failure), trouble)
            : Effect.succeed<Sent>(outcome)
        ),
      // One of them is refused, and with it all: which one, each alone tells.
      onFailure: (error) => {
        if (!isRefusal(error)) trouble.error = error
        return Effect.forEach(some, (one) => sendOne(client, one, trouble))
      }
    }
  )

/** Letters, and what became of each. */
export type Outcomes<A> = ReadonlyArray<readonly [item: A, outcome: Sent]>

/** Those that failed, and with what. */
export const failuresOf = <A>(
  outcomes: ReadonlyArray<readonly [A, Outcome.Outcome<unknown>]>
): ReadonlyMap<A, QueueError.QueueError> =>
  new Map(
    outcomes.flatMap(([item, outcome]) =>
      Result.isFailure(outcome) ? [[item, outcome.failure] as const] : []
    )
  )

/**
 * Sends letters again, no two of them of one session: one outcome each, and what kept the rest from being
 * sent, if anything did. What was sent before that is to be removed all the same.
 */
export const send = Effect.fnUntraced(function* <A extends Item>(
  client: QueueClient.Service,
  some: ReadonlyArray<A>,
  options: Settings
) {
  const outcomes: Array<Outcomes<A>[number]> = []
  const ready: Array<Ready<A>> = []
  for (const item of some) {
    const one = yield* Effect.result(prepare(client, item, options))
    if (Result.isSuccess(one)) ready.push(one.success)
    else outcomes.push([item, Result.fail(one.failure)])
  }
  const trouble: Trouble = { error: undefined }
  for (const [queue, own] of Map.groupBy(ready, (one) => one.queue)) {
    const sent = yield* sendAll(client, queue, own, trouble)
    outcomes.push(...Arr.zip(own, sent).map(([{ item }, outcome]) => [item, outcome] as const))
    if (trouble.error !== undefined) break
  }
  return { outcomes, trouble: trouble.error }
})
