import * as Duration from "effect/Duration"
import { type Capabilities, Defaults } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"

/** What a queue of these settings can do. */
export const make = (queue: AzureConfig.ResolvedQueue): Capabilities.Capabilities => {
  const deduplicates = !Duration.isZero(queue.deduplicationWindow)
  const sessions = queue.sessions ? "native" : "unsupported"
  return {
    ordered: queue.sessions,
    sessions,
    acceptSpecific: sessions,
    locksEmptySession: queue.sessions,
    sessionState: sessions,
    messageSizeMax: queue.messageSizeMax,
    sendCountMax: Defaults.serviceBusSendCountMax,
    // One call may take several batches on the wire.
    sendSizeMax: Math.max(queue.messageSizeMax, Defaults.serviceBusBatchSizeMax),
    receiveCountMax: Defaults.serviceBusReceiveCountMax,
    settleCountMax: Defaults.serviceBusSettleCountMax,
    receiveWaitMax: Defaults.serviceBusReceiveWaitMax,
    lockDuration: queue.lockDuration,
    scheduling: "native",
    abandonDelay: "emulated",
    abandonDelayMax: Defaults.serviceBusAbandonDelayMax,
    timeToLive: "native",
    deduplication: deduplicates ? "native" : "unsupported",
    ...(deduplicates ? { deduplicationWindow: queue.deduplicationWindow } : {}),
    deadLetter: "native",
    peek: "native",
    deliveryCount: "exact"
  }
}
