/** A link on which messages come in: from a sender to a queue, or requests to a node. */
import { Buffer } from "node:buffer"
import type { AmqpSession } from "./amqpSession.ts"
import * as frames from "./frames.ts"
import type { LinkOptions } from "./outgoing.ts"
import { condition, Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"

/** Credit of a sender, as the service gives it; renewed when half of it is used. */
const window = 1000

/** One whole delivery of a client. */
export interface Incomer {
  readonly id: number
  readonly isSettled: boolean
  readonly format: number
  readonly payload: Buffer
}

/** What stands behind the link. */
export interface Sink {
  readonly onDelivery: (delivery: Incomer) => void
  readonly onClosed: () => void
}

export class Incoming {
  readonly session: AmqpSession
  readonly name: string
  readonly handle: number
  readonly remoteHandle: number
  readonly attachFields: ReadonlyArray<rhea.Typed>
  /** The address that was attached to, in lower case. */
  address = ""
  isAttached = false
  isDetached = false
  sink: Sink | undefined
  #deliveryCount = 0
  #credit = 0
  #bytesMax = Infinity
  #partial:
    | {
        readonly id: number
        readonly format: number
        readonly parts: Array<Buffer>
        size: number
        isSettled: boolean
      }
    | undefined

  constructor(options: LinkOptions) {
    this.session = options.session
    this.name = options.name
    this.handle = options.handle
    this.remoteHandle = options.remoteHandle
    this.attachFields = options.attach
  }

  accept(options: { readonly messageBytesMax: number | undefined }): void {
    if (this.isDetached) return
    this.isAttached = true
    this.#bytesMax = options.messageBytesMax ?? Infinity
    this.#writeAttach(this.attachFields[6], options.messageBytesMax)
    this.#credit = window
    this.writeFlow()
  }

  /** Says no, and why. */
  refuse(refusal: Refusal): void {
    this.detach(refusal)
  }

  /** A client knows no other end: one that is refused, or gave up, gets an attach without a target. */
  #attachToNothing(): void {
    if (this.isAttached) return
    this.isAttached = true
    this.#writeAttach(undefined, undefined)
  }

  #writeAttach(target: rhea.Typed | undefined, messageBytesMax: number | undefined): void {
    this.session.write(frames.performative.attach, [
      rhea.string(this.name),
      rhea.uint(this.handle),
      rhea.boolean(true),
      this.attachFields[3],
      rhea.ubyte(0),
      this.attachFields[5],
      target,
      undefined,
      undefined,
      undefined,
      messageBytesMax === undefined ? undefined : rhea.ulong(messageBytesMax)
    ])
  }

  detach(refusal: Refusal | undefined): void {
    if (this.isDetached) return
    this.isDetached = true
    this.sink?.onClosed()
    this.#attachToNothing()
    this.#writeDetach(refusal)
  }

  onDetach(): void {
    if (this.isDetached) return
    this.isDetached = true
    this.sink?.onClosed()
    this.#attachToNothing()
    this.#writeDetach(undefined)
  }

  dispose(): void {
    if (this.isDetached) return
    this.isDetached = true
    this.sink?.onClosed()
  }

  #writeDetach(refusal: Refusal | undefined): void {
    this.session.write(frames.performative.detach, [
      rhea.uint(this.handle),
      rhea.boolean(true),
      refusal === undefined ? undefined : frames.error(refusal)
    ])
  }

  writeFlow(): void {
    this.session.writeFlow([
      rhea.uint(this.handle),
      rhea.uint(this.#deliveryCount),
      rhea.uint(this.#credit)
    ])
  }

  onTransfer(fields: ReadonlyArray<rhea.Typed>, payload: Buffer): void {
    const [, deliveryId, , format, settled, more, , , , aborted] = fields
    this.#partial ??= {
      id: rhea.asNumber(deliveryId) ?? 0,
      format: rhea.asNumber(format) ?? 0,
      parts: [],
      size: 0,
      isSettled: false
    }
    const partial = this.#partial
    partial.size += payload.length
    // Said on the first frame, the last or all of them.
    partial.isSettled ||= rhea.asBoolean(settled) === true
    // Past the limit the bytes are dropped and only counted: the message will be refused.
    if (partial.size <= this.#bytesMax) partial.parts.push(payload)
    if (rhea.asBoolean(more) === true) return
    this.#partial = undefined
    this.#deliveryCount++
    this.#credit--
    if (this.isDetached) return
    if (rhea.asBoolean(aborted) !== true) {
      const { isSettled } = partial
      if (partial.size > this.#bytesMax) this.#refuseSize(partial.id, partial.size, isSettled)
      else {
        this.sink?.onDelivery({
          id: partial.id,
          isSettled,
          format: partial.format,
          payload: partial.parts.length === 1 ? payload : Buffer.concat(partial.parts)
        })
      }
    }
    if (this.#credit * 2 > window || this.isDetached) return
    this.#credit = window
    this.writeFlow()
  }

  #refuseSize(id: number, size: number, isSettled: boolean): void {
    const refusal = new Refusal(
      condition.linkSizeExceeded,
      `The received message (delivery-id:${id}, size:${size} bytes) exceeds the limit (${this.#bytesMax} bytes) currently allowed on the link.`
    )
    if (!isSettled) this.settle(id, refusal)
  }

  /** Settles a delivery of the client. */
  settle(id: number, refusal?: Refusal): void {
    const { connection } = this.session
    if (connection.isClosed || this.isDetached) return
    frames.writeDisposition(connection.writer, {
      channel: this.session.channel,
      isReceiver: true,
      first: id,
      last: id,
      state: refusal === undefined ? frames.accepted : frames.rejected(refusal)
    })
  }
}
