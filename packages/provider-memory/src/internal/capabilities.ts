import * as Duration from "effect/Duration"
import { type Capabilities, Defaults } from "@queue-runtime/core"
import type * as MemoryConfig from "../MemoryConfig.ts"

/** What a queue with these options can do: everything, unless the options turn it off. */
export const make = (
  config: MemoryConfig.MemoryConfig,
  queue: Pick<MemoryConfig.QueueConfig, "sessions" | "lockDuration" | "deduplicationWindow">
): Capabilities.Capabilities => {
  const deduplicates = !Duration.isZero(queue.deduplicationWindow)
  const sessions = queue.sessions ? "native" : "unsupported"
  return {
    ordered: queue.sessions,
    sessions,
    acceptSpecific: sessions,
    locksEmptySession: queue.sessions,
    sessionState: sessions,
    messageSizeMax: config.messageSizeMax,
    sendCountMax: Defaults.memorySendCountMax,
    sendSizeMax: Math.min(config.bytesMax, Defaults.memorySendSizeMax),
    receiveCountMax: Defaults.memoryReceiveCountMax,
    settleCountMax: Defaults.memorySettleCountMax,
    receiveWaitMax: Defaults.memoryReceiveWaitMax,
    lockDuration: queue.lockDuration,
    scheduling: "native",
    abandonDelay: "native",
    timeToLive: "native",
    deduplication: deduplicates ? "native" : "unsupported",
    ...(deduplicates ? { deduplicationWindow: queue.deduplicationWindow } : {}),
    deadLetter: "native",
    peek: "native",
    deliveryCount: "exact"
  }
}
