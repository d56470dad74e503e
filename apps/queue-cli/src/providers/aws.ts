/** SQS, and what it knows of its queues. */
import {
  Capabilities,
  Configuration,
  type QueueError,
  QueueAddress,
  QueueName,
  QueueProvider
} from "@queue-runtime/core"
import { AwsClient, AwsConfig, AwsProvider } from "@queue-runtime/provider-aws"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Diagnostics, type Finding, type Service } from "../Diagnostics.ts"
import * as findings from "../findings.ts"
import { deadLetterQueueOf, type Opening } from "../Opening.ts"
import type * as Queues from "../Queues.ts"

const section = { root: "aws", schema: AwsConfig.AwsConfig }

/**
 * A second poll under way would be handed what the call gives back as it ends, and hide it until its
 * lock runs out.
 */
const onePoller = { pollersMax: 1 } as const

/** A queue without an entry gets one: the provider asks about those that have one alone. */
const entryOf = (
  opening: Opening,
  others: AwsConfig.QueueSettings,
  { isOrdered, name, physical }: Queues.Asked
) => {
  const { fifo, ...rest } = others
  const deadLetter = deadLetterQueueOf(opening, name)
  const ordered = isOrdered || fifo === true
  return {
    ...rest,
    ...onePoller,
    ...(ordered ? { fifo: true } : {}),
    ...(physical === undefined ? {} : { name: physical }),
    ...Option.match(opening.settings.lockDuration, {
      onNone: () => ({}),
      onSome: (visibilityTimeout) => ({ visibilityTimeout })
    }),
    ...(deadLetter === undefined
      ? {}
      : { deadLetter: { name: `${deadLetter}${ordered ? ".fifo" : ""}` } })
  }
}

const optionsOf = Effect.fnUntraced(function* (opening: Opening) {
  const read = yield* Configuration.read(section)
  const known = Object.entries(read.queues).map(
    ([name, queue]) => [name, { ...queue, ...onePoller }] as const
  )
  const missing = opening.queues.filter(({ name }) => !Object.hasOwn(read.queues, name))
  const made = missing.map((asked) => [asked.name, entryOf(opening, read.others, asked)] as const)
  return { ...read, queues: Object.fromEntries([...known, ...made]) }
})

const checkDeadLetters = (
  client: AwsClient.Service,
  provider: QueueProvider.Service,
  queue: QueueName.QueueName
): Effect.Effect<ReadonlyArray<Finding>> => {
  const subject = `dead letters of ${queue}`
  const dead = client.queueOf(QueueAddress.deadLetter(queue))
  return findings.look(subject, dead, ({ url }) =>
    Capabilities.isSupported(provider.capabilities(queue).deadLetter)
      ? [findings.ok(subject, url)]
      : [
          findings.warning(
            subject,
            "the provider knows of none",
            "name it: QUEUE_DLQ_NAME, aws.queues.<name>.deadLetter"
          )
        ]
  )
}

/** A second provider that refuses what this one only warns of. */
const checkStrictly = (
  client: AwsClient.Service,
  queue: QueueName.QueueName
): Effect.Effect<ReadonlyArray<Finding>> => {
  const config = {
    ...client.config,
    queues: { [queue]: { ...client.config.queues[queue], strict: true } }
  }
  const started = Effect.scoped(Layer.build(Layer.fresh(AwsProvider.layer(config))))
  return findings.look(`redrive policy of ${queue}`, started, () => [
    findings.ok(`redrive policy of ${queue}`, "goes with deliveriesMax")
  ])
}

const checkKind = (client: AwsClient.Service, queue: QueueName.QueueName) => {
  const { fifo } = AwsConfig.queue(client.config, queue)
  return findings.look(
    `queue ${queue}`,
    client.queueOf(QueueAddress.queue(queue)),
    ({ isFifo, url }) => [
      isFifo === fifo
        ? findings.ok(`queue ${queue}`, `${url}, ${isFifo ? "FIFO" : "standard"}`)
        : findings.problem(
            `queue ${queue}`,
            `${url} is ${isFifo ? "FIFO" : "standard"}, and the configuration says otherwise`,
            "set aws.queues.<name>.fifo, or name the other queue"
          )
    ]
  )
}

const diagnostics = (client: AwsClient.Service, provider: QueueProvider.Service): Service => ({
  queues: Object.keys(client.config.queues).filter(QueueName.is),
  address:
    client.config.endpoint ?? `https://sqs.${client.config.region ?? "us-east-1"}.amazonaws.com`,
  probe: (queue) =>
    provider.depth === undefined
      ? client.queueOf(QueueAddress.queue(queue))
      : provider.depth(QueueAddress.queue(queue)),
  check: Effect.fnUntraced(function* (queue) {
    const kind = yield* checkKind(client, queue)
    if (kind.some(({ level }) => level === "problem")) return kind
    const asked = provider.depth?.(QueueAddress.queue(queue)) ?? Effect.void
    const reachable = yield* findings.look(`attributes of ${queue}`, asked, () => [])
    const dead = yield* checkDeadLetters(client, provider, queue)
    const strict = yield* checkStrictly(client, queue)
    return [...kind, ...reachable, ...dead, ...strict]
  })
})

/** The provider and its diagnostics. */
export const layer = (
  opening: Opening
): Layer.Layer<QueueProvider.QueueProvider | Diagnostics, QueueError.QueueError> => {
  const provided = Layer.unwrap(
    Effect.map(optionsOf(opening), (options) => AwsProvider.layer(options))
  )
  const made = Effect.gen(function* () {
    return diagnostics(yield* AwsClient.AwsClient, yield* QueueProvider.QueueProvider)
  })
  return Layer.effect(Diagnostics, made).pipe(Layer.provideMerge(provided))
}
