import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Outcome from "../Outcome.ts"
import * as QueueAddress from "../QueueAddress.ts"
import type * as QueueError from "../QueueError.ts"
import type * as ReceivedMessage from "../ReceivedMessage.ts"

/** One call on deliveries of one address. */
export type Call<A> = (
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  address: QueueAddress.QueueAddress
) => Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>

type Entry = readonly [index: number, message: ReceivedMessage.ReceivedMessage]

interface Group {
  readonly address: QueueAddress.QueueAddress
  readonly entries: Array<Entry>
}

const missingOutcome = new Error("the provider answered fewer outcomes than receipts")

const byAddress = (messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>) => {
  const groups = new Map<string, Group>()
  for (const [index, message] of messages.entries()) {
    const { address } = message.receipt
    const key = QueueAddress.format(address)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { address, entries: [[index, message]] })
    else group.entries.push([index, message])
  }
  return groups.values()
}

const cut = (group: ReadonlyArray<Entry>, countMax: number): ReadonlyArray<ReadonlyArray<Entry>> =>
  Array.from({ length: Math.ceil(group.length / countMax) }, (_, part) =>
    group.slice(part * countMax, (part + 1) * countMax)
  )

/**
 * Calls once an address and once `countMax` deliveries, and answers one outcome a delivery in their
 * order. A call that fails as a whole is the outcome of each of its deliveries.
 */
export const inBatches = <A>(
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  countMax: (address: QueueAddress.QueueAddress) => number,
  call: Call<A>
): Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>> => {
  const [first] = messages
  if (first === undefined) return Effect.succeed([])
  const { address } = first.receipt
  const isOneCall =
    messages.length === 1 ||
    (messages.length <= countMax(address) &&
      messages.every(({ receipt }) => isSame(receipt.address, address)))
  return isOneCall ? atOnce(messages, call, address) : grouped(messages, countMax, call)
}

const isSame = (one: QueueAddress.QueueAddress, other: QueueAddress.QueueAddress): boolean =>
  one === other || (one._tag === other._tag && one.queue === other.queue)

/** What was received together mostly is of one address, and fits one call. */
const atOnce = <A>(
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  call: Call<A>,
  address: QueueAddress.QueueAddress
): Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>> =>
  Effect.matchEffect(call(messages, address), {
    onFailure: (error) => Effect.succeed(messages.map(() => Result.fail(error))),
    onSuccess: (outcomes) =>
      outcomes.length < messages.length
        ? Effect.die(missingOutcome)
        : Effect.succeed(outcomes.slice(0, messages.length))
  })

const grouped = Effect.fnUntraced(function* <A>(
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  countMax: (address: QueueAddress.QueueAddress) => number,
  call: Call<A>
) {
  const settled: Array<readonly [index: number, outcome: Outcome.Outcome<A>]> = []
  for (const { address, entries } of byAddress(messages)) {
    for (const batch of cut(entries, countMax(address))) {
      const result = yield* Effect.result(
        call(
          batch.map(([, message]) => message),
          address
        )
      )
      for (const [place, [index]] of batch.entries()) {
        const outcome = Result.isFailure(result)
          ? Result.fail(result.failure)
          : result.success[place]
        if (outcome === undefined) return yield* Effect.die(missingOutcome)
        settled.push([index, outcome])
      }
    }
  }
  return settled.toSorted(([one], [other]) => one - other).map(([, outcome]) => outcome)
})
