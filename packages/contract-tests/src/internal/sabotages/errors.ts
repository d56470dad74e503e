import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { QueueError, type QueueProvider } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

const missingOnly = (
  provider: wrap.Provider,
  f: (error: QueueError.QueueError) => QueueError.QueueError
) =>
  wrap.withErrors(provider, (error) => (error.reason._tag === "QueueNotFound" ? f(error) : error))

/** Refusals of one kind that are answered as if all was well. */
const silently = (
  provider: wrap.Provider,
  tag: QueueError.Reason["_tag"]
): Pick<QueueProvider.Service, "receive" | "peek" | "acceptSession"> => ({
  receive: (address, options) =>
    Effect.catchIf(provider.receive(address, options), wrap.isReason(tag), () =>
      Effect.as(Effect.sleep(options.wait), [])
    ),
  peek: (address, options) =>
    Effect.catchIf(provider.peek(address, options), wrap.isReason(tag), () => Effect.succeed([])),
  acceptSession: (queue, options) =>
    Effect.catchIf(provider.acceptSession(queue, options), wrap.isReason(tag), () =>
      Effect.as(Effect.sleep(options.wait), Option.none())
    )
})

export const errors: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "missing-queue-is-empty",
    title: "a queue that does not exist looks like an empty one",
    source: "a 404 taken for nothing found",
    caughtBy: ["ERROR-2", "ERROR-3", "ERROR-4"],
    make: wrap.plain((provider) => wrap.change(provider, silently(provider, "QueueNotFound")))
  },
  {
    id: "missing-queue-taken",
    title: "a send to a queue that does not exist is answered as taken",
    source: "a producer that creates queues as it goes",
    caughtBy: ["MODEL-1", "ERROR-1"],
    kind: "loss",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.catchIf(provider.send(queue, messages), wrap.isReason("QueueNotFound"), () =>
            Effect.succeed(messages.map(({ messageId }) => wrap.sent(messageId)))
          )
      })
    )
  },
  {
    id: "missing-queue-is-connection",
    title: "a queue that does not exist is a failure of the connection",
    source: "Service Bus: amqp:not-found, retried for ever (SERVICEBUS.md §1.8)",
    caughtBy: ["ERROR-1", "ERROR-2"],
    make: wrap.plain((provider) =>
      missingOnly(provider, () => QueueError.make(new QueueError.ConnectionFailed({})))
    )
  },
  {
    id: "missing-queue-is-transient",
    title: "a queue that does not exist is worth trying again",
    source: "every error of the SDK taken for transient",
    caughtBy: ["ERROR-6"],
    make: wrap.plain((provider) =>
      missingOnly(provider, (error) => QueueError.withContext(error, { retry: "Transient" }))
    )
  },
  {
    id: "missing-queue-is-session-locked",
    title: "a session of a queue that does not exist is held by another",
    source: "Service Bus: SessionCannotBeLocked whatever the reason (SERVICEBUS.md §1.8)",
    caughtBy: ["ERROR-4"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          Effect.catchIf(
            provider.acceptSession(queue, options),
            wrap.isReason("QueueNotFound"),
            () =>
              Effect.fail(
                QueueError.make(
                  new QueueError.SessionLocked({ sessionId: options.sessionId ?? "" })
                )
              )
          )
      })
    )
  },
  {
    id: "unsupported-silently",
    title: "what is not supported is answered with nothing",
    source: "SPEC R3.11: UnsupportedOperation, never silently",
    caughtBy: ["RECEIVE-14", "SESSION-25"],
    make: wrap.plain((provider) =>
      wrap.change(provider, silently(provider, "UnsupportedOperation"))
    )
  },
  {
    id: "session-locked-is-lost",
    title: "a session that another holds is one that was ours and is lost",
    source: "two conditions of Service Bus with like names (SERVICEBUS.md §1.8)",
    caughtBy: ["SESSION-33"],
    make: wrap.plain((provider) =>
      wrap.withErrors(provider, (error) => {
        const { reason } = error
        return reason._tag === "SessionLocked"
          ? QueueError.make(new QueueError.SessionLockLost({ sessionId: reason.sessionId }))
          : error
      })
    )
  },
  {
    id: "errors-without-place",
    title: "an error does not say where it happened",
    source: "an SDK's error wrapped and no more",
    caughtBy: ["ERROR-5"],
    make: wrap.plain((provider) =>
      wrap.withErrors(provider, ({ reason }) => QueueError.make(reason))
    )
  },
  {
    id: "errors-show-request",
    title: "an error shows the request that failed",
    source: "an SDK's error with its input, printed",
    caughtBy: ["ERROR-7"],
    make: wrap.plain((provider) => {
      const shown = (error: QueueError.QueueError, request: unknown) =>
        QueueError.withContext(error, { cause: new Error(JSON.stringify(request)) })
      return wrap.change(provider, {
        send: (queue, messages) =>
          Effect.mapError(provider.send(queue, messages), (error) =>
            shown(
              error,
              messages.map((one) => [new TextDecoder().decode(one.body), one.attributes])
            )
          ),
        settle: (receipts, verdict) =>
          Effect.map(provider.settle(receipts, verdict), (outcomes) =>
            outcomes.map((one, index) =>
              Result.mapError(one, (error) => shown(error, receipts[index]))
            )
          )
      })
    })
  },
  {
    id: "receipt-parsed",
    title: "a receipt that no provider made ends the fiber with a defect",
    source: "JSON.parse of a token",
    caughtBy: ["SETTLE-10", "ERROR-8"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        settle: (receipts, verdict) =>
          Effect.map(provider.settle(receipts, verdict), (outcomes) => {
            for (const { token } of receipts) {
              if (!/^[\w-]+$/u.test(token)) throw new SyntaxError("Unexpected token in JSON")
            }
            return outcomes
          })
      })
    )
  }
]
