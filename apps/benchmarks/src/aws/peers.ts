/** The others: the SDK by hand, sqs-consumer and sqs-producer. */
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient
} from "@aws-sdk/client-sqs"
import { Consumer, type ConsumerOptions } from "sqs-consumer"
import { Producer } from "sqs-producer"
import { batch, body } from "./server.ts"

/** Callers side by side, each sending one message at a time. */
export const sendSingles = async (
  client: SQSClient,
  url: string,
  messages: number,
  callers: number
): Promise<void> => {
  let left = messages
  const caller = async () => {
    while (left > 0) {
      left--
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body }))
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

export const produce = (client: SQSClient, url: string, messages: number): Promise<unknown> =>
  Producer.create({ sqs: client, queueUrl: url }).send(
    Array.from({ length: messages }, (_, index) => ({ id: String(index), body }))
  )

/** Loops side by side, each receiving ten and deleting them together. */
export const receiveAndDelete = async (
  client: SQSClient,
  url: string,
  messages: number,
  loops: number
): Promise<void> => {
  let done = 0
  const loop = async () => {
    while (done < messages) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: batch })
      )
      if (Messages.length === 0) continue
      const Entries = Messages.map(({ ReceiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle
      }))
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }))
      done += Messages.length
    }
  }
  await Promise.all(Array.from({ length: loops }, loop))
}

/** Of so many side by side, until they have processed all of them together. */
const consume = (options: ConsumerOptions, messages: number, side: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let done = 0
    const consumers = Array.from({ length: side }, () =>
      Consumer.create({ ...options, batchSize: batch, waitTimeSeconds: 1 })
    )
    for (const consumer of consumers) {
      consumer.on("message_processed", () => {
        done++
        if (done !== messages) return
        for (const one of consumers) one.stop()
        resolve()
      })
      consumer.on("error", reject)
      consumer.on("processing_error", reject)
      consumer.start()
    }
  })

/** sqs-consumer with a handler of one message: ten at a time, each deleted alone. */
export const consumeSingles = (
  sqs: SQSClient,
  queueUrl: string,
  messages: number,
  handle: (message: Message) => Promise<void>,
  side = 1
): Promise<void> =>
  consume(
    {
      sqs,
      queueUrl,
      handleMessage: async (message) => {
        await handle(message)
        return message
      }
    },
    messages,
    side
  )

/** sqs-consumer with a handler of a batch: ten at a time, deleted together. */
export const consumeBatches = (
  sqs: SQSClient,
  queueUrl: string,
  messages: number,
  handle: (message: Message) => Promise<void>,
  side = 1
): Promise<void> =>
  consume(
    {
      sqs,
      queueUrl,
      handleMessageBatch: async (received) => {
        await Promise.all(received.map(handle))
        return received
      }
    },
    messages,
    side
  )
