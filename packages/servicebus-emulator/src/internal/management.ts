/** The operations of `$management`. */
import { Buffer } from "node:buffer"
import * as Result from "effect/Result"
import type { Content, Entry } from "./entry.ts"
import type { Verdict } from "./queue.ts"
import { condition, messageLockLost, Refusal, sessionLockLost } from "./refusal.ts"
import * as rhea from "./rhea.ts"
import type { Service } from "./service.ts"
import type { Hold } from "./session.ts"
import * as settling from "./settling.ts"
import type { SubQueue } from "./subQueue.ts"
import * as wire from "./wire.ts"

/** What is said to a request. */
export interface Answer {
  readonly status: number
  readonly body?: rhea.Typed | undefined
  readonly refusal?: Refusal | undefined
}

/** One request. */
export interface Call {
  readonly operation: string
  readonly body: ReadonlyMap<string, rhea.Typed>
  /** The connection and link that the request is made for. */
  readonly holder: string | undefined
}

type Operation = (service: Service, sub: SubQueue, call: Call) => Answer

/** Messages one peek shows, at most. */
const peekCountMax = 250

const statuses: Readonly<Record<string, number>> = {
  [condition.messageLockLost]: 410,
  [condition.sessionLockLost]: 410,
  [condition.messageNotFound]: 404,
  [condition.notFound]: 404,
  [condition.unauthorized]: 401,
  [condition.serverBusy]: 503,
  [condition.timeout]: 408,
  [condition.argument]: 400,
  [condition.notAllowed]: 400,
  [condition.linkSizeExceeded]: 400,
  [condition.decode]: 400,
  [condition.notImplemented]: 501,
  [condition.quotaExceeded]: 403
}

/** The answer that says no. */
export const refused = (refusal: Refusal): Answer => ({
  status: statuses[refusal.condition] ?? 500,
  refusal
})

const answer = (entries: ReadonlyArray<readonly [string, rhea.Typed]>): Answer => ({
  status: 200,
  body: rhea.map(entries)
})

const noContent: Answer = { status: 204 }

const missing = (name: string): Answer =>
  refused(new Refusal(condition.argument, `The request lacks '${name}'.`))

const numbersOf = (value: rhea.Typed | undefined): ReadonlyArray<number> =>
  rhea.asArray(value).map((item) => (Buffer.isBuffer(item) ? bigNumber(item) : Number(item)))

const bigNumber = (bytes: Buffer): number =>
  bytes.length === 8 ? Number(bytes.readBigInt64BE()) : Number.NaN

/** The session that a request names, if the one who asks has it. */
const holdOf = (sub: SubQueue, call: Call): Hold | Refusal | undefined => {
  const id = rhea.asString(call.body.get("session-id"))
  if (id === undefined) return undefined
  const hold = sub.queue.sessions.get(id)?.hold
  const isHeld = hold !== undefined && (call.holder === undefined || call.holder === hold.holder)
  return isHeld && sub.kind === "Main" ? hold : sessionLockLost
}

/** Deliveries by their tokens, all or none. */
const deliveriesOf = (
  service: Service,
  sub: SubQueue,
  value: rhea.Typed | undefined
): ReadonlyArray<{ readonly entry: Entry; readonly lock: number }> | Refusal => {
  const deliveries: Array<{ readonly entry: Entry; readonly lock: number }> = []
  for (const token of rhea.asArray(value)) {
    const found = Buffer.isBuffer(token) ? service.lockedBy(token) : undefined
    if (found === undefined || found.entry.sub !== sub) {
      return sub.kind === "Main" && sub.queue.settings.requiresSession
        ? sessionLockLost
        : messageLockLost
    }
    deliveries.push(found)
  }
  return deliveries
}

const renewLock: Operation = (service, sub, { body }) => {
  const deliveries = deliveriesOf(service, sub, body.get("lock-tokens"))
  if (deliveries instanceof Refusal) return refused(deliveries)
  const expirations: Array<number> = []
  for (const { entry, lock } of deliveries) {
    const until = sub.queue.renew(entry, lock)
    if (until instanceof Refusal) return refused(until)
    expirations.push(until)
  }
  return answer([["expirations", rhea.array(expirations, rhea.code.timestamp)]])
}

const renewSessionLock: Operation = (_service, sub, call) => {
  const hold = holdOf(sub, call)
  if (hold === undefined) return missing("session-id")
  const until = hold instanceof Refusal ? hold : sub.queue.renewSession(hold)
  return until instanceof Refusal ? refused(until) : answer([["expiration", rhea.timestamp(until)]])
}

const encoded = (entry: Entry, lockedUntil: number | undefined): rhea.Typed => {
  const { bare, head } = wire.encode(entry, lockedUntil)
  return rhea.binary(Buffer.concat([head, bare]))
}

const peek: Operation = (_service, sub, { body }) => {
  const entries = sub.queue.peek(sub, {
    from: rhea.asNumber(body.get("from-sequence-number")) ?? 0,
    max: Math.min(rhea.asNumber(body.get("message-count")) ?? 1, peekCountMax),
    sessionId: rhea.asString(body.get("session-id"))
  })
  if (entries.length === 0) return noContent
  return answer([
    [
      "messages",
      rhea.list(entries.map((entry) => rhea.map([["message", encoded(entry, undefined)]])))
    ]
  ])
}

const toContent = (service: Service, item: rhea.Typed): Content | Refusal => {
  const message = rhea.asBinary(rhea.asMap(item).get("message"))
  if (message === undefined) return new Refusal(condition.argument, "A message is missing.")
  const content = Result.try(() => wire.toContent(message, () => service.makeId()))
  return Result.isSuccess(content)
    ? content.success
    : new Refusal(condition.decode, "A message is not AMQP 1.0.")
}

const schedule: Operation = (service, sub, { body }) => {
  const contents: Array<Content> = []
  let size = 0
  for (const item of rhea.asList(body.get("messages"))) {
    const content = toContent(service, item)
    if (content instanceof Refusal) return refused(content)
    size += content.size
    const refusal = sub.queue.refuses(content, size)
    if (refusal !== undefined) return refused(refusal)
    contents.push(content)
  }
  const numbers = contents.map((content) => sub.queue.enqueue(content)?.sequence ?? 0)
  return answer([["sequence-numbers", rhea.array(numbers, rhea.code.long)]])
}

const cancel: Operation = (_service, sub, { body }) => {
  const numbers = numbersOf(body.get("sequence-numbers"))
  const isScheduled = (number: number) => sub.index.get(number)?.state === "Scheduled"
  if (!numbers.every(isScheduled)) {
    return refused(
      new Refusal(
        condition.messageNotFound,
        "A scheduled message was not found: it may have been sent."
      )
    )
  }
  for (const number of numbers) sub.queue.cancel(number)
  return answer([])
}

const receiveBySequenceNumber: Operation = (service, sub, call) => {
  const hold = holdOf(sub, call)
  if (hold instanceof Refusal) return refused(hold)
  const isPeekLock = rhea.asNumber(call.body.get("receiver-settle-mode")) === 1
  const entries = sub.queue.receiveDeferred(sub, numbersOf(call.body.get("sequence-numbers")), {
    isPeekLock,
    hold
  })
  if (entries instanceof Refusal) return refused(entries)
  const messages = entries.map((entry) => {
    const fields: Array<readonly [string, rhea.Typed]> = []
    if (isPeekLock) fields.push(["lock-token", rhea.uuid(service.uuidOf(entry.lock))])
    fields.push(["message", encoded(entry, isPeekLock ? entry.lockedUntil : undefined)])
    return rhea.map(fields)
  })
  return answer([["messages", rhea.list(messages)]])
}

const verdictOf = (body: Call["body"]): Verdict | undefined => {
  const properties = rhea.asMap(body.get("properties-to-modify"))
  switch (rhea.asString(body.get("disposition-status"))) {
    case "completed":
      return { _tag: "Complete" }
    case "abandoned":
      return { _tag: "Abandon", properties }
    // The service's own spelling; the other one is what a client may think it is.
    case "defered":
    case "deferred":
      return { _tag: "Defer", properties }
    case "suspended":
      return {
        _tag: "DeadLetter",
        properties,
        reason: rhea.asString(body.get("deadletter-reason")),
        description: rhea.asString(body.get("deadletter-description"))
      }
    default:
      return undefined
  }
}

const updateDisposition: Operation = (service, sub, call) => {
  const hold = holdOf(sub, call)
  if (hold instanceof Refusal) return refused(hold)
  const verdict = verdictOf(call.body)
  if (verdict === undefined) return missing("disposition-status")
  const deliveries = deliveriesOf(service, sub, call.body.get("lock-tokens"))
  if (deliveries instanceof Refusal) return refused(deliveries)
  for (const delivery of deliveries) {
    const refusal = settling.settle(service, delivery, verdict)
    if (refusal !== undefined) return refused(refusal)
  }
  return answer([])
}

const getSessionState: Operation = (_service, sub, call) => {
  const hold = holdOf(sub, call)
  if (hold === undefined) return missing("session-id")
  if (hold instanceof Refusal) return refused(hold)
  const { state } = hold.session
  return answer([["session-state", state === undefined ? rhea.nothing : rhea.binary(state)]])
}

const setSessionState: Operation = (_service, sub, call) => {
  const hold = holdOf(sub, call)
  if (hold === undefined) return missing("session-id")
  if (hold instanceof Refusal) return refused(hold)
  const state = rhea.asBinary(call.body.get("session-state"))
  // A copy: what was read is a view of a larger buffer.
  const refusal = sub.queue.setState(
    hold.session,
    state === undefined ? undefined : Buffer.from(state)
  )
  return refusal === undefined ? answer([]) : refused(refusal)
}

/** The last moment of .NET's calendar asks for sessions with messages, any other for changed ones. */
const endOfTime = 253_402_300_799_000

const listSessions: Operation = (_service, sub, { body }) => {
  const since = rhea.asNumber(body.get("last-updated-time"))
  const ids = sub.queue.listSessions(since === undefined || since >= endOfTime ? undefined : since)
  const skip = rhea.asNumber(body.get("skip")) ?? 0
  const top = rhea.asNumber(body.get("top")) ?? 100
  const page = ids.slice(skip, skip + top)
  if (page.length === 0) return noContent
  return answer([
    ["skip", rhea.int(skip + page.length)],
    ["sessions-ids", rhea.array(page, 0xb1)]
  ])
}

const operations: ReadonlyMap<string, Operation> = new Map([
  ["renew-lock", renewLock],
  ["renew-session-lock", renewSessionLock],
  ["peek-message", peek],
  ["schedule-message", schedule],
  ["cancel-scheduled-message", cancel],
  ["receive-by-sequence-number", receiveBySequenceNumber],
  ["update-disposition", updateDisposition],
  ["get-session-state", getSessionState],
  ["set-session-state", setSessionState],
  ["get-message-sessions", listSessions]
])

/** Does what a request asks for. */
export const perform = (service: Service, sub: SubQueue | undefined, call: Call): Answer => {
  const operation = operations.get(call.operation.replace(/^com\.microsoft:/u, ""))
  if (operation === undefined || sub === undefined) {
    return refused(
      new Refusal(
        condition.notImplemented,
        `The operation '${call.operation}' is out of scope of this emulator.`
      )
    )
  }
  return operation(service, sub, call)
}
