import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type * as MessageHandler from "../../MessageHandler.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import * as QueueClient from "../../QueueClient.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as TraceContext from "../../TraceContext.ts"
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

const describe = (
  span: Tracer.Span,
  system: string,
  message: ReceivedMessage.ReceivedMessage
): void => {
  span.attribute("messaging.system", system)
  span.attribute("messaging.destination.name", QueueAddress.format(message.receipt.address))
  span.attribute("messaging.operation.name", "process")
  span.attribute("messaging.operation.type", "process")
  span.attribute("messaging.message.id", message.messageId)
  spans.tell(span, "messaging.message.conversation_id", message.correlationId)
  span.attribute("messaging.message.body.size", message.body.byteLength)
  spans.tell(span, "queue_runtime.session.id", message.sessionId)
  span.attribute("queue_runtime.delivery_count", message.deliveryCount)
}

/** What ended it otherwise is not told apart: a disposition is all a delivery ends with. */
const conclude = (
  span: Tracer.Span,
  now: bigint,
  exit: Exit.Exit<MessageHandler.Disposition>
): void => {
  if (Exit.isFailure(exit)) return spans.end(span, now, undefined)
  span.attribute("queue_runtime.disposition", exit.value._tag)
  spans.end(span, now, problemFrom(exit.value))
}

const tracing =
  (tracer: Tracer.Tracer, system: string): Processing =>
  (message, handling) =>
    Effect.withFiber((fiber) => {
      const from = carrying.contextOf(message)
      const facts: spans.Facts = {
        name: `process ${QueueAddress.format(message.receipt.address)}`,
        kind: "consumer",
        contexts: from === undefined ? [] : [from]
      }
      const continued =
        from === undefined ? handling : Effect.provideService(handling, TraceContext.State, from)
      return Effect.flatMap(spans.startFrom(tracer, fiber.context, facts), (span) => {
        describe(span, system, message)
        return Effect.onExit(spans.beneath(span, continued), (exit) => {
          conclude(span, fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), exit)
          return Effect.void
        })
      })
    })

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
