/** Requests to `$cbs` and `$management`: read, struck by faults, done, answered. */
import type { Buffer } from "node:buffer"
import * as Result from "effect/Result"
import * as access from "./access.ts"
import type { Incomer, Incoming } from "./incoming.ts"
import * as management from "./management.ts"
import { condition, Refusal } from "./refusal.ts"
import * as replying from "./replying.ts"
import * as rhea from "./rhea.ts"
import type { Service } from "./service.ts"
import type { SubQueue } from "./subQueue.ts"

interface Request {
  readonly id: rhea.Typed | undefined
  readonly replyTo: string | undefined
  readonly properties: ReadonlyMap<string, rhea.Typed>
  readonly body: rhea.Typed | undefined
}

const read = (payload: Buffer): Request => {
  const sections = new Map<number, rhea.Typed>()
  let at = 0
  while (at < payload.length) {
    const { end, value } = rhea.read(payload, at)
    sections.set(rhea.descriptorOf(value), value)
    at = end
  }
  const properties = rhea.asList(sections.get(0x73))
  return {
    id: properties[0],
    replyTo: rhea.asString(properties[4]),
    properties: rhea.asMap(sections.get(0x74)),
    body: sections.get(0x77) ?? sections.get(0x75)
  }
}

/** Reads a request; what cannot be read is refused on its link. */
const onRequest = (link: Incoming, delivery: Incomer, handle: (request: Request) => void): void => {
  const request = Result.try(() => read(delivery.payload))
  const refusal = Result.isSuccess(request)
    ? undefined
    : new Refusal(condition.decode, "The request is not AMQP 1.0.")
  // Before the reply: some clients want it in this order.
  if (!delivery.isSettled) link.settle(delivery.id, refusal)
  if (Result.isSuccess(request)) handle(request.success)
}

const reply = (
  service: Service,
  link: Incoming,
  request: Request,
  answer: management.Answer
): void => {
  const { body, refusal, status } = answer
  const properties: Array<readonly [string, rhea.Typed]> = []
  const description = refusal?.description ?? (status < 300 ? "OK" : "")
  // Two spellings: clients look for one or the other.
  const names =
    link.address === "$cbs"
      ? ["status-code", "status-description"]
      : ["statusCode", "statusDescription"]
  properties.push([names[0] ?? "", rhea.int(status)], [names[1] ?? "", rhea.string(description)])
  if (refusal !== undefined) {
    const name = link.address === "$cbs" ? "error-condition" : "errorCondition"
    properties.push([name, rhea.symbol(refusal.condition)])
  }
  const trackingId = request.properties.get("com.microsoft:tracking-id")
  if (trackingId !== undefined) properties.push(["com.microsoft:tracking-id", trackingId])
  replying.send(
    service,
    link.session,
    { replyTo: request.replyTo, node: link.address },
    { correlationId: request.id, properties, body: body ?? rhea.map([]) }
  )
}

const run = (
  service: Service,
  link: Incoming,
  request: Request,
  call: {
    readonly operation: "Token" | "Management"
    readonly name?: string
    readonly queue?: string
    readonly perform: () => management.Answer
  }
): void => {
  service.count(call.operation)
  service.faults.run(
    { operation: call.operation, queue: call.queue, request: call.name },
    {
      apply: (isHeard) => {
        const answer = call.perform()
        if (isHeard) reply(service, link, request, answer)
      },
      refuse: (refusal) => reply(service, link, request, management.refused(refusal)),
      dropLink: (refusal) => link.detach(refusal),
      dropConnection: () => link.session.connection.destroy()
    }
  )
}

const putToken = (service: Service, link: Incoming, request: Request): management.Answer => {
  const { connection } = link.session
  const audience = rhea.asString(request.properties.get("name")) ?? ""
  const token = rhea.asString(request.body) ?? rhea.asBinary(request.body)?.toString("utf8") ?? ""
  const verified = access.verify(service, token, { audience, now: service.scheduler.now() })
  if (verified instanceof Refusal) return management.refused(verified)
  access.grant(service, connection, { audience, expiresAt: verified })
  return { status: 202 }
}

/** Attaches a link that brings tokens. */
export const attachCbs = (service: Service, link: Incoming): void => {
  link.sink = {
    onDelivery: (delivery) =>
      onRequest(link, delivery, (request) =>
        run(service, link, request, {
          operation: "Token",
          perform: () => putToken(service, link, request)
        })
      ),
    onClosed: () => undefined
  }
  link.accept({ messageBytesMax: undefined })
}

/** Attaches a link that brings requests to a queue. */
export const attachManagement = (
  service: Service,
  link: Incoming,
  sub: SubQueue | undefined
): void => {
  const onManagement = (request: Request) => {
    const operation = rhea.asString(request.properties.get("operation")) ?? ""
    const linkName = rhea.asString(request.properties.get("associated-link-name"))
    const { connection } = link.session
    run(service, link, request, {
      operation: "Management",
      name: operation,
      ...(sub === undefined ? {} : { queue: sub.queue.settings.name.toLowerCase() }),
      perform: () =>
        management.perform(service, sub, {
          operation,
          body: rhea.asMap(request.body),
          holder: linkName === undefined ? undefined : `${connection.id}/${linkName}`
        })
    })
  }
  link.sink = {
    onDelivery: (delivery) => onRequest(link, delivery, onManagement),
    onClosed: () => undefined
  }
  link.accept({ messageBytesMax: undefined })
}
