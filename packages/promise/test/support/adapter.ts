/** The port over the promise front: what an application does with promises, as the contract asks for it. */
import {
  type Message,
  type Outcome,
  QueueAddress,
  QueueError,
  type QueueName,
  QueueProvider,
  type QueueSession,
  Receipt,
  type ReceivedMessage,
  SessionId,
  type Verdict
} from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Delivery from "../../src/Delivery.ts"
import type { Plain } from "../../src/internal/plain.ts"
import type * as Queue from "../../src/Queue.ts"
import * as Queues from "../../src/Queues.ts"

/** A call of the front; what it rejects with is a QueueError, or a defect. */
const call = <A>(
  make: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, QueueError.QueueError> =>
  Effect.callback<A, QueueError.QueueError>((resume, signal) => {
    make(signal).then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => {
        resume(error instanceof QueueError.QueueError ? Effect.fail(error) : Effect.die(error))
      }
    )
  })

const revive = (value: unknown): unknown => {
  if (value instanceof Date) return DateTime.fromDateUnsafe(value)
  if (Array.isArray(value)) return value.map(revive)
  if (!Predicate.isObject(value) || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      key === "timeToLive" && typeof one === "number" ? Duration.millis(one) : revive(one)
    ])
  )
}

/** Plain values back to those of the stack. */
function revived<T>(value: Plain<T>): T
function revived(value: unknown): unknown {
  return revive(value)
}

const sending = ({ body, scheduledAt, ...rest }: Message.Stamped): Queue.Sending<Uint8Array> => ({
  ...rest,
  value: body,
  ...(scheduledAt === undefined ? {} : { scheduledAt: DateTime.toDate(scheduledAt) })
})

const outcomeOf = <A>(settled: PromiseSettledResult<A>): Outcome.Outcome<A> => {
  if (settled.status === "fulfilled") return Result.succeed(settled.value)
  const reason: unknown = settled.reason
  if (reason instanceof QueueError.QueueError) return Result.fail(reason)
  throw reason
}

/** What the port says of a call over its limits; the front cuts to them instead. */
const tooMany = (field: string, max: number, given: ReadonlyArray<unknown>) =>
  given.length > max
    ? Effect.fail(QueueError.validationFailed(field, `must be at most ${max}`))
    : Effect.void

type Bytes = Delivery.Delivery<Uint8Array>

interface Held {
  readonly delivery: Bytes
  readonly session?: string
}

/** A call fails as a whole where nobody is there who could take it: the connection, or the session. */
const wholes: ReadonlySet<string> = new Set(["ConnectionFailed", "SessionLockLost"])

/** The deliveries of one connection by their receipts' tokens: the contract settles by receipt. */
class Deliveries {
  readonly #all = new Map<string, Held>()
  readonly #queues: Queues.Queues

  constructor(queues: Queues.Queues) {
    this.#queues = queues
  }

  receive(
    address: QueueAddress.QueueAddress,
    deliveries: ReadonlyArray<Bytes>,
    session?: string
  ): ReadonlyArray<ReceivedMessage.ReceivedMessage> {
    return deliveries.map((delivery) => {
      const token = String(this.#all.size)
      this.#all.set(token, { delivery, ...(session === undefined ? {} : { session }) })
      const message = revived<Omit<ReceivedMessage.ReceivedMessage, "receipt">>(delivery.message)
      return { ...message, receipt: Receipt.make(address, token) }
    })
  }

  /** Each by itself, as the front does it; of a session its own alone. */
  each<A>(
    receipts: ReadonlyArray<Receipt.Receipt>,
    operation: string,
    settle: (delivery: Bytes) => Promise<A>,
    session?: string
  ): Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError> {
    const [first] = receipts
    if (first === undefined) return Effect.succeed([])
    const { queue } = first.address
    const expired = QueueError.make(new QueueError.ReceiptExpired({}), {
      provider: this.#queues.provider,
      operation,
      queue
    })
    const one = ({ token }: Receipt.Receipt): Effect.Effect<Outcome.Outcome<A>> => {
      const held = this.#all.get(token)
      return held === undefined || (session !== undefined && held.session !== session)
        ? Effect.succeed(Result.fail(expired))
        : Effect.result(call(() => settle(held.delivery)))
    }
    return tooMany("receipts", this.#queues.capabilities(queue).settleCountMax, receipts).pipe(
      Effect.andThen(
        // Side by side, so that the stack merges them; of a session one is in flight at a time.
        Effect.forEach(receipts, one, { concurrency: session === undefined ? "unbounded" : 1 })
      ),
      Effect.flatMap((outcomes) => {
        const failures = outcomes.flatMap((outcome) =>
          Result.isFailure(outcome) && wholes.has(outcome.failure.reason._tag)
            ? [outcome.failure]
            : []
        )
        const [failure] = failures
        if (failure === undefined || failures.length < outcomes.length) {
          return Effect.succeed(outcomes)
        }
        // Without its session a delivery's receipt is all there is, and that is used up.
        return session === undefined && failure.reason._tag === "SessionLockLost"
          ? Effect.succeed(receipts.map((): Outcome.Outcome<A> => Result.fail(expired)))
          : Effect.fail(failure)
      })
    )
  }
}

const settling =
  (verdict: Verdict.Verdict) =>
  (delivery: Delivery.Delivery<Uint8Array>): Promise<void> => {
    switch (verdict._tag) {
      case "Complete":
        return delivery.complete()
      case "Abandon":
        return delivery.abandon({ delay: verdict.delay })
      case "DeadLetter": {
        const { description, details, reason } = verdict
        return delivery.deadLetter({
          reason,
          ...(description === undefined ? {} : { description }),
          ...(details === undefined ? {} : { details })
        })
      }
    }
  }

const make = (queues: Queues.Queues): QueueProvider.Service => {
  const deliveries = new Deliveries(queues)
  let accepts = 0
  const of = (queue: QueueName.QueueName) => queues.queue(queue)
  const from = (address: QueueAddress.QueueAddress) => ({
    deadLetters: address._tag === "DeadLetter"
  })
  return {
    name: queues.provider,
    stack: queues.stack,
    capabilities: (queue) => queues.capabilities(queue),
    send: (queue, messages) =>
      tooMany("messages", queues.capabilities(queue).sendCountMax, messages).pipe(
        Effect.andThen(call((signal) => of(queue).sendOutcomes(messages.map(sending), { signal }))),
        Effect.map((all) => all.map(outcomeOf))
      ),
    // A provider waits no longer than it says; the front asks again until its caller's wait is over.
    receive: (address, options) => {
      const { max } = options
      const { receiveWaitMax } = queues.capabilities(address.queue)
      const wait = Duration.isFinite(options.wait)
        ? Duration.min(options.wait, receiveWaitMax)
        : options.wait
      return Effect.map(
        call((signal) => of(address.queue).receive({ max, wait, signal, ...from(address) })),
        (all) => deliveries.receive(address, all)
      )
    },
    settle: (receipts, verdict) => deliveries.each(receipts, "settle", settling(verdict)),
    renewLock: (receipts) =>
      Effect.map(
        deliveries.each(receipts, "renewLock", (delivery) => delivery.renewLock()),
        (all) => all.map(Result.map(DateTime.fromDateUnsafe))
      ),
    peek: (address, options) =>
      Effect.map(
        call((signal) => of(address.queue).peek({ ...options, signal, ...from(address) })),
        (all) => all.map((message) => revived<ReceivedMessage.PeekedMessage>(message))
      ),
    acceptSession: Effect.fnUntraced(function* (queue, { sessionId, wait }) {
      const id = sessionId === undefined ? {} : { sessionId }
      const accepted = yield* Effect.acquireRelease(
        call((signal) => of(queue).acceptSession({ ...id, wait, signal })),
        (session) => Effect.promise(() => session?.release() ?? Promise.resolve()),
        { interruptible: true }
      )
      return Option.map(Option.fromUndefinedOr(accepted), (session): QueueSession.QueueSession => {
        const address = QueueAddress.queue(queue)
        const held = `${accepts++}`
        return {
          queue,
          sessionId: SessionId.makeUnsafe(session.sessionId),
          lockedUntil: Effect.map(
            Effect.promise(() => session.lockedUntil()),
            DateTime.fromDateUnsafe
          ),
          receive: (options) =>
            Effect.map(
              call((signal) => session.receive({ ...options, signal })),
              (all) => deliveries.receive(address, all, held)
            ),
          settle: (receipts, verdict) =>
            deliveries.each(receipts, "settle", settling(verdict), held),
          renewLock: Effect.map(
            call(() => session.renewLock()),
            DateTime.fromDateUnsafe
          ),
          state: Effect.map(
            call(() => session.state()),
            Option.fromUndefinedOr
          ),
          setState: (state) => call(() => session.setState(Option.getOrUndefined(state)))
        }
      })
    })
  }
}

/** One opening of the front is one connection. */
export const layer = (provider: Queues.Provider) =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const queues = yield* Effect.acquireRelease(
        Effect.promise(() => Queues.open({ provider, clock, logLevel: "None" })),
        (opened) => Effect.promise(() => opened.close())
      )
      return make(queues)
    })
  )
