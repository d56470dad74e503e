/** AMQP frames, written into one growing buffer so that a tick's worth of them is one write. */
import { Buffer } from "node:buffer"
import type { Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"

/** The descriptors of performatives. */
export const performative = {
  open: 0x10,
  begin: 0x11,
  attach: 0x12,
  flow: 0x13,
  transfer: 0x14,
  disposition: 0x15,
  detach: 0x16,
  end: 0x17,
  close: 0x18,
  saslMechanisms: 0x40,
  saslInit: 0x41,
  saslOutcome: 0x44
} as const

/** Outcomes of a delivery. */
export const outcome = {
  received: 0x23,
  accepted: 0x24,
  rejected: 0x25,
  released: 0x26,
  modified: 0x27,
  transactional: 0x34
} as const

export const amqpFrame = 0
export const saslFrame = 1

/** Largest frame that is sent or taken, as the service's. */
export const frameBytesMax = 65_536

/** What a transfer needs besides its payload, at most. */
export const transferBytesMax = 64

/** The first eight bytes of a connection. */
export const header = (protocol: number): Buffer =>
  Buffer.from([0x41, 0x4d, 0x51, 0x50, protocol, 1, 0, 0])

const begin = (writer: rhea.Writer, type: number, channel: number): number => {
  const start = writer.position
  writer.ensure(start + 8)
  writer.position += 4
  writer.write_uint(2, 1)
  writer.write_uint(type, 1)
  writer.write_uint(channel, 2)
  return start
}

const end = (writer: rhea.Writer, start: number): void => {
  writer.buffer.writeUInt32BE(writer.position - start, start)
}

export const write = (
  writer: rhea.Writer,
  frame: {
    readonly type?: number
    readonly channel: number
    readonly performative: number
    readonly fields: ReadonlyArray<rhea.Typed | undefined>
  }
): void => {
  const start = begin(writer, frame.type ?? amqpFrame, frame.channel)
  writer.write(rhea.described(frame.performative, rhea.list(frame.fields)))
  end(writer, start)
}

/** An empty frame: the connection is alive. */
export const writeHeartbeat = (writer: rhea.Writer): void => {
  end(writer, begin(writer, amqpFrame, 0))
}

/** One transfer frame, by hand: there is one for each message. */
export const writeTransfer = (
  writer: rhea.Writer,
  transfer: {
    readonly channel: number
    readonly handle: number
    readonly deliveryId: number
    readonly tag: Buffer
    readonly settled: boolean
    readonly more: boolean
    readonly payload: ReadonlyArray<Buffer>
  }
): void => {
  const start = begin(writer, amqpFrame, transfer.channel)
  const { tag } = transfer
  writer.ensure(start + 8 + transferBytesMax + tag.length)
  const { buffer } = writer
  let at = start + 8
  buffer[at] = 0x00
  buffer[at + 1] = 0x53
  buffer[at + 2] = performative.transfer
  buffer[at + 3] = 0xc0
  buffer[at + 5] = 6
  buffer[at + 6] = 0x70
  buffer.writeUInt32BE(transfer.handle, at + 7)
  buffer[at + 11] = 0x70
  buffer.writeUInt32BE(transfer.deliveryId, at + 12)
  buffer[at + 16] = 0xa0
  buffer[at + 17] = tag.length
  tag.copy(buffer, at + 18)
  const size = at + 4
  at += 18 + tag.length
  buffer[at] = 0x43
  buffer[at + 1] = transfer.settled ? 0x41 : 0x42
  buffer[at + 2] = transfer.more ? 0x41 : 0x42
  at += 3
  buffer[size] = at - size - 1
  writer.position = at
  for (const part of transfer.payload) writer.write_bytes(part)
  end(writer, start)
}

const nothing = rhea.described(outcome.accepted, rhea.list([]))

/** The state of a delivery that was taken. */
export const accepted: rhea.Typed = nothing

export const error = (refusal: Refusal): rhea.Typed =>
  rhea.described(
    0x1d,
    rhea.list([rhea.symbol(refusal.condition), rhea.string(refusal.description)])
  )

/** The state of a delivery that was refused. */
export const rejected = (refusal: Refusal): rhea.Typed =>
  rhea.described(outcome.rejected, rhea.list([error(refusal)]))

/** One settled disposition of the deliveries `first … last`. */
export const writeDisposition = (
  writer: rhea.Writer,
  disposition: {
    readonly channel: number
    readonly isReceiver: boolean
    readonly first: number
    readonly last: number
    readonly state: rhea.Typed
  }
): void => {
  write(writer, {
    channel: disposition.channel,
    performative: performative.disposition,
    fields: [
      rhea.boolean(disposition.isReceiver),
      rhea.uint(disposition.first),
      rhea.uint(disposition.last),
      rhea.boolean(true),
      disposition.state
    ]
  })
}

/** One frame as it was read. */
export interface Frame {
  readonly type: number
  readonly channel: number
  /** -1 for an empty frame. */
  readonly performative: number
  readonly fields: ReadonlyArray<rhea.Typed>
  readonly payload: Buffer
}

/** Reads the frame that a whole buffer is. Throws on what is not AMQP. */
export const read = (bytes: Buffer): Frame => {
  const offset = bytes.readUInt8(4) * 4
  const type = bytes.readUInt8(5)
  const channel = bytes.readUInt16BE(6)
  if (offset >= bytes.length) {
    return { type, channel, performative: -1, fields: [], payload: bytes.subarray(bytes.length) }
  }
  const { end: next, value } = rhea.read(bytes, offset)
  return {
    type,
    channel,
    performative: rhea.descriptorOf(value),
    fields: rhea.asList(value),
    payload: bytes.subarray(next)
  }
}
