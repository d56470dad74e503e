/**
 * Replays and purges under way, and how the last ones ended: a browser that is closed meanwhile does not
 * stop one.
 *
 * @since 0.1.0
 */
import type { DeadLetters, QueueError, QueueName } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * What a job does.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "purge" | "replay"

/**
 * A letter that was not done, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly messageId: string
  readonly outcome: "duplicated" | "failed"
  readonly reason: string
  readonly message: string
}

/**
 * A job as it is now, times in milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly id: string
  readonly kind: Kind
  readonly queue: QueueName.QueueName
  readonly isDryRun: boolean
  readonly startedAt: number
  readonly endedAt?: number
  readonly state: "cancelled" | "done" | "failed" | "running"
  readonly done: number
  readonly failed: number
  readonly total?: number
  readonly failures: Readonly<Record<string, number>>
  /** The first of them. */
  readonly examples: ReadonlyArray<Failure>
  /** Of one that is done: whether it came to all letters; others may have some in hand. */
  readonly complete?: boolean
  /** Why it failed as a whole. */
  readonly problem?: { readonly reason: string; readonly message: string }
}

/**
 * What to start.
 *
 * @category options
 * @since 0.1.0
 */
export interface Start {
  readonly kind: Kind
  readonly queue: QueueName.QueueName
  readonly isDryRun: boolean
  readonly progress: Stream.Stream<DeadLetters.Progress, QueueError.QueueError>
}

/**
 * The jobs of a dashboard.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /** Starts one; `None` while another one works on the queue. */
  readonly start: (start: Start) => Effect.Effect<Option.Option<Job>>
  readonly get: (id: string) => Job | undefined
  /** The jobs of a queue, newest first. */
  readonly list: (queue: QueueName.QueueName) => ReadonlyArray<Job>
  /** Ends one; what is under way comes to its end first. */
  readonly cancel: (id: string) => Effect.Effect<void>
}

/** Jobs remembered, running ones included; there is one a queue at a time. */
const jobsMax = 50

const examplesMax = 10

const exampleOf = ({ last }: DeadLetters.Progress): ReadonlyArray<Failure> =>
  last === undefined || last.outcome === "done"
    ? []
    : [
        {
          messageId: last.messageId,
          outcome: last.outcome,
          reason: last.error?.reason._tag ?? "Unknown",
          message: last.error?.message ?? "no reason was given"
        }
      ]

const advanced = (job: Job, progress: DeadLetters.Progress): Job => {
  const { complete, done, failed, failures, total } = progress
  const examples =
    job.examples.length < examplesMax ? [...job.examples, ...exampleOf(progress)] : job.examples
  return {
    ...job,
    done,
    failed,
    failures,
    examples,
    ...(total === undefined ? {} : { total }),
    ...(complete === undefined ? {} : { complete })
  }
}

const ended = (job: Job, exit: Exit.Exit<void, QueueError.QueueError>, endedAt: number): Job => {
  if (Exit.isSuccess(exit)) return { ...job, endedAt, state: "done" }
  if (Cause.hasInterruptsOnly(exit.cause)) return { ...job, endedAt, state: "cancelled" }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const problem =
    error === undefined
      ? { reason: "Defect", message: "the dashboard failed; its log says more" }
      : { reason: error.reason._tag, message: error.message }
  return { ...job, endedAt, state: "failed", problem }
}

/**
 * Jobs that end with the scope.
 *
 * @category running
 * @since 0.1.0
 */
export const make: Effect.Effect<Service, never, Scope.Scope> = Effect.gen(function* () {
  const jobs = new Map<string, Job>()
  const fibers = yield* FiberMap.make<string, void>()
  let counter = 0

  const forget = () => {
    for (const { id, state } of jobs.values()) {
      if (jobs.size <= jobsMax) return
      if (state !== "running") jobs.delete(id)
    }
  }

  const list: Service["list"] = (queue) =>
    [...jobs.values()].filter((job) => job.queue === queue).toReversed()

  const put = (id: string, change: (job: Job) => Job) =>
    Effect.sync(() => {
      const job = jobs.get(id)
      if (job !== undefined) jobs.set(id, change(job))
    })

  const start: Service["start"] = Effect.fnUntraced(function* ({ progress, ...what }) {
    if (list(what.queue).some(({ state }) => state === "running")) return Option.none()
    const id = `${what.kind}-${++counter}`
    const job: Job = {
      ...what,
      id,
      startedAt: yield* Clock.currentTimeMillis,
      state: "running",
      done: 0,
      failed: 0,
      failures: {},
      examples: []
    }
    jobs.set(id, job)
    forget()
    const run = Stream.runForEach(progress, (step) => put(id, (one) => advanced(one, step))).pipe(
      Effect.tapCause((cause) =>
        Cause.hasDies(cause) ? Effect.logError("a job of the dashboard failed", cause) : Effect.void
      ),
      Effect.onExit((exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => put(id, (one) => ended(one, exit, now)))
      ),
      // How it ended stands in the job.
      Effect.ignoreCause
    )
    yield* FiberMap.run(fibers, id, run)
    return Option.some(job)
  })

  return {
    start,
    get: (id) => jobs.get(id),
    list,
    cancel: (id) => FiberMap.remove(fibers, id)
  }
})
