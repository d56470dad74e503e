/** What a replay is to do, what it says on the way, and what is wrong with what it left. */
import * as Schema from "effect/Schema"

/** What a process that replays is told. */
export const Job = Schema.Struct({
  provider: Schema.Literals(["aws-sqs", "azure-service-bus"]),
  /** An endpoint of SQS, or a connection string of Service Bus. */
  address: Schema.String,
  queue: Schema.String,
  /** What the queue is called in the cloud. */
  name: Schema.String,
  lockSeconds: Schema.Int,
  /** Letters sent and not yet removed at a time. */
  concurrency: Schema.Int
})

export type Job = typeof Job.Type

/** One line of a process that replays: how far it is. */
export const Line = Schema.Struct({
  done: Schema.Int,
  failed: Schema.Int,
  duplicated: Schema.Int
})

export type Line = typeof Line.Type

/** The ids of each session, in order. */
export type Sessions = ReadonlyMap<string, ReadonlyArray<string>>

const ofSession = (
  session: string,
  sent: ReadonlyArray<string>,
  found: ReadonlyArray<string>
): ReadonlyArray<string> => {
  const first = [...new Set(found)]
  const lost = sent.filter((id) => !first.includes(id))
  const strange = first.filter((id) => !sent.includes(id))
  const known = first.filter((id) => sent.includes(id))
  const late = known.find((id, index) => sent.indexOf(id) < sent.indexOf(known[index - 1] ?? ""))
  const twice = found.find((id, index) => found.indexOf(id) !== index)
  return [
    ...(lost.length > 0 ? [`${session}: ${lost.join(", ")} lost`] : []),
    ...(strange.length > 0 ? [`${session}: ${strange.join(", ")} from elsewhere`] : []),
    ...(late === undefined ? [] : [`${session}: ${late} out of order`]),
    ...(twice === undefined ? [] : [`${session}: ${twice} more than once`])
  ]
}

/** What was lost, is out of order, or is there twice; nothing is wrong with a good replay. */
export const violations = (sent: Sessions, found: Sessions): ReadonlyArray<string> => [
  ...[...sent].flatMap(([session, ids]) => ofSession(session, ids, found.get(session) ?? [])),
  ...[...found.keys()]
    .filter((session) => !sent.has(session))
    .map((session) => `${session}: a session from elsewhere`)
]
