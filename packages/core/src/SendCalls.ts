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
import * as Message from "./Message.ts"
import type * as Outcome from "./Outcome.ts"
import type * as QueueError from "./QueueError.ts"
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
      // Before the call: the outcomes of the provider are those of the messages it was given.
      const held = call.map(
        ({ sessionId }) => failed ?? (sessionId === undefined ? undefined : stopped.get(sessionId))
      )
      const sendable = call.filter((_, place) => held[place] === undefined)
      const result: Result.Result<Outcomes, QueueError.QueueError> =
        sendable.length === 0
          ? Result.succeed([])
          : yield* Effect.result(provider.send(queue, sendable))
      if (Result.isFailure(result)) {
        // Nothing took effect yet: the whole batch failed, and the caller may simply try again.
        if (outcomes.length === 0) return yield* Effect.fail(result.failure)
        failed = result.failure
      }
      const sent = Result.isSuccess(result) ? result.success.values() : [].values()
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
