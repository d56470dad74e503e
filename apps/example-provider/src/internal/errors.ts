import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { QueueError } from "@queue-runtime/core"
import * as SqliteConfig from "../SqliteConfig.ts"

/** The name the provider gives itself, everywhere it names itself. */
export const provider = "sqlite"

/** An error of this provider, with its place. */
export const error = (
  reason: QueueError.Reason,
  operation: string,
  queue?: string
): QueueError.QueueError =>
  QueueError.make(reason, { provider, operation, ...(queue === undefined ? {} : { queue }) })

const isClosed = new QueueError.ConnectionFailed({ detail: "the provider is closed" })

/** What a call gets, and a wait ends with, when the provider is closed. */
export const closed = (operation: string, queue?: string): QueueError.QueueError =>
  error(isClosed, operation, queue)

interface Mapped {
  readonly reason: QueueError.Reason
  readonly retry?: QueueError.RetryState
}

const failure = (code: string, retry: QueueError.RetryState = "Never"): Mapped => ({
  reason: new QueueError.ProviderFailure({ provider, code }),
  retry
})

const denied = (operation: string): Mapped => ({
  reason: new QueueError.PermissionDenied({ operation })
})

/** What each result code means here; what is not listed fails for a reason nobody knows. */
const byCode: Readonly<Record<number, Mapped>> = {
  3: denied("SQLITE_PERM"),
  8: denied("SQLITE_READONLY"),
  // The transaction is rolled back, and the disk may have room again.
  10: failure("SQLITE_IOERR", "Transient"),
  13: failure("SQLITE_FULL", "Transient"),
  14: { reason: new QueueError.ConnectionFailed({ detail: "the file cannot be opened" }) },
  11: failure("SQLITE_CORRUPT"),
  26: failure("SQLITE_NOTADB")
}

/** SQLITE_BUSY and SQLITE_LOCKED: somebody else was writing all the time. */
const isBusy = (code: number): boolean => code === 5 || code === 6

const mapped = (thrown: unknown, busyTimeout: Duration.Duration): Mapped => {
  if (Predicate.hasProperty(thrown, "errcode") && typeof thrown.errcode === "number") {
    // An extended code has the primary one in its last byte.
    const primary = thrown.errcode & 0xff
    if (isBusy(primary)) return { reason: new QueueError.Timeout({ after: busyTimeout }) }
    return byCode[primary] ?? failure(`SQLITE_${primary}`)
  }
  if (!Predicate.hasProperty(thrown, "code") || typeof thrown.code !== "string") {
    return failure(thrown instanceof Error ? thrown.name : "Unknown")
  }
  return thrown.code === "ERR_INVALID_STATE" ? { reason: isClosed } : failure(thrown.code)
}

/** What was thrown by `node:sqlite`, or by reading a row that somebody else wrote. */
export const fromThrown = (
  thrown: unknown,
  operation: string,
  queue?: string,
  busyTimeout: Duration.Duration = SqliteConfig.busyTimeout
): QueueError.QueueError => {
  const { reason, retry } = mapped(thrown, busyTimeout)
  return QueueError.make(reason, {
    provider,
    operation,
    cause: thrown,
    ...(retry === undefined ? {} : { retry }),
    ...(queue === undefined ? {} : { queue })
  })
}
