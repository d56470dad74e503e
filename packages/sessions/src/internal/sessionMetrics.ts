import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

// Not those of Telemetry, which counts what the port hands out: these are of the holders here.
const active = Metric.gauge("queue_runtime.lifecycle.sessions.active", {
  description: "Sessions that workers of this process hold now"
})

const opened = Metric.counter("queue_runtime.lifecycle.sessions.opened", {
  description: "Sessions that workers took",
  incremental: true
})

const closed = Metric.counter("queue_runtime.lifecycle.sessions.closed", {
  description: "Sessions that workers gave up",
  incremental: true
})

const messages = Metric.counter("queue_runtime.lifecycle.handled.messages", {
  description: "Messages of sessions that were handled, by outcome",
  incremental: true
})

const durationSeconds = Metric.histogram("queue_runtime.lifecycle.session.duration", {
  description: "How long a worker held a session",
  // Effect's exporter takes the unit of a metric from this attribute.
  attributes: { unit: "s" },
  // A turn is seconds to minutes; what is above an hour is all the same.
  boundaries: Metric.boundariesFromIterable([0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600])
})

/** The metrics of one queue. */
export interface SessionMetrics {
  readonly opened: Effect.Effect<void>
  readonly closed: (durationSeconds: number) => Effect.Effect<void>
  readonly handled: (succeeded: boolean) => Effect.Effect<void>
}

/** Stands for the queues beyond the bound. No queue can have this name. */
export const otherQueues = "(other)"

const bind = (queue: string): SessionMetrics => {
  const own = { "messaging.destination.name": queue }
  const [activeHere, openedHere, closedHere, lastedHere] = [
    Metric.withAttributes(active, own),
    Metric.withAttributes(opened, own),
    Metric.withAttributes(closed, own),
    Metric.withAttributes(durationSeconds, own)
  ]
  const ended = (outcome: string) =>
    Metric.update(Metric.withAttributes(messages, { ...own, "queue_runtime.outcome": outcome }), 1)
  const [succeeded, failed] = [ended("succeeded"), ended("failed")]
  // The gauge is moved, not set: several workers of a process may hold sessions of one queue.
  return {
    opened: Effect.andThen(Metric.update(openedHere, 1), Metric.modify(activeHere, 1)),
    closed: (seconds) =>
      Metric.update(closedHere, 1).pipe(
        Effect.andThen(Metric.modify(activeHere, -1)),
        Effect.andThen(Metric.update(lastedHere, seconds))
      ),
    handled: (isSuccess) => (isSuccess ? succeeded : failed)
  }
}

/**
 * The metrics of each queue, with their attributes bound once. A metric is never forgotten by its
 * registry, so that queues beyond `max` share one series.
 */
export const make = (max: number): ((queue: string) => SessionMetrics) => {
  const known = new Map<string, SessionMetrics>()
  const others = bind(otherQueues)
  return (queue) => {
    const found = known.get(queue)
    if (found !== undefined) return found
    if (known.size >= max) return others
    const made = bind(queue)
    known.set(queue, made)
    return made
  }
}
