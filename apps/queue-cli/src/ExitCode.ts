/**
 * What the tool ends with, for scripts. A number keeps its meaning from one version to the next.
 *
 * @since 0.1.0
 */
import type { QueueError } from "@queue-runtime/core"

/**
 * The codes by name.
 *
 * @category models
 * @since 0.1.0
 */
export const codes = {
  /** Done. */
  ok: 0,
  /** Failed for a reason that has no code of its own. */
  failure: 1,
  /** Called wrongly, or configured wrongly: nothing was started. */
  usage: 2,
  /** No such queue, session or dead letter. */
  notFound: 3,
  /** Nothing there: no message, no session, no dead letter. */
  nothing: 4,
  /** `health` or `doctor` found a problem. */
  problems: 5,
  /** Not confirmed: nothing was done. */
  refused: 6,
  /** Some of many failed; the others are done. */
  partly: 7,
  /** The provider, or this queue of it, cannot do that. */
  unsupported: 8,
  /** The service cannot be reached, does not let us in, or asks to wait. */
  unreachable: 9,
  /** Ended with Ctrl-C. */
  interrupted: 130,
  /** Ended with SIGTERM. */
  terminated: 143
} as const

/**
 * The name of a code.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof codes

const byReason: { readonly [Tag in QueueError.Reason["_tag"]]: Name } = {
  QueueNotFound: "notFound",
  ReceiptExpired: "failure",
  SessionLocked: "failure",
  SessionLockLost: "failure",
  SettlementUnknown: "failure",
  Timeout: "unreachable",
  ConnectionFailed: "unreachable",
  AuthenticationFailed: "unreachable",
  PermissionDenied: "unreachable",
  Throttled: "unreachable",
  MessageTooLarge: "usage",
  BatchPartiallyFailed: "partly",
  QuotaExceeded: "failure",
  CircuitOpen: "unreachable",
  UnsupportedOperation: "unsupported",
  SerializationFailed: "failure",
  ConfigurationInvalid: "usage",
  ValidationFailed: "usage",
  UnencryptedMessage: "failure",
  CryptoFailed: "failure",
  ProviderFailure: "failure"
}

/**
 * The code of an error of the library.
 *
 * @category accessors
 * @since 0.1.0
 */
export const ofReason = (reason: QueueError.Reason): Name => byReason[reason._tag]
