import { QueueName } from "@queue-runtime/core"
import type { SqliteConfig } from "../../src/index.ts"

export const plain = QueueName.makeUnsafe("plain")
export const ordered = QueueName.makeUnsafe("ordered")

/** Locks end soon after their holder, and no delivery is one too many. */
export const options = {
  lockDuration: "300 millis",
  deliveriesMax: 1_000_000
} as const satisfies SqliteConfig.QueueOptions
