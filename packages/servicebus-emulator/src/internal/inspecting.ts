import type * as Inspection from "../Inspection.ts"
import type { Connection } from "./connection.ts"
import type { Entry } from "./entry.ts"
import { Incoming } from "./incoming.ts"
import type { Outgoing } from "./outgoing.ts"
import type { Queue } from "./queue.ts"
import type { Service } from "./service.ts"
import type { Session } from "./session.ts"
import type { SubQueue } from "./subQueue.ts"

const message = (entry: Entry): ReadonlyArray<Inspection.Message> => {
  const { content, deliveryCount, enqueuedAt, lock, lockedUntil, sequence, state } = entry
  if (state === "Gone") return []
  return [
    {
      sequenceNumber: sequence,
      messageId: content.messageId,
      sessionId: content.sessionId,
      state,
      deliveryCount,
      enqueuedAt,
      lockedUntil: lock === 0 ? undefined : lockedUntil
    }
  ]
}

const messages = ({ index }: SubQueue): ReadonlyArray<Inspection.Message> =>
  [...index.values()].flatMap(message)

const session = ({ hold, id, index, state }: Session): Inspection.Session => ({
  sessionId: id,
  messages: index.size,
  hasState: state !== undefined,
  holder: hold?.holder,
  lockedUntil: hold?.lockedUntil
})

/** What a queue holds. */
export const queue = ({ acceptors, bytes, dead, main, sessions }: Queue): Inspection.Queue => ({
  active: main.counts.Ready,
  locked: main.counts.Locked,
  scheduled: main.counts.Scheduled,
  deferred: main.counts.Deferred + main.counts.LockedDeferred,
  deadLettered: dead.index.size,
  bytes,
  messages: messages(main),
  deadLetters: messages(dead),
  sessions: [...sessions.values()].map(session),
  waiting: acceptors.size
})

const link = (
  each: Incoming | Outgoing,
  credits: ReadonlyMap<Outgoing, number>
): Inspection.Link => ({
  name: each.name,
  address: each.address,
  role: each instanceof Incoming ? "sender" : "receiver",
  credit: each instanceof Incoming ? 0 : (credits.get(each) ?? 0)
})

const linksOf = ({ sessions }: Connection): ReadonlyArray<Incoming | Outgoing> =>
  [...sessions.values()].flatMap(({ links }) => Array.from(links.values()))

/** All connections with their links. */
export const connections = (service: Service): ReadonlyArray<Inspection.Connection> => {
  const credits = new Map(
    [...service.receivers].map(({ consumer, link: each }) => [each, consumer.credit])
  )
  return [...service.connections].map((connection) => ({
    id: connection.id,
    containerId: connection.remoteContainerId,
    links: linksOf(connection).map((each) => link(each, credits))
  }))
}
