import type { QueueError, QueueProvider } from "@queue-runtime/core"
import * as Layer from "effect/Layer"
import type { Job } from "./history.ts"

type Provider = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

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
    queues: { [queue]: { path: name, sessions: true, lockDuration: `${lockSeconds} seconds` } }
  })
}

/** As long as the broker's lock: a killed process's sessions are free after twice of it. */
const leased = async (provider: Provider, endpoint: string, { lockSeconds }: Job) => {
  const { SessionLeases } = await import("@queue-runtime/session-store")
  const { SessionStoreDynamoDb } = await import("@queue-runtime/session-store/aws-dynamodb")
  const { storeAt } = await import("../dynamo.ts")
  return SessionLeases.layer({ lease: `${lockSeconds} seconds` }).pipe(
    Layer.provide([provider, SessionStoreDynamoDb.layer(storeAt(endpoint))])
  )
}

/** The provider of a job, over a real socket. */
export const layerOf = async (job: Job): Promise<Provider> => {
  const provider = await (job.provider === "aws-sqs" ? aws(job) : azure(job))
  const { sessionStore } = job
  return sessionStore === undefined ? provider : leased(provider, sessionStore, job)
}
