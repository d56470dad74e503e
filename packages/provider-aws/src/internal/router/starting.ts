import * as Effect from "effect/Effect"
import { Defaults, QueueAddress, QueueError, QueueName } from "@queue-runtime/core"
import * as AwsConfig from "../../AwsConfig.ts"
import * as errors from "../errors.ts"
import type { Sqs } from "../sqs.ts"
import type { Known } from "./line.ts"

const concurrency = 5

/** What is known of a queue nobody was asked about. */
export const unasked = (settings: AwsConfig.ResolvedQueue): Known => ({
  hasDeadLetters: settings.deadLetter !== undefined,
  receivesMax: Number.POSITIVE_INFINITY
})

const lookAt = Effect.fnUntraced(function* (
  name: QueueName.QueueName,
  settings: AwsConfig.ResolvedQueue,
  sqs: Sqs
) {
  const queue = yield* sqs.queueOf(QueueAddress.queue(name))
  const { redrive } = yield* sqs.attributes(queue)
  const known: Known = {
    hasDeadLetters: settings.deadLetter !== undefined || redrive !== undefined,
    receivesMax: redrive?.receivesMax ?? Number.POSITIVE_INFINITY
  }
  const least = settings.deliveriesMax * Defaults.sqsRedriveFactor
  if (!settings.fifo || known.receivesMax > least) return known
  // Messages behind a failing one are received along with it: the broker would take the innocent.
  const problem =
    `the redrive policy's maxReceiveCount is ${known.receivesMax} and must be above ${least}, ` +
    `${Defaults.sqsRedriveFactor} times deliveriesMax, or messages are dead-lettered unseen`
  if (settings.strict) {
    const key = `queues.${name}.deliveriesMax`
    const reason = new QueueError.ConfigurationInvalid({ key, problem })
    return yield* Effect.fail(errors.error(reason, { operation: "start", queue: name }))
  }
  yield* Effect.logWarning(`queue "${name}": ${problem}`)
  return known
})

const lookOrGuess = (config: AwsConfig.AwsConfig, name: QueueName.QueueName, sqs: Sqs) => {
  const settings = AwsConfig.queue(config, name)
  const asked = lookAt(name, settings, sqs)
  const guessed = (error: QueueError.QueueError): Effect.Effect<Known> =>
    Effect.as(
      Effect.logWarning(`queue "${name}" could not be asked about: ${error.message}`),
      unasked(settings)
    )
  return (settings.strict ? asked : asked.pipe(Effect.catch(guessed))).pipe(
    Effect.map((known) => [name, known] as const)
  )
}

/**
 * Asks for what only the service knows: whether the queues with an entry have a redrive policy, and how
 * it fits. A queue that cannot be asked about is taken as its options have it, unless it is strict.
 */
export const look = Effect.fnUntraced(function* (config: AwsConfig.AwsConfig, sqs: Sqs) {
  const names = Object.keys(config.queues).filter(QueueName.is)
  const all = yield* Effect.forEach(names, (name) => lookOrGuess(config, name, sqs), {
    concurrency
  })
  return new Map<QueueName.QueueName, Known>(all)
})
