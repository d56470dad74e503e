import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
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
  #prefix: string | undefined = undefined
  #made = 0
  /** Known from the first receive on. */
  #isFifo = false

  constructor(line: Line) {
    this.#line = line
  }

  receive(demand: Demand): Effect.Effect<arriving.Answer, QueueError.QueueError> {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis
      const again = this.#again(now)
      const attempt = again ?? { id: yield* this.#newId, at: now }
      this.#open.add(attempt)
      const answer = yield* Effect.onExit(this.#call(attempt, demand), (exit) =>
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
      return { ...answer, isAgain: again !== undefined }
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
        (attempt) => Effect.option(this.#call(attempt, demand)),
        { concurrency: "unbounded" }
      )
      return found.flatMap((one) => (Option.isSome(one) ? one.value.messages : []))
    })
  }

  /** What receives that were cut short or lost have brought is given back. */
  get release(): Effect.Effect<void> {
    return Effect.flatMap(this.left, (messages) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { visibilitySeconds } = this.#line
        const answer = { messages, sentAt: now, isAgain: true }
        return this.#line.release(arriving.read(this.#line, answer, visibilitySeconds, now), 0)
      })
    )
  }

  /** A name of its own for each, of a name that no other process has. */
  get #newId(): Effect.Effect<string> {
    return Effect.map(
      this.#prefix === undefined ? MessageId.generate : Effect.succeed(this.#prefix),
      (prefix) => {
        this.#prefix = prefix
        return `${prefix}-${(this.#made++).toString(36)}`
      }
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
  ): Effect.Effect<Pick<arriving.Answer, "messages" | "sentAt">, QueueError.QueueError> {
    const { sqs } = this.#line.shared
    return this.#line.on((to) => {
      this.#isFifo = to.isFifo
      const attemptId = to.isFifo ? { attemptId: id } : {}
      const receive = sqs.receive(to, { max, visibilitySeconds, waitSeconds, ...attemptId })
      // Where the queue is may have been asked for first: nothing was locked meanwhile.
      return Effect.flatMap(Clock.currentTimeMillis, (sentAt) =>
        Effect.map(receive, (messages) => ({ messages, sentAt }))
      )
    })
  }
}
