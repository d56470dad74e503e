import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Capabilities from "../Capabilities.ts"
import * as Defaults from "../Defaults.ts"
import * as Message from "../Message.ts"
import * as MessageId from "../MessageId.ts"
import type * as Outcome from "../Outcome.ts"
import * as QueueError from "../QueueError.ts"
import type * as QueueName from "../QueueName.ts"
import type * as QueueProvider from "../QueueProvider.ts"
import * as SessionId from "../SessionId.ts"

/** What to do with a message that has no session on an ordered queue. */
export type MissingSession = "refuse" | "messageId" | { readonly fixed: SessionId.SessionId }

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

const sessionOf = (
  missing: MissingSession,
  messageId: MessageId.MessageId
): Effect.Effect<SessionId.SessionId, QueueError.QueueError> => {
  if (missing === "messageId") return SessionId.make(messageId)
  if (missing !== "refuse") return Effect.succeed(missing.fixed)
  return Effect.fail(
    QueueError.validationFailed(
      "sessionId",
      "an ordered queue takes no message without a session id"
    )
  )
}

const isStamped = (message: Message.Message): message is Message.Stamped =>
  message.messageId !== undefined

const stamp = (
  message: Message.Message,
  ordered: boolean,
  missing: MissingSession
): Effect.Effect<Message.Stamped, QueueError.QueueError> => {
  const needsSession = ordered && message.sessionId === undefined
  if (isStamped(message) && !needsSession) return Effect.succeed(message)
  const messageId =
    message.messageId === undefined ? MessageId.generate : Effect.succeed(message.messageId)
  return Effect.flatMap(messageId, (id) =>
    needsSession
      ? Effect.map(sessionOf(missing, id), (session) => Message.stamp(message, id, session))
      : Effect.succeed(Message.stamp(message, id))
  )
}

/** How long the message asks to wait from now on; nothing when it does not. */
const delayOf = (message: Message.Message, now: DateTime.Utc): Duration.Duration | undefined => {
  if (message.delay !== undefined) return message.delay
  if (message.scheduledAt === undefined) return undefined
  return DateTime.distance(now, message.scheduledAt)
}

const scheduleProblem = (
  message: Message.Message,
  capabilities: Capabilities.Capabilities,
  now: DateTime.Utc
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
  now: DateTime.Utc
): QueueError.Reason | { readonly unsupported: string } | undefined => {
  const unsupported =
    scheduleProblem(message, capabilities, now) ??
    (message.timeToLive !== undefined && !Capabilities.isSupported(capabilities.timeToLive)
      ? "a time to live"
      : undefined)
  if (unsupported !== undefined) return { unsupported }
  const actualBytes = Message.size(message)
  const maximumBytes = capabilities.messageSizeMax
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
export const prepare = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Message>,
  missing: MissingSession
) {
  const capabilities = provider.capabilities(queue)
  const now = yield* DateTime.now
  const place = { provider: provider.name, operation: "send", queue }
  const stamped: Array<Message.Stamped> = []
  for (const [index, message] of messages.entries()) {
    // Callers without types exist.
    if (!(message?.body instanceof Uint8Array)) {
      return yield* Effect.fail(QueueError.withContext(noMessage(index), place))
    }
    const one = yield* Effect.mapError(stamp(message, capabilities.ordered, missing), (error) =>
      QueueError.withContext(error, place)
    )
    const problem = check(one, index, capabilities, now)
    if (problem !== undefined) {
      const reason =
        "unsupported" in problem
          ? new QueueError.UnsupportedOperation({
              what: problem.unsupported,
              provider: provider.name
            })
          : problem
      return yield* Effect.fail(QueueError.make(reason, place))
    }
    stamped.push(one)
  }
  return stamped
})

/** Cuts a batch, in order, to what one call of the provider takes. */
export const chunks = (
  messages: ReadonlyArray<Message.Stamped>,
  capabilities: Pick<Capabilities.Capabilities, "sendCountMax" | "sendSizeMax">
): ReadonlyArray<ReadonlyArray<Message.Stamped>> => {
  const all: Array<Array<Message.Stamped>> = []
  let bytes = 0
  for (const message of messages) {
    const size = Message.size(message)
    const last = all.at(-1)
    const fits =
      last !== undefined &&
      last.length < capabilities.sendCountMax &&
      bytes + size <= capabilities.sendSizeMax
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

type Chunks = ReadonlyArray<ReadonlyArray<Message.Stamped>>

const missingOutcome = new Error("the provider answered fewer outcomes than messages")

const complete = (batch: Chunks[number], outcomes: Outcomes): Effect.Effect<void> =>
  outcomes.length < batch.length ? Effect.die(missingOutcome) : Effect.void

const failedAll = (batch: Chunks[number], error: QueueError.QueueError): Outcomes =>
  batch.map(() => Result.fail(error))

/**
 * Several chunks under way at a time, for what has no order to keep. After a call that failed as a whole
 * no other is begun: what was not sent carries the same error.
 */
const sideBySide = (provider: QueueProvider.Service, queue: QueueName.QueueName, batches: Chunks) =>
  Effect.suspend(() => {
    let failed: QueueError.QueueError | undefined
    let isAnySent = false
    const send = (batch: Chunks[number]) =>
      Effect.suspend(() =>
        failed === undefined
          ? Effect.match(provider.send(queue, batch), {
              onFailure: (error): Outcomes => {
                failed ??= error
                return failedAll(batch, error)
              },
              onSuccess: (outcomes) => {
                isAnySent = true
                return outcomes.slice(0, batch.length)
              }
            }).pipe(Effect.tap((outcomes) => complete(batch, outcomes)))
          : Effect.succeed(failedAll(batch, failed))
      )
    return Effect.flatMap(
      Effect.forEach(batches, send, { concurrency: Defaults.batchCallsMax }),
      (outcomes) =>
        // Nothing took effect: the whole batch failed, and the caller may simply try again.
        failed === undefined || isAnySent ? Effect.succeed(outcomes.flat()) : Effect.fail(failed)
    )
  })

/** Sends the chunks of a batch, in order where there is one to keep. */
export const sendChunks = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  batches: Chunks
): Effect.Effect<Outcomes, QueueError.QueueError> => {
  const hasOrder =
    provider.capabilities(queue).ordered ||
    batches.some((batch) => batch.some(({ sessionId }) => sessionId !== undefined))
  return hasOrder || batches.length < 2
    ? oneByOne(provider, queue, batches)
    : sideBySide(provider, queue, batches)
}

/**
 * Sends chunk after chunk. Nothing of a session is sent behind a failure of it, and a call that fails as
 * a whole ends the sending: what was not sent carries the same error.
 */
const oneByOne = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  batches: Chunks
) {
  const outcomes: Array<Outcome.Outcome<QueueProvider.Sent>> = []
  const stopped = new Map<SessionId.SessionId, QueueError.QueueError>()
  let failed: QueueError.QueueError | undefined
  for (const batch of batches) {
    // Before the call: the outcomes of the provider are those of the messages it was given.
    const held = batch.map(
      ({ sessionId }) => failed ?? (sessionId === undefined ? undefined : stopped.get(sessionId))
    )
    const sendable = batch.filter((_, place) => held[place] === undefined)
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
    for (const [place, message] of batch.entries()) {
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
