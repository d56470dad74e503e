import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Effect from "effect/Effect"
import {
  Defaults,
  type QueueAddress,
  type QueueError,
  type QueueProvider,
  type ReceivedMessage
} from "@queue-runtime/core"
import { call } from "./calls.ts"
import type { Context } from "./context.ts"
import type * as errors from "./errors.ts"
import { longOf } from "./long.ts"
import * as wire from "./wire.ts"

type Messages = ReadonlyArray<ServiceBusReceivedMessage>

/**
 * Looks at messages without receiving them. The service shows 250 at most at a time, and counts failed
 * deliveries alone: those in hand here are added.
 */
export const peek = (
  context: Context,
  path: string,
  address: QueueAddress.QueueAddress,
  { fromSequenceNumber = 0n, max }: QueueProvider.PeekOptions,
  place: errors.Place
): Effect.Effect<ReadonlyArray<ReceivedMessage.PeekedMessage>, QueueError.QueueError> =>
  Effect.suspend(() => {
    const { connectTimeout } = context.config
    const page = (from: bigint, count: number): Effect.Effect<Messages, QueueError.QueueError> =>
      call(context, place, connectTimeout, (abortSignal) =>
        context
          .peeker(path, address)
          .peekMessages(count, { abortSignal, fromSequenceNumber: longOf(from) })
      )
    const pages = (
      before: Messages,
      from: bigint
    ): Effect.Effect<Messages, QueueError.QueueError> => {
      const count = Math.min(max - before.length, Defaults.serviceBusPeekCountMax)
      return Effect.flatMap(page(from, count), (messages) => {
        const all = [...before, ...messages]
        const last = messages.at(-1)
        return last === undefined || all.length >= max
          ? Effect.succeed(all)
          : pages(all, wire.sequenceOf(last) + 1n)
      })
    }
    return Effect.map(pages([], fromSequenceNumber), (messages) => {
      const inHand = context.deliveries.inHand(address)
      return messages.map((message) =>
        wire.toPeeked(message, address, inHand.has(wire.sequenceTextOf(message)) ? 1 : 0)
      )
    })
  })
