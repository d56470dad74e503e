/** The SDK by hand. Its sockets do not delay small frames either, so that no link gains by that. */
import {
  ServiceBusClient,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
  type ServiceBusSender
} from "@azure/service-bus"
import { randomUUID } from "node:crypto"
import { body, ordered, plain } from "./server.ts"

export interface Peer {
  readonly client: ServiceBusClient
  readonly sender: ServiceBusSender
  readonly orderedSender: ServiceBusSender
  readonly receiver: ServiceBusReceiver
}

const noRenewal = { maxAutoLockRenewalDurationInMs: 0 }

export const make = (connectionString: string): Peer => {
  const client = new ServiceBusClient(connectionString)
  return {
    client,
    sender: client.createSender(plain),
    orderedSender: client.createSender(ordered),
    receiver: client.createReceiver(plain, noRenewal)
  }
}

const property = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** Our provider turns the delay of small frames off: the loop by hand is measured without it too. */
export const noDelay = ({ client }: Peer): void => {
  const path = ["_connectionContext", "connection", "_connection", "socket"]
  const socket = path.reduce(property, client)
  const setNoDelay = property(socket, "setNoDelay")
  if (typeof setNoDelay !== "function") throw new Error("the SDK keeps its socket elsewhere")
  Reflect.apply(setNoDelay, socket, [true])
}

/** Batches one after the other. */
export const send = async (
  sender: ServiceBusSender,
  messages: number,
  inEach: number,
  sessionId?: string
): Promise<void> => {
  for (let sent = 0; sent < messages; sent += inEach) {
    const batch = await sender.createMessageBatch()
    for (let index = 0; index < inEach; index++) {
      const messageId = randomUUID()
      const message = { body, messageId, ...(sessionId === undefined ? {} : { sessionId }) }
      if (!batch.tryAddMessage(message)) throw new Error("the batch is full")
    }
    await sender.sendMessages(batch)
  }
}

const complete = (
  receiver: ServiceBusReceiver,
  messages: ReadonlyArray<ServiceBusReceivedMessage>
) => Promise.all(messages.map((message) => receiver.completeMessage(message)))

/** Receives as many as there are, and completes what came together. */
export const consume = async (
  receiver: ServiceBusReceiver,
  messages: number,
  inEach: number
): Promise<void> => {
  let done = 0
  while (done < messages) {
    const received = await receiver.receiveMessages(inEach, { maxWaitTimeInMs: 5_000 })
    await complete(receiver, received)
    done += received.length
  }
}

/** One receiver a session, all at once. */
export const sessions = async (
  { client }: Peer,
  names: ReadonlyArray<string>,
  messages: number,
  inEach: number
): Promise<void> => {
  const one = async (name: string): Promise<void> => {
    const receiver = await client.acceptSession(ordered, name, noRenewal)
    await consume(receiver, messages, inEach)
    await receiver.close()
  }
  await Promise.all(names.map(one))
}
