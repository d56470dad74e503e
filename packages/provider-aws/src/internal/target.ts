import { Options } from "@queue-runtime/core"

/** Where a queue is; at most one of the three is there. */
export interface Target {
  readonly url?: string
  readonly arn?: string
  readonly name?: string
}

export const fifoSuffix = ".fifo"

const nameLengthMax = 80

export const isFifoName = (name: string): boolean => name.endsWith(fifoSuffix)

const nameRule =
  "an SQS name must have 1–80 characters of ASCII letters, digits, - and _, .fifo at its end included"

export const nameProblem = (name: string): string | undefined =>
  name.length <= nameLengthMax && /^[\w-]+(?:\.fifo)?$/u.test(name) ? undefined : nameRule

const arnPattern = /^arn:(aws[a-z-]*):sqs:([\da-z-]+):(\d{12}):([^:]+)$/u

/** An ARN's parts. */
export interface ArnParts {
  readonly region: string
  readonly account: string
  readonly name: string
}

export const arnParts = (arn: string): ArnParts | undefined => {
  const [, , region, account, name] = arnPattern.exec(arn) ?? []
  return region === undefined || account === undefined || name === undefined
    ? undefined
    : { region, account, name }
}

export const arnProblem = (arn: string): string | undefined => {
  const parts = arnParts(arn)
  return parts === undefined
    ? "must be an ARN of SQS: arn:aws:sqs:region:account:name"
    : nameProblem(parts.name)
}

const urlName = (url: string): string | undefined =>
  URL.canParse(url) ? new URL(url).pathname.split("/").at(-1) : undefined

export const urlProblem = (url: string): string | undefined => {
  const name = urlName(url)
  return name === undefined || nameProblem(name) !== undefined
    ? "must be the URL of a queue, with its name at the end"
    : undefined
}

/** Which of the three are there. */
export const given = (target: Target): ReadonlyArray<string> =>
  [target.url, target.arn, target.name].filter((one) => one !== undefined)

/** The three alone, of what may have more. */
export const of = ({ arn, name, url }: Target): Target => Options.defined({ arn, name, url })

/** The name the queue has in SQS; nothing where the target does not say. */
export const physicalName = (target: Target): string | undefined => {
  if (target.url !== undefined) return urlName(target.url)
  return target.arn === undefined ? target.name : arnParts(target.arn)?.name
}
