import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Defaults,
  type Outcome,
  QueueError,
  type QueueName,
  type QueueProvider,
  type Receipt
} from "@queue-runtime/core"
import * as accepting from "./accepting.ts"
import { awaitTurn } from "./awaiting.ts"
import type { Broker } from "./broker.ts"
import * as capabilities from "./capabilities.ts"
import type { Connection } from "./connection.ts"
import { toPeeked } from "./entry.ts"
import { connectionClosed, error, provider } from "./errors.ts"
import { inject } from "./injecting.ts"
import type { Queue, Shelf } from "./queue.ts"
import * as receiving from "./receiving.ts"
import * as sending from "./sending.ts"
import * as settling from "./settling.ts"
import * as waiting from "./waiting.ts"

type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

/** The queue of a call, or why there is none for it. */
const queueOf = (
  broker: Broker,
  connection: Connection,
  name: QueueName.QueueName,
  operation: string
): Result.Result<Queue, QueueError.QueueError> => {
  if (connection.closed) return Result.fail(connectionClosed(operation, name))
  const queue = broker.queues.get(name)
  return queue === undefined
    ? Result.fail(error(new QueueError.QueueNotFound({ queue: name }), operation, name))
    : Result.succeed(queue)
}

const shelfOf = (queue: Queue, tag: "Queue" | "DeadLetter"): Shelf =>
  tag === "Queue" ? queue.main : queue.dead

/** Settles or renews one by one, each on its own queue; fails as a whole before anything is done. */
const each = <A>(
  broker: Broker,
  connection: Connection,
  operation: string,
  receipts: ReadonlyArray<Receipt.Receipt>,
  f: (queue: Queue, receipt: Receipt.Receipt, now: number) => Result.Result<A, QueueError.Reason>
): Failing<ReadonlyArray<Outcome.Outcome<A>>> => {
  if (receipts.length > Defaults.memorySettleCountMax) {
    const reason = sending.tooMany("receipts", Defaults.memorySettleCountMax)
    return Effect.fail(error(reason, operation, receipts[0]?.address.queue))
  }
  const queues: Array<Queue> = []
  for (const { address } of receipts) {
    const queue = queueOf(broker, connection, address.queue, operation)
    if (Result.isFailure(queue)) return Effect.fail(queue.failure)
    queues.push(queue.success)
  }
  const one = (queue: Queue, receipt: Receipt.Receipt, now: number): Outcome.Outcome<A> =>
    Result.mapError(f(queue, receipt, now), (reason) => error(reason, operation, queue.name))
  const [first] = queues
  return Effect.sync(() => {
    // Mostly they are of one queue, and one turn of it.
    if (first !== undefined && queues.every((queue) => queue === first)) {
      return waiting.turn(first, (now) => receipts.map((receipt) => one(first, receipt, now)))
    }
    return receipts.map((receipt, index): Outcome.Outcome<A> => {
      const queue = queues[index]
      // There is one a receipt.
      if (queue === undefined) return Result.fail(connectionClosed(operation))
      return waiting.turn(queue, (now) => one(queue, receipt, now))
    })
  })
}

/** The provider's methods over one connection. */
export const make = (broker: Broker, connection: Connection): QueueProvider.Service => {
  const { config } = broker
  const capabilitiesOf = new Map(
    Object.entries(config.queues).map(([name, queue]) => [name, capabilities.make(config, queue)])
  )
  const unknown = capabilities.make(config, {
    sessions: false,
    lockDuration: Defaults.memoryLockDuration,
    deduplicationWindow: Defaults.memoryDeduplicationWindow
  })
  /** Finds the queue when the call is made, and lets faults at it. */
  const on = <A, R>(
    tag: Parameters<typeof broker.faults.draw>[0],
    operation: string,
    name: QueueName.QueueName,
    f: (queue: Queue, hit: ReturnType<typeof broker.faults.draw>) => Failing<A, R>
  ): Failing<A, R> =>
    inject(broker, connection, {
      tag,
      operation,
      queue: name,
      make: (hit) => {
        const queue = queueOf(broker, connection, name, operation)
        return Result.isFailure(queue) ? Effect.fail(queue.failure) : f(queue.success, hit)
      }
    })
  return {
    name: provider,
    stack: [provider],
    capabilities: (name) => capabilitiesOf.get(name) ?? unknown,
    send: (name, messages) =>
      on("Send", "send", name, (queue, hit) => {
        const problem = sending.problemOf(queue, messages, capabilitiesOf.get(name) ?? unknown)
        if (problem !== undefined) return Effect.fail(error(problem, "send", name))
        const twist = {
          duplicate: hit.duplicate,
          ...(hit.reorder ? { order: sending.orderOf(broker.faults) } : {})
        }
        return Effect.sync(() =>
          waiting.turn(queue, (now) => sending.send(queue, messages, twist, now))
        )
      }),
    receive: (address, options) =>
      on("Receive", "receive", address.queue, (queue, hit) => {
        const problem =
          queue.ordered && address._tag === "Queue"
            ? new QueueError.UnsupportedOperation({
                what: "receiving from an ordered queue without a session",
                provider,
                remedy: "accept one, or use a session worker"
              })
            : receiving.problemOf(options)
        if (problem !== undefined) return Effect.fail(error(problem, "receive", queue.name))
        const shelf = shelfOf(queue, address._tag)
        const max = receiving.countOf(options.max)
        const shuffle = hit.reorder ? receiving.shuffleOf(broker.faults) : undefined
        const take = (now: number) => receiving.take(queue, shelf, max, shuffle, now)
        const waitMillis = receiving.waitMillis(options.wait)
        if (waitMillis === 0) return Effect.sync(() => waiting.turn(queue, take))
        return awaitTurn({
          queue,
          connection,
          waitMillis,
          line: () => Result.succeed(shelf.waiters),
          take: (now) => receiving.some(take(now)),
          undo: (messages, now) => receiving.undo(queue, shelf, messages, now),
          nothing: []
        })
      }),
    settle: (receipts, verdict) => {
      const [first] = receipts
      if (first === undefined) return Effect.succeed([])
      return on("Settle", "settle", first.address.queue, (queue) => {
        const problem = settling.problemOf(verdict)
        if (problem !== undefined) return Effect.fail(error(problem, "settle", queue.name))
        return each(broker, connection, "settle", receipts, (one, receipt, now) =>
          settling.settle(one, receipt, verdict, undefined, now)
        )
      })
    },
    renewLock: (receipts) => {
      const [first] = receipts
      if (first === undefined) return Effect.succeed([])
      return on("RenewLock", "renewLock", first.address.queue, () =>
        each(broker, connection, "renewLock", receipts, settling.renew)
      )
    },
    peek: (address, options) =>
      on("Peek", "peek", address.queue, (queue) => {
        const problem = receiving.problemOf(options)
        if (problem !== undefined) return Effect.fail(error(problem, "peek", queue.name))
        const from = Number(options.fromSequenceNumber ?? 0n)
        const { index } = shelfOf(queue, address._tag)
        return Effect.sync(() =>
          waiting.turn(queue, (now) =>
            index.take(from, options.max, (entry) => entry.expiresAt > now).map(toPeeked)
          )
        )
      }),
    depth: (address) =>
      on("Peek", "depth", address.queue, (queue) =>
        Effect.sync(() =>
          waiting.turn(queue, () => {
            const { Delayed, Locked, Ready, Scheduled } = shelfOf(queue, address._tag).counts
            return { available: Ready, locked: Locked, delayed: Delayed + Scheduled }
          })
        )
      ),
    acceptSession: (name, options) =>
      on("AcceptSession", "acceptSession", name, (queue, hit) => {
        if (!queue.ordered) {
          const reason = new QueueError.UnsupportedOperation({
            what: "accepting a session",
            provider,
            remedy: "set sessions: true in its options"
          })
          return Effect.fail(error(reason, "acceptSession", name))
        }
        return accepting.accept(broker, connection, queue, options, hit)
      })
  }
}
