/**
 * What is more than one call of a provider takes, cut to calls and sent in order: what the client does with
 * a batch, and a policy with what it has made of one.
 *
 * **Details**
 *
 * A policy that changes bodies answers for other bytes than it sends: it declares a smaller `sendSizeMax`
 * when they grow, and a larger one when they shrink. What it was given may then be more than one call of
 * the provider below it takes, as when the overhead of many small bodies has filled a call. {@link send}
 * is what such a policy sends with.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { missingOutcome } from "./internal/missingOutcome.ts"
import * as placed from "./internal/placed.ts"
import * as Message from "./Message.ts"
import type * as Outcome from "./Outcome.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import type * as QueueProvider from "./QueueProvider.ts"
import type * as SessionId from "./SessionId.ts"

type Messages = ReadonlyArray<Message.Stamped>

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

/**
 * What one call takes: the `Capabilities` of a queue, or a part of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /** Most messages. Default: any number. */
  readonly sendCountMax?: number
  /** Most bytes. */
  readonly sendSizeMax: number
}

/**
 * How large what one call takes may be: the `Capabilities` of a queue, or a part of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sizes {
  /** Most bytes of one message. Default: any number. */
  readonly messageSizeMax?: number
  /** Most bytes of all of them. */
  readonly sendSizeMax: number
}

/**
 * Why the messages of one call are refused for their bytes, before anything is sent: `MessageTooLarge` for
 * the first that is too large, else `ValidationFailed` where they are too many bytes for one call. Nothing
 * where they are neither.
 *
 * **Details** What fits by `Message.sizeAtMost` is not counted, and nearly everything does. Whoever sees
 * other bytes than its caller gave says with `sizeOf` how many those were: none more than
 * `Message.sizeAtMost` says.
 *
 * **Example** (The second of two)
 *
 * ```ts
 * import { Message, SendCalls } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const sizes = { messageSizeMax: 1_000, sendSizeMax: 4_000 }
 * const messages = [10, 2_000].map((size) => Effect.runSync(Message.bytes(new Uint8Array(size))))
 * SendCalls.refusal(messages, sizes)?.message
 * // => "message 1 has 2000 bytes and the limit is 1000; nothing was sent"
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const refusal = <M extends Message.Message>(
  messages: ReadonlyArray<M>,
  { messageSizeMax: maximumBytes = Infinity, sendSizeMax }: Sizes,
  sizeOf: (message: M) => number = Message.size
): QueueError.Reason | undefined => {
  let most = 0
  let index = 0
  for (const message of messages) {
    const atMost = Message.sizeAtMost(message)
    if (atMost > maximumBytes) {
      const actualBytes = sizeOf(message)
      if (actualBytes > maximumBytes) {
        return new QueueError.MessageTooLarge({ actualBytes, maximumBytes, index })
      }
    }
    most += atMost
    index++
  }
  return most <= sendSizeMax ? undefined : refusalOfAll(messages, sendSizeMax, sizeOf)
}

/** They may be too many bytes: counted once. What is declared is what is taken, and no more. */
const refusalOfAll = <M>(
  messages: ReadonlyArray<M>,
  sendSizeMax: number,
  sizeOf: (message: M) => number
): QueueError.Reason | undefined => {
  const total = messages.reduce((sum, message) => sum + sizeOf(message), 0)
  if (total <= sendSizeMax) return undefined
  const problem = `must have at most ${sendSizeMax} bytes in one call; got ${total}`
  return new QueueError.ValidationFailed({ field: "messages", problem })
}

/** Whether one call takes them, told without counting their bytes. */
const fitsByFar = (messages: Messages, countMax: number, sizeMax: number): boolean => {
  if (messages.length === 0 || messages.length > countMax) return false
  let most = 0
  for (const message of messages) most += Message.sizeAtMost(message)
  return most <= sizeMax
}

/**
 * Cuts messages, in their order, to what one call takes each. One that is too large alone has a call of its
 * own, which is the provider's to refuse.
 *
 * **Example** (Three messages, two a call)
 *
 * ```ts
 * import { Message, MessageId, SendCalls } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const text = Effect.runSync(Message.text("an order"))
 * const messages = ["m-1", "m-2", "m-3"].map((id) =>
 *   Message.stamp(text, MessageId.makeUnsafe(id))
 * )
 * const calls = SendCalls.cut(messages, { sendCountMax: 2, sendSizeMax: 1_000 })
 * calls.map((call) => call.map(({ messageId }) => String(messageId)))
 * // => [["m-1", "m-2"], ["m-3"]]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cut = (
  messages: ReadonlyArray<Message.Stamped>,
  { sendCountMax = Infinity, sendSizeMax }: Limits
): ReadonlyArray<ReadonlyArray<Message.Stamped>> => {
  if (fitsByFar(messages, sendCountMax, sendSizeMax)) return [messages]
  const all: Array<Array<Message.Stamped>> = []
  let bytes = 0
  for (const message of messages) {
    const size = Message.size(message)
    const last = all.at(-1)
    const fits = last !== undefined && last.length < sendCountMax && bytes + size <= sendSizeMax
    if (fits) {
      last.push(message)
      bytes += size
    } else {
      all.push([message])
      bytes = size
    }
  }
  return all
}

/**
 * Sends call after call. Nothing of a session is sent behind a failure of it, and a call that fails as a
 * whole ends the sending: what was not sent carries the same error.
 *
 * **Details** A message that an error names, as one that is too large, is named by its place in all of the
 * calls, one after the other: in what was given to whoever cut it.
 *
 * **Errors** those of the first call, when it fails as a whole: nothing took effect, and the caller may
 * simply try again
 *
 * @category sending
 * @since 0.1.0
 */
export const inOrder: (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  calls: ReadonlyArray<ReadonlyArray<Message.Stamped>>
) => Effect.Effect<ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>, QueueError.QueueError> =
  Effect.fnUntraced(function* (provider, queue, calls) {
    const outcomes: Array<Outcome.Outcome<QueueProvider.Sent>> = []
    const stopped = new Map<SessionId.SessionId, QueueError.QueueError>()
    let failed: QueueError.QueueError | undefined
    for (const call of calls) {
      const from = outcomes.length
      // Before the call: the outcomes of the provider are those of the messages it was given.
      const held = call.map(
        ({ sessionId }) => failed ?? (sessionId === undefined ? undefined : stopped.get(sessionId))
      )
      const places = held.flatMap((error, place) => (error === undefined ? [place] : []))
      const at = (index: number): number => from + (places[index] ?? index)
      const sendable = call.filter((_, place) => held[place] === undefined)
      const result: Result.Result<Outcomes, QueueError.QueueError> =
        sendable.length === 0
          ? Result.succeed([])
          : yield* Effect.result(provider.send(queue, sendable))
      if (Result.isFailure(result)) {
        // Nothing took effect yet: the whole batch failed, and the caller may simply try again.
        if (from === 0) return yield* Effect.fail(result.failure)
        failed = QueueError.mapIndex(result.failure, at)
      }
      const sent = Result.isSuccess(result)
        ? placed.outcomes(result.success, at).values()
        : [].values()
      for (const [place, message] of call.entries()) {
        const error = held[place] ?? failed
        const outcome = error === undefined ? sent.next().value : Result.fail(error)
        if (outcome === undefined) return yield* Effect.die(missingOutcome)
        outcomes.push(outcome)
        if (Result.isFailure(outcome) && message.sessionId !== undefined) {
          stopped.set(message.sessionId, outcome.failure)
        }
      }
    }
    return outcomes
  })

/**
 * Sends what a policy has made of the messages of one call: in one call where they fit, in several where
 * they have become more than the provider below takes.
 *
 * **Details** How many they are is not looked at. Whoever calls a policy knows how many one call takes, and
 * a call of more is refused whole by the provider, as without the policy.
 *
 * **Errors** those of {@link inOrder}
 *
 * **Example** (A policy that frames bodies)
 *
 * ```ts
 * import { QueueProvider, SendCalls } from "@queue-runtime/core"
 *
 * const framed = (self: QueueProvider.Service): QueueProvider.Service => ({
 *   ...self,
 *   stack: ["framed", ...self.stack],
 *   capabilities: (queue) => {
 *     const below = self.capabilities(queue)
 *     return { ...below, messageSizeMax: below.messageSizeMax - 2 }
 *   },
 *   send: (queue, messages) => {
 *     const grown = messages.map((message) => ({
 *       ...message,
 *       body: Uint8Array.of(2, ...message.body, 3)
 *     }))
 *     return SendCalls.send(self, queue, grown)
 *   }
 * })
 * ```
 *
 * @category sending
 * @since 0.1.0
 */
export const send = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Stamped>
): Effect.Effect<ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>, QueueError.QueueError> => {
  if (messages.length < 2) return provider.send(queue, messages)
  const { sendSizeMax } = provider.capabilities(queue)
  const calls = cut(messages, { sendSizeMax })
  return calls.length < 2 ? provider.send(queue, messages) : inOrder(provider, queue, calls)
}
