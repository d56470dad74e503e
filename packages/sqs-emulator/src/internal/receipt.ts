/** Receipt handles: they name a queue, a message and one of its receives. */
import type { Broker } from "./broker.ts"
import type { Message } from "./message.ts"
import type { Queue } from "./queue.ts"
import * as refusals from "./refusals.ts"

const prefix = "AQEB"

export const handleOf = (broker: Broker, queue: Queue, { generation, uid }: Message): string =>
  prefix +
  Buffer.from(`${broker.epoch}:${queue.uid}:${uid}:${generation}`, "latin1").toString("base64")

const form = /^([0-9a-f]{8}):(\d+):(\d+):(\d+)$/u

/** The message of a handle while it is in the queue, and whether the handle is its newest. */
export interface Held {
  readonly message: Message
  readonly newest: boolean
}

/** Reads a handle; nothing when its message is no longer there. */
export const read = (broker: Broker, queue: Queue, handle: string): Held | undefined => {
  const parts = handle.startsWith(prefix)
    ? form.exec(Buffer.from(handle.slice(prefix.length), "base64").toString("latin1"))
    : null
  if (parts === null) return refusals.refuse(refusals.invalidHandle(handle))
  const [, epoch, queueUid, uid, generation] = parts
  // A handle from before a restart that lost everything: its message is gone.
  if (epoch !== broker.epoch) return undefined
  if (Number(queueUid) !== queue.uid) return refusals.refuse(refusals.invalidHandle(handle))
  const message = queue.messages.get(Number(uid))
  if (message === undefined) return undefined
  return { message, newest: message.generation === Number(generation) }
}
