/** A link on which messages go out: to a receiver of a queue, or with replies to requests. */
import type { Buffer } from "node:buffer"
import type { AmqpSession, Unsettled } from "./amqpSession.ts"
import * as frames from "./frames.ts"
import type { Refusal } from "./refusal.ts"
import * as rhea from "./rhea.ts"

/** What a link is made from. */
export interface LinkOptions {
  readonly session: AmqpSession
  readonly name: string
  readonly handle: number
  readonly remoteHandle: number
  readonly attach: ReadonlyArray<rhea.Typed>
}

/** What a flow frame says of a link. */
export interface Flow {
  readonly deliveryCount: number
  readonly credit: number
  readonly drain: boolean
  readonly echo: boolean
}

/** What stands behind the link. */
export interface Feed {
  /** Credit was given; what is left of it afterwards is the answer. */
  readonly onCredit: (credit: number) => number
  /** All credit is taken back. */
  readonly onDrained: () => void
  readonly onClosed: () => void
}

export class Outgoing {
  readonly session: AmqpSession
  readonly name: string
  readonly handle: number
  readonly remoteHandle: number
  readonly attachFields: ReadonlyArray<rhea.Typed>
  /** What the client calls its end. */
  readonly targetAddress: string
  /** The address that was attached to, in lower case. */
  address = ""
  isAttached = false
  isDetached = false
  feed: Feed | undefined
  #deliveryCount = 0
  #early: Flow | undefined

  constructor(options: LinkOptions) {
    this.session = options.session
    this.name = options.name
    this.handle = options.handle
    this.remoteHandle = options.remoteHandle
    this.attachFields = options.attach
    this.targetAddress = rhea.asString(rhea.asList(options.attach[6])[0]) ?? ""
  }

  /** Says yes; credit that came before is counted only now, so that no transfer goes before the attach. */
  accept(options: {
    readonly source: rhea.Typed | undefined
    readonly isPresettled: boolean
    readonly properties?: rhea.Typed | undefined
  }): void {
    if (this.isDetached) return
    this.isAttached = true
    this.#writeAttach(options.source, this.attachFields[6], options)
    const early = this.#early
    this.#early = undefined
    if (early !== undefined) this.onFlow(early)
  }

  /** Says no, and why. */
  refuse(refusal: Refusal): void {
    this.detach(refusal)
  }

  #writeAttach(
    source: rhea.Typed | undefined,
    target: rhea.Typed | undefined,
    options: {
      readonly isPresettled: boolean
      readonly properties?: rhea.Typed | undefined
    }
  ): void {
    this.session.write(frames.performative.attach, [
      rhea.string(this.name),
      rhea.uint(this.handle),
      rhea.boolean(false),
      rhea.ubyte(options.isPresettled ? 1 : 0),
      this.attachFields[4],
      source,
      target,
      undefined,
      undefined,
      rhea.uint(0),
      undefined,
      undefined,
      undefined,
      options.properties
    ])
  }

  /** Ends the link from here. */
  detach(refusal: Refusal | undefined): void {
    if (this.isDetached) return
    this.isDetached = true
    this.#close()
    this.#attachToNothing()
    this.session.inOrder(() => this.#writeDetach(refusal))
  }

  /** The client ended the link. */
  onDetach(): void {
    if (this.isDetached) return
    this.isDetached = true
    this.#close()
    this.#attachToNothing()
    this.session.inOrder(() => this.#writeDetach(undefined))
  }

  /** A client knows no other end: one that is refused, or gave up, gets an attach without a source. */
  #attachToNothing(): void {
    if (this.isAttached) return
    this.isAttached = true
    this.#writeAttach(undefined, this.attachFields[6], { isPresettled: false })
  }

  /** The session or the connection is gone. */
  dispose(): void {
    if (this.isDetached) return
    this.isDetached = true
    this.#close()
  }

  #close(): void {
    this.session.abandonUnsettled(this)
    this.feed?.onClosed()
  }

  #writeDetach(refusal: Refusal | undefined): void {
    this.session.write(frames.performative.detach, [
      rhea.uint(this.handle),
      rhea.boolean(true),
      refusal === undefined ? undefined : frames.error(refusal)
    ])
  }

  onFlow(flow: Flow): void {
    if (!this.isAttached) {
      this.#early = flow
      return
    }
    const credit = Math.max(0, flow.deliveryCount + flow.credit - this.#deliveryCount)
    const left = this.feed?.onCredit(credit) ?? credit
    if (flow.drain) {
      // Also with nothing left: a client that waits for the answer would else close the link.
      this.feed?.onDrained()
      this.#deliveryCount += left
      this.session.inOrder(() => this.#writeFlow(0, true))
    } else if (flow.echo) this.session.inOrder(() => this.#writeFlow(left, false))
  }

  #writeFlow(credit: number, drain: boolean): void {
    this.session.writeFlow([
      rhea.uint(this.handle),
      rhea.uint(this.#deliveryCount),
      rhea.uint(credit),
      rhea.uint(0),
      rhea.boolean(drain)
    ])
  }

  send(delivery: {
    readonly tag: Buffer
    readonly payload: ReadonlyArray<Buffer>
    readonly settle?: Unsettled["settle"] | undefined
  }): void {
    this.#deliveryCount++
    this.session.send(this, delivery)
  }
}
