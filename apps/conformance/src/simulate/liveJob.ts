/** What a process of a live run is told, and what it tells. */
import { Batching, type QueueError, QueueProvider } from "@queue-runtime/core"
import { CircuitBreaker, Retry, Timeout } from "@queue-runtime/resilience"
import { History, Tap } from "@queue-runtime/simulation"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** One life of one worker. */
export const Job = Schema.Struct({
  provider: Schema.Literals(["sqs", "service-bus"]),
  /** An endpoint of SQS, or a connection string of Service Bus. */
  address: Schema.String,
  /** `w1.2` is the second life of the first worker. */
  node: Schema.String,
  concurrency: Schema.Int,
  lockSeconds: Schema.Int,
  deliveriesMax: Schema.Int
})

export type Job = typeof Job.Type

/** The queue, by its logical name. */
export const queue = "soak"

/** What it is called at the servers. */
export const fifo = `${queue}.fifo`
export const letters = `${queue}-dlq.fifo`

/** Of the machine, the same in all processes. */
export const now = (): number => performance.timeOrigin + performance.now()

type Provider = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

const sqs = async ({ address, deliveriesMax, lockSeconds }: Job): Promise<Provider> => {
  const { AwsProvider } = await import("@queue-runtime/provider-aws")
  return AwsProvider.layer({
    endpoint: address,
    region: "us-east-1",
    credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
    queues: {
      [queue]: {
        name: fifo,
        deadLetter: { name: letters },
        deliveriesMax,
        visibilityTimeout: `${lockSeconds} seconds`
      }
    }
  })
}

const serviceBus = async ({ address, deliveriesMax, lockSeconds }: Job): Promise<Provider> => {
  const { AzureProvider } = await import("@queue-runtime/provider-azure")
  return AzureProvider.layer({
    connectionString: address,
    queues: {
      [queue]: {
        path: queue,
        sessions: true,
        deliveriesMax,
        lockDuration: `${lockSeconds} seconds`
      }
    }
  })
}

const providerOf = (job: Job): Promise<Provider> =>
  job.provider === "sqs" ? sqs(job) : serviceBus(job)

/** The stack of one process, watched at the bottom. */
export const stackOf = async (job: Job, tap: Tap.Options): Promise<Provider> => {
  const provider = await providerOf(job)
  const watched = Layer.effect(
    QueueProvider.QueueProvider,
    Effect.map(QueueProvider.QueueProvider, (self) => Tap.provider(self, tap))
  )
  return Batching.layer().pipe(
    Layer.provide(CircuitBreaker.layer()),
    Layer.provide(Retry.layer()),
    Layer.provide(Timeout.layer()),
    Layer.provide(watched),
    Layer.provide(provider)
  )
}

/** A tap of this process, whose events go to `write` as they happen. */
export const tapOf = (node: string, write: (event: History.Event) => void): Tap.Options => ({
  node,
  recorder: new History.Recorder(now, write),
  names: new Tap.Names(`${node}/`)
})
