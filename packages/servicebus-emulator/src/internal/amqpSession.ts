/** One AMQP session: its windows, its links, and the deliveries between transfer and settlement. */
import { Buffer } from "node:buffer"
import type { Connection } from "./connection.ts"
import * as frames from "./frames.ts"
import { Incoming } from "./incoming.ts"
import { Outgoing } from "./outgoing.ts"
import { condition, Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"

/** Transfers that a client may send ahead; the service's figure. */
const incomingWindow = 5000

/** A delivery that the client has not settled. */
export interface Unsettled {
  readonly id: number
  readonly link: Outgoing
  /** `answer` settles the delivery on the wire. */
  readonly settle: (state: rhea.Typed | undefined, answer: (refusal?: Refusal) => void) => void
}

/** A link that a client wants, before anybody has said yes. */
export interface Attaching {
  readonly session: AmqpSession
  readonly link: Incoming | Outgoing
  readonly source: rhea.Typed | undefined
  readonly target: rhea.Typed | undefined
  readonly properties: ReadonlyMap<string, rhea.Typed>
}

export class AmqpSession {
  readonly connection: Connection
  readonly channel: number
  /** By the client's handle. */
  readonly links = new Map<number, Incoming | Outgoing>()
  readonly unsettled = new Map<number, Unsettled>()
  readonly #handles: Array<boolean> = []
  #nextOutgoingId = 0
  #nextDeliveryId = 0
  #nextIncomingId: number
  #taken = 0
  #remoteWindow: number
  /** What waits until the client can take more transfers. */
  #held: Array<() => void> = []
  #accepted: { first: number; last: number } | undefined

  constructor(connection: Connection, channel: number, begin: ReadonlyArray<rhea.Typed>) {
    this.connection = connection
    this.channel = channel
    this.#nextIncomingId = rhea.asNumber(begin[1]) ?? 0
    this.#remoteWindow = rhea.asNumber(begin[2]) ?? 0
    connection.write(channel, frames.performative.begin, [
      rhea.ushort(channel),
      rhea.uint(this.#nextOutgoingId),
      rhea.uint(incomingWindow),
      rhea.uint(incomingWindow),
      rhea.uint(254)
    ])
  }

  /** The connection is gone, or the session has ended. */
  dispose(): void {
    for (const link of this.links.values()) link.dispose()
    this.links.clear()
    this.unsettled.clear()
    this.#held = []
  }

  write(performative: number, fields: ReadonlyArray<rhea.Typed | undefined>): void {
    this.connection.write(this.channel, performative, fields)
  }

  onFrame(frame: frames.Frame): void {
    const { fields, performative } = frame
    switch (performative) {
      case frames.performative.attach:
        this.#onAttach(fields)
        return
      case frames.performative.flow:
        this.#onFlow(fields)
        return
      case frames.performative.transfer:
        this.#onTransfer(frame)
        return
      case frames.performative.disposition:
        this.#onDisposition(fields)
        return
      case frames.performative.detach:
        this.#onDetach(fields)
        return
      case frames.performative.end:
        this.dispose()
        this.connection.sessions.delete(this.channel)
        this.write(frames.performative.end, [])
    }
  }

  // ---- links

  takeHandle(): number {
    const free = this.#handles.indexOf(false)
    const handle = free < 0 ? this.#handles.length : free
    this.#handles[handle] = true
    return handle
  }

  /** Both ends have detached. */
  forget(link: Incoming | Outgoing): void {
    this.links.delete(link.remoteHandle)
    this.#handles[link.handle] = false
  }

  #onAttach(fields: ReadonlyArray<rhea.Typed>): void {
    const [name, remoteHandle, role] = fields
    const options = {
      session: this,
      name: rhea.asString(name) ?? "",
      handle: this.takeHandle(),
      remoteHandle: rhea.asNumber(remoteHandle) ?? 0,
      attach: fields
    }
    // A role of true is a receiver's: the link goes out from here.
    const link = rhea.asBoolean(role) === true ? new Outgoing(options) : new Incoming(options)
    this.links.set(options.remoteHandle, link)
    this.connection.host.onAttach({
      session: this,
      link,
      source: fields[5],
      target: fields[6],
      properties: rhea.asMap(fields[13])
    })
  }

  #onDetach([handle]: ReadonlyArray<rhea.Typed>): void {
    const link = this.links.get(rhea.asNumber(handle) ?? -1)
    if (link === undefined) return
    this.forget(link)
    link.onDetach()
  }

  // ---- windows

  #onFlow(fields: ReadonlyArray<rhea.Typed>): void {
    const [nextIncomingId, window, , , handle, deliveryCount, credit, , drain, echo] = fields
    // Before the client has seen our first transfer it cannot tell which one it expects.
    const expected = rhea.asNumber(nextIncomingId) ?? 0
    this.#remoteWindow = expected + (rhea.asNumber(window) ?? 0) - this.#nextOutgoingId
    this.#release()
    const number = rhea.asNumber(handle)
    if (number === undefined) {
      if (rhea.asBoolean(echo) === true) this.writeFlow()
      return
    }
    const link = this.links.get(number)
    if (link instanceof Outgoing) {
      link.onFlow({
        deliveryCount: rhea.asNumber(deliveryCount) ?? 0,
        credit: rhea.asNumber(credit) ?? 0,
        drain: rhea.asBoolean(drain) === true,
        echo: rhea.asBoolean(echo) === true
      })
    } else if (link !== undefined && rhea.asBoolean(echo) === true) link.writeFlow()
  }

  /** A flow frame of the session, or of one of its links. */
  writeFlow(link: ReadonlyArray<rhea.Typed | undefined> = []): void {
    this.#taken = 0
    this.write(frames.performative.flow, [
      rhea.uint(this.#nextIncomingId),
      rhea.uint(incomingWindow),
      rhea.uint(this.#nextOutgoingId),
      rhea.uint(incomingWindow),
      ...link
    ])
  }

  #release(): void {
    while (this.#held.length > 0 && this.#remoteWindow > 0) this.#held.shift()?.()
  }

  /** Does it now, or after the transfers that wait: nothing on the wire may overtake them. */
  inOrder(run: () => void): void {
    if (this.#held.length === 0) run()
    else this.#held.push(run)
  }

  // ---- deliveries to the client

  send(
    link: Outgoing,
    delivery: {
      readonly tag: Buffer
      readonly payload: ReadonlyArray<Buffer>
      readonly settle?: Unsettled["settle"] | undefined
    }
  ): void {
    const id = this.#nextDeliveryId++
    const { payload, settle, tag } = delivery
    if (settle !== undefined) this.unsettled.set(id, { id, link, settle })
    const room = this.connection.frameBytesMax - frames.transferBytesMax
    const size = payload.reduce((sum, part) => sum + part.length, 0)
    const fragments: Array<ReadonlyArray<Buffer>> = []
    if (size <= room) fragments.push(payload)
    else {
      const whole = Buffer.concat(payload)
      for (let at = 0; at < size; at += room) fragments.push([whole.subarray(at, at + room)])
    }
    for (const [index, fragment] of fragments.entries()) {
      const transfer = {
        channel: this.channel,
        handle: link.handle,
        deliveryId: id,
        tag,
        settled: settle === undefined,
        more: index + 1 < fragments.length,
        payload: fragment
      }
      const write = () => {
        this.#remoteWindow--
        this.#nextOutgoingId++
        if (!this.connection.isClosed) frames.writeTransfer(this.connection.writer, transfer)
      }
      if (this.#held.length === 0 && this.#remoteWindow > 0) write()
      else this.#held.push(write)
    }
  }

  /** Deliveries of a closed link; what is settled late goes by its token. */
  abandonUnsettled(link: Outgoing): void {
    for (const delivery of this.unsettled.values()) {
      if (delivery.link === link) this.unsettled.delete(delivery.id)
    }
  }

  #onDisposition(fields: ReadonlyArray<rhea.Typed>): void {
    const [role, firstField, lastField, settled, state] = fields
    if (rhea.asBoolean(role) !== true) return
    const first = rhea.asNumber(firstField) ?? 0
    const last = rhea.asNumber(lastField) ?? first
    const isSettled = rhea.asBoolean(settled) === true
    const isFinal = state !== undefined && rhea.descriptorOf(state) >= frames.outcome.accepted
    if (!isFinal && !isSettled) return
    for (const delivery of this.#between(first, last)) {
      this.unsettled.delete(delivery.id)
      delivery.settle(isFinal ? state : undefined, (refusal) => {
        if (!isSettled) this.#answer(delivery.id, refusal)
      })
    }
    this.flushAnswers()
  }

  #between(first: number, last: number): ReadonlyArray<Unsettled> {
    if (last - first >= this.unsettled.size) {
      return [...this.unsettled.values()].filter(({ id }) => id >= first && id <= last)
    }
    const found: Array<Unsettled> = []
    for (let id = first; id <= last; id++) {
      const delivery = this.unsettled.get(id)
      if (delivery !== undefined) found.push(delivery)
    }
    return found
  }

  /** Neighbours that were accepted share a frame; every refusal has its own. */
  #answer(id: number, refusal: Refusal | undefined): void {
    const run = this.#accepted
    if (refusal === undefined && run !== undefined && run.last + 1 === id) {
      run.last = id
      return
    }
    this.flushAnswers()
    if (refusal === undefined) {
      this.#accepted = { first: id, last: id }
      process.nextTick(() => this.flushAnswers())
    } else this.#writeDisposition(id, id, frames.rejected(refusal))
  }

  flushAnswers(): void {
    const run = this.#accepted
    if (run === undefined) return
    this.#accepted = undefined
    this.#writeDisposition(run.first, run.last, frames.accepted)
  }

  #writeDisposition(first: number, last: number, state: rhea.Typed): void {
    if (this.connection.isClosed) return
    const { channel } = this
    frames.writeDisposition(this.connection.writer, {
      channel,
      isReceiver: false,
      first,
      last,
      state
    })
  }

  // ---- deliveries from the client

  #onTransfer({ fields, payload }: frames.Frame): void {
    this.#nextIncomingId++
    this.#taken++
    const link = this.links.get(rhea.asNumber(fields[0]) ?? -1)
    if (link instanceof Incoming) link.onTransfer(fields, payload)
    else if (link === undefined) {
      this.connection.closeWith(
        new Refusal(condition.framing, "A transfer names a handle that has no link.")
      )
      return
    }
    if (this.#taken * 2 > incomingWindow) this.writeFlow()
  }
}
