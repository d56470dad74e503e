import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as MessageHandler from "../../MessageHandler.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import * as QueueClient from "../../QueueClient.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as TraceContext from "../../TraceContext.ts"
import { defined } from "../defined.ts"
import * as carrying from "./carrying.ts"
import { problemOf, type Problem, systemOf } from "./conventions.ts"
import * as metrics from "./metrics.ts"
import * as signals from "./signals.ts"
import * as spans from "./spans.ts"

/** Watches one delivery from the call of its handler to its settlement. */
export type Processing = <R>(
  message: ReceivedMessage.ReceivedMessage,
  handling: Effect.Effect<MessageHandler.Disposition, never, R>
) => Effect.Effect<MessageHandler.Disposition, never, R>

/** What the handler, or the settlement, failed with; a worker that ends is no failure. */
const problemFrom = (disposition: MessageHandler.Disposition): Problem | undefined => {
  switch (disposition._tag) {
    case "Abandoned":
    case "DeadLettered":
      return { name: disposition.reason, message: disposition.description }
    case "LockLost":
    case "Unsettled":
      return problemOf(disposition.error)
    default:
      return undefined
  }
}

const attributesOf = (system: string, message: ReceivedMessage.ReceivedMessage) =>
  defined({
    "messaging.system": system,
    "messaging.destination.name": QueueAddress.format(message.receipt.address),
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.message.id": message.messageId,
    "messaging.message.conversation_id": message.correlationId,
    "messaging.message.body.size": message.body.byteLength,
    "queue_runtime.session.id": message.sessionId,
    "queue_runtime.delivery_count": message.deliveryCount
  })

const tracing =
  (tracer: NonNullable<signals.Signals["tracer"]>, system: string): Processing =>
  (message, handling) => {
    const from = carrying.contextOf(message)
    const facts: spans.Facts = {
      name: `process ${QueueAddress.format(message.receipt.address)}`,
      kind: "consumer",
      attributes: attributesOf(system, message),
      contexts: Option.toArray(from)
    }
    const continued = Option.match(from, {
      onNone: () => handling,
      onSome: (state) => Effect.provideService(handling, TraceContext.State, state)
    })
    return Effect.flatMap(spans.startFrom(tracer, facts, from), (span) =>
      Effect.withParentSpan(continued, span, spans.noStack).pipe(
        Effect.tap((disposition) => {
          span.attribute("queue_runtime.disposition", disposition._tag)
          return spans.end(span, problemFrom(disposition))
        }),
        // What ended it otherwise is not told apart: a disposition is all a delivery ends with.
        Effect.ensuring(spans.end(span, undefined))
      )
    )
  }

const measuring =
  (written: metrics.Metrics): Processing =>
  (message, handling) =>
    Effect.flatMap(Clock.currentTimeMillis, (start) =>
      Effect.tap(handling, (disposition) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const queue = QueueAddress.format(message.receipt.address)
          const problem = problemFrom(disposition)
          written.processed(queue, (now - start) / 1_000, problem?.name)
          if (problem !== undefined) written.failed(queue, problem.name)
        })
      )
    )

/** Decided when a worker is made: with nobody to tell, nothing stands around its handler. */
export const make: Effect.Effect<Processing> = Effect.gen(function* () {
  const { context, isMeasured, tracer } = yield* signals.decide
  const client = yield* Effect.serviceOption(QueueClient.QueueClient)
  const provider = Option.match(client, {
    onNone: () => "queue_runtime",
    onSome: (one) => one.provider
  })
  const traced: Processing =
    tracer === undefined ? (_, handling) => handling : tracing(tracer, systemOf(provider))
  if (!isMeasured) return traced
  const measured = measuring(metrics.make(provider, context))
  return (message, handling) => measured(message, traced(message, handling))
})
