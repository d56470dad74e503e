import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as Record from "effect/Record"
import * as Defaults from "../../Defaults.ts"
import { otherError, systemOf } from "./conventions.ts"

/** OpenTelemetry's own buckets for messaging, in seconds. */
export const durationBoundaries = Metric.boundariesFromIterable([
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10
])

// Effect's exporter takes the unit of a metric from this attribute.
const inSeconds = { unit: "s" }

type Attributes = Readonly<Record<string, string>>

type Series = Metric.Metric<number, unknown>

/** A metric by its attributes. */
type Kind = (attributes: Attributes) => Series

const counter =
  (name: string, description: string): Kind =>
  (attributes) =>
    Metric.counter(name, { description, attributes, incremental: true })

const histogram =
  (name: string, description: string, boundaries: ReadonlyArray<number>): Kind =>
  (attributes) =>
    Metric.histogram(name, {
      description,
      boundaries,
      attributes: { ...attributes, ...inSeconds }
    })

const kinds = {
  called: histogram(
    "messaging.client.operation.duration",
    "How long one call of the provider took",
    durationBoundaries
  ),
  processed: histogram(
    "messaging.process.duration",
    "How long one delivery took, its settlement included",
    durationBoundaries
  ),
  sent: counter("messaging.client.sent.messages", "Messages given to the provider"),
  consumed: counter("messaging.client.consumed.messages", "Messages received"),
  settled: counter("queue_runtime.settled.messages", "Deliveries settled, by verdict"),
  deadLettered: counter("queue_runtime.dead_lettered.messages", "Messages put aside"),
  failed: counter("queue_runtime.failed.messages", "Deliveries whose handler failed"),
  renewed: counter("queue_runtime.lock.renewals", "Locks extended, or not"),
  errors: counter("queue_runtime.errors", "Failures, by reason"),
  accepted: counter("queue_runtime.sessions.accepted", "Sessions accepted"),
  closed: counter("queue_runtime.sessions.closed", "Sessions given back"),
  active: (attributes: Attributes) =>
    Metric.gauge("queue_runtime.sessions.active", {
      description: "Sessions held now",
      attributes
    }),
  // A turn is seconds to minutes; what is above an hour is all the same.
  lasted: histogram(
    "queue_runtime.session.duration",
    "How long a session was held",
    Metric.boundariesFromIterable([0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600])
  )
} satisfies { readonly [Name in string]: Kind }

/** Stands for the queues beyond the bound. No queue can have this name. */
export const otherQueues = "(other)"

/** A registry never forgets a series: names beyond `max` are all called `others`. */
export const label = (max: number, others: string): ((name: string) => string) => {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= max) return others
    known.add(name)
    return name
  }
}

/** The metrics of one provider, written as unsafe steps: they are part of a step anyway. */
export interface Metrics {
  readonly called: (call: Called) => void
  readonly sent: (queue: string, messages: Counted) => void
  readonly consumed: (queue: string, messages: Counted) => void
  readonly settled: (queue: string, verdict: string, count: number) => void
  readonly renewed: (queue: string, errorType: string | undefined) => void
  readonly processed: (queue: string, durationSeconds: number, errorType?: string) => void
  readonly failed: (queue: string, errorType: string) => void
  readonly accepted: (queue: string) => void
  readonly closed: (queue: string, durationSeconds: number) => void
}

/** One call that ended. */
export interface Called {
  readonly queue: string
  readonly operation: string
  readonly durationSeconds: number
  /** The reasons of its failure, or of those inside its result. */
  readonly errorTypes: ReadonlyArray<string>
}

/** Messages that went by. */
export interface Counted {
  readonly count: number
  readonly isSealed: boolean
  readonly errorType?: string | undefined
}

/** What tells one series of a metric from another. */
interface Point {
  readonly queue: string
  readonly operation: string
  /** Of this metric alone: its name, its value. */
  readonly own?: readonly [name: string, value: string]
  readonly errorType?: string | undefined
}

type ByName<A> = Map<string, A>

const makeMap = <A>(): ByName<A> => new Map()

/** What stands there, or is made now. */
const at = <A>(known: ByName<A>, name: string, make: () => A): A => {
  const found = known.get(name)
  if (found !== undefined) return found
  const made = make()
  known.set(name, made)
  return made
}

export const make = (provider: string, context: Context.Context<never>): Metrics => {
  const system = systemOf(provider)
  const queueLabel = label(Defaults.telemetryQueuesMax, otherQueues)
  const errorLabel = label(Defaults.telemetryErrorTypesMax, otherError)

  /**
   * A metric of its own for each series, made once: one that is shared works out the key of its series
   * again whenever the series changes, which costs ten times what counting does.
   */
  const series = (kind: Kind) => {
    // Level by level: one key of all of them would be put together at every update.
    const known: ByName<ByName<ByName<ByName<Series>>>> = new Map()
    return ({ errorType, operation, own, queue }: Point): Series => {
      const name = queueLabel(queue)
      const type = errorType === undefined ? undefined : errorLabel(errorType)
      const ofQueue = at(known, name, makeMap<ByName<ByName<Series>>>)
      const ofOperation = at(ofQueue, operation, makeMap<ByName<Series>>)
      const ofValue = at(ofOperation, own?.[1] ?? "", makeMap<Series>)
      return at(ofValue, type ?? "", () =>
        kind({
          "messaging.system": system,
          "messaging.destination.name": name,
          "messaging.operation.name": operation,
          ...(own === undefined ? {} : { [own[0]]: own[1] }),
          ...(type === undefined ? {} : { "error.type": type })
        })
      )
    }
  }
  const all = Record.map(kinds, series)

  const update = (name: keyof typeof kinds, point: Point, value = 1) =>
    all[name](point).updateUnsafe(value, context)

  const sealing = ({ errorType, isSealed }: Counted) =>
    ({ own: ["queue_runtime.sealed", String(isSealed)], errorType }) as const

  return {
    called: ({ durationSeconds, errorTypes, operation, queue }) => {
      update("called", { queue, operation, errorType: errorTypes[0] }, durationSeconds)
      for (const errorType of errorTypes) update("errors", { queue, operation, errorType })
    },
    sent: (queue, messages) =>
      update("sent", { queue, operation: "send", ...sealing(messages) }, messages.count),
    consumed: (queue, messages) =>
      update("consumed", { queue, operation: "receive", ...sealing(messages) }, messages.count),
    settled: (queue, verdict, count) => {
      const operation = "settle"
      update("settled", { queue, operation, own: ["queue_runtime.verdict", verdict] }, count)
      if (verdict === "DeadLetter") update("deadLettered", { queue, operation }, count)
    },
    renewed: (queue, errorType) => update("renewed", { queue, operation: "renew", errorType }),
    processed: (queue, durationSeconds, errorType) =>
      update("processed", { queue, operation: "process", errorType }, durationSeconds),
    failed: (queue, errorType) => update("failed", { queue, operation: "process", errorType }),
    accepted: (queue) => {
      update("accepted", { queue, operation: "accept" })
      // Moved, not set: others of this process may hold sessions of the queue.
      all.active({ queue, operation: "accept" }).modifyUnsafe(1, context)
    },
    closed: (queue, durationSeconds) => {
      update("closed", { queue, operation: "accept" })
      all.active({ queue, operation: "accept" }).modifyUnsafe(-1, context)
      update("lasted", { queue, operation: "accept" }, durationSeconds)
    }
  }
}
