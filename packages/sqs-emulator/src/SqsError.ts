/**
 * What SQS answers when it refuses a call: the code in both protocols, the HTTP status and the message.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/** The name in the JSON protocol, the code in the query protocol, and the HTTP status. */
interface Form {
  readonly shape: string
  readonly code: string
  readonly status: number
}

const modelled = (name: string, code: string, status = 400): Form => ({
  shape: `com.amazonaws.sqs#${name}`,
  code,
  status
})

const common = (name: string, code: string, status = 400): Form => ({
  shape: `com.amazon.coral.service#${name}`,
  code,
  status
})

const legacy = (name: string, status = 400): Form =>
  modelled(name, `AWS.SimpleQueueService.${name}`, status)

// What the service model names (modelled), and what every AWS service knows (common).
const forms = {
  BatchEntryIdsNotDistinct: legacy("BatchEntryIdsNotDistinct"),
  BatchRequestTooLong: legacy("BatchRequestTooLong"),
  EmptyBatchRequest: legacy("EmptyBatchRequest"),
  InvalidAddress: modelled("InvalidAddress", "InvalidAddress", 404),
  InvalidAttributeName: modelled("InvalidAttributeName", "InvalidAttributeName"),
  InvalidAttributeValue: modelled("InvalidAttributeValue", "InvalidAttributeValue"),
  InvalidBatchEntryId: legacy("InvalidBatchEntryId"),
  InvalidIdFormat: modelled("InvalidIdFormat", "InvalidIdFormat"),
  InvalidMessageContents: modelled("InvalidMessageContents", "InvalidMessageContents"),
  InvalidSecurity: modelled("InvalidSecurity", "InvalidSecurity", 403),
  KmsAccessDenied: modelled("KmsAccessDenied", "KMS.AccessDeniedException"),
  KmsDisabled: modelled("KmsDisabled", "KMS.DisabledException"),
  KmsInvalidKeyUsage: modelled("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"),
  KmsInvalidState: modelled("KmsInvalidState", "KMS.InvalidStateException"),
  KmsNotFound: modelled("KmsNotFound", "KMS.NotFoundException"),
  KmsOptInRequired: modelled("KmsOptInRequired", "KMS.OptInRequired", 403),
  KmsThrottled: modelled("KmsThrottled", "KMS.ThrottlingException"),
  MessageNotInflight: legacy("MessageNotInflight"),
  OverLimit: modelled("OverLimit", "OverLimit", 403),
  PurgeQueueInProgress: legacy("PurgeQueueInProgress", 403),
  QueueDeletedRecently: legacy("QueueDeletedRecently"),
  QueueDoesNotExist: modelled("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
  QueueNameExists: modelled("QueueNameExists", "QueueAlreadyExists"),
  ReceiptHandleIsInvalid: modelled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404),
  RequestThrottled: modelled("RequestThrottled", "RequestThrottled", 403),
  ResourceNotFoundException: modelled(
    "ResourceNotFoundException",
    "ResourceNotFoundException",
    404
  ),
  TooManyEntriesInBatchRequest: legacy("TooManyEntriesInBatchRequest"),
  UnsupportedOperation: legacy("UnsupportedOperation"),
  AccessDenied: common("AccessDeniedException", "AccessDenied", 403),
  ExpiredToken: common("ExpiredTokenException", "ExpiredToken", 403),
  IncompleteSignature: common("IncompleteSignatureException", "IncompleteSignature", 403),
  InternalError: common("InternalFailure", "InternalError", 500),
  InvalidAction: common("UnknownOperationException", "InvalidAction", 400),
  InvalidClientTokenId: common("UnrecognizedClientException", "InvalidClientTokenId", 403),
  InvalidParameterValue: common("InvalidParameterValueException", "InvalidParameterValue"),
  MalformedInput: common("SerializationException", "MalformedInput"),
  MissingAuthenticationToken: common(
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
    403
  ),
  MissingParameter: common("MissingRequiredParameterException", "MissingParameter"),
  ServiceUnavailable: common("ServiceUnavailableException", "ServiceUnavailable", 503),
  SignatureDoesNotMatch: common("InvalidSignatureException", "SignatureDoesNotMatch", 403),
  ThrottlingException: common("ThrottlingException", "ThrottlingException")
} satisfies Record<string, Form>

/**
 * The refusals by name.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = keyof typeof forms

/**
 * Whether this is the name of a refusal.
 *
 * @category guards
 * @since 0.1.0
 */
export const isKind = (name: string): name is Kind => Object.hasOwn(forms, name)

/**
 * The names of all refusals.
 *
 * @category models
 * @since 0.1.0
 */
export const kinds: ReadonlyArray<Kind> = Object.keys(forms).filter(isKind)

/**
 * A refused call, as SQS words it.
 *
 * **Details**
 *
 * `code` is what the query protocol says and what the JSON protocol repeats in `x-amzn-query-error`;
 * `shape` is the JSON protocol's `__type`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SqsError extends Data.TaggedError("SqsError")<{
  readonly kind: Kind
  readonly shape: string
  readonly code: string
  readonly status: number
  readonly message: string
  /** False when the server is to blame, so that the same call may succeed later. */
  readonly senderFault: boolean
}> {}

/**
 * A refusal of this kind.
 *
 * **Example** (An unknown queue)
 * ```ts
 * import { SqsError } from "@queue-runtime/sqs-emulator"
 *
 * SqsError.make("QueueDoesNotExist", "The specified queue does not exist.").code
 * // => "AWS.SimpleQueueService.NonExistentQueue"
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = (kind: Kind, message: string): SqsError => {
  const { code, shape, status }: Form = forms[kind]
  return new SqsError({ kind, shape, code, status, message, senderFault: status < 500 })
}
