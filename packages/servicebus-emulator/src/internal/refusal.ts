/** Why the service would not do something: an AMQP error condition and its text. */
export class Refusal {
  readonly condition: string
  readonly description: string

  constructor(condition: string, description: string) {
    this.condition = condition
    this.description = description
  }
}

/** The conditions that Service Bus answers with, and clients tell apart. */
export const condition = {
  notFound: "amqp:not-found",
  notAllowed: "amqp:not-allowed",
  notImplemented: "amqp:not-implemented",
  unauthorized: "amqp:unauthorized-access",
  internal: "amqp:internal-error",
  invalidField: "amqp:invalid-field",
  decode: "amqp:decode-error",
  framing: "amqp:connection:framing-error",
  connectionForced: "amqp:connection:forced",
  detachForced: "amqp:link:detach-forced",
  linkSizeExceeded: "amqp:link:message-size-exceeded",
  quotaExceeded: "amqp:resource-limit-exceeded",
  messageLockLost: "com.microsoft:message-lock-lost",
  sessionLockLost: "com.microsoft:session-lock-lost",
  sessionCannotBeLocked: "com.microsoft:session-cannot-be-locked",
  messageNotFound: "com.microsoft:message-not-found",
  serverBusy: "com.microsoft:server-busy",
  timeout: "com.microsoft:timeout",
  argument: "com.microsoft:argument-error"
} as const

/** The message's lock is gone. */
export const messageLockLost = new Refusal(
  condition.messageLockLost,
  "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue."
)

/** The session's lock is gone. */
export const sessionLockLost = new Refusal(
  condition.sessionLockLost,
  "The session lock has expired on the MessageSession. Accept a new MessageSession."
)
