/** What the stack provides. */
import type { DeadLetters, Health, QueueClient, QueueProvider } from "@queue-runtime/core"

export type Services =
  | DeadLetters.DeadLetters
  | Health.Health
  | QueueClient.QueueClient
  | QueueProvider.QueueProvider
