/** How findings are made. */
import type { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Advice from "./Advice.ts"
import type { Finding } from "./Diagnostics.ts"

/** All is well. */
export const ok = (subject: string, message: string): Finding => ({ level: "ok", subject, message })

/** It works, and may not go on working. */
export const warning = (subject: string, message: string, remedy: string): Finding => ({
  level: "warning",
  subject,
  message,
  remedy
})

/** It does not work. */
export const problem = (subject: string, message: string, remedy?: string): Finding => ({
  level: "problem",
  subject,
  message,
  ...(remedy === undefined ? {} : { remedy })
})

/** An error as a finding. */
export const ofError = (subject: string, error: QueueError.QueueError): Finding =>
  problem(subject, error.message, Advice.forError(error))

/** What an effect finds; its failure is a finding too. */
export const look = <A>(
  subject: string,
  effect: Effect.Effect<A, QueueError.QueueError>,
  f: (value: A) => ReadonlyArray<Finding>
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.map(Effect.result(effect), (result) =>
    Result.isFailure(result) ? [ofError(subject, result.failure)] : f(result.success)
  )
