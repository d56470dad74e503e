/** Decides what stands behind a link that a client attaches. */
import * as access from "./access.ts"
import * as address from "./address.ts"
import type { Attaching } from "./amqpSession.ts"
import { Incoming } from "./incoming.ts"
import { Outgoing } from "./outgoing.ts"
import { condition, Refusal } from "./refusal.ts"
import * as replying from "./replying.ts"
import * as receiving from "./receiving.ts"
import * as requests from "./requests.ts"
import * as rhea from "./rhea.ts"
import * as sending from "./sending.ts"
import type { Service } from "./service.ts"

const coordinator = 0x30

const refuse = ({ link }: Attaching, refusal: Refusal): void => link.refuse(refusal)

const attachOutgoing = (service: Service, attaching: Attaching, link: Outgoing): void => {
  const named = address.parse(link.address)
  if (named._tag === "Cbs" || named._tag === "Management") {
    if (named._tag === "Management" && named.entity !== "") {
      const found = service.find(named)
      if (found instanceof Refusal) return refuse(attaching, found)
    }
    return replying.attach(service, attaching, link)
  }
  const sub = service.find(named)
  if (sub instanceof Refusal) refuse(attaching, sub)
  else receiving.attach(service, attaching, link, sub)
}

const attachIncoming = (service: Service, attaching: Attaching, link: Incoming): void => {
  const named = address.parse(link.address)
  if (named._tag === "Cbs") return requests.attachCbs(service, link)
  const sub = named._tag === "Management" && named.entity === "" ? undefined : service.find(named)
  if (sub instanceof Refusal) return refuse(attaching, sub)
  if (named._tag === "Management") return requests.attachManagement(service, link, sub)
  if (sub === undefined) return refuse(attaching, service.notFound(""))
  if (sub.kind !== "Main") {
    return refuse(
      attaching,
      new Refusal(condition.notAllowed, "Messages cannot be sent to a dead-letter queue.")
    )
  }
  sending.attach(service, link, sub.queue)
}

const proceed = (service: Service, attaching: Attaching): void => {
  const { link, session } = attaching
  const refusal = access.refuses(service, session.connection, link.address)
  if (refusal !== undefined) refuse(attaching, refusal)
  else if (link instanceof Outgoing) attachOutgoing(service, attaching, link)
  else attachIncoming(service, attaching, link)
}

/** Answers an attach, now or when it can be granted. */
export const attach = (service: Service, attaching: Attaching): void => {
  const { link, session, source, target } = attaching
  if (link instanceof Incoming && rhea.descriptorOf(target) === coordinator) {
    refuse(attaching, new Refusal(condition.notImplemented, "Transactions are out of scope."))
    return
  }
  const terminus = link instanceof Outgoing ? source : target
  link.address = address.pathOf(rhea.asString(rhea.asList(terminus)[0]) ?? "")
  service.count("Attach")
  const queue = address.parse(link.address)
  service.faults.run(
    { operation: "Attach", queue: "entity" in queue ? queue.entity : undefined },
    {
      apply: (reply) => {
        if (reply && !session.connection.isClosed && !link.isDetached) proceed(service, attaching)
      },
      refuse: (refusal) => refuse(attaching, refusal),
      dropLink: (refusal) => {
        if (refusal !== undefined) refuse(attaching, refusal)
      },
      dropConnection: () => session.connection.destroy()
    }
  )
}
