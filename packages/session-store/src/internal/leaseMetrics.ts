/** What is measured of leases, and of the store that keeps them. */
import * as Metric from "effect/Metric"
import { ProviderMetrics, type SessionStore } from "@queue-runtime/core"

/** A turn is seconds to minutes; what is above an hour is all the same. */
const durations = Metric.boundariesFromIterable([0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600])

// Attributes of the metric itself: those of withAttributes make a new key of it at every update.
type Attributes = Readonly<Record<string, string>>

const counter = (name: string, description: string, attributes: Attributes) =>
  Metric.counter(`queue_runtime.leases.${name}`, { description, incremental: true, attributes })

/**
 * Why a session was lost: its time ran out by our own clock, the store says that it is another's, or the
 * broker took its session back.
 */
export type Cause = "expired" | "taken" | "broker"

/** The leases of one queue, and the store as it uses it, measured. */
export interface LeaseMetrics {
  readonly store: SessionStore.Service
  readonly acquired: Metric.Counter<number>
  /** One that came along, or was asked for, while another held it. */
  readonly contended: Metric.Counter<number>
  readonly released: Metric.Counter<number>
  readonly lost: { readonly [cause in Cause]: Metric.Counter<number> }
  readonly active: Metric.Gauge<number>
  readonly lasted: Metric.Histogram<number>
}

const measured = (store: SessionStore.Service, about: Attributes): SessionStore.Service => {
  const calls = (operation: string) =>
    ProviderMetrics.timer("queue_runtime.leases.store.duration", {
      description: "How long one call to the store of leases and state took",
      attributes: { ...about, "queue_runtime.leases.operation": operation }
    })
  const timed = {
    acquire: calls("acquire"),
    renew: calls("renew"),
    release: calls("release"),
    readState: calls("read_state"),
    writeState: calls("write_state")
  }
  return {
    stateSizeMax: store.stateSizeMax,
    acquire: (request) => timed.acquire(store.acquire(request)),
    renew: (lease, duration) => timed.renew(store.renew(lease, duration)),
    release: (lease) => timed.release(store.release(lease)),
    readState: (lease) => timed.readState(store.readState(lease)),
    writeState: (lease, state) => timed.writeState(store.writeState(lease, state))
  }
}

const bind =
  (store: SessionStore.Service) =>
  (about: Attributes): LeaseMetrics => {
    const lost = (cause: Cause) =>
      counter("lost", "Leases that ended before they were released, by cause", {
        ...about,
        "queue_runtime.leases.cause": cause
      })
    return {
      store: measured(store, about),
      acquired: counter("acquired", "Leases granted to this process", about),
      contended: counter("contended", "Sessions met while another held their lease", about),
      released: counter("released", "Leases given up by their holder", about),
      lost: { expired: lost("expired"), taken: lost("taken"), broker: lost("broker") },
      active: Metric.gauge("queue_runtime.leases.active", {
        description: "Leases that this process holds now",
        attributes: about
      }),
      lasted: Metric.histogram("queue_runtime.leases.duration", {
        description: "How long a lease was held",
        boundaries: durations,
        // Effect's exporter takes the unit of a metric from an attribute.
        attributes: { ...about, unit: "s" }
      })
    }
  }

/** The metrics of each queue, bound once. */
export const make = (
  provider: string,
  store: SessionStore.Service
): ((queue: string) => LeaseMetrics) => ProviderMetrics.byQueue(provider, bind(store))
