/**
 * What to do about an error, in plain words.
 *
 * @since 0.1.0
 */
import type { QueueError } from "@queue-runtime/core"

const aws = "aws-sqs"
const azure = "azure-service-bus"

const detailOf = (reason: QueueError.Reason): string =>
  "detail" in reason && typeof reason.detail === "string" ? reason.detail : reason.message

const isSkewed = (text: string): boolean =>
  /skew|expired|not yet|signature.*(?:time|date)|InvalidSignatureException/iu.test(text)

const authentication = (provider: string | undefined, detail: string): string => {
  if (isSkewed(detail)) {
    return "set the clock of this machine (timedatectl, or the host of the container): signatures carry the time"
  }
  if (provider === azure) {
    return "check the connection string's SharedAccessKeyName and SharedAccessKey, or who the credential is (az account show)"
  }
  return "check who you are (aws sts get-caller-identity): AWS_PROFILE, AWS_ACCESS_KEY_ID, or the role of this machine"
}

const permission = (provider: string | undefined): string =>
  provider === azure
    ? "grant the policy Send and Listen, or the role Azure Service Bus Data Owner, on the queue"
    : "grant sqs:SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueUrl and GetQueueAttributes on the queue"

const connection = (provider: string | undefined): string => {
  if (provider === aws) {
    return "check AWS_REGION and AWS_ENDPOINT_URL_SQS, the name's resolution and the way out (port 443, a proxy: aws.proxy)"
  }
  return provider === azure
    ? "check the namespace's host name and the way out: port 5671, or 443 with azure.transport: websockets"
    : "check the network"
}

const notFound = (provider: string | undefined): string => {
  if (provider === aws) {
    return "check name, region and account (aws sqs list-queues); a FIFO queue is given as name.fifo, a prefix by aws.prefix"
  }
  return provider === azure
    ? "check name and namespace (az servicebus queue list); a path with / stands in azure.queues.<name>.path"
    : "list it under memory.queues of the configuration, or take the --memory-file that has it"
}

/** What can be done about a use that the queue has not got; `what` names it. */
const unsupported = (provider: string | undefined, what: string): string | undefined => {
  // Its own text says what to do.
  if (what.startsWith("receiving from an ordered queue")) return undefined
  if (/peek/iu.test(what)) {
    return "SQS shows no message without receiving it: --receive receives them and gives them back, which counts a delivery each"
  }
  if (/(?:reading|receiving) dead letters$|dead-lettering$/u.test(what)) {
    return "give the queue a redrive policy, or name its dead-letter queue: QUEUE_DLQ_NAME, aws.queues.<name>.deadLetter"
  }
  if (what.includes("session by its id")) {
    return "ask without --session for the next one that is free, or set aws.queues.<name>.strict to false"
  }
  // No command reads or writes the state of a session.
  if (!what.includes("session") || what.includes("session state")) return undefined
  return provider === azure
    ? "queue-runtime doctor says which it is: --ordered where the queue requires sessions, without where not (azure.queues.<name>.sessions)"
    : "say that the queue is ordered: --ordered, memory.queues.<name>.sessions, or a name that ends in .fifo"
}

const configuration = (key: string, problem: string): string | undefined => {
  if (/redrive policy's maxReceiveCount/u.test(problem)) {
    return "raise maxReceiveCount of the queue's redrive policy, or lower deliveriesMax"
  }
  if (/no redrive policy/u.test(problem)) {
    return "give the queue a redrive policy, or name its dead-letter queue: QUEUE_DLQ_NAME, aws.queues.<name>.deadLetter"
  }
  return key.startsWith("@") ? `install a version in that range: npm install ${key}` : undefined
}

/**
 * What to do about an error; nothing where its own text says it.
 *
 * @category accessors
 * @since 0.1.0
 */
export const forError = (error: QueueError.QueueError): string | undefined => {
  const { provider, reason } = error
  switch (reason._tag) {
    case "QueueNotFound":
      return notFound(provider)
    case "AuthenticationFailed":
      return authentication(provider, detailOf(reason))
    case "PermissionDenied":
      return permission(provider)
    case "Timeout":
    case "ConnectionFailed":
      return connection(provider)
    case "Throttled":
      return "wait and try again; ask for fewer a second (--rate)"
    case "UnsupportedOperation":
      return unsupported(provider, reason.what)
    case "ConfigurationInvalid":
      return configuration(reason.key, reason.problem)
    case "MessageTooLarge":
      return "send less, or name a store where large bodies are kept: CLAIM_CHECK_STORE"
    case "ValidationFailed":
      return reason.field === "sessionId" && reason.problem.startsWith("an ordered queue")
        ? "say which session it belongs to: --session ID, or sessionId in a line of --ndjson"
        : undefined
    case "CircuitOpen":
      return "several calls failed one after the other: queue-runtime doctor says why"
    case "CryptoFailed":
    case "UnencryptedMessage":
      return "check QUEUE_CRYPTO_KEYS and QUEUE_CRYPTO_PLAINTEXT; --raw leaves bodies sealed as they are"
    case "SessionLocked":
      return "wait until its holder is done, or its lock has run out"
    default:
      return undefined
  }
}
