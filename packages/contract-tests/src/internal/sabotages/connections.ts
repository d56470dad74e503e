import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { QueueError, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

export const connections: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "close-loses-buffer",
    title: "what was sent last is lost when its connection closes",
    source: "an acknowledgement of what has only been buffered",
    caughtBy: ["MODEL-1", "LIFE-4"],
    kind: "loss",
    make: Effect.succeed((provider) =>
      Effect.gen(function* () {
        let flush: wrap.Failing<unknown> = Effect.void
        const flushed = Effect.suspend(() => {
          const before = flush
          flush = Effect.void
          return before
        })
        // Everything but the end of the connection waits for the buffer.
        const after = <A, R>(call: wrap.Failing<A, R>) => Effect.andThen(flushed, call)
        return wrap.change(
          {
            ...wrap.change(provider, {}),
            receive: (address, options) => after(provider.receive(address, options)),
            peek: (address, options) => after(provider.peek(address, options)),
            acceptSession: (queue, options) => after(provider.acceptSession(queue, options))
          },
          {
            send: (queue, messages) =>
              Effect.andThen(
                flushed,
                Effect.sync(() => {
                  flush = provider.send(queue, messages)
                  return messages.map(({ messageId }) => wrap.sent(messageId))
                })
              )
          }
        )
      })
    )
  },
  {
    id: "close-is-shared",
    title: "a connection that closes ends the waits of all others",
    source: "one socket for all clients of a process, closed by the first",
    caughtBy: ["LIFE-6"],
    make: Effect.sync(() => {
      const state = { isClosed: false, wake: new Set<() => void>() }
      return (provider) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              state.isClosed = true
              for (const wake of state.wake) wake()
            })
          )
          const closed = Effect.callback<never, QueueError.QueueError>((resume) => {
            const wake = () =>
              resume(Effect.fail(QueueError.make(new QueueError.ConnectionFailed({}))))
            state.wake.add(wake)
            if (state.isClosed) wake()
            return Effect.sync(() => state.wake.delete(wake))
          })
          return wrap.change(provider, {
            receive: (address, options) =>
              Effect.raceFirst(closed, provider.receive(address, options))
          })
        })
    })
  },
  {
    id: "close-leaves-waiting",
    title: "who waits on a connection that closes waits for ever",
    source: "azure-sdk-for-js #7689: receiveMessages hangs",
    caughtBy: ["LIFE-5"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          Effect.catchIf(
            provider.receive(address, options),
            wrap.isReason("ConnectionFailed"),
            () => Effect.never
          )
      })
    )
  },
  {
    id: "close-works-on",
    title: "a closed connection takes messages and settlements as if it were open",
    source: "calls into a client that is gone, resolved with nothing",
    caughtBy: ["LIFE-7"],
    make: wrap.plain((provider) => {
      const isClosed = wrap.isReason("ConnectionFailed")
      return wrap.change(provider, {
        send: (queue, messages) =>
          Effect.catchIf(provider.send(queue, messages), isClosed, () =>
            Effect.succeed(messages.map(({ messageId }) => wrap.sent(messageId)))
          ),
        settle: (receipts, verdict) =>
          Effect.catchIf(provider.settle(receipts, verdict), isClosed, () => wrap.pretend(receipts))
      })
    })
  },
  {
    id: "close-completes-in-hand",
    title: "what a connection has in hand when it closes is removed",
    source: "auto-acknowledge at the end of a connection",
    caughtBy: ["MODEL-1", "LIFE-8"],
    kind: "loss",
    make: Effect.succeed((provider) =>
      Effect.gen(function* () {
        const inHand = new Set<wrap.Received["receipt"]>()
        yield* Effect.addFinalizer(() =>
          Effect.ignore(provider.settle([...inHand], Verdict.complete))
        )
        return wrap.change(provider, {
          receive: (address, options) =>
            Effect.tap(provider.receive(address, options), (messages) =>
              Effect.sync(() => {
                for (const { receipt } of messages) inHand.add(receipt)
              })
            ),
          settle: (receipts, verdict) =>
            Effect.tap(provider.settle(receipts, verdict), () =>
              Effect.sync(() => {
                for (const receipt of receipts) inHand.delete(receipt)
              })
            )
        })
      })
    )
  },
  {
    id: "delivers-to-everybody",
    title: "every connection gets every message",
    source: "a topic where a queue is meant",
    caughtBy: ["MODEL-1", "LIFE-10"],
    kind: "duplication",
    make: Effect.sync(() => {
      const all: Array<wrap.Received> = []
      return (provider) =>
        Effect.gen(function* () {
          const seen = new Set<string>()
          return wrap.change(provider, {
            receive: (address, options) =>
              Effect.gen(function* () {
                const now = yield* Clock.currentTimeMillis
                const others = all.filter(
                  ({ lockedUntil, receipt }) =>
                    !seen.has(receipt.token) &&
                    receipt.address._tag === address._tag &&
                    lockedUntil.epochMilliseconds > now
                )
                const own = others.length > 0 ? [] : yield* provider.receive(address, options)
                const messages = [...others, ...own].slice(0, options.max)
                for (const { receipt } of messages) seen.add(receipt.token)
                all.push(...own)
                return messages
              })
          })
        })
    })
  }
]
