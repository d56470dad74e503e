import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Refused } from "../EmulatorError.ts"
import type * as ServiceBusBroker from "../ServiceBusBroker.ts"
import type { Broker } from "./broker.ts"
import type { Content, Entry } from "./entry.ts"
import * as inspecting from "./inspecting.ts"
import type { Queue } from "./queue.ts"
import { Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"
import { Acceptor, type Hold } from "./session.ts"
import { Consumer, type SubQueue } from "./subQueue.ts"
import * as wire from "./wire.ts"

const toContent = (message: ServiceBusBroker.Message): Content => {
  const { body, messageId, scheduledAt, sessionId, timeToLive } = message
  return {
    messageId,
    sessionId,
    timeToLive:
      timeToLive === undefined
        ? undefined
        : Duration.toMillis(Duration.fromInputUnsafe(timeToLive)),
    scheduledAt,
    size: body.length + (messageId?.length ?? 0) + (sessionId?.length ?? 0),
    payload: body
  }
}

const toDelivery = (entry: Entry): ServiceBusBroker.Delivery => ({
  queue: entry.sub.queue.settings.name,
  body: wire.bytesOf(entry.content.payload),
  messageId: entry.content.messageId,
  sessionId: entry.content.sessionId,
  sequenceNumber: entry.sequence,
  deliveryCount: entry.deliveryCount,
  enqueuedAt: entry.enqueuedAt,
  lockedUntil: entry.lock === 0 ? 0 : entry.lockedUntil,
  lock: entry.lock,
  properties: Object.fromEntries(
    [...(entry.added ?? [])].map(([name, value]) => [name, rhea.plain(value)])
  )
})

const orRefused = <A>(result: A | Refusal): Effect.Effect<A, Refused> =>
  result instanceof Refusal
    ? Effect.fail(new Refused({ condition: result.condition, description: result.description }))
    : Effect.succeed(result)

/** What there is now, at most `max`. */
const takeNow = (
  sub: SubQueue,
  options: { readonly max: number; readonly isPeekLock: boolean; readonly hold?: Hold }
): ReadonlyArray<ServiceBusBroker.Delivery> => {
  const deliveries: Array<ServiceBusBroker.Delivery> = []
  const consumer = new Consumer({
    sub,
    isPeekLock: options.isPeekLock,
    hold: options.hold,
    deliver: (entry) => deliveries.push(toDelivery(entry))
  })
  if (options.hold !== undefined) options.hold.consumer = consumer
  sub.queue.feed(consumer, options.max)
  sub.queue.leave(consumer)
  return deliveries
}

const toSession = (queue: Queue, hold: Hold): ServiceBusBroker.Session => ({
  sessionId: hold.session.id,
  lockedUntil: Effect.sync(() => hold.lockedUntil),
  isHeld: Effect.sync(() => hold.isLive),
  receive: (max = 1) => Effect.sync(() => takeNow(queue.main, { max, isPeekLock: true, hold })),
  renew: Effect.suspend(() => orRefused(queue.renewSession(hold))),
  state: Effect.sync(() => hold.session.state),
  setState: (state) =>
    Effect.asVoid(Effect.suspend(() => orRefused(queue.setState(hold.session, state)))),
  receiveDeferred: (numbers) =>
    Effect.suspend(() =>
      orRefused(queue.receiveDeferred(queue.main, numbers, { isPeekLock: true, hold }))
    ).pipe(Effect.map((entries) => entries.map(toDelivery)))
})

const acceptNext = (queue: Queue): Effect.Effect<Hold> =>
  Effect.callback((resume) => {
    let granted: Hold | undefined
    const acceptor = new Acceptor(
      (hold) => {
        granted = hold
        resume(Effect.succeed(hold))
      },
      () => undefined
    )
    queue.acceptNext(acceptor)
    // Interrupted between the grant and its receipt: nobody would give it back.
    return Effect.sync(() => {
      queue.acceptors.remove(acceptor)
      if (granted !== undefined) queue.release(granted)
    })
  })

const takeNext = (sub: SubQueue, isPeekLock: boolean): Effect.Effect<ServiceBusBroker.Delivery> =>
  Effect.callback((resume) => {
    let taken: Entry | undefined
    const consumer: Consumer = new Consumer({
      sub,
      isPeekLock,
      deliver: (entry) => {
        taken = entry
        resume(Effect.succeed(toDelivery(entry)))
      }
    })
    sub.queue.feed(consumer, 1)
    return Effect.sync(() => {
      sub.queue.leave(consumer)
      if (taken !== undefined) sub.queue.settle(taken, taken.lock, { _tag: "Release" })
    })
  })

/** A broker as programs use it. */
export const makeService = (broker: Broker): ServiceBusBroker.Service => {
  const find = (name: string): Effect.Effect<Queue, Refused> =>
    Effect.suspend(() => orRefused(broker.queues.get(name.toLowerCase()) ?? broker.notFound(name)))
  const subOf = (name: string, deadLetters: boolean | undefined) =>
    Effect.map(find(name), (queue) => (deadLetters === true ? queue.dead : queue.main))
  const withDelivery = <A>(
    { lock, queue }: ServiceBusBroker.Delivery,
    f: (queue: Queue, entry: Entry | undefined) => A | Refusal
  ) => Effect.flatMap(find(queue), (found) => orRefused(f(found, broker.locks.entries.get(lock))))
  return {
    send: (name, message) =>
      Effect.flatMap(find(name), (queue) => {
        const content = toContent(message)
        return orRefused(queue.refuses(content) ?? queue.enqueue(content)?.sequence)
      }),
    receive: (name, options = {}) =>
      Effect.map(subOf(name, options.deadLetters), (sub) =>
        takeNow(sub, { max: options.max ?? 1, isPeekLock: options.receiveAndDelete !== true })
      ),
    take: (name, options = {}) =>
      Effect.flatMap(subOf(name, options.deadLetters), (sub) =>
        takeNext(sub, options.receiveAndDelete !== true)
      ),
    settle: (delivery, settlement) =>
      Effect.asVoid(
        withDelivery(delivery, (queue, entry) => queue.settle(entry, delivery.lock, settlement))
      ),
    renew: (delivery) =>
      withDelivery(delivery, (queue, entry) => queue.renew(entry, delivery.lock)),
    receiveDeferred: (name, numbers) =>
      Effect.flatMap(find(name), (queue) =>
        orRefused(queue.receiveDeferred(queue.main, numbers, { isPeekLock: true, hold: undefined }))
      ).pipe(Effect.map((entries) => entries.map(toDelivery))),
    peek: (name, options = {}) =>
      Effect.map(subOf(name, options.deadLetters), (sub) =>
        sub.queue
          .peek(sub, {
            from: options.fromSequenceNumber ?? 0,
            max: options.max ?? 1,
            sessionId: options.sessionId
          })
          .map(toDelivery)
      ),
    cancel: (name, sequence) => Effect.map(find(name), (queue) => queue.cancel(sequence)),
    acceptSession: (name, sessionId) =>
      Effect.flatMap(find(name), (queue) =>
        Effect.acquireRelease(
          sessionId === undefined
            ? acceptNext(queue)
            : Effect.suspend(() => orRefused(queue.accept(sessionId, () => undefined))),
          (hold) => Effect.sync(() => queue.release(hold)),
          { interruptible: true }
        ).pipe(Effect.map((hold) => toSession(queue, hold)))
      ),
    listSessions: (name, since) => Effect.map(find(name), (queue) => queue.listSessions(since)),
    inspect: (name) => Effect.map(find(name), inspecting.queue)
  }
}
