import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
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

/**
 * Whether the broker would take messages away that were not delivered as often as they may be. On a FIFO
 * queue messages behind a failing one are received along with it; on a standard queue a receive may have
 * been seen by nobody.
 */
const redriveProblem = (
  { deliveriesMax, fifo }: AwsConfig.ResolvedQueue,
  receivesMax: number
): string | undefined => {
  const factor = fifo ? Defaults.sqsRedriveFactor : Defaults.sqsDoubtFactor
  const least = deliveriesMax * factor
  return receivesMax > least
    ? undefined
    : `the redrive policy's maxReceiveCount is ${receivesMax} and must be above ${least}, ` +
        `${factor} times deliveriesMax, or messages are dead-lettered ` +
        (fifo ? "unseen" : "before they were delivered that often")
}

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
  const problem = redriveProblem(settings, known.receivesMax)
  if (problem === undefined) return known
  if (settings.strict) {
    const key = `queues.${name}.deliveriesMax`
    const reason = new QueueError.ConfigurationInvalid({ key, problem })
    return yield* Effect.fail(errors.error(reason, { operation: "start", queue: name }))
  }
  yield* Effect.logWarning(`queue "${name}": ${problem}`)
  return known
})

/** What asking about the queues gave. */
export interface Looked {
  readonly known: ReadonlyMap<QueueName.QueueName, Known>
  /** Those worth asking about again. */
  readonly left: ReadonlyArray<QueueName.QueueName>
}

const inVain = (name: QueueName.QueueName, error: QueueError.QueueError): Effect.Effect<void> =>
  Effect.logWarning(`queue "${name}" could not be asked about: ${error.message}`)

/**
 * Asks for what only the service knows: whether the queues with an entry have a redrive policy, and how
 * it fits. A queue that cannot be asked about is taken as its options have it, unless it is strict.
 */
export const look = Effect.fnUntraced(function* (config: AwsConfig.AwsConfig, sqs: Sqs) {
  const known = new Map<QueueName.QueueName, Known>()
  const left: Array<QueueName.QueueName> = []
  const lookOne = Effect.fnUntraced(function* (name: QueueName.QueueName) {
    const settings = AwsConfig.queue(config, name)
    const asked = yield* Effect.result(lookAt(name, settings, sqs))
    if (Result.isSuccess(asked)) known.set(name, asked.success)
    else if (settings.strict) return yield* Effect.fail(asked.failure)
    else {
      if (asked.failure.retry !== "Never") left.push(name)
      yield* inVain(name, asked.failure)
    }
  })
  const names = Object.keys(config.queues).filter(QueueName.is)
  yield* Effect.forEach(names, lookOne, { concurrency, discard: true })
  const looked: Looked = { known, left }
  return looked
})

const pauseMax = Duration.toMillis(Defaults.sqsLookPauseMax)

/** Asks until it is answered, ever more seldom: a service that was down at the start is up some day. */
export const lookAgain = Effect.fnUntraced(function* (
  config: AwsConfig.AwsConfig,
  name: QueueName.QueueName,
  sqs: Sqs
) {
  const settings = AwsConfig.queue(config, name)
  let pause = Duration.toMillis(Defaults.sqsLookPause)
  while (true) {
    yield* Effect.sleep(pause)
    const asked = yield* Effect.result(lookAt(name, settings, sqs))
    if (Result.isSuccess(asked)) return asked.success
    if (asked.failure.retry === "Never") {
      yield* inVain(name, asked.failure)
      return undefined
    }
    pause = Math.min(pause * 2, pauseMax)
  }
})
