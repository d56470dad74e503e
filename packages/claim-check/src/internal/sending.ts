/** The way down of what may be more than one call of the provider takes: it is cut. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Message,
  type Outcome,
  type QueueError,
  type QueueName,
  type QueueProvider
} from "@queue-runtime/core"

type Messages = ReadonlyArray<Message.Stamped>

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

/** In order; a message that is too large alone is the provider's to refuse. */
const cut = (messages: Messages, sendSizeMax: number): ReadonlyArray<Messages> => {
  const all: Array<Array<Message.Stamped>> = []
  let bytes = 0
  for (const message of messages) {
    const size = Message.size(message)
    const last = all.at(-1)
    if (last !== undefined && bytes + size <= sendSizeMax) {
      last.push(message)
      bytes += size
    } else {
      all.push([message])
      bytes = size
    }
  }
  return all
}

/** One call behind the others, and nothing of a session behind a failure of it. */
const sendAll = Effect.fnUntraced(function* (
  self: QueueProvider.Service,
  queue: QueueName.QueueName,
  batches: ReadonlyArray<Messages>
) {
  const outcomes: Array<Outcome.Outcome<QueueProvider.Sent>> = []
  const stopped = new Map<string, QueueError.QueueError>()
  let failed: QueueError.QueueError | undefined
  for (const batch of batches) {
    const held = batch.map(({ sessionId = "" }) => failed ?? stopped.get(sessionId))
    const sendable = batch.filter((_, place) => held[place] === undefined)
    const result: Result.Result<Outcomes, QueueError.QueueError> =
      sendable.length === 0 ? Result.succeed([]) : yield* Effect.result(self.send(queue, sendable))
    if (Result.isFailure(result)) {
      // Nothing took effect yet: the caller may simply try again.
      if (outcomes.length === 0) return yield* Effect.fail(result.failure)
      failed = result.failure
    }
    const sent = Result.isSuccess(result) ? result.success.values() : [].values()
    for (const [place, { sessionId }] of batch.entries()) {
      const error = held[place] ?? failed
      const outcome = error === undefined ? sent.next().value : Result.fail(error)
      if (outcome === undefined) return yield* Effect.die(missingOutcome)
      outcomes.push(outcome)
      if (Result.isFailure(outcome) && sessionId !== undefined) {
        stopped.set(sessionId, outcome.failure)
      }
    }
  }
  return outcomes
})

const missingOutcome = new Error("the provider answered fewer outcomes than messages")

/** One call, unless many bodies that are no claims fill it. */
export const send = (
  self: QueueProvider.Service,
  queue: QueueName.QueueName,
  messages: Messages
): Effect.Effect<Outcomes, QueueError.QueueError> => {
  if (messages.length < 2) return self.send(queue, messages)
  const { sendSizeMax } = self.capabilities(queue)
  const most = messages.reduce((sum, message) => sum + Message.sizeAtMost(message), 0)
  if (most <= sendSizeMax) return self.send(queue, messages)
  const batches = cut(messages, sendSizeMax)
  return batches.length < 2 ? self.send(queue, messages) : sendAll(self, queue, batches)
}
