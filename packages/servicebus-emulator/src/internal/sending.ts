/** What a sender's link brings: messages and batches for a queue. */
import * as Result from "effect/Result"
import type { Content } from "./entry.ts"
import type { Incomer, Incoming } from "./incoming.ts"
import type { Queue } from "./queue.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Service } from "./service.ts"
import * as wire from "./wire.ts"

/** A batch: its data sections are messages. */
const batchFormat = 0x8001_3700

const contentsOf = (
  service: Service,
  delivery: Incomer
): Result.Result<ReadonlyArray<Content>, Refusal> =>
  Result.try({
    try: () => {
      const messages =
        delivery.format === batchFormat ? wire.splitBatch(delivery.payload) : [delivery.payload]
      return messages.map((message) => wire.toContent(message, () => service.makeId()))
    },
    catch: () => new Refusal(condition.decode, "The message is not AMQP 1.0.")
  })

/** All of a batch is taken, or nothing. */
const take = (service: Service, queue: Queue, delivery: Incomer): Refusal | undefined => {
  const contents = contentsOf(service, delivery)
  if (Result.isFailure(contents)) return contents.failure
  let size = 0
  for (const content of contents.success) {
    size += content.size
    const refusal = queue.refuses(content, size)
    if (refusal !== undefined) return refusal
  }
  for (const content of contents.success) queue.enqueue(content)
  return undefined
}

const onDelivery = (service: Service, link: Incoming, queue: Queue, delivery: Incomer): void => {
  service.count("Send")
  const settle = (refusal?: Refusal) => {
    if (!delivery.isSettled) link.settle(delivery.id, refusal)
  }
  service.faults.run(
    { operation: "Send", queue: queue.settings.name.toLowerCase() },
    {
      apply: (reply) => {
        const refusal = take(service, queue, delivery)
        if (reply) settle(refusal)
      },
      refuse: settle,
      dropLink: (refusal) => link.detach(refusal),
      dropConnection: () => link.session.connection.destroy()
    }
  )
}

/** Attaches a sender to a queue. */
export const attach = (service: Service, link: Incoming, queue: Queue): void => {
  link.sink = {
    onDelivery: (delivery) => onDelivery(service, link, queue, delivery),
    onClosed: () => undefined
  }
  link.accept({ messageBytesMax: queue.settings.messageBytesMax })
}
