/**
 * Keeps what happened, session by session, in order.
 *
 * **Details**
 *
 * Delivery is at least once: an event that is there already is not entered again. What is kept is
 * bounded: of each session the latest entries, and of all sessions those with the latest events.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GitHubEvent from "../GitHubEvent.ts"

/**
 * One thing that happened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  /** The id of GitHub's delivery. */
  readonly id: string
  readonly text: string
}

/**
 * The timelines.
 *
 * @category services
 * @since 0.1.0
 */
export class Timeline extends Context.Service<
  Timeline,
  {
    /** Enters an event, unless it is there. */
    readonly record: (event: GitHubEvent.GitHubEvent) => Effect.Effect<void>
    /** What is known of a session, oldest first. */
    readonly of: (session: string) => Effect.Effect<ReadonlyArray<Entry>>
  }
>()("@queue-runtime/webhook-bot/bots/Timeline") {}

/**
 * How much is kept.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Default: 10,000. */
  readonly sessionsMax?: number
  /** Of one session. Default: 1,000. */
  readonly entriesMax?: number
}

/** Days of a busy organization, in some tens of megabytes. */
const sessionsMaxDefault = 10_000

/**
 * Entries kept of one session: more than a person reads of one pull request.
 *
 * @category options
 * @since 0.1.0
 */
export const entriesMaxDefault = 1_000

/**
 * Timelines in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Timeline> =>
  Layer.sync(Timeline, () => {
    const { entriesMax = entriesMaxDefault, sessionsMax = sessionsMaxDefault } = options
    const sessions = new Map<string, Map<string, Entry>>()

    const dropOldest = (map: Map<string, unknown>, max: number): void => {
      const [oldest] = map.keys()
      if (map.size > max && oldest !== undefined) map.delete(oldest)
    }

    return {
      record: (event) =>
        Effect.sync(() => {
          const entries = sessions.get(event.session) ?? new Map<string, Entry>()
          // Taken out and put back: a map keeps the order of insertion, and the last is the latest.
          sessions.delete(event.session)
          sessions.set(event.session, entries)
          if (!entries.has(event.id)) {
            entries.set(event.id, { id: event.id, text: GitHubEvent.describe(event) })
          }
          dropOldest(entries, entriesMax)
          dropOldest(sessions, sessionsMax)
        }),
      of: (session) => Effect.sync(() => [...(sessions.get(session)?.values() ?? [])])
    }
  })
