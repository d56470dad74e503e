/** A queue's attributes: which there are, what they may be, and what the queue makes of them. */
import * as Result from "effect/Result"
import * as limits from "./limits.ts"
import * as refusals from "./refusals.ts"

/** Where a message goes after `receivesMax` receives. */
export interface Redrive {
  readonly targetArn: string
  readonly receivesMax: number
}

export interface RedriveAllow {
  readonly permission: "allowAll" | "denyAll" | "byQueue"
  readonly sources: ReadonlyArray<string>
}

/** The attributes as numbers and switches. */
export interface Settings {
  readonly delayMillis: number
  readonly messageBytesMax: number
  readonly retentionMillis: number
  readonly waitSeconds: number
  readonly visibilitySeconds: number
  readonly inFlightMax: number
  readonly contentBased: boolean
  readonly deduplicationPerGroup: boolean
  readonly redrive: Redrive | undefined
  readonly redriveAllow: RedriveAllow
}

const ranges: Readonly<Record<string, readonly [number, number]>> = {
  DelaySeconds: [0, limits.delaySecondsMax],
  MaximumMessageSize: [1_024, limits.messageBytesMax],
  MessageRetentionPeriod: [60, 1_209_600],
  ReceiveMessageWaitTimeSeconds: [0, limits.waitSecondsMax],
  VisibilityTimeout: [0, limits.visibilitySecondsMax],
  KmsDataKeyReusePeriodSeconds: [60, 86_400]
}

const choices: Readonly<Record<string, ReadonlyArray<string>>> = {
  FifoQueue: ["true", "false"],
  ContentBasedDeduplication: ["true", "false"],
  DeduplicationScope: ["queue", "messageGroup"],
  FifoThroughputLimit: ["perQueue", "perMessageGroupId"],
  SqsManagedSseEnabled: ["true", "false"]
}

const documents = new Set(["Policy", "RedrivePolicy", "RedriveAllowPolicy"])

const onlyFifo = new Set(["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"])

/** What a queue has when nothing was said. */
const defaults: ReadonlyArray<readonly [string, string]> = [
  ["VisibilityTimeout", "30"],
  ["MaximumMessageSize", String(limits.messageBytesMax)],
  ["MessageRetentionPeriod", "345600"],
  ["DelaySeconds", "0"],
  ["ReceiveMessageWaitTimeSeconds", "0"],
  ["SqsManagedSseEnabled", "true"]
]

const fifoDefaults: ReadonlyArray<readonly [string, string]> = [
  ["FifoQueue", "true"],
  ["ContentBasedDeduplication", "false"],
  ["DeduplicationScope", "queue"],
  ["FifoThroughputLimit", "perQueue"]
]

const isKnown = (name: string): boolean =>
  name in ranges || name in choices || documents.has(name) || name === "KmsMasterKeyId"

const computed = new Set([
  "QueueArn",
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesNotVisible",
  "ApproximateNumberOfMessagesDelayed",
  "CreatedTimestamp",
  "LastModifiedTimestamp"
])

/** Whether an attribute of this name may be asked for. */
export const isReadable = (name: string): boolean =>
  name === "All" || isKnown(name) || computed.has(name)

const parseObject = (text: string): object | undefined => {
  const parsed = Result.try({ try: (): unknown => JSON.parse(text), catch: () => undefined })
  const value = Result.isSuccess(parsed) ? parsed.success : undefined
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined
}

const field = (document: object, name: string): unknown =>
  Object.entries(document).find(([key]) => key === name)?.[1]

const invalidRedrive = (text: string, reason: string): never =>
  refusals.refuse(refusals.invalidValue("RedrivePolicy", text, reason))

const arnForm = /^arn:[a-z0-9-]+:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+$/u

const parseRedrive = (text: string): Redrive => {
  const document =
    parseObject(text) ?? invalidRedrive(text, "Redrive policy is not a valid JSON map.")
  const targetArn = field(document, "deadLetterTargetArn")
  const count = field(document, "maxReceiveCount")
  const lacks = (name: string) =>
    invalidRedrive(text, `Redrive policy does not contain mandatory attribute: ${name}.`)
  if (targetArn === undefined) return lacks("deadLetterTargetArn")
  if (count === undefined) return lacks("maxReceiveCount")
  if (typeof targetArn !== "string" || !arnForm.test(targetArn)) {
    return invalidRedrive(text, "Invalid value for deadLetterTargetArn.")
  }
  const receivesMax = Number(count)
  if (!Number.isInteger(receivesMax) || receivesMax < 1 || receivesMax > 1_000) {
    return invalidRedrive(
      text,
      `Invalid value for maxReceiveCount: ${JSON.stringify(count)}, valid values are from 1 to 1000 both inclusive.`
    )
  }
  return { targetArn, receivesMax }
}

const invalidAllow = (text: string, reason: string): never =>
  refusals.refuse(refusals.invalidValue("RedriveAllowPolicy", text, reason))

const allowAll: RedriveAllow = { permission: "allowAll", sources: [] }

const parseAllow = (text: string): RedriveAllow => {
  const document =
    parseObject(text) ?? invalidAllow(text, "Redrive allow policy is not a valid JSON map.")
  const permission = field(document, "redrivePermission")
  const given = field(document, "sourceQueueArns")
  const sources: ReadonlyArray<string> = Array.isArray(given)
    ? given.filter((arn) => typeof arn === "string")
    : []
  if (permission === "byQueue") {
    return sources.length >= 1 && sources.length <= 10
      ? { permission, sources }
      : invalidAllow(text, "sourceQueueArns must name 1 to 10 queues.")
  }
  if (permission === "allowAll" || permission === "denyAll") {
    return sources.length === 0
      ? { permission, sources }
      : invalidAllow(text, "sourceQueueArns is only valid with byQueue.")
  }
  return invalidAllow(text, "Amazon SQS can't create the redrive allow policy.")
}

const checkNumber = (name: string, value: string): void => {
  const range = ranges[name]
  if (range === undefined) return
  const number = Number(value)
  if (!/^\d+$/u.test(value) || number < range[0] || number > range[1]) {
    refusals.refuse(refusals.invalidAttributeValue(name))
  }
}

const checkOne = (name: string, value: string, fifo: boolean): void => {
  if (!isKnown(name)) refusals.refuse(refusals.unknownAttribute(name))
  if (!fifo && onlyFifo.has(name)) refusals.refuse(refusals.onlyFifo(name))
  if (value === "" && !(name in choices)) return
  checkNumber(name, value)
  if (choices[name]?.includes(value) === false) {
    refusals.refuse(refusals.invalidAttributeValue(name))
  }
  if (name === "Policy" && parseObject(value) === undefined) {
    refusals.refuse(refusals.invalidAttributeValue(name))
  }
}

const checkTogether = (attributes: ReadonlyMap<string, string>): void => {
  if (
    attributes.get("FifoThroughputLimit") === "perMessageGroupId" &&
    attributes.get("DeduplicationScope") !== "messageGroup"
  ) {
    refusals.refuse(
      refusals.invalidAttributeValue(
        "FifoThroughputLimit",
        "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."
      )
    )
  }
  if (attributes.has("KmsMasterKeyId") && attributes.get("SqsManagedSseEnabled") === "true") {
    refusals.refuse(refusals.twoEncryptions())
  }
}

type Pairs = ReadonlyArray<readonly [string, string]>

/** The attributes of a new queue. */
export const initial = (given: Pairs, fifo: boolean): Map<string, string> =>
  update(new Map([...defaults, ...(fifo ? fifoDefaults : [])]), given, fifo)

/** The attributes after a change; an empty value takes one away. Nothing is changed in place. */
export const update = (
  before: ReadonlyMap<string, string>,
  given: Pairs,
  fifo: boolean
): Map<string, string> => {
  const after = new Map(before)
  const names = new Set(given.map(([name]) => name))
  for (const [name, value] of given) {
    checkOne(name, value, fifo)
    if (value === "") after.delete(name)
    else after.set(name, value)
  }
  // One kind of encryption takes the place of the other unless both were asked for.
  if (names.has("KmsMasterKeyId") && !names.has("SqsManagedSseEnabled")) {
    after.set("SqsManagedSseEnabled", "false")
  }
  checkTogether(after)
  return after
}

const numberOf = (attributes: ReadonlyMap<string, string>, name: string): number =>
  Number(attributes.get(name) ?? 0)

/** What the attributes mean. */
export const parse = (attributes: ReadonlyMap<string, string>, inFlightMax: number): Settings => {
  const redrive = attributes.get("RedrivePolicy")
  const allow = attributes.get("RedriveAllowPolicy")
  return {
    delayMillis: numberOf(attributes, "DelaySeconds") * 1_000,
    messageBytesMax: numberOf(attributes, "MaximumMessageSize"),
    retentionMillis: numberOf(attributes, "MessageRetentionPeriod") * 1_000,
    waitSeconds: numberOf(attributes, "ReceiveMessageWaitTimeSeconds"),
    visibilitySeconds: numberOf(attributes, "VisibilityTimeout"),
    inFlightMax,
    contentBased: attributes.get("ContentBasedDeduplication") === "true",
    deduplicationPerGroup: attributes.get("DeduplicationScope") === "messageGroup",
    redrive: redrive === undefined ? undefined : parseRedrive(redrive),
    redriveAllow: allow === undefined ? allowAll : parseAllow(allow)
  }
}

/** Whether a queue may be the dead-letter queue of another one. */
export const isAllowedSource = ({ redriveAllow }: Settings, sourceArn: string): boolean =>
  redriveAllow.permission === "allowAll" ||
  (redriveAllow.permission === "byQueue" && redriveAllow.sources.includes(sourceArn))
