/** What worker processes did, and what is wrong with it. */
import * as Schema from "effect/Schema"

/** What a worker process is to do. */
export const Job = Schema.Struct({
  provider: Schema.Literals(["aws-sqs", "azure-service-bus"]),
  /** An endpoint of SQS, or a connection string of Service Bus. */
  address: Schema.String,
  queue: Schema.String,
  /** What the queue is called in the cloud. */
  name: Schema.String,
  concurrency: Schema.Int,
  lockSeconds: Schema.Int,
  /** An endpoint of DynamoDB: sessions are held by leases there. */
  sessionStore: Schema.optionalKey(Schema.String),
  handlerMillis: Schema.Int
})

export type Job = typeof Job.Type

/** One step of one process. */
export const Line = Schema.Struct({
  _tag: Schema.Literals(["Started", "Ended", "Completed"]),
  session: Schema.String,
  id: Schema.String,
  pid: Schema.Int,
  /** The fencing token of a message that began, where sessions are held by leases. */
  token: Schema.optionalKey(Schema.Int),
  /** Milliseconds of the machine's clock. */
  at: Schema.Finite
})

export type Line = typeof Line.Type

export interface Evidence {
  /** The ids of each session, in the order they were sent. */
  readonly sent: ReadonlyMap<string, ReadonlyArray<string>>
  readonly lines: ReadonlyArray<Line>
  /** The processes that were killed, or stood still: what they had begun may stay without an end. */
  readonly killed: ReadonlySet<number>
}

const ofSession = (
  session: string,
  ids: ReadonlyArray<string>,
  { killed, lines }: Evidence
): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const done = new Set<string>()
  let running: Line | undefined
  let highest = { token: 0, pid: 0 }
  for (const line of lines) {
    if (line.session !== session) continue
    if (line._tag === "Started") {
      const { pid, token = highest.token } = line
      const isOld = token < highest.token || (token === highest.token && pid !== highest.pid)
      if (isOld && line.token !== undefined) {
        wrong.push(`${session}: ${line.id} began under token ${token}, after ${highest.token}`)
      }
      highest = { token: Math.max(token, highest.token), pid }
      const missing = ids.slice(0, ids.indexOf(line.id)).find((id) => !done.has(id))
      if (missing !== undefined)
        wrong.push(`${session}: ${line.id} began before ${missing} had ended`)
      if (running !== undefined && !killed.has(running.pid)) {
        wrong.push(`${session}: ${line.id} began while ${running.id} was at work`)
      }
      running = line
    } else if (line._tag === "Ended") {
      done.add(line.id)
      if (running?.pid === line.pid) running = undefined
    }
  }
  const lost = ids.filter((id) => !done.has(id))
  if (lost.length > 0) wrong.push(`${session}: ${lost.join(", ")} never ended`)
  return wrong
}

/** Sessions out of order, two at work in one session, and what was lost; nothing is wrong with a good run. */
export const violations = (evidence: Evidence): ReadonlyArray<string> => {
  const lines = evidence.lines.toSorted((a, b) => a.at - b.at)
  return [...evidence.sent].flatMap(([session, ids]) =>
    ofSession(session, ids, { ...evidence, lines })
  )
}
