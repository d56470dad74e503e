import type { QueueError, QueueProvider } from "@queue-runtime/core"
import type * as Layer from "effect/Layer"
import type { Job } from "./history.ts"

type Provider = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

/** Longer than a replay takes that is killed on the way: what was sent twice is dropped. */
export const deduplicationWindow = "20 minutes"

const aws = async ({ address, lockSeconds, name, queue }: Job): Promise<Provider> => {
  const { AwsProvider } = await import("@queue-runtime/provider-aws")
  return AwsProvider.layer({
    endpoint: address,
    region: "us-east-1",
    credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
    queues: { [queue]: { name, visibilityTimeout: `${lockSeconds} seconds` } }
  })
}

const azure = async ({ address, lockSeconds, name, queue }: Job): Promise<Provider> => {
  const { AzureProvider } = await import("@queue-runtime/provider-azure")
  return AzureProvider.layer({
    connectionString: address,
    queues: {
      [queue]: {
        path: name,
        sessions: true,
        lockDuration: `${lockSeconds} seconds`,
        deduplicationWindow
      }
    }
  })
}

/** The provider of a job, over a real socket. */
export const layerOf = (job: Job): Promise<Provider> =>
  job.provider === "aws-sqs" ? aws(job) : azure(job)
