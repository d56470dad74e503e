/** What a receiver's link gets: messages of a queue, or of a session. */
import type { Attaching } from "./amqpSession.ts"
import type { Entry } from "./entry.ts"
import type { Outgoing } from "./outgoing.ts"
import { condition, Refusal, sessionLockLost } from "./refusal.ts"
import * as rhea from "./rhea.ts"
import type { Receiver, Service } from "./service.ts"
import { Acceptor, type Hold } from "./session.ts"
import * as settling from "./settling.ts"
import { Consumer, type SubQueue } from "./subQueue.ts"
import * as wire from "./wire.ts"

const sessionFilter = "com.microsoft:session-filter"
const presettled = 1

/** How long an attach waits for the next free session when the client does not say. */
const acceptMillis = 60_000

const filterField = 7
const sourceDescriptor = 0x28

/** Ticks of .NET, 100 ns since the year 1, of a time in milliseconds since 1970. */
const toTicks = (millis: number): bigint =>
  (BigInt(Math.floor(millis)) + 62_135_596_800_000n) * 10_000n

const deliver = (service: Service, link: Outgoing, consumer: Consumer, entry: Entry): void => {
  service.count("Deliver")
  if (!consumer.isPeekLock) {
    const { bare, head } = wire.encode(entry, undefined)
    link.send({ tag: service.anyTag(), payload: [head, bare] })
    return
  }
  const { lock } = entry
  const { bare, head } = wire.encode(entry, entry.lockedUntil)
  link.send({
    tag: service.tagOf(lock),
    payload: [head, bare],
    settle: (state, answer) => settling.onState(service, link, { entry, lock }, { state, answer })
  })
}

const isPresettled = (link: Outgoing): boolean => rhea.asNumber(link.attachFields[3]) === presettled

/** Joins a link to a consumer: credit goes one way, messages the other. */
const join = (
  service: Service,
  link: Outgoing,
  options: { readonly sub: SubQueue; readonly hold?: Hold; readonly onClosed: () => void }
): Consumer => {
  const { hold, onClosed, sub } = options
  const consumer: Consumer = new Consumer({
    sub,
    hold,
    isPeekLock: !isPresettled(link),
    deliver: (entry) => deliver(service, link, consumer, entry)
  })
  const receiver: Receiver = { link, consumer }
  service.receivers.add(receiver)
  if (hold !== undefined) hold.consumer = consumer
  link.feed = {
    onCredit: (credit) => {
      sub.queue.feed(consumer, credit)
      return consumer.credit
    },
    onDrained: () => sub.queue.feed(consumer, 0),
    onClosed: () => {
      service.receivers.delete(receiver)
      sub.queue.leave(consumer)
      onClosed()
    }
  }
  return consumer
}

const attachPlain = (
  service: Service,
  attaching: Attaching,
  link: Outgoing,
  sub: SubQueue
): void => {
  join(service, link, { sub, onClosed: () => undefined })
  link.accept({ source: attaching.source, isPresettled: isPresettled(link) })
}

/** The source of the client, with the id of the session that was granted. */
const grantedSource = (attaching: Attaching, id: string): rhea.Typed => {
  const fields = [...rhea.asList(attaching.source)]
  const filters = new Map(rhea.asMap(fields[filterField]))
  const asked = filters.get(sessionFilter)
  const granted = rhea.string(id)
  filters.set(
    sessionFilter,
    asked?.descriptor === undefined ? granted : { ...granted, descriptor: asked.descriptor }
  )
  fields[filterField] = rhea.map(filters, rhea.symbol)
  return rhea.described(sourceDescriptor, rhea.list(fields))
}

const grant = (
  service: Service,
  attaching: Attaching,
  link: Outgoing,
  granted: { readonly sub: SubQueue; readonly hold: Hold }
): void => {
  const { hold, sub } = granted
  hold.holder = `${link.session.connection.id}/${link.name}`
  join(service, link, { sub, hold, onClosed: () => sub.queue.release(hold) })
  link.accept({
    source: grantedSource(attaching, hold.session.id),
    isPresettled: isPresettled(link),
    properties: rhea.map(
      [["com.microsoft:locked-until-utc", rhea.long(toTicks(hold.lockedUntil))]],
      rhea.symbol
    )
  })
}

/** The attach is held back until a session is free, the time is up or the client gives up. */
const attachNext = (
  service: Service,
  attaching: Attaching,
  link: Outgoing,
  sub: SubQueue
): void => {
  const { queue } = sub
  const { scheduler } = service
  const millis = rhea.asNumber(attaching.properties.get("com.microsoft:timeout")) ?? acceptMillis
  const onLost = () => link.detach(sessionLockLost)
  const acceptor = new Acceptor((hold) => {
    scheduler.cancel(timer)
    grant(service, attaching, link, { sub, hold })
  }, onLost)
  const timer = scheduler.after(millis, () => {
    queue.acceptors.remove(acceptor)
    link.refuse(
      new Refusal(
        condition.timeout,
        "The operation did not complete within the allotted timeout: no session is available."
      )
    )
  })
  link.feed = {
    onCredit: (credit) => credit,
    onDrained: () => undefined,
    onClosed: () => {
      scheduler.cancel(timer)
      queue.acceptors.remove(acceptor)
    }
  }
  queue.acceptNext(acceptor)
}

const attachSession = (
  service: Service,
  attaching: Attaching,
  link: Outgoing,
  asked: { readonly sub: SubQueue; readonly id: string | undefined }
): void => {
  const { id, sub } = asked
  if (id === undefined) return attachNext(service, attaching, link, sub)
  const hold = sub.queue.accept(id, () => link.detach(sessionLockLost))
  if (hold instanceof Refusal) link.refuse(hold)
  else grant(service, attaching, link, { sub, hold })
}

/** Attaches a receiver to a queue, to one of its sessions or to its dead-letter queue. */
export const attach = (
  service: Service,
  attaching: Attaching,
  link: Outgoing,
  sub: SubQueue
): void => {
  const filters = rhea.asMap(rhea.asList(attaching.source)[filterField])
  const asked = filters.get(sessionFilter)
  const hasSessions = sub.kind === "Main" && sub.queue.settings.requiresSession
  if (asked === undefined && hasSessions) {
    link.refuse(
      new Refusal(
        condition.notAllowed,
        "It is not possible for an entity that requires sessions to create a non-sessionful message receiver."
      )
    )
  } else if (asked !== undefined && !hasSessions) {
    link.refuse(
      new Refusal(
        condition.notAllowed,
        "A sessionful message receiver cannot be created on an entity that does not require sessions."
      )
    )
  } else if (asked === undefined) attachPlain(service, attaching, link, sub)
  else attachSession(service, attaching, link, { sub, id: rhea.asString(asked) })
}
