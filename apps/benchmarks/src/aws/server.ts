/** An SQS server in a process of its own, and queues on it. */
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  SendMessageBatchCommand,
  SQSClient
} from "@aws-sdk/client-sqs"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface Server {
  readonly endpoint: string
  readonly close: () => Promise<void>
}

const command = fileURLToPath(
  new URL("./main.ts", import.meta.resolve("@queue-runtime/sqs-emulator"))
)

/** Starts it on a free port; what it prints first names its endpoint. */
export const start = async (): Promise<Server> => {
  const args = [...process.execArgv, command, "--port", "0"]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for await (const line of createInterface({ input: child.stdout })) {
    const endpoint = /https?:\/\/[^\s/]+/u.exec(line)?.[0]
    if (endpoint === undefined) continue
    return {
      endpoint,
      close: async () => {
        child.kill()
        await ended
      }
    }
  }
  throw new Error("the SQS server ended before it listened")
}

export const region = "us-east-1"

export const credentials = { accessKeyId: "bench", secretAccessKey: "bench" }

/** The SDK as it comes. */
export const sdk = (endpoint: string): SQSClient => new SQSClient({ endpoint, region, credentials })

export interface Queue {
  readonly name: string
  readonly url: string
}

let made = 0

/** A queue that nobody used before. */
export const makeQueue = async (client: SQSClient, prefix: string): Promise<Queue> => {
  const name = `${prefix}-${process.pid}-${made++}`
  const attributes = { VisibilityTimeout: "300" }
  const { QueueUrl } = await client.send(
    new CreateQueueCommand({ QueueName: name, Attributes: attributes })
  )
  if (QueueUrl === undefined) throw new Error("no URL of a queue that was made")
  return { name, url: QueueUrl }
}

export const removeQueue = (client: SQSClient, { url }: Queue): Promise<unknown> =>
  client.send(new DeleteQueueCommand({ QueueUrl: url }))

export const body = "x".repeat(200)

/** The most entries of one call. */
export const batch = 10

export const ids = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => String(index))

/** Loops side by side, each sending batches of ten until `messages` are sent. */
export const sendBatches = async (
  client: SQSClient,
  url: string,
  messages: number,
  loops: number
): Promise<void> => {
  let left = messages
  const loop = async () => {
    while (left > 0) {
      const count = Math.min(batch, left)
      left -= count
      const Entries = ids(count).map((Id) => ({ Id, MessageBody: body }))
      const { Failed = [] } = await client.send(
        new SendMessageBatchCommand({ QueueUrl: url, Entries })
      )
      if (Failed.length > 0) throw new Error(`${Failed.length} entries failed`)
    }
  }
  await Promise.all(Array.from({ length: loops }, loop))
}
