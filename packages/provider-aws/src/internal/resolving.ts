import { GetQueueAttributesCommand, GetQueueUrlCommand } from "@aws-sdk/client-sqs"
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Defaults, Options, QueueAddress, QueueError, type QueueName } from "@queue-runtime/core"
import type * as AwsClient from "../AwsClient.ts"
import * as AwsConfig from "../AwsConfig.ts"
import * as errors from "./errors.ts"
import { redriveOf } from "./redrive.ts"
import * as target from "./target.ts"

/** A queue, or the dead-letter queue of one, as SQS knows it. */
export interface Queue {
  /** What it stands for. */
  readonly address: QueueAddress.QueueAddress
  /** The logical name; of a dead-letter queue that of the queue it serves. */
  readonly queue: QueueName.QueueName
  readonly url: string
  readonly isFifo: boolean
}

type Use = AwsClient.Service["use"]
type Found = Effect.Effect<string, QueueError.QueueError>

/** A name alone does not say which region: an ARN of another one would find its namesake in ours. */
const checkRegion = Effect.fnUntraced(function* (use: Use, region: string, place: errors.Place) {
  const ours = yield* use((client) => client.config.region(), place)
  if (ours === region) return
  const problem = `the ARN's region is ${region} and the client's is ${ours}; give the URL instead`
  return yield* Effect.fail(
    errors.error(
      new QueueError.ConfigurationInvalid({ key: `queues.${place.queue}.arn`, problem }),
      place
    )
  )
})

const lookUp = (use: Use, name: string, account: string | undefined, place: errors.Place): Found =>
  use((client, abortSignal) => {
    const input = { QueueName: name, ...Options.defined({ QueueOwnerAWSAccountId: account }) }
    return client.send(new GetQueueUrlCommand(input), { abortSignal })
  }, place).pipe(
    Effect.flatMap(({ QueueUrl }) =>
      QueueUrl === undefined ? Effect.fail(errors.unanswered(place)) : Effect.succeed(QueueUrl)
    )
  )

const urlOf = Effect.fnUntraced(function* (use: Use, at: AwsConfig.Target, place: errors.Place) {
  if (at.url !== undefined) return at.url
  const name = target.physicalName(at) ?? ""
  // A prefix and a logical name may make more than SQS allows.
  const problem = target.nameProblem(name)
  if (problem !== undefined) {
    return yield* Effect.fail(
      errors.error(new QueueError.ValidationFailed({ field: "queue", problem }), place)
    )
  }
  const arn = at.arn === undefined ? undefined : target.arnParts(at.arn)
  if (arn !== undefined) yield* checkRegion(use, arn.region, place)
  return yield* lookUp(use, name, arn?.account, place)
})

const policyOf = (use: Use, url: string, place: errors.Place) =>
  use((client, abortSignal) => {
    const input = { QueueUrl: url, AttributeNames: ["RedrivePolicy" as const] }
    return client.send(new GetQueueAttributesCommand(input), { abortSignal })
  }, place).pipe(Effect.map(({ Attributes }) => redriveOf(Attributes?.["RedrivePolicy"])))

const found = (address: QueueAddress.QueueAddress, at: AwsConfig.Target, url: string): Queue => ({
  address,
  queue: address.queue,
  url,
  isFifo: target.isFifoName(target.physicalName(at) ?? target.physicalName({ url }) ?? "")
})

/** Queues that were asked for, each once however many ask at a time, bounded; failures are not kept. */
export const make = Effect.fnUntraced(function* (config: AwsConfig.AwsConfig, use: Use) {
  const placeOf = (address: QueueAddress.QueueAddress): errors.Place => ({
    operation: "resolve",
    queue: QueueAddress.format(address)
  })

  const deadLetterTarget = Effect.fnUntraced(function* (
    address: QueueAddress.QueueAddress,
    given: AwsConfig.Target | undefined
  ) {
    if (given !== undefined) return given
    const place = placeOf(address)
    const main = yield* queueOf(QueueAddress.queue(address.queue))
    const policy = yield* policyOf(use, main.url, { ...place, queue: address.queue })
    // By its name: a redrive policy stays in its account and region, whatever its ARN says elsewhere.
    if (policy !== undefined) return { name: target.arnParts(policy.arn)?.name ?? "" }
    const key = `queues.${address.queue}.deadLetter`
    const problem = "the queue has no redrive policy, so its dead-letter queue must be named here"
    return yield* Effect.fail(
      errors.error(new QueueError.ConfigurationInvalid({ key, problem }), place)
    )
  })

  const lookup = Effect.fnUntraced(function* (address: QueueAddress.QueueAddress) {
    const queue = AwsConfig.queue(config, address.queue)
    const isQueue = address._tag === "Queue"
    const at = isQueue ? queue.target : yield* deadLetterTarget(address, queue.deadLetter)
    return found(address, at, yield* urlOf(use, at, placeOf(address)))
  })

  const cache = yield* Cache.makeWith(lookup, {
    capacity: Defaults.sqsQueuesMax,
    timeToLive: (exit) => (Exit.isSuccess(exit) ? Duration.infinity : Duration.zero)
  })

  const queueOf = (
    address: QueueAddress.QueueAddress
  ): Effect.Effect<Queue, QueueError.QueueError> => Cache.get(cache, address)

  const forget = (address: QueueAddress.QueueAddress): Effect.Effect<void> =>
    Cache.invalidate(cache, address)

  return { queueOf, forget }
})
