import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Capabilities from "../../src/Capabilities.ts"
import * as Message from "../../src/Message.ts"
import * as MessageId from "../../src/MessageId.ts"
import * as QueueAddress from "../../src/QueueAddress.ts"
import * as QueueError from "../../src/QueueError.ts"
import type * as QueueName from "../../src/QueueName.ts"
import type * as QueueProvider from "../../src/QueueProvider.ts"
import type * as QueueSession from "../../src/QueueSession.ts"
import * as Receipt from "../../src/Receipt.ts"
import type * as ReceivedMessage from "../../src/ReceivedMessage.ts"
import * as SessionId from "../../src/SessionId.ts"

/** Everything there, so that a test takes away what it is about. */
export const capabilities: Capabilities.Capabilities = {
  ordered: false,
  sessions: "native",
  acceptSpecific: "native",
  locksEmptySession: true,
  sessionState: "native",
  messageSizeMax: 1_000,
  sendCountMax: 10,
  sendSizeMax: 10_000,
  receiveCountMax: 10,
  settleCountMax: 10,
  receiveWaitMax: Duration.seconds(20),
  lockDuration: Duration.seconds(30),
  scheduling: "native",
  delayMax: Duration.minutes(15),
  abandonDelay: "native",
  abandonDelayMax: Duration.hours(12),
  timeToLive: "native",
  deduplication: "native",
  deduplicationWindow: Duration.minutes(5),
  deadLetter: "native",
  peek: "native",
  deliveryCount: "exact"
}

/** The second of every batch fails with this. */
export const secondFails = QueueError.make(new QueueError.Throttled())

export const depth: QueueProvider.Depth = { available: 3, locked: 2, delayed: 1 }

export const lockedUntil = DateTime.makeUnsafe(30_000)
export const state = Option.some(Uint8Array.of(1, 2, 3))

/** A delivery of a queue, all of it known. */
export const delivery = (
  address: QueueAddress.QueueAddress,
  token: string
): ReceivedMessage.ReceivedMessage => ({
  body: Uint8Array.of(0, 255),
  attributes: { token },
  messageId: MessageId.makeUnsafe(`m-${token}`),
  receipt: Receipt.make(address, token),
  deliveryCount: 1,
  enqueuedAt: DateTime.makeUnsafe(0),
  firstDeliveredAt: DateTime.makeUnsafe(1),
  deliveredAt: DateTime.makeUnsafe(1),
  lockedUntil
})

const outcomes = <A, B>(items: ReadonlyArray<A>, succeed: (item: A) => B) =>
  items.map((item, index) =>
    index === 1 ? Result.fail(secondFails) : Result.succeed(succeed(item))
  )

/** One call that reached the provider: the method and what it was given. */
export type Call = readonly [method: string, ...arguments: ReadonlyArray<unknown>]

export interface Recording {
  readonly provider: QueueProvider.Service
  readonly calls: Array<Call>
}

/** A provider that writes down what reaches it, and answers what a test can tell apart. */
export const make = (options: {
  readonly deduplication?: Capabilities.Support
  readonly acceptsNothing?: boolean
  readonly tellsDepth?: boolean
}): Recording => {
  const calls: Array<Call> = []
  const answer = <A>(call: Call, value: () => A) =>
    Effect.sync(() => {
      calls.push(call)
      return value()
    })
  const session = (
    queue: QueueName.QueueName,
    id: SessionId.SessionId
  ): QueueSession.QueueSession => ({
    queue,
    sessionId: id,
    lockedUntil: Effect.succeed(lockedUntil),
    receive: (of) =>
      answer(["session.receive", of], () => [delivery(QueueAddress.queue(queue), "s1")]),
    settle: (receipts, verdict) =>
      answer(["session.settle", receipts, verdict], () => outcomes(receipts, () => undefined)),
    renewLock: answer(["session.renewLock"], () => lockedUntil),
    state: answer(["session.state"], () => state),
    setState: (of) => answer(["session.setState", of], () => undefined)
  })
  const provider: QueueProvider.Service = {
    name: "recording",
    stack: ["recording"],
    capabilities: () => ({
      ...capabilities,
      deduplication: options.deduplication ?? capabilities.deduplication
    }),
    send: (queue, messages) =>
      answer(["send", queue, messages], () =>
        outcomes(messages, ({ messageId }) => ({ messageId }))
      ),
    receive: (address, of) =>
      answer(["receive", address, of], () => [delivery(address, "1"), delivery(address, "2")]),
    settle: (receipts, verdict) =>
      answer(["settle", receipts, verdict], () => outcomes(receipts, () => undefined)),
    renewLock: (receipts) =>
      answer(["renewLock", receipts], () => outcomes(receipts, () => lockedUntil)),
    peek: (address, of) => answer(["peek", address, of], () => [delivery(address, "1")]),
    ...(options.tellsDepth === true
      ? { depth: (address) => answer(["depth", address], () => depth) }
      : {}),
    acceptSession: (queue, of) =>
      answer(["acceptSession", queue, of], () =>
        options.acceptsNothing === true
          ? Option.none()
          : Option.some(session(queue, of.sessionId ?? SessionId.makeUnsafe("next")))
      )
  }
  return { provider, calls }
}

/** A message with its id. */
export const message = (id: string): Message.Stamped =>
  Message.stamp(
    new Message.Message({ body: new Uint8Array(), attributes: {} }),
    MessageId.makeUnsafe(id)
  )
