/**
 * One AMQP connection: headers, SASL, open and close, frames in and out. Frames of one tick leave in
 * one write.
 */
import { Buffer } from "node:buffer"
import type { Socket } from "node:net"
import * as Result from "effect/Result"
import { AmqpSession, type Attaching } from "./amqpSession.ts"
import * as frames from "./frames.ts"
import { condition, Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"
import type { Scheduler, Timer } from "./scheduler.ts"

/** What a connection asks of the service behind it. */
export interface Host {
  readonly containerId: string
  /** The machine's clock: the other end counts its idle time with its own. */
  readonly live: Scheduler
  /** Whether a name and a key of SASL PLAIN are right. */
  readonly isPlainRight: (username: string, password: string) => boolean
  readonly onOpen: (connection: Connection) => void
  readonly onAttach: (attaching: Attaching) => void
  readonly onClosed: (connection: Connection) => void
}

const mechanisms = ["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"] as const

/** Bytes that are gathered before a write; larger ones are written as they are. */
const bufferBytes = 65_536

const noBytes = Buffer.alloc(0)

export class Connection {
  readonly id: number
  readonly socket: Socket
  readonly host: Host
  readonly sessions = new Map<number, AmqpSession>()
  /** Entities that a token was put for; `PLAIN` is right for all of them. */
  readonly tokens = new Map<string, { readonly expiresAt: number; timer: Timer | undefined }>()
  isPlain = false
  remoteContainerId = ""
  frameBytesMax = frames.frameBytesMax
  isOpen = false
  isClosed = false
  #expects: "Header" | "Sasl" | "Frames" = "Header"
  #pending: Buffer = noBytes
  #writer = rhea.makeWriter(bufferBytes)
  #willFlush = false
  #heartbeat: Timer | undefined
  #lastWrite = 0

  constructor(id: number, socket: Socket, host: Host) {
    this.id = id
    this.socket = socket
    this.host = host
    socket.setNoDelay(true)
    socket.on("data", (bytes: Buffer) => this.#onData(bytes))
    socket.on("end", () => socket.end())
    socket.on("close", () => this.#onClose())
  }

  /** Cuts the connection without a word. */
  destroy(): void {
    this.isClosed = true
    this.socket.destroy()
  }

  /** Ends the connection with an error. */
  closeWith(refusal: Refusal | undefined): void {
    if (this.isClosed) return
    this.write(0, frames.performative.close, refusal === undefined ? [] : [frames.error(refusal)])
    this.flush()
    this.isClosed = true
    this.socket.end()
  }

  // ---- writing

  /** The buffer that frames are written to; it leaves when the tick ends. */
  get writer(): rhea.Writer {
    if (!this.#willFlush) {
      this.#willFlush = true
      process.nextTick(() => this.flush())
    }
    return this.#writer
  }

  write(
    channel: number,
    performative: number,
    fields: ReadonlyArray<rhea.Typed | undefined>
  ): void {
    if (!this.isClosed) frames.write(this.writer, { channel, performative, fields })
  }

  flush(): void {
    this.#willFlush = false
    const { buffer, position } = this.#writer
    if (position === 0) return
    // A small write is copied: it must not keep the whole buffer until the other end has read it.
    const isSmall = position * 2 < bufferBytes
    const bytes = isSmall ? Buffer.from(buffer.subarray(0, position)) : buffer.subarray(0, position)
    if (isSmall) this.#writer.position = 0
    else this.#writer = rhea.makeWriter(bufferBytes)
    if (this.isClosed || this.socket.destroyed) return
    this.#lastWrite = this.host.live.now()
    this.socket.write(bytes)
  }

  #beat(idleMillis: number): void {
    this.#heartbeat = this.host.live.after(idleMillis / 2, () => {
      if (this.isClosed) return
      if (this.host.live.now() - this.#lastWrite >= idleMillis / 2 - 1) {
        frames.writeHeartbeat(this.writer)
      }
      this.#beat(idleMillis)
    })
  }

  // ---- reading

  #onData(bytes: Buffer): void {
    if (this.isClosed) return
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    const read = Result.try(() => {
      while (!this.isClosed && this.#step());
    })
    if (Result.isFailure(read)) {
      this.closeWith(new Refusal(condition.decode, "What was received is not AMQP 1.0."))
    }
  }

  /** Takes one header or frame; false when more bytes are needed. */
  #step(): boolean {
    if (this.#expects === "Header" || this.#isHeader()) return this.#readHeader()
    if (this.#pending.length < 8) return false
    const size = this.#pending.readUInt32BE(0)
    if (size > frames.frameBytesMax || size < 8) {
      this.closeWith(
        new Refusal(condition.framing, `A frame of ${size} bytes is not within the limits.`)
      )
      return false
    }
    if (this.#pending.length < size) return false
    const frame = frames.read(this.#pending.subarray(0, size))
    this.#pending = this.#pending.subarray(size)
    if (frame.type === frames.saslFrame) this.#onSasl(frame)
    else this.#onFrame(frame)
    return true
  }

  /** After SASL the client begins anew with a header, which no frame looks like. */
  #isHeader(): boolean {
    return (
      this.#expects === "Sasl" &&
      this.#pending.length >= 8 &&
      this.#pending.toString("latin1", 0, 4) === "AMQP"
    )
  }

  #readHeader(): boolean {
    if (this.#pending.length < 8) return false
    const name = this.#pending.toString("latin1", 0, 4)
    const protocol = this.#pending.readUInt8(4)
    this.#pending = this.#pending.subarray(8)
    if (name !== "AMQP" || (protocol !== 0 && protocol !== 3)) {
      // A peer that speaks something else is told what is spoken here, as AMQP asks.
      this.socket.end(frames.header(3))
      this.isClosed = true
      return false
    }
    this.writer.write_bytes(frames.header(protocol))
    if (protocol === 0) {
      this.#expects = "Frames"
      return true
    }
    this.#expects = "Sasl"
    frames.write(this.writer, {
      type: frames.saslFrame,
      channel: 0,
      performative: frames.performative.saslMechanisms,
      fields: [rhea.array([...mechanisms], rhea.code.symbol)]
    })
    return true
  }

  #onSasl(frame: frames.Frame): void {
    if (frame.performative !== frames.performative.saslInit) return
    const [mechanism, response] = frame.fields
    const [, username = "", password = ""] = (
      rhea.asBinary(response)?.toString("utf8") ?? ""
    ).split("\0")
    const name = rhea.asString(mechanism) ?? ""
    this.isPlain = name === "PLAIN"
    const isRight = this.isPlain
      ? this.host.isPlainRight(username, password)
      : mechanisms.some((known) => known === name)
    frames.write(this.writer, {
      type: frames.saslFrame,
      channel: 0,
      performative: frames.performative.saslOutcome,
      fields: [rhea.ubyte(isRight ? 0 : 1)]
    })
    if (isRight) return
    this.flush()
    this.isClosed = true
    this.socket.end()
  }

  #onFrame(frame: frames.Frame): void {
    const { channel, performative } = frame
    switch (performative) {
      case -1:
        return
      case frames.performative.open:
        this.#onOpen(frame)
        return
      case frames.performative.begin:
        this.sessions.set(channel, new AmqpSession(this, channel, frame.fields))
        return
      case frames.performative.close:
        this.closeWith(undefined)
        return
      default: {
        const session = this.sessions.get(channel)
        if (session === undefined) {
          this.closeWith(new Refusal(condition.framing, `Channel ${channel} has no session.`))
          return
        }
        session.onFrame(frame)
      }
    }
  }

  #onOpen({ fields }: frames.Frame): void {
    const [containerId, , frameBytesMax, , idleMillis] = fields
    this.remoteContainerId = rhea.asString(containerId) ?? ""
    this.frameBytesMax = Math.min(
      frames.frameBytesMax,
      Math.max(512, rhea.asNumber(frameBytesMax) ?? frames.frameBytesMax)
    )
    this.isOpen = true
    this.write(0, frames.performative.open, [
      rhea.string(this.host.containerId),
      undefined,
      rhea.uint(frames.frameBytesMax),
      rhea.ushort(4999)
    ])
    const idle = rhea.asNumber(idleMillis) ?? 0
    if (idle > 0) this.#beat(idle)
    this.host.onOpen(this)
  }

  #onClose(): void {
    this.isClosed = true
    this.host.live.cancel(this.#heartbeat)
    for (const session of this.sessions.values()) session.dispose()
    this.sessions.clear()
    this.host.onClosed(this)
  }
}
