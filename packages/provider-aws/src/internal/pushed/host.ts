import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Capabilities,
  Defaults,
  type PushedBatch,
  QueueAddress,
  QueueError,
  type QueueProvider
} from "@queue-runtime/core"
import * as AwsConfig from "../../AwsConfig.ts"
import { defined } from "../defined.ts"
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

/** What nobody is to get since its time to live is over: dropped, or put aside, as its queue is set. */
const expire = Effect.fnUntraced(function* (
  batch: Batch,
  late: ReadonlyArray<number>,
  isDropped: boolean
) {
  const outcomes =
    isDropped || late.length === 0
      ? []
      : yield* Effect.match(batch.putAside(late, { reason: "TTLExpiredException" }), {
          onFailure: (error) => late.map(() => Result.fail(error)),
          onSuccess: (all) => all
        })
  return new Map(
    late.map((index, at) => {
      const outcome = outcomes[at]
      const isLeft = outcome !== undefined && Result.isFailure(outcome)
      return [index, isLeft ? ("left" as const) : ("settled" as const)]
    })
  )
})

/** The host that is Lambda. */
export const make = ({ changesVisibility, config, self, sqs }: Options): PushedBatch.Host => {
  const counts = new Counts(Defaults.sqsCountsMax)

  /** Of a dead letter the broker's count is all there is. */
  const countOf = (
    { id, receives }: wire.Arrived,
    isMain: boolean,
    { deliveriesMax, fifo }: AwsConfig.ResolvedQueue
  ): number => (isMain ? counts.next({ id, receives, isFifo: fifo, deliveriesMax }) : receives)

  const open: PushedBatch.Host["open"] = Effect.fnUntraced(function* ({ address, endsAt, event }) {
    const settings = AwsConfig.queue(config, address.queue)
    const records = events.recordsOf(event)
    if (records === undefined) {
      const problem = "is none of SQS: is the function's trigger a queue?"
      return yield* Effect.fail(invalid(address, "event", problem))
    }
    const wrong = mismatch(address, settings, records)
    if (wrong !== undefined) return yield* Effect.fail(wrong)
    const now = yield* Clock.currentTimeMillis
    const options = { address, bodyEncoding: settings.bodyEncoding }
    const messages = records.map((record): Pushed => {
      const arrived = wire.fromWire(events.toMessage(record), options)
      return { arrived, deliveryCount: countOf(arrived, address._tag === "Queue", settings) }
    })
    const batch = new Batch({ address, settings, sqs, counts, changesVisibility }, messages)
    const late = messages.flatMap(({ arrived }, index) => (arrived.expiresAt <= now ? [index] : []))
    const hasDeadLetters = Capabilities.isSupported(self.capabilities(address.queue).deadLetter)
    const fates = yield* expire(batch, late, settings.expired === "drop" || !hasDeadLetters)
    const deliveredAt = DateTime.makeUnsafe(now)
    const lockedUntil = DateTime.makeUnsafe(endsAt)
    const opened: PushedBatch.Opened = {
      messages: messages.map(({ arrived: { firstReceivedAt, message }, deliveryCount }, index) => {
        const firstDeliveredAt = DateTime.makeUnsafe(firstReceivedAt)
        const facts = { deliveryCount, firstDeliveredAt, deliveredAt, lockedUntil }
        return defined({ message: Object.assign(message, facts), fate: fates.get(index) })
      }),
      settle: batch.settle,
      release: batch.release
    }
    return opened
  })

  const capabilities: PushedBatch.Host["capabilities"] = (below) =>
    changesVisibility ? below : { ...below, abandonDelay: "unsupported" }

  return { capabilities, open }
}
