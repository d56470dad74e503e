import { type Outcome, QueueError } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Again, type Attempt, goOn, type Limits } from "./attempts.ts"

type Outcomes<A> = ReadonlyArray<Outcome.Outcome<A>>

/** What a retried batch call is made of. */
export interface Options<I, A> {
  readonly items: ReadonlyArray<I>
  readonly call: (items: ReadonlyArray<I>) => Effect.Effect<Outcomes<A>, QueueError.QueueError>
  /** Whether an entry that failed like this may go again. */
  readonly isRetryable: (error: QueueError.QueueError) => boolean
  /** How much of the call's time may be over when it goes again; absent: any. */
  readonly within?: ((error: QueueError.QueueError) => Duration.Duration | undefined) | undefined
  /** The session of an entry: nothing of it goes again behind a failure that stays. */
  readonly sessionOf: (item: I) => string | undefined
}

const missingOutcome = new Error("the provider answered fewer outcomes than entries")

/** Reasons that say that the call was refused before it took any effect. */
const refusals: ReadonlySet<QueueError.Reason["_tag"]> = new Set([
  "Throttled",
  "QuotaExceeded",
  "CircuitOpen",
  "SessionLocked"
])

/** Whether what failed may have taken effect all the same: its reply got lost. */
export const isUnsure = ({ reason }: QueueError.QueueError): boolean => !refusals.has(reason._tag)

/** A settlement whose reply got lost and whose repetition finds the receipt used: most likely it is done. */
const judged = (error: QueueError.QueueError, wasUnsure: boolean): QueueError.QueueError => {
  if (!wasUnsure || error.reason._tag !== "ReceiptExpired") return error
  const { operation, provider, queue } = error
  return QueueError.make(new QueueError.SettlementUnknown(), {
    operation,
    provider,
    queue,
    cause: error
  })
}

/** An error of an attempt: a message that it names is named by its place in the whole call. */
const inCall = (
  error: QueueError.QueueError,
  places: ReadonlyArray<number>
): QueueError.QueueError => QueueError.mapIndex(error, (index) => places[index] ?? index)

/** The first of the two in the given order, where there are two. */
const pick = (
  order: (one: Duration.Duration, other: Duration.Duration) => Duration.Duration,
  one: Duration.Duration | undefined,
  other: Duration.Duration | undefined
): Duration.Duration | undefined =>
  one === undefined || other === undefined ? (one ?? other) : order(one, other)

const exhausted = <A>(outcome: Outcome.Outcome<A>): Outcome.Outcome<A> =>
  Result.mapError(outcome, QueueError.exhausted)

/**
 * One batch call over its attempts: which entries are still to go, what became of the others, and which
 * may have taken effect without a reply. Each attempt sends again only what failed and is worth it.
 */
export class Batch<I, A> {
  readonly #options: Options<I, A>
  /** By place; filled by the first attempt that answers anything. */
  #outcomes: Array<Outcome.Outcome<A>> = []
  /** Places still to go; none yet: all. */
  #pending: ReadonlyArray<number> | undefined = undefined
  readonly #unsure = new Set<number>()

  constructor(options: Options<I, A>) {
    this.#options = options
  }

  readonly attempt = (): Attempt<Outcomes<A>, QueueError.QueueError, never> => {
    const { items } = this.#options
    const pending = this.#pending
    return Effect.matchEffect(
      this.#options.call(
        pending === undefined ? items : pending.flatMap((place) => items.slice(place, place + 1))
      ),
      {
        onSuccess: (answered) => this.answered(answered),
        onFailure: (error) => this.failed(error)
      }
    )
  }

  get #places(): ReadonlyArray<number> {
    return this.#pending ?? this.#options.items.map((_, place) => place)
  }

  /** What an attempt answered for the entries that went. */
  answered(answered: Outcomes<A>): Attempt<Outcomes<A>, QueueError.QueueError, never> {
    const places = this.#places
    for (const [index, place] of places.entries()) {
      const given = answered[index]
      if (given === undefined) return Effect.die(missingOutcome)
      const outcome = Result.isFailure(given) ? Result.fail(inCall(given.failure, places)) : given
      this.#set(place, outcome)
    }
    return Effect.succeed(this.#next())
  }

  /** Of the whole call: the failure of each entry that went. */
  failed(error: QueueError.QueueError): Attempt<Outcomes<A>, QueueError.QueueError, never> {
    const places = this.#places
    const isWhole = places.length === this.#options.items.length
    const whole = judged(error, this.#unsure.size > 0)
    const own = inCall(error, places)
    for (const place of places) this.#set(place, Result.fail(own))
    // Where only some went, what became of the others must not be lost in a failure.
    if (!isWhole) return Effect.succeed(this.#next())
    return this.#options.isRetryable(whole)
      ? Effect.succeed(
          new Again<Outcomes<A>, QueueError.QueueError>({
            error: whole,
            retryAfter: whole.retryAfter,
            within: this.#options.within?.(whole),
            giveUp: Effect.fail(QueueError.exhausted(whole))
          })
        )
      : Effect.fail(whole)
  }

  #set(place: number, outcome: Outcome.Outcome<A>): void {
    this.#outcomes[place] = Result.mapError(outcome, (error) =>
      judged(error, this.#unsure.has(place))
    )
    if (Result.isFailure(outcome) && isUnsure(outcome.failure)) this.#unsure.add(place)
  }

  /** Another attempt for what is worth it; else all outcomes, each at its place. */
  #next(): Outcomes<A> | Again<Outcomes<A>, QueueError.QueueError> {
    const { isRetryable, items, sessionOf, within } = this.#options
    const outcomes = this.#outcomes
    const stopped = new Set<string>()
    const pending: Array<number> = []
    const errors: Array<QueueError.QueueError> = []
    for (const [place, outcome] of outcomes.entries()) {
      if (Result.isSuccess(outcome)) continue
      const { failure } = outcome
      const [session] = items.slice(place, place + 1).map(sessionOf)
      if (isRetryable(failure) && !(session !== undefined && stopped.has(session))) {
        pending.push(place)
        errors.push(failure)
      } else if (session !== undefined) {
        stopped.add(session)
      }
    }
    this.#pending = pending
    const error = errors.at(-1)
    if (error === undefined) return outcomes
    const given = new Set(pending)
    return new Again<Outcomes<A>, QueueError.QueueError>({
      error,
      retryAfter: errors
        .map((one) => one.retryAfter)
        .reduce((one, other) => pick(Duration.max, one, other)),
      within: errors
        .map((one) => within?.(one))
        .reduce((one, other) => pick(Duration.min, one, other)),
      giveUp: Effect.sync(() =>
        outcomes.map((outcome, place) => (given.has(place) ? exhausted(outcome) : outcome))
      )
    })
  }
}

const isDone = (answered: Outcomes<unknown>): boolean => {
  for (const outcome of answered) if (Result.isFailure(outcome)) return false
  return true
}

/** A batch call over its attempts; the first one, if it goes well, costs no more than a look. */
export const run = <I, A>(
  limits: Limits,
  options: () => Options<I, A>,
  first: Effect.Effect<Outcomes<A>, QueueError.QueueError>,
  onRetry: (error: QueueError.QueueError, delay: Duration.Duration) => Effect.Effect<void>
): Effect.Effect<Outcomes<A>, QueueError.QueueError> =>
  Effect.clockWith((clock) => {
    const start = clock.currentTimeMillisUnsafe()
    const after = (
      read: (batch: Batch<I, A>) => Attempt<Outcomes<A>, QueueError.QueueError, never>
    ) =>
      Effect.suspend(() => {
        const batch = new Batch(options())
        const going = { limits, attempt: batch.attempt, onRetry }
        return Effect.flatMap(read(batch), (answer) => goOn(going, start, answer))
      })
    return Effect.matchEffect(first, {
      onSuccess: (answered) =>
        isDone(answered) ? Effect.succeed(answered) : after((batch) => batch.answered(answered)),
      onFailure: (error) => after((batch) => batch.failed(error))
    })
  })
