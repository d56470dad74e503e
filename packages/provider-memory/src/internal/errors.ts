import { QueueError } from "@queue-runtime/core"

/** The name the provider gives itself, everywhere it names itself. */
export const provider = "memory"

/** An error of this provider, with its place. */
export const error = (
  reason: QueueError.Reason,
  operation: string,
  queue?: string
): QueueError.QueueError =>
  QueueError.make(reason, {
    provider,
    operation,
    ...(queue === undefined ? {} : { queue })
  })

/** What a call gets, and a wait ends with, when the provider or its broker is closed. */
export const connectionClosed = (operation: string, queue?: string): QueueError.QueueError =>
  error(new QueueError.ConnectionFailed({ detail: "the provider is closed" }), operation, queue)
