import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import {
  Capabilities,
  Defaults,
  Options as CoreOptions,
  type PushedBatch,
  QueueAddress,
  QueueError,
  type QueueProvider,
  Verdict
} from "@queue-runtime/core"
import * as AwsConfig from "../../AwsConfig.ts"
import * as errors from "../errors.ts"
import type { Sqs } from "../sqs.ts"
import * as target from "../target.ts"
import * as wire from "../wire.ts"
import { Batch, type Pushed } from "./batch.ts"
import { Counts } from "./counts.ts"
import * as events from "./event.ts"

/** What Lambda's host needs of the provider it stands above. */
export interface Options {
  readonly self: QueueProvider.Service
  readonly config: AwsConfig.AwsConfig
  readonly sqs: Sqs
  /** Whether an abandoned message is told when to come again. */
  readonly changesVisibility: boolean
}

const invalid = (address: QueueAddress.QueueAddress, key: string, problem: string) =>
  errors.error(new QueueError.ConfigurationInvalid({ key, problem }), {
    operation: "open",
    queue: QueueAddress.format(address)
  })

/** The queue of the event must be the one whose settings and dead letters are used for it. */
const mismatch = (
  address: QueueAddress.QueueAddress,
  settings: AwsConfig.ResolvedQueue,
  records: ReadonlyArray<events.EventRecord>
): QueueError.QueueError | undefined => {
  const at = address._tag === "Queue" ? settings.target : settings.deadLetter
  const expected = at === undefined ? undefined : target.physicalName(at)
  if (expected === undefined) return undefined
  const names = records.map(({ eventSourceARN }) => eventSourceARN.split(":").at(-1) ?? "")
  const other = names.find((name) => name !== expected)
  if (other === undefined) return undefined
  const problem = `the event comes from "${other}", and the options say "${expected}"`
  return invalid(address, `queues.${address.queue}`, problem)
}

/** A message of an event, and what is to become of it where that is known at once. */
interface Seen extends Pushed, Pick<PushedBatch.Pushed, "fate" | "verdict"> {}

/** What an event is made of. */
interface Parts {
  readonly reads: ReadonlyArray<events.Read>
  /** Of each the place of the first that is the same message. */
  readonly copies: ReadonlyArray<number | undefined>
}

const expired = Verdict.deadLetter("TTLExpiredException")

/**
 * What cannot be read comes again, and those of its group behind it, which would overtake it; all of them,
 * where its group is not known. A second delivery is what the first one is.
 */
const unreadable = ({ copies, reads }: Parts, isFifo: boolean) => {
  const left = new Set<number>()
  const groups = new Set<string | undefined>()
  let isEverybody = false
  for (const [index, one] of reads.entries()) {
    if (copies[index] !== undefined) continue
    if (one._tag === "Unreadable") {
      const { groupId } = one.unreadable
      groups.add(groupId)
      isEverybody ||= groupId === undefined
      left.add(index)
    } else if (isFifo && (isEverybody || groups.has(events.groupOf(one.record)))) left.add(index)
  }
  return left
}

const logUnreadable = ({ copies, reads }: Parts) =>
  Effect.forEach(
    reads.flatMap((one, index) =>
      one._tag === "Unreadable" && copies[index] === undefined ? [one.unreadable] : []
    ),
    ({ messageId, problem }) =>
      Effect.logError(`a record of the event is none of SQS and comes again: ${problem}`).pipe(
        Effect.annotateLogs({ messageId })
      ),
    { discard: true }
  )

/** By the first delivery of each message the least of its counts: nobody is handed the others. */
const leastReceives = (arrivals: ReadonlyArray<wire.Arrived>, copies: Parts["copies"]) => {
  const least = new Map<number, number>()
  for (const [index, { receives }] of arrivals.entries()) {
    const first = copies[index] ?? index
    least.set(first, Math.min(receives, least.get(first) ?? receives))
  }
  return least
}

/** The host that is Lambda. */
export const make = ({ changesVisibility, config, self, sqs }: Options): PushedBatch.Host => {
  const counts = new Counts(Defaults.sqsCountsMax)

  /** Of a dead letter the broker's count is all there is. */
  const countOf = (
    { id, receives }: Pick<wire.Arrived, "id" | "receives">,
    isMain: boolean,
    { deliveriesMax, fifo }: AwsConfig.ResolvedQueue
  ): number => (isMain ? counts.next({ id, receives, isFifo: fifo, deliveriesMax }) : receives)

  const open: PushedBatch.Host["open"] = Effect.fnUntraced(function* ({ address, endsAt, event }) {
    const settings = AwsConfig.queue(config, address.queue)
    const reads = events.read(event)
    if (reads === undefined) {
      const problem = "is none of SQS: is the function's trigger a queue?"
      return yield* Effect.fail(invalid(address, "event", problem))
    }
    const wrong = mismatch(
      address,
      settings,
      reads.flatMap((one) => (one._tag === "Record" ? [one.record] : []))
    )
    if (wrong !== undefined) return yield* Effect.fail(wrong)
    const copies = events.copiesOf(reads)
    yield* logUnreadable({ reads, copies })
    const now = yield* Clock.currentTimeMillis
    const isMain = address._tag === "Queue"
    const left = unreadable({ reads, copies }, isMain && settings.fifo)
    const hasDeadLetters = Capabilities.isSupported(self.capabilities(address.queue).deadLetter)
    const isDropped = settings.expired === "drop" || !hasDeadLetters
    const options = { address, bodyEncoding: settings.bodyEncoding }
    const arrivals = reads.map((one) =>
      wire.fromWire(
        one._tag === "Record" ? events.toMessage(one.record) : events.blank(one.unreadable),
        options
      )
    )
    const least = leastReceives(arrivals, copies)
    const messages = arrivals.map((arrived, index): Seen => {
      const copyOf = copies[index]
      const receives = least.get(copyOf ?? index) ?? arrived.receives
      const deliveryCount = countOf({ id: arrived.id, receives }, isMain, settings)
      if (copyOf !== undefined) return { arrived, deliveryCount, copyOf }
      if (left.has(index)) return { arrived, deliveryCount, fate: "left" }
      if (arrived.expiresAt > now) return { arrived, deliveryCount }
      // This delivery is none: nobody gets it.
      const before = Math.max(1, deliveryCount - 1)
      return isDropped
        ? { arrived, deliveryCount: before, fate: "settled" }
        : { arrived, deliveryCount: before, verdict: expired }
    })
    const batch = new Batch({ address, settings, sqs, counts, changesVisibility }, messages)
    const deliveredAt = DateTime.makeUnsafe(now)
    const lockedUntil = DateTime.makeUnsafe(endsAt)
    const opened: PushedBatch.Opened = {
      messages: messages.map(
        ({ arrived: { firstReceivedAt, message }, copyOf, deliveryCount, fate, verdict }) => {
          const firstDeliveredAt = DateTime.makeUnsafe(firstReceivedAt)
          const facts = { deliveryCount, firstDeliveredAt, deliveredAt, lockedUntil }
          return CoreOptions.defined({
            message: Object.assign(message, facts),
            fate,
            verdict,
            copyOf
          })
        }
      ),
      settle: batch.settle,
      release: batch.release
    }
    return opened
  })

  const capabilities: PushedBatch.Host["capabilities"] = (below) =>
    changesVisibility ? below : { ...below, abandonDelay: "unsupported" }

  return { capabilities, open }
}
