import * as Duration from "effect/Duration"
import { type Capabilities, Defaults } from "@queue-runtime/core"
import type * as AwsConfig from "../../AwsConfig.ts"
import { type Known, marginOf } from "./line.ts"
import * as settling from "./settling.ts"

/** Where every body goes in base64, which makes four bytes of three. */
const base64SizeMax = (limit: number): number => Math.floor((limit * 3) / 4)

/** Where text goes as it is, and other bytes count as their base64 does. */
const textSizeMax = (limit: number): number => limit

/** What a queue can do, as it is set up. */
export const make = (
  settings: AwsConfig.ResolvedQueue,
  known: Known
): Capabilities.Capabilities => {
  const { bodyEncoding, fifo, strict, visibilityTimeout } = settings
  const sizeMax = bodyEncoding === "base64" ? base64SizeMax : textSizeMax
  const visibility = Duration.toMillis(visibilityTimeout)
  return {
    ordered: fifo,
    sessions: fifo ? "emulated" : "unsupported",
    acceptSpecific: fifo && !strict ? "emulated" : "unsupported",
    locksEmptySession: false,
    sessionState: "unsupported",
    messageSizeMax: sizeMax(settings.messageSizeMax),
    sendCountMax: Defaults.sqsBatchCountMax,
    sendSizeMax: sizeMax(Defaults.sqsSendSizeMax),
    receiveCountMax: Defaults.sqsBatchCountMax,
    settleCountMax: Defaults.sqsBatchCountMax,
    receiveWaitMax: Defaults.sqsReceiveWaitMax,
    lockDuration: Duration.millis(visibility - marginOf(visibility)),
    ...(fifo
      ? { scheduling: "unsupported" as const }
      : { scheduling: "native" as const, delayMax: Defaults.sqsDelayMax }),
    abandonDelay: "native",
    abandonDelayMax: settling.abandonDelayMax({ settings }),
    timeToLive: "emulated",
    ...(fifo
      ? {
          deduplication: "native" as const,
          deduplicationWindow: Defaults.sqsDeduplicationWindow
        }
      : { deduplication: "unsupported" as const }),
    deadLetter: known.hasDeadLetters ? "emulated" : "unsupported",
    peek: "unsupported",
    deliveryCount: "approximate"
  }
}
