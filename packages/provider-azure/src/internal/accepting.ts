import type { ServiceBusSessionReceiver } from "@azure/service-bus"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  Defaults,
  QueueAddress,
  type QueueError,
  type QueueName,
  type SessionId
} from "@queue-runtime/core"
import { call, keeping, limited } from "./calls.ts"
import type { Context } from "./context.ts"
import * as errors from "./errors.ts"
import { longOf } from "./long.ts"
import type { SdkClient } from "./sdkClient.ts"

/** A session that the service granted, and the client whose connection it goes over. */
export interface Grant {
  readonly receiver: ServiceBusSessionReceiver
  readonly sdk: SdkClient
}

type Granted = Option.Option<Grant>

/** An accept that waits for the next free session. */
class Waiter {
  readonly done = Deferred.makeUnsafe<Granted, QueueError.QueueError>()
  /** What it was granted, until its caller has it. */
  granted: Granted = Option.none()
  readonly end: number
  /** Whether a request that was made for it has been answered. */
  isAsked = false
  isImpatient = false

  constructor(end: number) {
    this.end = end
  }
}

const sliceMillis = Duration.toMillis(Defaults.serviceBusAcceptSlice)

const sliceMillisMin = Duration.toMillis(Defaults.serviceBusAcceptSliceMin)

const options = {
  receiveMode: "peekLock",
  maxAutoLockRenewalDurationInMs: 0,
  skipParsingBodyAsJson: true,
  skipConvertingDate: true
} as const

/** What the service and its SDK say when there is no session to accept: two errors, and a time-out. */
const isNone = (error: QueueError.QueueError): boolean =>
  error.reason._tag === "SessionLocked" || error.reason._tag === "Timeout"

/**
 * Accepts sessions of one queue for all who want one in this process.
 *
 * A request for the next free session stays with the service for a while and cannot be taken back: the
 * SDK ignores its signal. So requests belong to nobody. Each that is answered serves whoever waits first,
 * and a session that is granted when nobody waits any more is released at once.
 */
export class Accepting {
  readonly #context: Context
  readonly #queue: QueueName.QueueName
  readonly #path: string
  readonly #waiters = new Set<Waiter>()
  #requests = 0
  /** Whether the queue is known to be there and to have sessions. */
  #isVerified = false

  constructor(context: Context, queue: QueueName.QueueName, path: string) {
    this.#context = context
    this.#queue = queue
    this.#path = path
  }

  isIdle(): boolean {
    return this.#waiters.size === 0 && this.#requests === 0
  }

  /** Nothing of it is open while it is idle. */
  close(): void {}

  /** Ends the waits of those who still wait, when the provider closes. */
  release(): void {
    for (const waiter of this.#waiters) {
      Deferred.doneUnsafe(waiter.done, Effect.fail(errors.closed(this.#place())))
    }
    this.#waiters.clear()
  }

  #place(sessionId?: SessionId.SessionId): errors.Place {
    const place = { operation: "acceptSession", queue: this.#queue }
    return sessionId === undefined ? place : { ...place, sessionId }
  }

  #giveBack({ receiver, sdk }: Grant): void {
    this.#context.discard(receiver, sdk)
  }

  /** Has the service asked over the client of now. */
  #granting(
    place: errors.Place,
    start: (sdk: SdkClient) => Promise<ServiceBusSessionReceiver>
  ): Effect.Effect<Grant, QueueError.QueueError> {
    return Effect.suspend(() => {
      const { sdk } = this.#context
      return keeping(
        this.#context,
        place,
        () => start(sdk).then((receiver): Grant => ({ receiver, sdk })),
        (late) => this.#giveBack(late)
      )
    })
  }

  /** The session of this id, at once. */
  byId(sessionId: SessionId.SessionId): Effect.Effect<Grant, QueueError.QueueError> {
    const { connectTimeout } = this.#context.config
    const place = { ...this.#place(sessionId), timeout: connectTimeout }
    return Effect.uninterruptibleMask((restore) => {
      const granted = this.#granting(place, ({ client }) =>
        client.acceptSession(this.#path, sessionId, options)
      )
      // The time limit inside: outside of it nobody could end the wait before the limit does.
      return restore(limited(this.#context, place, connectTimeout)(granted)).pipe(
        Effect.tap(() => Effect.sync(() => this.#isUp())),
        Effect.catch((error) =>
          error.reason._tag === "SessionLocked" || error.retry === "Never"
            ? Effect.andThen(restore(this.#verify), Effect.fail(error))
            : Effect.fail(error)
        )
      )
    })
  }

  #isUp(): void {
    this.#isVerified = true
  }

  /** The next free session; none when there is none before the wait is over. */
  next(wait: Duration.Duration): Effect.Effect<Granted, QueueError.QueueError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const limit = Duration.min(wait, Defaults.serviceBusReceiveWaitMax)
        const waiter = new Waiter(this.#context.now() + Duration.toMillis(limit))
        this.#waiters.add(waiter)
        this.#balance()
        return restore(this.#wait(waiter, limit)).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              this.#waiters.delete(waiter)
              // Granted at the moment it was interrupted.
              if (exit._tag === "Failure" && Option.isSome(waiter.granted)) {
                this.#offer(waiter.granted.value)
              }
            })
          )
        )
      })
    )
  }

  #wait(waiter: Waiter, limit: Duration.Duration): Effect.Effect<Granted, QueueError.QueueError> {
    const end = Deferred.await(waiter.done)
    return Effect.flatMap(
      Effect.timeoutOption(end, limit),
      Option.match({
        onSome: (granted) => Effect.succeed(granted),
        onNone: () => {
          waiter.isImpatient = true
          if (!waiter.isAsked) return end
          this.#waiters.delete(waiter)
          return Effect.succeed(waiter.granted)
        }
      })
    )
  }

  /** As many requests as there are waiters. */
  #balance(): void {
    if (this.#context.isClosed) return
    while (this.#requests < this.#waiters.size) {
      this.#requests++
      this.#context.shared.fork(this.#request(this.#slice()))
    }
  }

  /** How long the request may stay with the service: while somebody waits, and not for long. */
  #slice(): number {
    let end = 0
    for (const waiter of this.#waiters) end = Math.max(end, waiter.end)
    return Math.min(sliceMillis, Math.max(sliceMillisMin, end - this.#context.now()))
  }

  #request(millis: number): Effect.Effect<void> {
    const waiting = [...this.#waiters]
    const startedAt = this.#context.now()
    const limit = Duration.sum(this.#context.config.connectTimeout, Duration.millis(millis))
    const place = { ...this.#place(), timeout: limit }
    const { connection } = this.#context
    return this.#granting(place, ({ client }) =>
      connection.within(millis, () => client.acceptNextSession(this.#path, options))
    ).pipe(
      limited(this.#context, place, limit),
      Effect.result,
      Effect.flatMap((result) => {
        if (Result.isFailure(result)) {
          const isEarly = this.#context.now() - startedAt < millis / 2
          const refused = this.#refused(result.failure, waiting)
          // A service that does not wait must not be asked again and again.
          return isEarly ? Effect.andThen(refused, Effect.sleep(Defaults.idlePause)) : refused
        }
        this.#isUp()
        this.#offer(result.success)
        return Effect.void
      }),
      Effect.ensuring(
        Effect.sync(() => {
          this.#requests--
          this.#balance()
        })
      )
    )
  }

  #offer(grant: Grant): void {
    const [waiter] = this.#waiters
    if (waiter === undefined || this.#context.isClosed) {
      this.#giveBack(grant)
      return
    }
    this.#waiters.delete(waiter)
    waiter.granted = Option.some(grant)
    Deferred.doneUnsafe(waiter.done, Effect.succeed(waiter.granted))
  }

  #refused(error: QueueError.QueueError, waiting: ReadonlyArray<Waiter>): Effect.Effect<void> {
    if (!isNone(error)) return Effect.sync(() => this.#fail(waiting, error))
    return Effect.map(Effect.result(this.#verify), (verified) => {
      if (Result.isFailure(verified)) {
        this.#fail(waiting, verified.failure)
        return
      }
      for (const waiter of waiting) {
        waiter.isAsked = true
        if (!waiter.isImpatient || !this.#waiters.has(waiter)) continue
        this.#waiters.delete(waiter)
        Deferred.doneUnsafe(waiter.done, Effect.succeed(Option.none()))
      }
    })
  }

  #fail(waiting: ReadonlyArray<Waiter>, error: QueueError.QueueError): void {
    for (const waiter of waiting) {
      if (!this.#waiters.delete(waiter)) continue
      Deferred.doneUnsafe(waiter.done, Effect.fail(error))
    }
  }

  /**
   * The SDK says that the session cannot be locked, whatever the reason is. Whether the queue is there
   * tells a peek, once.
   */
  get #verify(): Effect.Effect<void, QueueError.QueueError> {
    return Effect.suspend(() => (this.#isVerified ? Effect.void : this.exists))
  }

  /** **Errors** QueueNotFound */
  get exists(): Effect.Effect<void, QueueError.QueueError> {
    return Effect.suspend(() => {
      const { connectTimeout } = this.#context.config
      const address = QueueAddress.queue(this.#queue)
      return Effect.map(
        call(this.#context, this.#place(), connectTimeout, (abortSignal) =>
          this.#context
            .peeker(this.#path, address)
            .peekMessages(1, { abortSignal, fromSequenceNumber: longOf(0n) })
        ),
        () => this.#isUp()
      )
    })
  }
}
