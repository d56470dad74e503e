import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Defaults, MessageId, type QueueError } from "@queue-runtime/core"
import type { SqsMessage } from "../sqs.ts"
import * as arriving from "./arriving.ts"
import type { Line } from "./line.ts"
import type { Demand } from "./poller.ts"

/** One receive under an id: asked for again under it, it gives the same messages. */
interface Attempt {
  readonly id: string
  readonly at: number
}

const window = Duration.toMillis(Defaults.sqsAttemptWindow)

const isUnanswered = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "ConnectionFailed" || reason._tag === "Timeout"

/**
 * Receives that lose nothing when their answer is lost: what they brought is locked and unseen, and on a
 * FIFO queue with it its groups. There the next receive asks for it again, and so does closing for those
 * it cuts short. A standard queue cannot be asked: its locks run out.
 */
export class Attempts {
  readonly #line: Line
  readonly #open = new Set<Attempt>()
  /** The oldest first; as many as there can be polls. */
  #lost: ReadonlyArray<Attempt> = []
  /** Known from the first receive on. */
  #isFifo = false

  constructor(line: Line) {
    this.#line = line
  }

  receive(demand: Demand): Effect.Effect<ReadonlyArray<SqsMessage>, QueueError.QueueError> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      const attempt = this.#again(now) ?? { id: yield* MessageId.generate, at: now }
      this.#open.add(attempt)
      return yield* Effect.onExit(this.#call(attempt, demand), (exit) =>
        Effect.sync(() => {
          // Cut short: closing asks for it again.
          if (Exit.hasInterrupts(exit)) return
          this.#open.delete(attempt)
          const isLost =
            Exit.isFailure(exit) &&
            exit.cause.reasons.some((one) => one._tag === "Fail" && isUnanswered(one.error))
          if (!isLost || !this.#isFifo) return
          this.#lost = [...this.#lost, attempt].slice(-this.#line.settings.pollersMax)
        })
      )
    })
  }

  /** What receives without an answer brought, to be released. Asked once each. */
  get left(): Effect.Effect<ReadonlyArray<SqsMessage>> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      const open = this.#isFifo ? [...this.#open] : []
      const all = [...open, ...this.#lost.filter(({ at }) => now - at < window)]
      this.#lost = []
      this.#open.clear()
      const visibilitySeconds = this.#line.visibilitySeconds
      const demand = { max: Defaults.sqsBatchCountMax, waitSeconds: 0, visibilitySeconds }
      const found = yield* Effect.forEach(
        all,
        (attempt) => Effect.orElseSucceed(this.#call(attempt, demand), () => []),
        { concurrency: "unbounded" }
      )
      return found.flat()
    })
  }

  /** What receives that were cut short or lost have brought is given back. */
  get release(): Effect.Effect<void> {
    return Effect.flatMap(this.left, (messages) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { visibilitySeconds } = this.#line
        return this.#line.release(arriving.read(this.#line, messages, visibilitySeconds, now), 0)
      })
    )
  }

  #again(now: number): Attempt | undefined {
    const [attempt, ...rest] = this.#lost.filter(({ at }) => now - at < window)
    this.#lost = rest
    return attempt
  }

  #call(
    { id }: Attempt,
    { max, visibilitySeconds, waitSeconds }: Demand
  ): Effect.Effect<ReadonlyArray<SqsMessage>, QueueError.QueueError> {
    const { sqs } = this.#line.shared
    return this.#line.on((to) => {
      this.#isFifo = to.isFifo
      const attemptId = to.isFifo ? { attemptId: id } : {}
      return sqs.receive(to, { max, visibilitySeconds, waitSeconds, ...attemptId })
    })
  }
}
