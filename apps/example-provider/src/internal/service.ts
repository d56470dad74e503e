import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  type Outcome,
  QueueAddress,
  QueueError,
  type QueueProvider,
  type Receipt
} from "@queue-runtime/core"
import type { Connection, Link } from "./connection.ts"
import type { Database } from "./database.ts"
import * as errors from "./errors.ts"
import * as holding from "./holding.ts"
import * as receiving from "./receiving.ts"
import type * as rows from "./rows.ts"
import * as sending from "./sending.ts"
import * as settling from "./settling.ts"
import * as waiting from "./waiting.ts"

type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

const ordered = new QueueError.UnsupportedOperation({
  what: "receiving without a session",
  provider: errors.provider
})

/** What becomes of each receipt, in one transaction, though they be of several queues. */
const each = <A>(
  connection: Connection,
  operation: string,
  receipts: ReadonlyArray<Receipt.Receipt>,
  f: (
    database: Database,
    queue: rows.Queue,
    receipt: Receipt.Receipt,
    now: number
  ) => Result.Result<A, QueueError.Reason>
): Result.Result<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError> =>
  connection.transact(operation, receipts[0]?.address.queue, (database, now) => {
    const queues = new Map<string, rows.Queue>()
    for (const { queue } of receipts.map(({ address }) => address)) {
      if (queues.has(queue)) continue
      const opened = connection.open(queue, now)
      if (Result.isFailure(opened)) return Result.fail(opened.failure)
      queues.set(queue, opened.success)
    }
    return Result.succeed(
      receipts.flatMap((receipt) => {
        const queue = queues.get(receipt.address.queue)
        if (queue === undefined) return []
        const settled = f(database, queue, receipt, now)
        return [Result.mapError(settled, (reason) => errors.error(reason, operation, queue.name))]
      })
    )
  })

/** The provider's methods over one connection. */
export const make = (connection: Connection, link: Link): QueueProvider.Service => {
  const { room } = connection
  /** A call of this provider, while it is open. */
  const whileOpen = <A, R>(
    operation: string,
    queue: string | undefined,
    f: () => Failing<A, R>
  ): Failing<A, R> =>
    Effect.suspend(() => (link.closed ? Effect.fail(errors.closed(operation, queue)) : f()))
  const refuse = (reason: QueueError.Reason, operation: string, queue?: string) =>
    Effect.fail(errors.error(reason, operation, queue))
  return {
    name: errors.provider,
    stack: [errors.provider],
    capabilities: (name) => connection.capabilitiesOf(name),
    send: (name, messages) =>
      whileOpen("send", name, () => {
        const sent = connection.turn("send", name, (database, queue, now) =>
          sending.send(database, queue, messages, now)
        )
        return Effect.fromResult(Result.map(sent, (all) => all.map((one) => Result.succeed(one))))
      }),
    receive: (address, options) =>
      whileOpen("receive", address.queue, () => {
        const { _tag, queue: name } = address
        const problem = receiving.problemOfMax(options.max) ?? receiving.problemOfWait(options.wait)
        if (problem !== undefined) return refuse(problem, "receive", name)
        const max = receiving.countOf(options.max)
        return waiting.wait(room, {
          link,
          queue: name,
          line: QueueAddress.format(address),
          deadline: receiving.deadline(connection.now(), options.wait),
          take: () =>
            connection.turn("receive", name, (database, queue, now) =>
              queue.sessions === 1 && _tag === "Queue"
                ? Result.fail(ordered)
                : Result.succeed(receiving.some(receiving.take(database, queue, _tag, max, now)))
            ),
          undo: (messages) => receiving.undo(connection, name, messages),
          nothing: []
        })
      }),
    settle: (receipts, verdict) =>
      whileOpen("settle", receipts[0]?.address.queue, () => {
        const problem = sending.tooMany("receipts", receipts.length) ?? settling.problemOf(verdict)
        if (problem !== undefined) return refuse(problem, "settle", receipts[0]?.address.queue)
        return Effect.fromResult(
          each(connection, "settle", receipts, (database, queue, receipt, now) =>
            settling.settle(database, queue, receipt, verdict, now)
          )
        )
      }),
    renewLock: (receipts) =>
      whileOpen("renewLock", receipts[0]?.address.queue, () => {
        const problem = sending.tooMany("receipts", receipts.length)
        if (problem !== undefined) return refuse(problem, "renewLock", receipts[0]?.address.queue)
        return Effect.fromResult(each(connection, "renewLock", receipts, settling.renew))
      }),
    peek: (address, options) =>
      whileOpen("peek", address.queue, () => {
        const problem = receiving.problemOfMax(options.max)
        if (problem !== undefined) return refuse(problem, "peek", address.queue)
        return Effect.fromResult(
          connection.turn("peek", address.queue, (database, queue, now) =>
            Result.succeed(receiving.peek(database, queue, address._tag, options, now))
          )
        )
      }),
    acceptSession: (name, options) =>
      whileOpen("acceptSession", name, () => {
        const problem = receiving.problemOfWait(options.wait)
        return problem === undefined
          ? holding.accept(connection, link, name, options)
          : refuse(problem, "acceptSession", name)
      })
  }
}
