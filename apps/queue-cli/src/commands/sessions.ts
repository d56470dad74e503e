/** `sessions list`: which sessions have messages. */
import {
  Capabilities,
  QueueClient,
  type QueueError,
  type QueueName,
  type ReceivedMessage
} from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Failure from "../Failure.ts"
import * as MessageView from "../MessageView.ts"
import * as Output from "../Output.ts"

/**
 * One session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  readonly sessionId: string
  readonly messages: number
  /** Whether that is all: of a session that was accepted no more than its first messages are seen. */
  readonly isComplete: boolean
  readonly oldest: DateTime.Utc
  /** Deliveries of its first message. */
  readonly deliveries: number
}

/** What was asked for. */
export interface Input {
  readonly max: number
  /** Whether sessions may be accepted where messages cannot be looked at. */
  readonly mayReceive: boolean
}

const pageSize = 250

const add = (
  sessions: Map<string, Session>,
  message: ReceivedMessage.PeekedMessage,
  max: number
): void => {
  const { deliveryCount, enqueuedAt, sessionId } = message
  if (sessionId === undefined) return
  const before = sessions.get(sessionId)
  if (before === undefined && sessions.size >= max) return
  sessions.set(sessionId, {
    sessionId,
    messages: (before?.messages ?? 0) + 1,
    isComplete: true,
    oldest: before?.oldest ?? enqueuedAt,
    deliveries: before?.deliveries ?? deliveryCount
  })
}

/** Messages looked at. */
const peekMax = 10_000

/**
 * By looking, at 10,000 messages at most.
 *
 * @category accessors
 * @since 0.1.0
 */
export const byPeeking = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  max: number
): Effect.fn.Return<ReadonlyArray<Session>, QueueError.QueueError, QueueClient.QueueClient> {
  const client = yield* QueueClient.QueueClient
  const sessions = new Map<string, Session>()
  let from = 0n
  for (let seen = 0; seen < peekMax; seen += pageSize) {
    const messages = yield* client.peek(queue, { max: pageSize, fromSequenceNumber: from })
    for (const message of messages) add(sessions, message, max)
    const last = messages.at(-1)?.sequenceNumber
    if (last === undefined || messages.length < pageSize) break
    from = last + 1n
  }
  return [...sessions.values()]
})

const inHandMax = 10

/** Accepts one session after the other and holds them, so that each comes once; all are given back. */
const byAccepting = Effect.fnUntraced(function* (queue: QueueName.QueueName, max: number) {
  const client = yield* QueueClient.QueueClient
  const sessions: Array<Session> = []
  while (sessions.length < max) {
    const accepted = yield* client.acceptSession(queue, { wait: "1 second" })
    if (Option.isNone(accepted)) break
    const { receive, sessionId } = accepted.value
    const messages = yield* receive({ max: inHandMax, wait: 0 })
    const [first] = messages
    if (first === undefined) continue
    sessions.push({
      sessionId,
      messages: messages.length,
      isComplete: messages.length < inHandMax,
      oldest: first.enqueuedAt,
      deliveries: first.deliveryCount
    })
  }
  return sessions
}, Effect.scoped)

/** Lists. */
export const list = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  { max, mayReceive }: Input
): Effect.fn.Return<
  void,
  QueueError.QueueError | Failure.Failure,
  Output.Output | QueueClient.QueueClient
> {
  const client = yield* QueueClient.QueueClient
  const output = yield* Output.Output
  const { ordered, peek } = client.capabilities(queue)
  if (!ordered) {
    return yield* new Failure.Failure({
      code: "unsupported",
      message: `queue "${queue}" has no sessions`,
      hint: "say that it is ordered: --ordered (SQS, Service Bus), memory.queues.<name>.sessions, azure.queues.<name>.sessions, or a name that ends in .fifo"
    })
  }
  const sessions =
    mayReceive && !Capabilities.isSupported(peek)
      ? yield* byAccepting(queue, max)
      : yield* byPeeking(queue, max)
  if (sessions.length === 0) {
    return yield* new Failure.Failure({ code: "nothing", message: `no session in ${queue}` })
  }
  yield* output.rows(
    sessions,
    ({ oldest, ...rest }) => ({ ...rest, oldest: DateTime.formatIso(oldest) }),
    [
      { heading: "SESSION", style: output.style.cyan },
      { heading: "MESSAGES", isRight: true },
      { heading: "OLDEST (UTC)", style: output.style.dim },
      { heading: "DELIVERIES", isRight: true }
    ],
    ({ deliveries, isComplete, messages, oldest, sessionId }) => [
      sessionId,
      `${isComplete ? "" : "≥ "}${messages}`,
      MessageView.time(oldest),
      String(deliveries)
    ]
  )
})
