import type { ServiceBusClient } from "@azure/service-bus"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { Defaults } from "@queue-runtime/core"
import {
  at,
  countLinks,
  endTransport,
  endingLinks,
  isConnectionOpen,
  onConnection,
  seal,
  socketOf,
  writeTogether
} from "./inside.ts"

/**
 * The SDK's client for the life of one socket.
 *
 * The SDK can make its connection anew, but a call that begins while it does may open the old one again,
 * and then waits, with every call after it, for an end that was never told. So a client whose connection
 * is lost is never used again: what was under way on it fails, and the next call has another client.
 */
export class SdkClient {
  readonly client: ServiceBusClient
  readonly #connectTimeout: Duration.Duration
  readonly #listeners = new Set<() => void>()
  #socket: unknown
  #wasOpen = false
  /** Calls in a row that ended by their time limit. */
  #timeouts = 0
  /** What its links have to do in the next turn. */
  #due: Array<() => void> = []
  isLost = false
  /** What it was lost by, where that is known. */
  lostBy: unknown

  constructor(client: ServiceBusClient, connectTimeout: Duration.Duration) {
    this.client = client
    this.#connectTimeout = connectTimeout
    onConnection(client, "connection_open", () => {
      this.#wasOpen = true
      this.look()
    })
    onConnection(client, "disconnected", (context) => this.lose(at(context, "error")))
  }

  /** Whether the service has answered on it, and it is not lost. */
  get isOpen(): boolean {
    return !this.isLost && isConnectionOpen(this.client)
  }

  /** Links that are open on it, those of the SDK's own included. */
  get links(): number {
    return this.isOpen ? countLinks(this.client) : 0
  }

  /**
   * Looks whether there is a socket now, and turns off its delay of small frames: with it each request to
   * the service's management and each link costs 40 ms where the other side delays its acknowledgements.
   * The AMQP library does not hear of a socket that closes without a word: it is listened to here.
   */
  look(): void {
    const socket = socketOf(this.client)
    if (socket === undefined || socket === this.#socket) return
    this.#socket = socket
    if (Predicate.hasProperty(socket, "setNoDelay") && typeof socket.setNoDelay === "function") {
      socket.setNoDelay(true)
    }
    writeTogether(socket)
    if (Predicate.hasProperty(socket, "once") && typeof socket.once === "function") {
      for (const event of ["end", "close"]) {
        socket.once(event, () => {
          if (socket === this.#socket) this.lose()
        })
      }
    }
  }

  /** Does something in the next turn, together with what its other links have to do. */
  soon(run: () => void): void {
    if (this.#due.push(run) > 1) return
    setImmediate(() => {
      const due = this.#due
      this.#due = []
      for (const one of due) one()
    })
  }

  /** A call was answered. */
  isUp(): void {
    this.#timeouts = 0
    this.look()
  }

  /**
   * A call was not answered in so long a time. An open connection is taken for lost when no call at all was
   * answered between so many; one that is being opened has the time that it was given for that.
   */
  timedOut(after: Duration.Duration): void {
    if (!this.isOpen) {
      if (Duration.isGreaterThanOrEqualTo(after, this.#connectTimeout)) this.lose()
      return
    }
    this.#timeouts++
    if (this.#timeouts >= Defaults.serviceBusTimeoutsMax) this.lose()
  }

  /** Whether it left its last call without an answer. */
  get isSilent(): boolean {
    return this.#timeouts > 0
  }

  /** Calls once when it is lost; answers how to forget it. */
  onLost(listener: () => void): () => void {
    this.look()
    if (this.isLost) {
      setImmediate(listener)
      return () => undefined
    }
    this.#listeners.add(listener)
    // The SDK has not noticed yet that the socket is gone, and would write to it.
    const socket = this.#socket
    if (at(socket, "destroyed") === true || at(socket, "readableEnded") === true) {
      setImmediate(() => this.lose())
    }
    return () => this.#listeners.delete(listener)
  }

  /** It is of no use any more: what was under way on it is never answered. */
  lose(by?: unknown): void {
    if (this.isLost) return
    this.isLost = true
    this.lostBy = by
    seal(this.client)
    // One that was never open says itself, and better, why: it is heard first.
    if (this.#wasOpen) this.#tell()
    const endLinks = endingLinks(this.client)
    setImmediate(() => {
      this.#tell()
      endLinks()
      endTransport(this.client)
    })
  }

  #tell(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }
}
