import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { QueueError } from "@queue-runtime/core"
import { QueueAddress, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

const none: ReadonlyArray<wrap.Received> = []

export const receiving: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "receive-whole-batch",
    title: "a receive hands out the service's whole batch, whatever was asked for",
    source: "SQS: MaxNumberOfMessages left at ten",
    caughtBy: ["RECEIVE-4"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) => receive({ ...options, max: Math.max(options.max, 10) })
      )
    )
  },
  {
    id: "receive-drops-surplus",
    title: "a receive takes a whole batch and drops what was not asked for",
    source: "a batch of the service cut to size with slice",
    caughtBy: ["RECEIVE-4"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) =>
          Effect.map(receive({ ...options, max: options.max + 10 }), (messages) =>
            messages.slice(0, options.max)
          )
      )
    )
  },
  {
    id: "receive-prefetches",
    title: "a receive takes more than was asked for and keeps it for the next, locks running",
    source: "azure-sdk-for-js #15114; a prefetch that others wait for",
    caughtBy: ["LIFE-10"],
    make: wrap.plain((provider) => {
      const buffers = new Map<string, Array<wrap.Received>>()
      return wrap.change(provider, {
        receive: (address, options) =>
          Effect.suspend(() => {
            const key = QueueAddress.format(address)
            const buffer = buffers.get(key) ?? []
            buffers.set(key, buffer)
            if (buffer.length > 0) return Effect.succeed(buffer.splice(0, options.max))
            const more = { ...options, max: options.max + 10 }
            return Effect.map(provider.receive(address, more), (messages) => {
              buffer.push(...messages.slice(options.max))
              return messages.slice(0, options.max)
            })
          })
      })
    })
  },
  {
    id: "receive-collapsed",
    title: "receives that wait at once share one poll and its answer",
    source: "request collapsing, right for reads and wrong for a queue",
    caughtBy: ["MODEL-1", "RECEIVE-10"],
    kind: "duplication",
    make: wrap.background((provider, scope) => {
      const polls = new Map<
        string,
        Fiber.Fiber<ReadonlyArray<wrap.Received>, QueueError.QueueError>
      >()
      return wrap.change(provider, {
        receive: (address, options) => {
          const key = QueueAddress.format(address)
          const poll = provider
            .receive(address, options)
            .pipe(Effect.ensuring(Effect.sync(() => polls.delete(key))))
          return Effect.suspend(() => {
            const running = polls.get(key)
            if (running !== undefined) return Fiber.join(running)
            return Effect.flatMap(Effect.forkIn(poll, scope), (fiber) => {
              polls.set(key, fiber)
              // The last one to ask is the one who stops it.
              return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
            })
          })
        }
      })
    })
  },
  {
    id: "receive-locks-late",
    title: "a message is handed out a second time before it is locked",
    source: "a read and a lock in two statements, without a transaction",
    caughtBy: ["MODEL-1", "RECEIVE-5"],
    kind: "duplication",
    make: wrap.remembering(
      () => new Map<string, Array<wrap.Received>>(),
      (provider, handed) =>
        wrap.change(provider, {
          receive: (address, options) => {
            const key = QueueAddress.format(address)
            return Effect.flatMap(provider.receive(address, options), (messages) =>
              Effect.sync(() => {
                const again = messages.length > 0 ? [] : (handed.get(key) ?? none)
                handed.set(key, [...messages])
                return messages.length > 0 ? messages : again.slice(0, options.max)
              })
            )
          }
        })
    )
  },
  {
    id: "receive-acknowledges",
    title: "a message is removed when it is received, and settling it only looks as if it did",
    source: "Service Bus: receiveAndDelete; AMQP: noAck",
    caughtBy: ["MODEL-1", "REDELIVER-1", "REDELIVER-2"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) => {
      const settling = wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.suspend(() => {
            const known = receipts.map(({ token }) => deliveries.delete(token))
            return Effect.map(settle(receipts, verdict), (outcomes) =>
              outcomes.map((one, index) => (known[index] === true ? wrap.ok : one))
            )
          })
      )
      return wrap.change(settling, {
        receive: (address, options) =>
          Effect.tap(settling.receive(address, options), (messages) =>
            provider.settle(
              messages.map(({ receipt }) => receipt),
              Verdict.complete
            )
          )
      })
    })
  },
  {
    id: "peek-receives",
    title: "a peek receives and gives back, which counts",
    source: "SQS has no peek; consoles show messages by receiving them",
    caughtBy: ["RECEIVE-15"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        peek: (address, options) =>
          provider.capabilities(address.queue).ordered && address._tag === "Queue"
            ? provider.peek(address, options)
            : Effect.tap(
                provider.receive(address, { max: options.max, wait: Duration.zero }),
                (messages) =>
                  provider.settle(
                    messages.map(({ receipt }) => receipt),
                    Verdict.abandon()
                  )
              )
      })
    )
  },
  {
    id: "peek-from-beginning",
    title: "a peek begins at the beginning, wherever it was told to",
    source: "Service Bus peek-message: from-sequence-number left out",
    caughtBy: ["RECEIVE-16"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        peek: (address, { max }) => provider.peek(address, { max })
      })
    )
  },
  {
    id: "enqueued-at-delivery",
    title: "the time of a redelivery is told as that of the sending",
    source: "the client's clock at the receive taken for the broker's",
    caughtBy: ["RECEIVE-12", "RECEIVE-13"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({ ...message, enqueuedAt: message.deliveredAt }))
    )
  },
  {
    id: "first-delivery-forgotten",
    title: "the first delivery is told as this one",
    source: "SQS: ApproximateFirstReceiveTimestamp not asked for",
    caughtBy: ["RECEIVE-13"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        firstDeliveredAt: message.deliveredAt
      }))
    )
  },
  {
    id: "locked-until-of-long-poll",
    title: "the lock is told as long as the longest poll longer than it is",
    source: "SQS.md §4: a long poll's start says nothing of its answer's time",
    caughtBy: ["RECEIVE-12"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        lockedUntil: DateTime.addDuration(message.lockedUntil, Duration.seconds(20))
      }))
    )
  }
]
