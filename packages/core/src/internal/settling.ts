import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Outcome from "../Outcome.ts"
import * as QueueAddress from "../QueueAddress.ts"
import type * as QueueError from "../QueueError.ts"
import type * as Receipt from "../Receipt.ts"

/** One provider call on receipts of one address. */
export type Call<A> = (
  receipts: ReadonlyArray<Receipt.Receipt>
) => Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>

type Entry = readonly [index: number, receipt: Receipt.Receipt]

const missingOutcome = new Error("the provider answered fewer outcomes than receipts")

const cut = (group: ReadonlyArray<Entry>, countMax: number): ReadonlyArray<ReadonlyArray<Entry>> =>
  Array.from({ length: Math.ceil(group.length / countMax) }, (_, part) =>
    group.slice(part * countMax, (part + 1) * countMax)
  )

/**
 * Calls once an address and once `countMax` receipts, and answers one outcome a receipt in their order.
 * A call that fails as a whole is the outcome of each of its receipts.
 */
export const inBatches = Effect.fnUntraced(function* <A>(
  receipts: ReadonlyArray<Receipt.Receipt>,
  countMax: (address: QueueAddress.QueueAddress) => number,
  call: Call<A>
) {
  const entries = receipts.map((receipt, index): Entry => [index, receipt])
  const groups = Map.groupBy(entries, ([, receipt]) => QueueAddress.format(receipt.address))
  const byIndex = new Map<number, Outcome.Outcome<A>>()
  for (const group of groups.values()) {
    const [first] = group
    const size = first === undefined ? 1 : countMax(first[1].address)
    for (const batch of cut(group, size)) {
      const result = yield* Effect.result(call(batch.map(([, receipt]) => receipt)))
      for (const [place, [index]] of batch.entries()) {
        const outcome = Result.isFailure(result)
          ? Result.fail(result.failure)
          : result.success[place]
        if (outcome === undefined) return yield* Effect.die(missingOutcome)
        byIndex.set(index, outcome)
      }
    }
  }
  return receipts.flatMap((_, index) => byIndex.get(index) ?? [])
})
