import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  Defaults,
  Options,
  type Outcome,
  type PushedBatch,
  QueueAddress,
  QueueError,
  type Verdict
} from "@queue-runtime/core"
import type * as AwsConfig from "../../AwsConfig.ts"
import * as deadLetterWire from "../deadLetterWire.ts"
import * as errors from "../errors.ts"
import { sizeOf } from "../size.ts"
import type { Queue, SendEntry, Sqs } from "../sqs.ts"
import type { Arrived } from "../wire.ts"
import type { Counts } from "./counts.ts"

type Which = ReadonlyArray<number>
type Outcomes = ReadonlyArray<Outcome.Outcome<void>>

/** Why a message is put aside. */
type Why = Omit<Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>, "_tag">

/** What the messages of one event have in common. */
export interface Facts {
  readonly address: QueueAddress.QueueAddress
  readonly settings: AwsConfig.ResolvedQueue
  readonly sqs: Sqs
  readonly counts: Counts
  /** Whether an abandoned message is told when to come again. */
  readonly changesVisibility: boolean
}

/** A message of it, and which delivery of it this is. */
export interface Pushed {
  readonly arrived: Arrived
  readonly deliveryCount: number
  /** The place of the first delivery of the same message, which is settled for both. */
  readonly copyOf?: number
}

const done: Outcome.Outcome<void> = Result.succeed(undefined)

const isDone = (outcome: Outcome.Outcome<unknown> | undefined): boolean =>
  outcome !== undefined && Result.isSuccess(outcome)

/** In as many calls as it takes, some at once: the host does not wait long. One outcome an entry. */
const inTens = <A, B>(
  entries: ReadonlyArray<A>,
  call: (
    some: ReadonlyArray<A>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<B>>, QueueError.QueueError>
): Effect.Effect<ReadonlyArray<Outcome.Outcome<B>>> => {
  const size = Defaults.sqsBatchCountMax
  const tens = Array.from({ length: Math.ceil(entries.length / size) }, (_, part) =>
    entries.slice(part * size, (part + 1) * size)
  )
  const answers = Effect.forEach(
    tens,
    (some) =>
      Effect.match(call(some), {
        onFailure: (error) => some.map((): Outcome.Outcome<B> => Result.fail(error)),
        onSuccess: (all) => all
      }),
    { concurrency: Defaults.concurrency }
  )
  return Effect.map(answers, (all) => all.flat())
}

/** Ten large ones do not fit into one call. */
const sendAll = (sqs: Sqs, to: Queue, entries: ReadonlyArray<SendEntry>) => {
  const size = entries.reduce((sum, entry) => sum + sizeOf(entry), 0)
  return size <= Defaults.sqsSendSizeMax
    ? sqs.send(to, entries)
    : Effect.map(
        Effect.forEach(entries, (entry) => sqs.send(to, [entry])),
        (answers) => answers.flat()
      )
}

/** The messages of one event, and what Lambda and SQS are to do with them. */
export class Batch {
  readonly #facts: Facts
  readonly #messages: ReadonlyArray<Pushed>
  /** By its place what else came of a message. */
  readonly #copies = new Map<number, Array<number>>()
  /** Their copies are among the dead letters: on a standard queue nobody would drop a second one. */
  readonly #copied = new Set<number>()

  constructor(facts: Facts, messages: ReadonlyArray<Pushed>) {
    this.#facts = facts
    this.#messages = messages
    for (const [index, { copyOf }] of messages.entries()) {
      if (copyOf === undefined) continue
      const known = this.#copies.get(copyOf)
      if (known === undefined) this.#copies.set(copyOf, [index])
      else known.push(index)
    }
  }

  readonly settle: PushedBatch.Opened["settle"] = (which, verdict, behind) => {
    switch (verdict._tag) {
      case "Complete":
        // It is left out of the answer.
        return Effect.sync(() => {
          for (const { arrived } of this.#of(which)) this.#facts.counts.forget(arrived.id)
          return which.map(() => done)
        })
      case "Abandon":
        return this.#abandon(which, verdict.delay, behind)
      case "DeadLetter":
        return this.#putAside(which, verdict)
    }
  }

  /** Else they come when their locks run out, as they do where nobody is called back. */
  readonly release: PushedBatch.Opened["release"] = (which) =>
    Effect.suspend(() => {
      this.#ended(which, false)
      return this.#facts.changesVisibility
        ? Effect.ignore(this.#comeAgain(which, Duration.zero))
        : Effect.void
    })

  /** Copies, once each; Lambda removes what the answer does not name. */
  #putAside(which: Which, why: Why): Effect.Effect<Outcomes, QueueError.QueueError> {
    const { address, counts, sqs } = this.#facts
    if (address._tag === "DeadLetter") return this.#unsupported("dead-lettering a dead letter")
    const due = which.filter((index) => !this.#copied.has(index))
    return Effect.gen({ self: this }, function* () {
      const to = yield* sqs.queueOf(QueueAddress.deadLetter(address.queue))
      const now = yield* Clock.currentTimeMillis
      const entries = this.#of(due).map((one) => this.#copyOf(one, why, to.isFifo, now))
      const answers = yield* inTens(entries, (some) => sendAll(sqs, to, some))
      for (const [at, index] of due.entries()) if (isDone(answers[at])) this.#copied.add(index)
      return which.map((index): Outcome.Outcome<void> => {
        const answer = answers[due.indexOf(index)]
        if (answer !== undefined && Result.isFailure(answer)) return Result.fail(answer.failure)
        for (const { arrived } of this.#of([index])) counts.forget(arrived.id)
        return done
      })
    })
  }

  #abandon(which: Which, delay: Duration.Duration, behind: Which) {
    if (!this.#facts.changesVisibility && !Duration.isZero(delay)) {
      const remedy =
        "abandon without one, or set changesVisibility: true where the function may do that"
      return this.#unsupported("abandoning with a delay", remedy)
    }
    const calling: Effect.Effect<Outcomes, QueueError.QueueError> = this.#facts.changesVisibility
      ? this.#comeAgain([...which, ...behind], delay)
      : Effect.succeed(which.map(() => done))
    return Effect.map(calling, (outcomes) => {
      const failed = which.filter((_, at) => isDone(outcomes[at]))
      this.#ended(failed, true)
      if (failed.length > 0) this.#ended(behind, false)
      return outcomes.slice(0, which.length)
    })
  }

  /**
   * All of a group at once: nobody gets what stands behind one in flight. What came twice comes again by
   * whichever of its receipts still counts.
   */
  #comeAgain(which: Which, delay: Duration.Duration) {
    const { address, sqs } = this.#facts
    const seconds = Math.ceil(Duration.toSeconds(delay))
    const all = which.map((index) => this.#deliveriesOf(index))
    const entries = all.flat().map(({ arrived }) => ({ handle: arrived.handle, seconds }))
    return Effect.flatMap(sqs.queueOf(address), (queue) =>
      Effect.map(
        inTens(entries, (some) => sqs.changeVisibility(queue, some)),
        (outcomes) => {
          let at = 0
          return all.flatMap(({ length }) => {
            const own = outcomes.slice(at, (at += length))
            return own.find(isDone) ?? own[0] ?? []
          })
        }
      )
    )
  }

  #copyOf({ arrived, deliveryCount }: Pushed, why: Why, isFifo: boolean, now: number): SendEntry {
    const { address, settings } = this.#facts
    return deadLetterWire.toDeadLetter(arrived, {
      reason: why.reason,
      source: address.queue,
      now,
      deliveryCount,
      isFifo,
      // What the queue took, its dead-letter queue takes.
      sizeMax: settings.messageSizeMax,
      ...Options.defined({ description: why.description, details: why.details })
    })
  }

  #of(which: Which): ReadonlyArray<Pushed> {
    return which.flatMap((index) => this.#messages[index] ?? [])
  }

  /** It, and whatever else came of the same message. */
  #deliveriesOf(index: number): ReadonlyArray<Pushed> {
    return this.#of([index, ...(this.#copies.get(index) ?? [])])
  }

  #ended(which: Which, wasSeen: boolean): void {
    const { counts } = this.#facts
    for (const index of which) {
      let isSeen = wasSeen
      const counted = new Set<number>()
      // A second delivery nobody saw; the broker has counted it, if it has a count of its own.
      for (const { arrived } of this.#deliveriesOf(index)) {
        if (!counted.has(arrived.receives)) counts.ended(arrived.id, isSeen)
        counted.add(arrived.receives)
        isSeen = false
      }
    }
  }

  #unsupported(what: string, remedy?: string): Effect.Effect<never, QueueError.QueueError> {
    const { provider } = errors
    const reason = new QueueError.UnsupportedOperation({ what, provider, remedy })
    const queue = QueueAddress.format(this.#facts.address)
    return Effect.fail(errors.error(reason, { operation: "settle", queue }))
  }
}
