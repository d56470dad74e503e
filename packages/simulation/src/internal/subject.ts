/** What is on trial: a handler, and the stack between it and the broker. */
import type {
  Message,
  QueueClient,
  QueueError,
  QueueProvider,
  ReceivedMessage
} from "@queue-runtime/core"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Backend from "../Backend.ts"
import type * as Fault from "../Fault.ts"
import type * as Plan from "../Plan.ts"

/** Where a stack is built: in one process, above its connection. */
export interface Environment {
  /** The connection, with whatever goes wrong on it. */
  readonly connection: Layer.Layer<QueueProvider.QueueProvider>
  /** The process, over all its lives: `w1`. */
  readonly process: string
  /** The time, whatever the clock of the process says. */
  readonly now: Effect.Effect<number>
  /** Whether a fault strikes a part of the stack now. */
  readonly strikes: Fault.Strikes
}

/** A handler with all it needs. */
export interface Made {
  readonly handler: (message: ReceivedMessage.ReceivedMessage) => Effect.Effect<unknown, object>
  /** Asked when all is over: what is wrong, a sentence each. */
  readonly verify: Effect.Effect<ReadonlyArray<string>>
}

export interface Subject {
  readonly backend: Backend.Make
  readonly message: (
    planned: Plan.PlannedMessage
  ) => Effect.Effect<Message.Message, QueueError.QueueError>
  readonly stack: (
    environment: Environment
  ) => Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>
  readonly client: QueueClient.Options
  /** Whether handlers that are to be idempotent are made so. */
  readonly once: boolean
  /** Whether calls of the provider go wrong; otherwise what is below it does, and processes and handlers. */
  readonly callsFail: boolean
  /** Once a run: what it shares survives the processes. */
  readonly make: Effect.Effect<Made, never, Scope.Scope>
  /** Whether everything the broker does is seen by the calls. */
  readonly complete: boolean
  readonly exclusive: boolean
  readonly sealed: boolean
  /** Of times that processes tell. */
  readonly toleranceMillis: number
}
