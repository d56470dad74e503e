import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Semaphore from "effect/Semaphore"
import { Defaults, type Outcome, QueueError, type Receipt, type Verdict } from "@queue-runtime/core"
import { provider } from "../errors.ts"
import * as burying from "./burying.ts"
import type { Delivery } from "./delivery.ts"
import type { Group } from "./group.ts"
import type { Line, Shared } from "./line.ts"

type Outcomes<A> = ReadonlyArray<Outcome.Outcome<A>>

const done: Outcome.Outcome<void> = Result.succeed(undefined)

/** A receipt of a call, and what it stands for; nothing where it settles nothing. */
interface Entry {
  readonly receipt: Receipt.Receipt
  readonly line: Line
  readonly delivery: Delivery | undefined
}

/** What a call may be about: a provider's receipts, or those of one group alone. */
export interface Scope {
  readonly shared: Shared
  readonly lineOf: (receipt: Receipt.Receipt) => Line
  readonly only?: Group
}

/** In hand, and its lock holds, that of its group too. */
const isInHand = (delivery: Delivery, token: string, now: number): boolean =>
  delivery.token === token &&
  delivery.phase === "out" &&
  now < delivery.lockedUntil &&
  (delivery.group === undefined || (!delivery.group.isOver && now < delivery.group.lockedUntil))

/** Those that settle anything; of the others it is forgotten what they stand for. */
const only = (
  entries: ReadonlyArray<Entry>,
  holds: (receipt: Receipt.Receipt, delivery: Delivery) => boolean
): ReadonlyArray<Entry> =>
  entries.map(({ delivery, line, receipt }) => ({
    receipt,
    line,
    delivery: delivery !== undefined && holds(receipt, delivery) ? delivery : undefined
  }))

const find = (
  { lineOf, only: own, shared }: Scope,
  receipts: ReadonlyArray<Receipt.Receipt>
): ReadonlyArray<Entry> =>
  receipts.map((receipt) => {
    const issued = shared.receipts.find(receipt)
    const isThere = issued !== undefined && (own === undefined || issued.delivery.group === own)
    const line = issued?.line ?? lineOf(receipt)
    return { receipt, line, delivery: isThere ? issued.delivery : undefined }
  })

/** By group where there is one: two calls then meet in the same order, and neither blocks the other. */
const turnKey = ({ content, group }: Delivery): string =>
  group === undefined ? content.handle : `group ${group.id}`

/** One at a time over all that sets their visibility. */
const inTurns = <A, E>(
  deliveries: ReadonlyArray<Delivery>,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const turns = new Set<Semaphore.Semaphore>()
  const sorted = deliveries.toSorted((one, other) => (turnKey(one) < turnKey(other) ? -1 : 1))
  for (const { turn } of sorted) turns.add(turn)
  return [...turns].reduceRight((inner, turn) => turn.withPermit(inner), effect)
}

/** By line, since a call is about one queue. */
const byLine = <A, E>(
  entries: ReadonlyArray<Entry>,
  f: (
    line: Line,
    deliveries: ReadonlyArray<Delivery>
  ) => Effect.Effect<ReadonlyMap<Delivery, Outcome.Outcome<A>>, E>,
  expired: (entry: Entry) => Outcome.Outcome<A>
): Effect.Effect<Outcomes<A>, E> => {
  const [first] = entries
  // As most calls are.
  if (first !== undefined && entries.every(({ line }) => line === first.line)) {
    const all = entries.flatMap(({ delivery }) => delivery ?? [])
    const answered = all.length === 0 ? Effect.succeed(new Map<never, never>()) : f(first.line, all)
    return Effect.map(answered, (outcomes) => answersOf(entries, new Map(outcomes), expired))
  }
  const lines = Map.groupBy(
    entries.filter(({ delivery }) => delivery !== undefined),
    ({ line }) => line
  )
  return Effect.map(
    Effect.forEach(lines, ([line, own]) =>
      f(
        line,
        own.flatMap(({ delivery }) => delivery ?? [])
      )
    ),
    (maps) => answersOf(entries, new Map(maps.flatMap((map) => [...map])), expired)
  )
}

/** Each answers once: a receipt that is in a call twice settles once. */
const answersOf = <A>(
  entries: ReadonlyArray<Entry>,
  outcomes: Map<Delivery, Outcome.Outcome<A>>,
  expired: (entry: Entry) => Outcome.Outcome<A>
): Outcomes<A> =>
  entries.map((entry) => {
    const outcome = entry.delivery && outcomes.get(entry.delivery)
    if (outcome === undefined || entry.delivery === undefined) return expired(entry)
    outcomes.delete(entry.delivery)
    return outcome
  })

/** Removes what is being settled already; one outcome each. */
const remove = Effect.fnUntraced(function* (line: Line, deliveries: ReadonlyArray<Delivery>) {
  const answers = yield* line.remover.submit(deliveries.map(({ content }) => content.handle))
  const outcomes = new Map<Delivery, Outcome.Outcome<void>>()
  for (const [index, delivery] of deliveries.entries()) {
    const answer = answers[index] ?? Result.fail(line.closed("settle"))
    outcomes.set(delivery, answer)
    if (Result.isSuccess(answer)) yield* line.settled(delivery)
    else if (answer.failure.reason._tag === "ReceiptExpired") yield* line.lost(delivery)
    else yield* line.cameBack(delivery)
  }
  return outcomes
})

/**
 * Puts copies of what is being settled already among the dead letters, then removes; what could not be
 * copied is in hand again.
 */
export const deadLetter = Effect.fnUntraced(function* (
  line: Line,
  deliveries: ReadonlyArray<Delivery>,
  verdict: burying.Why
) {
  const copied = yield* burying.copy(line, deliveries, verdict)
  const outcomes = new Map<Delivery, Outcome.Outcome<void>>()
  const ready: Array<Delivery> = []
  for (const [index, delivery] of deliveries.entries()) {
    const answer = copied[index] ?? Result.fail(line.closed("settle"))
    if (Result.isSuccess(answer)) {
      ready.push(delivery)
      continue
    }
    outcomes.set(delivery, answer)
    yield* line.cameBack(delivery)
  }
  if (ready.length === 0) return outcomes
  return new Map([...outcomes, ...(yield* remove(line, ready))])
})

/** Whether this failure of it was one too many. */
const isSpent = (line: Line, delivery: Delivery): boolean =>
  line.hasDeadLetters &&
  (delivery.count >= line.settings.deliveriesMax ||
    delivery.content.receives >= line.known.receivesMax)

/**
 * Of a group: no call. It stays held, the message comes first again under a new receipt, and those
 * behind it wait. One that failed once too often goes to the dead letters, and the next one is let
 * through; if it cannot, it stays.
 */
const abandonInGroup = Effect.fnUntraced(function* (
  line: Line,
  group: Group,
  deliveries: ReadonlyArray<Delivery>,
  delayMillis: number
) {
  const outcomes = new Map<Delivery, Outcome.Outcome<void>>()
  for (const delivery of group.deliveries.filter((one) => deliveries.includes(one))) {
    // Taken back with one before it.
    if (delivery.phase !== "out") continue
    for (const token of group.takeBackBehind(delivery)) line.shared.receipts.drop(token)
    if (isSpent(line, delivery) && (yield* burying.bury(line, delivery, burying.spent(line)))) {
      outcomes.set(delivery, done)
      continue
    }
    // Lost, or taken back, alone or with its group, while it was to be put aside.
    if (delivery.phase !== "out" || group.isOver) {
      outcomes.set(delivery, Result.fail(line.expired("settle")))
      continue
    }
    line.shared.receipts.drop(delivery.token)
    group.abandon(delivery, (yield* Clock.currentTimeMillis) + delayMillis)
    outcomes.set(delivery, done)
  }
  if (line.owner !== undefined) yield* line.owner.changed(group)
  return outcomes
})

/** Without a group: visible again after the delay, by one call. */
const abandonAlone = (line: Line, deliveries: ReadonlyArray<Delivery>, seconds: number) => {
  const call = Effect.gen(function* () {
    const hiddenUntil = line.lockedUntil(yield* Clock.currentTimeMillis, seconds)
    const entries = deliveries.map(({ content }) => ({ handle: content.handle, seconds }))
    const { sqs } = line.shared
    const answers = yield* Effect.match(
      line.on((to) => sqs.changeVisibility(to, entries)),
      {
        onFailure: (error): Outcomes<void> => deliveries.map(() => Result.fail(error)),
        onSuccess: (outcomes) => outcomes
      }
    )
    const outcomes = new Map<Delivery, Outcome.Outcome<void>>()
    for (const [index, delivery] of deliveries.entries()) {
      const answer = answers[index] ?? Result.fail(line.closed("settle"))
      outcomes.set(delivery, answer)
      if (Result.isSuccess(answer)) line.counts.hides(delivery, hiddenUntil)
      const isOver = Result.isSuccess(answer) || answer.failure.reason._tag === "ReceiptExpired"
      if (isOver) yield* line.lost(delivery)
      else yield* line.cameBack(delivery)
    }
    return outcomes
  })
  return inTurns(deliveries, call)
}

const second = 1_000

/** One that was renewed so often that the delay does not fit into its twelve hours stays as it is. */
const abandon = Effect.fnUntraced(function* (
  line: Line,
  deliveries: ReadonlyArray<Delivery>,
  delay: Duration.Duration
) {
  const now = yield* Clock.currentTimeMillis
  const seconds = Math.ceil(Duration.toMillis(delay) / second)
  const outcomes = new Map<Delivery, Outcome.Outcome<void>>()
  const fitting: Array<Delivery> = []
  for (const one of deliveries) {
    const left = line.secondsLeft(one, now)
    if (seconds === 0 || seconds <= left) {
      fitting.push(one)
      continue
    }
    if (one.phase === "settling") one.phase = "out"
    outcomes.set(one, Result.fail(tooLate(line, left)))
  }
  const groups = Map.groupBy(fitting, ({ group }) => group)
  for (const [group, own] of groups) {
    const some =
      group === undefined
        ? yield* abandonAlone(line, own, seconds)
        : yield* abandonInGroup(line, group, own, Duration.toMillis(delay))
    for (const [delivery, outcome] of some) outcomes.set(delivery, outcome)
  }
  return outcomes
})

/** The delivery stays as it is. */
const tooLate = (line: Line, left: number): QueueError.QueueError => {
  const problem = `must be at most ${left} seconds for this delivery: SQS hides it for 12 hours in all`
  return line.error(new QueueError.ValidationFailed({ field: "delay", problem }), "settle")
}

/** Longest delay of an abandon: a delivery that was never renewed always has it left. */
export const abandonDelayMax = (line: Pick<Line, "settings">): Duration.Duration =>
  Duration.subtract(
    Duration.subtract(Defaults.sqsVisibilityTimeoutMax, line.settings.visibilityTimeout),
    Duration.seconds(1)
  )

/** What to do where a queue has no dead letters. */
export const withoutDeadLetters =
  "give it a redrive policy, or name a queue for them in deadLetter of its options"

/** Why nothing of the call can be settled. */
const problemOf = (line: Line, verdict: Verdict.Verdict): QueueError.Reason | undefined => {
  if (verdict._tag === "DeadLetter" && !line.hasDeadLetters) {
    const reason = line.isMain
      ? { what: "dead-lettering", remedy: withoutDeadLetters }
      : { what: "dead-lettering a dead letter" }
    return new QueueError.UnsupportedOperation({ ...reason, provider })
  }
  if (verdict._tag !== "Abandon") return undefined
  const { delay } = verdict
  const max = abandonDelayMax(line)
  if (Duration.isFinite(delay) && !Duration.isNegative(delay)) {
    if (Duration.isLessThanOrEqualTo(delay, max)) return undefined
  }
  const problem = `must be from zero to ${Duration.format(max)}`
  return new QueueError.ValidationFailed({ field: "delay", problem })
}

const tooMany = (line: Line, operation: string): QueueError.QueueError => {
  const problem = `must be at most ${Defaults.sqsBatchCountMax} in one call`
  return line.error(new QueueError.ValidationFailed({ field: "receipts", problem }), operation)
}

/** Settles what the receipts stand for; one outcome each. */
export const settle = (
  scope: Scope,
  receipts: ReadonlyArray<Receipt.Receipt>,
  verdict: Verdict.Verdict
): Effect.Effect<Outcomes<void>, QueueError.QueueError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const entries = find(scope, receipts)
    const [first] = entries
    if (first === undefined) return Effect.succeed([])
    const { line } = first
    if (scope.shared.isClosed) return Effect.fail(line.closed("settle"))
    if (receipts.length > Defaults.sqsBatchCountMax) return Effect.fail(tooMany(line, "settle"))
    for (const one of entries) {
      const problem = problemOf(one.line, verdict)
      if (problem !== undefined) return Effect.fail(one.line.error(problem, "settle"))
    }
    const inHand = only(entries, ({ token }, delivery) => isInHand(delivery, token, now))
    // In one step with looking at it: of two calls about one delivery one alone finds it in hand. In a
    // group an abandon makes no call.
    for (const { delivery } of inHand) {
      const isLocal = verdict._tag === "Abandon" && delivery?.group !== undefined
      if (delivery !== undefined && !isLocal) delivery.phase = "settling"
    }
    const one = (own: Line, all: ReadonlyArray<Delivery>) => {
      const deliveries = [...new Set(all)]
      if (verdict._tag === "Complete") return remove(own, deliveries)
      if (verdict._tag === "Abandon") return abandon(own, deliveries, verdict.delay)
      return deadLetter(own, deliveries, verdict)
    }
    const settling = byLine(inHand, one, (entry) => Result.fail(entry.line.expired("settle")))
    return line.detached(settling, "settle")
  })

/**
 * Locks deliveries anew, as far as their twelve hours go. One on its way to be settled is left alone, but in
 * a group: there it holds back what is behind it. That it could not be locked anew says nothing then, since
 * it may be gone.
 */
export const extend = Effect.fnUntraced(function* (
  line: Line,
  deliveries: ReadonlyArray<Delivery>,
  most: number = line.visibilitySeconds
) {
  const now = yield* Clock.currentTimeMillis
  const outcomes = new Map<Delivery, Outcome.Outcome<number>>()
  const due: Array<{ readonly delivery: Delivery; readonly seconds: number }> = []
  for (const delivery of deliveries) {
    const seconds = Math.min(most, line.secondsLeft(delivery, now))
    const isOurs = !delivery.isFinal && now < delivery.lockedUntil && seconds > 0
    if (delivery.phase === "settling" && (delivery.group === undefined || !isOurs)) {
      outcomes.set(delivery, Result.succeed(delivery.lockedUntil))
    } else if (!isOurs) {
      outcomes.set(delivery, Result.fail(line.expired("renewLock")))
    } else due.push({ delivery, seconds })
  }
  const entries = due.map(({ delivery, seconds }) => ({
    handle: delivery.content.handle,
    seconds
  }))
  const answers = yield* line.extender.submit(entries)
  for (const [index, { delivery, seconds }] of due.entries()) {
    const answer = answers[index] ?? Result.fail(line.closed("renewLock"))
    if (Result.isSuccess(answer)) delivery.lockedUntil = line.lockedUntil(now, seconds)
    const isLeft = delivery.phase === "settling" || Result.isSuccess(answer)
    outcomes.set(
      delivery,
      isLeft ? Result.succeed(delivery.lockedUntil) : Result.map(answer, () => delivery.lockedUntil)
    )
  }
  return outcomes
})

/** Renews what the receipts stand for, each by itself; those of a session by its own renewal. */
export const renew = (
  scope: Scope,
  receipts: ReadonlyArray<Receipt.Receipt>
): Effect.Effect<Outcomes<DateTime.Utc>, QueueError.QueueError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const entries = find(scope, receipts)
    const [first] = entries
    if (first === undefined) return Effect.succeed([])
    const { line } = first
    if (scope.shared.isClosed) return Effect.fail(line.closed("renewLock"))
    if (receipts.length > Defaults.sqsBatchCountMax) return Effect.fail(tooMany(line, "renewLock"))
    const inHand = only(
      entries,
      ({ token }, delivery) => delivery.phase === "settling" || isInHand(delivery, token, now)
    )
    const one = (own: Line, all: ReadonlyArray<Delivery>) => {
      const deliveries = [...new Set(all)]
      const renewing = Effect.gen(function* () {
        const renewed = yield* extend(own, deliveries)
        const outcomes = new Map<Delivery, Outcome.Outcome<DateTime.Utc>>()
        for (const [delivery, outcome] of renewed) {
          outcomes.set(delivery, Result.map(outcome, DateTime.makeUnsafe))
          if (Result.isSuccess(outcome) || outcome.failure.reason._tag !== "ReceiptExpired")
            continue
          if (!delivery.isFinal && delivery.phase !== "settling") yield* own.lost(delivery)
        }
        return outcomes
      })
      return inTurns(deliveries, renewing)
    }
    const renewing = byLine(inHand, one, (entry) => Result.fail(entry.line.expired("renewLock")))
    return line.detached(renewing, "renewLock")
  })
