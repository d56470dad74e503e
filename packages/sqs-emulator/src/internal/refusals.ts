/** The refusals of SQS in its own words. A refused call changes nothing. */
import * as SqsError from "../SqsError.ts"

/**
 * Ends the call. The broker is a synchronous machine whose checks lie deep in it; every call enters it
 * through one `Result.try`, which takes this up again (`SqsBroker.call`).
 */
export const refuse = (error: SqsError.SqsError): never => {
  throw error
}

const invalidParameter = (message: string) => SqsError.make("InvalidParameterValue", message)

export const invalidValue = (
  name: string,
  value: string | number,
  reason: string
): SqsError.SqsError =>
  invalidParameter(`Value ${value} for parameter ${name} is invalid. Reason: ${reason}`)

export const outOfRange = (name: string, value: number, min: number, max: number) =>
  invalidValue(name, value, `Must be between ${min} and ${max}, if provided.`)

export const waitOutOfRange = (value: number) =>
  invalidValue("WaitTimeSeconds", value, "Must be >= 0 and <= 20, if provided.")

export const delayOutOfRange = (value: number) =>
  invalidValue("DelaySeconds", value, "DelaySeconds must be >= 0 and <= 900.")

export const notForThisType = (name: string, value: string | number) =>
  invalidValue(name, value, "The request include parameter that is not valid for this queue type.")

export const missing = (name: string) =>
  SqsError.make("MissingParameter", `The request must contain the parameter ${name}.`)

/** Of an entry of a batch, which fails the whole call. */
export const missingInEntry = (name: string) =>
  invalidParameter(`The request must contain the parameter ${name}.`)

export const noDeduplicationId = () =>
  invalidParameter(
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
  )

export const invalidFifoId = (name: string, value: string) =>
  invalidValue(
    name,
    value,
    `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`
  )

export const malformed = (what: string) => SqsError.make("MalformedInput", what)

export const noQueue = () =>
  SqsError.make("QueueDoesNotExist", "The specified queue does not exist.")

export const invalidHandle = (handle: string) =>
  SqsError.make(
    "ReceiptHandleIsInvalid",
    `The input receipt handle "${handle}" is not a valid receipt handle.`
  )

export const expiredHandle = (handle: string) =>
  invalidValue("ReceiptHandle", handle, "The receipt handle has expired.")

export const notAvailable = (handle: string) =>
  invalidValue(
    "ReceiptHandle",
    handle,
    "Message does not exist or is not available for visibility timeout change."
  )

export const visibilityTooLong = (seconds: number) =>
  invalidValue(
    "VisibilityTimeout",
    seconds,
    "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
  )

export const messageTooLong = (max: number) =>
  invalidParameter(
    `One or more parameters are invalid. Reason: Message must be shorter than ${max} bytes.`
  )

export const batchTooLong = (max: number, actual: number) =>
  SqsError.make(
    "BatchRequestTooLong",
    `Batch requests cannot be longer than ${max} bytes. You have sent ${actual} bytes.`
  )

export const emptyBatch = (entry: string) =>
  SqsError.make("EmptyBatchRequest", `There should be at least one ${entry} in the request.`)

export const tooManyEntries = (max: number, actual: number) =>
  SqsError.make(
    "TooManyEntriesInBatchRequest",
    `Maximum number of entries per request are ${max}. You have sent ${actual}.`
  )

export const invalidEntryId = () =>
  SqsError.make(
    "InvalidBatchEntryId",
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
  )

export const repeatedEntryId = (id: string) =>
  SqsError.make("BatchEntryIdsNotDistinct", `Id ${id} repeated.`)

export const invalidContents = () =>
  SqsError.make(
    "InvalidMessageContents",
    "Invalid binary character was found in the message body, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
  )

export const invalidAttribute = (message: string) => invalidParameter(message)

export const overLimit = () =>
  SqsError.make("OverLimit", "The maximum number of in flight messages is reached.")

export const purging = (queue: string) =>
  SqsError.make(
    "PurgeQueueInProgress",
    `Only one PurgeQueue operation on ${queue} is allowed every 60 seconds.`
  )

export const deletedRecently = () =>
  SqsError.make(
    "QueueDeletedRecently",
    "You must wait 60 seconds after deleting a queue before you can create another with the same name."
  )

export const nameExists = (attribute: string) =>
  SqsError.make(
    "QueueNameExists",
    `A queue already exists with the same name and a different value for attribute ${attribute}`
  )

export const invalidQueueName = () =>
  invalidParameter(
    "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
  )

export const invalidFifoName = () =>
  invalidParameter(
    "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
  )

export const unknownAttribute = (name: string) =>
  SqsError.make("InvalidAttributeName", `Unknown Attribute ${name}.`)

export const onlyFifo = (name: string) =>
  SqsError.make(
    "InvalidAttributeName",
    `You can specify the ${name} only when FifoQueue is set to true.`
  )

export const twoEncryptions = () =>
  SqsError.make(
    "InvalidAttributeName",
    "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
  )

export const invalidAttributeValue = (name: string, reason?: string) =>
  SqsError.make(
    "InvalidAttributeValue",
    `Invalid value for the parameter ${name}.${reason === undefined ? "" : ` Reason: ${reason}`}`
  )

export const noResource = (name: string) =>
  SqsError.make(
    "ResourceNotFoundException",
    `The resource that you specified for the ${name} parameter doesn't exist.`
  )

export const noTask = () => SqsError.make("ResourceNotFoundException", "Task does not exist.")

export const invalidTask = () => invalidParameter("Value for parameter TaskHandle is invalid.")

export const notDeadLetterQueue = () =>
  invalidParameter("Source queue must be configured as a Dead Letter Queue.")

export const taskRunning = () =>
  invalidParameter(
    "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
  )

export const unsupported = (message: string) => SqsError.make("UnsupportedOperation", message)
