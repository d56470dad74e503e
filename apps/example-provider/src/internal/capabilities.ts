import * as Duration from "effect/Duration"
import type { Capabilities } from "@queue-runtime/core"
import * as SqliteConfig from "../SqliteConfig.ts"

/** What a queue with these options can do. */
export const make = (
  queue: Pick<SqliteConfig.QueueConfig, "deduplication" | "lockDuration" | "sessions">
): Capabilities.Capabilities => {
  const sessions = queue.sessions ? "native" : "unsupported"
  return {
    ordered: queue.sessions,
    sessions,
    acceptSpecific: sessions,
    locksEmptySession: queue.sessions,
    sessionState: sessions,
    messageSizeMax: SqliteConfig.messageSizeMax,
    sendCountMax: SqliteConfig.countMax,
    sendSizeMax: SqliteConfig.sendSizeMax,
    receiveCountMax: SqliteConfig.countMax,
    settleCountMax: SqliteConfig.countMax,
    receiveWaitMax: SqliteConfig.receiveWaitMax,
    lockDuration: queue.lockDuration,
    scheduling: "native",
    abandonDelay: "native",
    timeToLive: "native",
    deduplication: queue.deduplication ? "native" : "unsupported",
    ...(queue.deduplication ? { deduplicationWindow: SqliteConfig.deduplicationWindow } : {}),
    deadLetter: "native",
    peek: "native",
    deliveryCount: "exact"
  }
}

/** Those of a queue that nobody knows of. */
export const unknown = make({
  sessions: false,
  deduplication: false,
  lockDuration: SqliteConfig.lockDuration
})

/** Those of a queue as it is stored. */
export const ofStored = (queue: {
  readonly deduplication: number
  readonly lockMillis: number
  readonly sessions: number
}): Capabilities.Capabilities =>
  make({
    sessions: queue.sessions === 1,
    deduplication: queue.deduplication === 1,
    lockDuration: Duration.millis(queue.lockMillis)
  })
