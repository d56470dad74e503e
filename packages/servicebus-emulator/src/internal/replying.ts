/** Links that carry replies to requests. */
import { Buffer } from "node:buffer"
import type { AmqpSession, Attaching } from "./amqpSession.ts"
import type { Outgoing } from "./outgoing.ts"
import * as rhea from "./rhea.ts"
import type { Service } from "./service.ts"

/** What is said to a request. */
export interface Reply {
  readonly correlationId: rhea.Typed | undefined
  readonly properties: ReadonlyArray<readonly [string, rhea.Typed]>
  readonly body: rhea.Typed
}

const waiting = new WeakMap<Outgoing, { credit: number; readonly replies: Array<Buffer> }>()

const encode = ({ body, correlationId, properties }: Reply): Buffer =>
  Buffer.concat([
    rhea.encode(
      rhea.described(
        0x73,
        rhea.list([undefined, undefined, undefined, undefined, undefined, correlationId])
      )
    ),
    rhea.encode(rhea.described(0x74, rhea.map(properties))),
    rhea.encode(rhea.described(0x77, body))
  ])

const flush = (service: Service, link: Outgoing): void => {
  const state = waiting.get(link)
  if (state === undefined) return
  while (state.credit > 0) {
    const message = state.replies.shift()
    if (message === undefined) return
    state.credit--
    // Pre-settled: else the client answers with a disposition that nothing follows, and waits 40 ms
    // with its next frame for an acknowledgement of it.
    link.send({ tag: service.anyTag(), payload: [message] })
  }
}

/** Attaches a link for replies. */
export const attach = (service: Service, attaching: Attaching, link: Outgoing): void => {
  const replies: Array<Buffer> = []
  const state = { credit: 0, replies }
  waiting.set(link, state)
  service.replies.add(link)
  link.feed = {
    onCredit: (credit) => {
      state.credit = credit
      flush(service, link)
      return state.credit
    },
    onDrained: () => {
      state.credit = 0
    },
    onClosed: () => service.replies.delete(link)
  }
  link.accept({ source: attaching.source, isPresettled: true })
}

/** The link that a reply goes to: by address or name, and without either the node's own. */
const find = (
  service: Service,
  session: AmqpSession,
  to: { readonly replyTo: string | undefined; readonly node: string }
): Outgoing | undefined => {
  const { node, replyTo } = to
  let elsewhere: Outgoing | undefined
  for (const link of service.replies) {
    const isNamed =
      replyTo === undefined
        ? link.address === node
        : link.targetAddress === replyTo || link.name === replyTo
    if (link.session.connection !== session.connection || !isNamed) continue
    if (link.session === session) return link
    elsewhere = link
  }
  return elsewhere
}

/** Sends a reply; it waits for credit. */
export const send = (
  service: Service,
  session: AmqpSession,
  to: { readonly replyTo: string | undefined; readonly node: string },
  reply: Reply
): void => {
  const link = find(service, session, to)
  if (link === undefined || link.isDetached) return
  waiting.get(link)?.replies.push(encode(reply))
  flush(service, link)
}
