import { QueueName } from "@queue-runtime/core"

export const queue = QueueName.makeUnsafe("bench")
