/** BullMQ as its documentation has it, finished jobs removed: a queue keeps no done message either. */
import { Queue, Worker } from "bullmq"

export interface Peer {
  readonly queue: Queue
  readonly worker: (handle: () => Promise<void>, concurrency: number) => Worker
  readonly close: () => Promise<void>
}

const options = { removeOnComplete: true, removeOnFail: true } as const

export const make = async (port: number): Promise<Peer> => {
  const connection = { host: "127.0.0.1", port }
  const queue = new Queue("bench", { connection, defaultJobOptions: options })
  await queue.waitUntilReady()
  return {
    queue,
    // A worker waits on a connection of its own.
    worker: (handle, concurrency) =>
      new Worker("bench", handle, {
        connection: { ...connection, maxRetriesPerRequest: null },
        concurrency,
        autorun: false
      }),
    close: () => queue.close()
  }
}

const data = { body: "x".repeat(200) }

/** Callers side by side, each adding one job at a time. */
export const addSingles = async (
  { queue }: Peer,
  messages: number,
  callers: number
): Promise<void> => {
  let left = messages
  const caller = async () => {
    while (left > 0) {
      left--
      await queue.add("job", data)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

/** All of them in one call. */
export const addBulk = async ({ queue }: Peer, messages: number): Promise<void> => {
  await queue.addBulk(Array.from({ length: messages }, () => ({ name: "job", data })))
}

/** A worker from its start until it has done so many; how long it took, closing it not counted. */
export const consume = async (
  peer: Peer,
  messages: number,
  concurrency: number
): Promise<number> => {
  const worker = peer.worker(async () => {}, concurrency)
  await worker.waitUntilReady()
  const start = performance.now()
  const all = new Promise<void>((resolve, reject) => {
    let done = 0
    worker.on("completed", () => {
      done++
      if (done === messages) resolve()
    })
    worker.on("error", reject)
    worker.run().catch(reject)
  })
  await all
  const elapsed = performance.now() - start
  await worker.close()
  return elapsed
}
