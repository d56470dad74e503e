/** `receive` and `peek`: messages, in hand or from afar. */
import {
  Capabilities,
  type Outcome,
  QueueAddress,
  QueueClient,
  type QueueError,
  type QueueName,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Failure from "../Failure.ts"
import * as MessageView from "../MessageView.ts"
import * as Output from "../Output.ts"

/** What becomes of what was received. */
export type Settlement = "abandon" | "complete" | "dead-letter"

/** What was asked for. */
export interface Input {
  readonly max: number
  readonly wait: Duration.Duration | undefined
  readonly settlement: Settlement
  readonly reason: string
  readonly session: string | undefined
  /** Whether the dead letters are meant. */
  readonly isDead: boolean
}

const nothing = (what: string) => new Failure.Failure({ code: "nothing", message: what })

const verdictOf = ({ reason, settlement }: Input): Verdict.Verdict => {
  if (settlement === "complete") return Verdict.complete
  return settlement === "dead-letter" ? Verdict.deadLetter(reason) : Verdict.abandon()
}

/** Where messages are received and settled: the client, or a session it accepted. */
type Source = Pick<QueueClient.Session, "settle"> & {
  readonly receive: QueueClient.Session["receive"]
}

const sourceOf = Effect.fnUntraced(function* (queue: QueueName.QueueName, input: Input) {
  const client = yield* QueueClient.QueueClient
  const address = input.isDead ? QueueAddress.deadLetter(queue) : QueueAddress.queue(queue)
  const isSession = client.capabilities(queue).ordered && !input.isDead
  if (!isSession && input.session === undefined) {
    const source: Source = {
      receive: (options) => client.receive(address, options),
      settle: client.settle
    }
    return source
  }
  const sessionId =
    input.session === undefined ? {} : { sessionId: yield* SessionId.make(input.session) }
  const wait = input.wait === undefined ? {} : { wait: input.wait }
  const accepted = yield* client.acceptSession(queue, { ...sessionId, ...wait })
  if (Option.isSome(accepted)) return accepted.value
  const which = input.session === undefined ? "no free session" : `session "${input.session}"`
  return yield* nothing(`${which} has messages in ${queue}`)
})

/** One call brings what it brings: asked again without waiting until there is enough or no more. */
const gather = Effect.fnUntraced(function* (
  source: Source,
  { max, wait }: Input,
  onReceived: (messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>) => void
) {
  let count = 0
  while (count < max) {
    const waiting = count === 0 ? (wait === undefined ? {} : { wait }) : { wait: 0 }
    // In one step with the receive: what Ctrl-C came upon in between would be in nobody's hands.
    const received = yield* Effect.uninterruptibleMask((restore) =>
      Effect.map(restore(source.receive({ max: max - count, ...waiting })), (messages) => {
        onReceived(messages)
        return messages
      })
    )
    count += received.length
    if (received.length === 0) return
  }
})

/** A settlement of the one before may have taken this one back: then it is not ours any more. */
const isGivenBack = (outcome: Outcome.Outcome<void>): boolean =>
  Result.isFailure(outcome) && outcome.failure.reason._tag === "ReceiptExpired"

const failuresOf = (outcomes: ReadonlyArray<Outcome.Outcome<void>>, settlement: Settlement) =>
  outcomes.flatMap((outcome) =>
    Result.isFailure(outcome) && !(settlement === "abandon" && isGivenBack(outcome))
      ? [outcome.failure]
      : []
  )

/**
 * Receives, shows, settles. Whatever happens in between, Ctrl-C included, what was received and not
 * settled is given back.
 */
const receiveShown = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: Input,
  show: (
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ) => Effect.Effect<void, never, Output.Output>
) {
  const source = yield* sourceOf(queue, input)
  const held: Array<ReceivedMessage.ReceivedMessage> = []
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => (held.length === 0 ? Effect.void : source.settle(held, Verdict.abandon())))
  )
  yield* gather(source, input, (messages) => held.push(...messages))
  if (held.length === 0) return yield* nothing(`no message in ${queue}`)
  yield* show(held)
  const settled = held.splice(0)
  const failures = failuresOf(yield* source.settle(settled, verdictOf(input)), input.settlement)
  const [first] = failures
  if (first === undefined) return
  return yield* new Failure.Failure({
    code: "partly",
    message: `${failures.length} of ${settled.length} were not settled: ${first.message}`
  })
}, Effect.scoped)

const show = Effect.fnUntraced(function* (messages: ReadonlyArray<ReceivedMessage.PeekedMessage>) {
  const output = yield* Output.Output
  const { columns, toJson, toRow } = MessageView
  yield* output.rows(messages, toJson, columns(output.style), toRow)
})

/** Receives. */
export const run = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  input: Input
): Effect.fn.Return<
  void,
  QueueError.QueueError | Failure.Failure,
  Output.Output | QueueClient.QueueClient
> {
  yield* receiveShown(queue, input, show)
})

/** What a peek was asked for. */
export interface PeekInput {
  readonly max: number
  readonly from: bigint
  readonly isDead: boolean
  /** Whether messages may be received where they cannot be looked at. */
  readonly mayReceive: boolean
  readonly session: string | undefined
}

/** Looks. */
export const peek = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  { from, isDead, max, mayReceive, session }: PeekInput
): Effect.fn.Return<
  void,
  QueueError.QueueError | Failure.Failure,
  Output.Output | QueueClient.QueueClient
> {
  const client = yield* QueueClient.QueueClient
  if (mayReceive && !Capabilities.isSupported(client.capabilities(queue).peek)) {
    const settlement = "abandon"
    const input: Input = { max, wait: undefined, settlement, reason: "", session, isDead }
    return yield* receiveShown(queue, input, show)
  }
  const address = isDead ? QueueAddress.deadLetter(queue) : QueueAddress.queue(queue)
  const peeked = yield* client.peek(address, { max, fromSequenceNumber: from })
  const messages =
    session === undefined ? peeked : peeked.filter(({ sessionId }) => sessionId === session)
  if (messages.length === 0) return yield* nothing(`no message in ${queue}`)
  yield* show(messages)
})
