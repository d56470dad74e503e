import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Capabilities from "../Capabilities.ts"
import * as Defaults from "../Defaults.ts"
import * as Message from "../Message.ts"
import * as MessageId from "../MessageId.ts"
import type * as Outcome from "../Outcome.ts"
import * as QueueError from "../QueueError.ts"
import type * as QueueName from "../QueueName.ts"
import type * as QueueProvider from "../QueueProvider.ts"
import * as SendCalls from "../SendCalls.ts"
import * as SessionId from "../SessionId.ts"
import { missingOutcome } from "./missingOutcome.ts"
import * as placed from "./placed.ts"

/** What to do with a message that has no session on an ordered queue. */
export type MissingSession = "refuse" | "messageId" | { readonly fixed: SessionId.SessionId }

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

const noSession = QueueError.validationFailed(
  "sessionId",
  "an ordered queue takes no message without a session id: give it one, or set missingSession of the client"
)

const isStamped = (message: Message.Message): message is Message.Stamped =>
  message.messageId !== undefined

const stamp = (
  message: Message.Message,
  ordered: boolean,
  missing: MissingSession,
  random: Random.Random
): Result.Result<Message.Stamped, QueueError.QueueError> => {
  const needsSession = ordered && message.sessionId === undefined
  if (isStamped(message) && !needsSession) return Result.succeed(message)
  const messageId = message.messageId ?? MessageId.generateUnsafe(random)
  if (!needsSession) return Result.succeed(Message.stamp(message, messageId))
  if (missing === "refuse") return Result.fail(noSession)
  // What is a message id is a session id: their rule is the same.
  const session = missing === "messageId" ? SessionId.makeUnsafe(messageId) : missing.fixed
  return Result.succeed(Message.stamp(message, messageId, session))
}

/** How long the message asks to wait from now on; nothing when it does not. */
const delayOf = (message: Message.Message, now: number): Duration.Duration | undefined => {
  if (message.delay !== undefined) return message.delay
  if (message.scheduledAt === undefined) return undefined
  return Duration.millis(DateTime.toEpochMillis(message.scheduledAt) - now)
}

const scheduleProblem = (
  message: Message.Message,
  capabilities: Capabilities.Capabilities,
  now: number
): string | undefined => {
  const delay = delayOf(message, now)
  if (delay === undefined) return undefined
  if (!Capabilities.isSupported(capabilities.scheduling)) return "scheduling a message"
  const { delayMax } = capabilities
  return delayMax !== undefined && Duration.isGreaterThan(delay, delayMax)
    ? `a delay above ${Duration.format(delayMax)}`
    : undefined
}

/** What this message asks that the queue cannot do, before anything is sent. */
const check = (
  message: Message.Stamped,
  index: number,
  capabilities: Capabilities.Capabilities,
  now: number
): QueueError.Reason | { readonly unsupported: string } | undefined => {
  const unsupported =
    scheduleProblem(message, capabilities, now) ??
    (message.timeToLive !== undefined && !Capabilities.isSupported(capabilities.timeToLive)
      ? "a time to live"
      : undefined)
  if (unsupported !== undefined) return { unsupported }
  const maximumBytes = capabilities.messageSizeMax
  if (Message.sizeAtMost(message) <= maximumBytes) return undefined
  const actualBytes = Message.size(message)
  return actualBytes > maximumBytes
    ? new QueueError.MessageTooLarge({ actualBytes, maximumBytes, index })
    : undefined
}

const noMessage = (index: number): QueueError.QueueError =>
  QueueError.validationFailed(
    `messages[${index}]`,
    "must be a message, made by Message.text, Message.json, Message.bytes or Message.schema"
  )

/** Ids, sessions and limits: everything that can be refused is refused here, before anything is sent. */
export const prepare = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Message>,
  missing: MissingSession
): Effect.Effect<ReadonlyArray<Message.Stamped>, QueueError.QueueError> =>
  // One step for all of them: a step each cost more than what is done in it.
  Effect.withFiber((fiber) => {
    const capabilities = provider.capabilities(queue)
    const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
    const random = fiber.getRef(Random.Random)
    const place = { provider: provider.name, operation: "send", queue }
    const stamped: Array<Message.Stamped> = []
    for (const message of messages) {
      const index = stamped.length
      // Callers without types exist.
      if (!(message?.body instanceof Uint8Array)) {
        return Effect.fail(QueueError.withContext(noMessage(index), place))
      }
      const one = stamp(message, capabilities.ordered, missing, random)
      if (Result.isFailure(one)) return Effect.fail(QueueError.withContext(one.failure, place))
      const problem = check(one.success, index, capabilities, now)
      if (problem !== undefined) {
        const reason =
          "unsupported" in problem
            ? new QueueError.UnsupportedOperation({
                what: problem.unsupported,
                provider: provider.name
              })
            : problem
        return Effect.fail(QueueError.make(reason, place))
      }
      stamped.push(one.success)
    }
    return Effect.succeed(stamped)
  })

type Messages = ReadonlyArray<Message.Stamped>

const complete = (call: Messages, outcomes: Outcomes): Effect.Effect<void> =>
  outcomes.length < call.length ? Effect.die(missingOutcome) : Effect.void

const failedAll = (call: Messages, error: QueueError.QueueError): Outcomes =>
  call.map(() => Result.fail(error))

/** How many messages the calls before this one have. */
const beginOf = (calls: ReadonlyArray<Messages>, place: number): number =>
  calls.slice(0, place).reduce((sum, { length }) => sum + length, 0)

/**
 * Several calls under way at a time, for what has no order to keep. After one that failed as a whole no
 * other is begun: what was not sent carries the same error.
 */
const sideBySide = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  calls: ReadonlyArray<Messages>
) =>
  Effect.suspend(() => {
    let failed: QueueError.QueueError | undefined
    let isAnySent = false
    const send = (call: Messages, place: number) =>
      Effect.suspend(() => {
        if (failed !== undefined) return Effect.succeed(failedAll(call, failed))
        const at = (index: number): number => beginOf(calls, place) + index
        return Effect.match(provider.send(queue, call), {
          onFailure: (error): Outcomes => {
            const ofBatch = QueueError.mapIndex(error, at)
            failed ??= ofBatch
            return failedAll(call, ofBatch)
          },
          onSuccess: (outcomes) => {
            isAnySent = true
            return placed.outcomes(outcomes.slice(0, call.length), at)
          }
        }).pipe(Effect.tap((outcomes) => complete(call, outcomes)))
      })
    return Effect.flatMap(
      Effect.forEach(calls, send, { concurrency: Defaults.batchCallsMax }),
      (outcomes) =>
        // Nothing took effect: the whole batch failed, and the caller may simply try again.
        failed === undefined || isAnySent ? Effect.succeed(outcomes.flat()) : Effect.fail(failed)
    )
  })

/** Sends the calls of a batch, in order where there is one to keep. */
export const sendCalls = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  calls: ReadonlyArray<Messages>
): Effect.Effect<Outcomes, QueueError.QueueError> => {
  const [first] = calls
  if (first === undefined) return Effect.succeed([])
  if (calls.length === 1) return atOnce(provider, queue, first)
  const hasOrder =
    provider.capabilities(queue).ordered ||
    calls.some((call) => call.some(({ sessionId }) => sessionId !== undefined))
  return hasOrder ? SendCalls.inOrder(provider, queue, calls) : sideBySide(provider, queue, calls)
}

/** Most batches are one call. */
const atOnce = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  call: Messages
): Effect.Effect<Outcomes, QueueError.QueueError> =>
  Effect.flatMap(provider.send(queue, call), (outcomes) =>
    outcomes.length < call.length
      ? Effect.die(missingOutcome)
      : Effect.succeed(outcomes.slice(0, call.length))
  )
