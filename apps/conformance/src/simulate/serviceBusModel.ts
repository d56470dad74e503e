/**
 * The SDK of Service Bus in virtual time: the classes of it that the provider uses, over a broker of the
 * emulator in place of the network. A process of a simulation loads it in the place of the SDK.
 */
import type { Backend } from "@queue-runtime/simulation"
import type { EmulatorError, ServiceBusBroker } from "@queue-runtime/servicebus-emulator"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { EventEmitter } from "node:events"

type Refused = EmulatorError.Refused

/** What the SDK throws: the code is what tells. */
class ServiceBusError extends Error {
  override readonly name = "ServiceBusError"
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

class Failed extends Data.TaggedError("Failed")<{ readonly code: string; readonly text: string }> {}

const failed = (code: string, text: string) => new Failed({ code, text })

const disconnected = failed("ServiceCommunicationProblem", "the connection was closed")

const codes: Readonly<Record<string, string>> = {
  "amqp:not-found": "MessagingEntityNotFound",
  "amqp:not-allowed": "InvalidOperationError",
  "com.microsoft:message-lock-lost": "MessageLockLost",
  "com.microsoft:session-lock-lost": "SessionLockLost",
  "com.microsoft:session-cannot-be-locked": "SessionCannotBeLocked"
}

const refused = ({ condition, description }: Refused): Failed =>
  failed(codes[condition] ?? "GeneralError", description)

const sessionLost = failed("SessionLockLost", "the lock of the session is over")

type Call<A> = Effect.Effect<A, Failed>

/** The service, and what its answers carry that its broker does not know. */
export class Bus {
  readonly broker: ServiceBusBroker.Service
  readonly deliveries = new Map<string, ServiceBusBroker.Delivery>()
  /** What settlements wrote on a message, by its number. */
  readonly written = new Map<number, Properties>()
  readonly #waiting = new Set<() => void>()

  constructor(broker: ServiceBusBroker.Service) {
    this.broker = broker
  }

  /** Something was sent or settled. */
  changed(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Until the next change. */
  readonly change: Effect.Effect<void> = Effect.callback((resume) => {
    const wake = (): void => resume(Effect.void)
    this.#waiting.add(wake)
    return Effect.sync(() => this.#waiting.delete(wake))
  })
}

const dateOf = (millis: number): Date => DateTime.toDateUtc(DateTime.makeUnsafe(millis))

type Process = Context.Service.Shape<typeof Backend.Process>

type Strike = "lost" | "silent" | "throttled" | "disconnected" | "short delay" | "long delay"

const struckBy = (process: Process, action: string): Strike | undefined => {
  const strike = process.strikes(action, ["lost reply", "throttled", "disconnected", "delay"])
  if (strike === undefined) return undefined
  const isFirst = strike.part < 0.5
  if (strike.name === "lost reply") return isFirst ? "lost" : "silent"
  if (strike.name === "delay") return isFirst ? "short delay" : "long delay"
  return strike.name === "throttled" ? "throttled" : "disconnected"
}

/** The connections of one process to the service. */
export class Wire {
  readonly bus: Bus
  readonly process: Process
  readonly #context: Context.Context<never>
  readonly #clients = new Set<ServiceBusClient>()

  constructor(bus: Bus, process: Process, context: Context.Context<never>) {
    this.bus = bus
    this.process = process
    this.#context = context
  }

  add(client: ServiceBusClient): void {
    this.#clients.add(client)
  }

  /** Runs in the time of the process, but in nobody's turn. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.#context)(effect)
  }

  /** The service finds the process gone, or its connection broken. */
  cut(): void {
    for (const client of this.#clients) client.drop()
    this.#clients.clear()
  }
}

const wires = new Map<string, Wire>()

/** Puts a wire behind a host's name; a client with that name is on it. */
export const connect = (host: string, wire: Wire): void => void wires.set(host, wire)

export const disconnect = (host: string): void => void wires.delete(host)

const hostOf = (connectionString: string): string =>
  /^Endpoint=sb:\/\/([^;/]+)/u.exec(connectionString)?.[1] ?? ""

type Properties = Readonly<Record<string, unknown>>

/** A message as it is given to the SDK. */
interface Sending {
  readonly body: Uint8Array
  readonly messageId?: string
  readonly sessionId?: string
  readonly correlationId?: string
  readonly contentType?: string
  readonly timeToLive?: number
  readonly scheduledEnqueueTimeUtc?: Date
  readonly applicationProperties?: Properties
}

interface Carried {
  readonly body: string
  readonly rest: Pick<Sending, "applicationProperties" | "contentType" | "correlationId">
}

const decoder = new TextDecoder()

const encoder = new TextEncoder()

const toBroker = (message: Sending): ServiceBusBroker.Message => {
  const { applicationProperties, body, contentType, correlationId } = message
  const carried = {
    body: Buffer.from(body).toString("base64"),
    rest: { applicationProperties, contentType, correlationId }
  }
  return {
    body: encoder.encode(JSON.stringify(carried)),
    messageId: message.messageId,
    sessionId: message.sessionId,
    timeToLive: message.timeToLive,
    scheduledAt: message.scheduledEnqueueTimeUtc?.getTime()
  }
}

/** The link that a message came over, as far as the provider looks at it. */
class Link extends EventEmitter {
  readonly #client: ServiceBusClient
  #outcome: ServiceBusBroker.Settlement | undefined
  isClosed = false

  constructor(client: ServiceBusClient) {
    super()
    this.#client = client
  }

  is_open(): boolean {
    return !this.isClosed && !this.#client.isLost
  }

  /**
   * Which outcome goes out: the AMQP library below the SDK gathers the settlements of one tick of a link,
   * and gives all of them the outcome of the first.
   */
  outcome(wanted: ServiceBusBroker.Settlement): ServiceBusBroker.Settlement {
    if (this.#outcome !== undefined) return this.#outcome
    this.#outcome = wanted
    setImmediate(() => {
      this.#outcome = undefined
    })
    return wanted
  }
}

const carriedOf = (body: Uint8Array): Carried => JSON.parse(decoder.decode(body))

const toSdk = (bus: Bus, delivery: ServiceBusBroker.Delivery, link: Link | undefined) => {
  const { lock, lockedUntil, messageId, sequenceNumber, sessionId } = delivery
  const { body, rest } = carriedOf(delivery.body)
  const { applicationProperties, contentType, correlationId } = rest
  const lockToken = String(lock)
  if (lock !== 0) bus.deliveries.set(lockToken, delivery)
  return {
    body: new Uint8Array(Buffer.from(body, "base64")),
    messageId,
    sessionId,
    contentType,
    correlationId,
    sequenceNumber: {
      toNumber: () => sequenceNumber,
      toString: () => String(sequenceNumber)
    },
    deliveryCount: delivery.deliveryCount,
    enqueuedTimeUtc: dateOf(delivery.enqueuedAt),
    applicationProperties: {
      ...applicationProperties,
      ...bus.written.get(sequenceNumber),
      ...delivery.properties
    },
    _rawAmqpMessage: { bodyType: "data" },
    ...(lock === 0 ? {} : { lockToken, lockedUntilUtc: dateOf(lockedUntil) }),
    delivery: link === undefined ? {} : { link }
  }
}

type Received = ReturnType<typeof toSdk>

interface Waiting {
  readonly maxWaitTimeInMs?: number
}

interface DeadLettering {
  readonly deadLetterReason?: string
  readonly deadLetterErrorDescription?: string
}

/** What a sender and a receiver of any kind can do. */
class Entity {
  readonly client: ServiceBusClient
  readonly path: string
  isClosed = false

  constructor(client: ServiceBusClient, path: string) {
    this.client = client
    this.path = path
  }

  get bus(): Bus {
    return this.client.wire.bus
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

/** A batch, with the largest size of the standard tier. */
class Batch {
  readonly messages: Array<Sending> = []
  readonly maxSizeInBytes = 262_144
  sizeInBytes = 0

  get count(): number {
    return this.messages.length
  }

  tryAddMessage(message: Sending): boolean {
    const size = this.sizeInBytes + message.body.byteLength + envelope
    if (size > this.maxSizeInBytes) return false
    this.sizeInBytes = size
    this.messages.push(message)
    return true
  }
}

/** About what a message has besides its body. */
const envelope = 200

class Sender extends Entity {
  createMessageBatch(): Promise<Batch> {
    return this.client.call("Attach", Effect.succeed(new Batch()))
  }

  sendMessages(content: Sending | Batch): Promise<void> {
    const messages = content instanceof Batch ? content.messages : [content]
    const { broker } = this.bus
    const sent = Effect.forEach(messages, (one) => broker.send(this.path, toBroker(one)), {
      discard: true
    })
    return this.client.call("Send", this.changing(Effect.mapError(sent, refused)))
  }

  changing<A>(call: Call<A>): Call<A> {
    return Effect.tap(call, () => Effect.sync(() => this.bus.changed()))
  }
}

class Settler extends Entity {
  #settle(action: string, message: Received, wanted: ServiceBusBroker.Settlement): Promise<void> {
    const { bus } = this
    // By its lock token alone it goes by the service's management, each a request of its own.
    const settlement = message.delivery?.link?.outcome(wanted) ?? wanted
    return this.client.call(
      action,
      Effect.suspend(() => {
        const token = message.lockToken ?? ""
        const delivery = bus.deliveries.get(token)
        if (delivery === undefined) {
          return Effect.fail(failed("MessageLockLost", "the lock supplied is invalid"))
        }
        return Effect.tap(Effect.mapError(bus.broker.settle(delivery, settlement), refused), () =>
          Effect.sync(() => {
            bus.deliveries.delete(token)
            bus.changed()
          })
        )
      })
    )
  }

  completeMessage(message: Received): Promise<void> {
    return this.#settle("Complete", message, { _tag: "Complete" })
  }

  abandonMessage(message: Received, properties: Properties = {}): Promise<void> {
    this.#write(message, properties)
    return this.#settle("Abandon", message, { _tag: "Abandon" })
  }

  deadLetterMessage(message: Received, options: DeadLettering & Properties = {}): Promise<void> {
    const { deadLetterErrorDescription: description, deadLetterReason: reason, ...rest } = options
    this.#write(message, rest)
    return this.#settle("DeadLetter", message, { _tag: "DeadLetter", reason, description })
  }

  #write({ sequenceNumber }: Received, properties: Properties): void {
    const { written } = this.bus
    const number = sequenceNumber.toNumber()
    written.set(number, { ...written.get(number), ...properties })
  }

  renewMessageLock(message: Received): Promise<Date> {
    const { bus } = this
    return this.client.call(
      "RenewLock",
      Effect.suspend(() => {
        const delivery = bus.deliveries.get(message.lockToken ?? "")
        return delivery === undefined
          ? Effect.fail(failed("MessageLockLost", "the lock supplied is invalid"))
          : Effect.map(Effect.mapError(bus.broker.renew(delivery), refused), (until) =>
              dateOf(until)
            )
      })
    )
  }
}

/** A number of 64 bits as a caller gives it. */
interface Long {
  readonly toBytesBE: () => Array<number>
}

interface Subscriber {
  readonly processMessage: (message: Received) => Promise<void>
  readonly processError: (args: { readonly error: unknown }) => Promise<void>
}

class Receiver extends Settler {
  readonly #deadLetters: boolean
  readonly #link: Link

  constructor(client: ServiceBusClient, path: string, deadLetters: boolean) {
    super(client, path)
    this.#deadLetters = deadLetters
    this.#link = new Link(client)
  }

  #received(some: ReadonlyArray<ServiceBusBroker.Delivery>): ReadonlyArray<Received> {
    return some.map((one) => toSdk(this.bus, one, this.#link))
  }

  receiveMessages(max: number, { maxWaitTimeInMs = 60_000 }: Waiting = {}) {
    const { broker } = this.bus
    const options = { deadLetters: this.#deadLetters }
    const first = Effect.timeoutOption(broker.take(this.path, options), maxWaitTimeInMs)
    const all = Effect.flatMap(broker.receive(this.path, { ...options, max }), (there) =>
      there.length > 0 ? Effect.succeed(there) : Effect.map(first, (taken) => Option.toArray(taken))
    )
    return this.client.call(
      "Receive",
      Effect.map(Effect.mapError(all, refused), (some) => this.#received(some))
    )
  }

  /** One credit at a time, as `maxConcurrentCalls: 1` gives them. */
  subscribe({ processMessage }: Subscriber): { readonly close: () => Promise<void> } {
    const { broker } = this.bus
    let isOver = false
    const turn: Effect.Effect<void, Refused> = Effect.flatMap(
      broker.take(this.path, { deadLetters: this.#deadLetters }),
      (taken) =>
        Effect.suspend(() => {
          const [message] = this.#received([taken])
          if (message === undefined) return Effect.void
          const handled = new Promise<void>((resolve) => {
            this.client.later(() => void processMessage(message).then(resolve))
          })
          return Effect.promise(() => handled)
        })
    )
    const fiber = this.client.fork(
      Effect.whileLoop({ while: () => !isOver, body: () => turn, step: () => undefined })
    )
    const close = (): Promise<void> => {
      isOver = true
      return this.client.quietly(Fiber.interrupt(fiber))
    }
    return { close }
  }

  peekMessages(max: number, { fromSequenceNumber }: { readonly fromSequenceNumber: Long }) {
    const peeked = this.bus.broker.peek(this.path, {
      max,
      fromSequenceNumber: Number(Buffer.from(fromSequenceNumber.toBytesBE()).readBigInt64BE()),
      deadLetters: this.#deadLetters
    })
    return this.client.call(
      "Peek",
      Effect.map(Effect.mapError(peeked, refused), (some) =>
        some.map((one) => toSdk(this.bus, { ...one, lock: 0 }, undefined))
      )
    )
  }

  override close(): Promise<void> {
    this.#link.isClosed = true
    return super.close()
  }
}

class SessionReceiver extends Settler {
  readonly #session: ServiceBusBroker.Session
  readonly #scope: Scope.Closeable
  readonly #link: Link
  readonly sessionId: string
  sessionLockedUntilUtc: Date

  constructor(
    client: ServiceBusClient,
    path: string,
    held: {
      readonly session: ServiceBusBroker.Session
      readonly scope: Scope.Closeable
      readonly until: number
    }
  ) {
    super(client, path)
    this.#session = held.session
    this.#scope = held.scope
    this.#link = new Link(client)
    this.sessionId = held.session.sessionId
    this.sessionLockedUntilUtc = dateOf(held.until)
  }

  #held<A>(call: Effect.Effect<A, Refused>): Call<A> {
    return Effect.flatMap(this.#session.isHeld, (isHeld) =>
      isHeld ? Effect.mapError(call, refused) : Effect.fail(sessionLost)
    )
  }

  receiveMessages(max: number, { maxWaitTimeInMs = 60_000 }: Waiting = {}) {
    const next = (end: number): Call<ReadonlyArray<ServiceBusBroker.Delivery>> =>
      Effect.flatMap(this.#held(this.#session.receive(max)), (there) =>
        there.length > 0
          ? Effect.succeed(there)
          : Effect.flatMap(Clock.currentTimeMillis, (now) =>
              now >= end
                ? Effect.succeed([])
                : Effect.andThen(
                    Effect.raceFirst(this.bus.change, Effect.sleep(end - now)),
                    next(end)
                  )
            )
      )
    const all = Effect.flatMap(Clock.currentTimeMillis, (now) => next(now + maxWaitTimeInMs))
    return this.client.call(
      "Receive",
      Effect.map(all, (some) => some.map((one) => toSdk(this.bus, one, this.#link)))
    )
  }

  renewSessionLock(): Promise<Date> {
    return this.client.call(
      "RenewSessionLock",
      Effect.map(this.#held(this.#session.renew), (until) => {
        this.sessionLockedUntilUtc = dateOf(until)
        return this.sessionLockedUntilUtc
      })
    )
  }

  getSessionState(): Promise<Uint8Array | undefined> {
    return this.client.call("GetSessionState", this.#held(this.#session.state))
  }

  setSessionState(state: Uint8Array | null): Promise<void> {
    return this.client.call(
      "SetSessionState",
      this.#held(this.#session.setState(state ?? undefined))
    )
  }

  /** Gives the session back. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      this.#link.isClosed = true
      return Effect.tap(Scope.close(this.#scope, Exit.void), () =>
        Effect.sync(() => this.bus.changed())
      )
    })
  }

  override close(): Promise<void> {
    this.client.forget(this)
    return this.client.quietly(this.end)
  }
}

/** The connection below a client: who is on it hears when it opens and when it breaks. */
class Connection extends EventEmitter {
  readonly #client: ServiceBusClient

  constructor(client: ServiceBusClient) {
    super()
    this.#client = client
  }

  isOpen(): boolean {
    return this.#client.isOpen
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

interface RetryOptions {
  readonly timeoutInMs: number
}

interface Accepting {
  readonly subQueueType?: string
}

/** As the SDK's: everything begins here. */
export class ServiceBusClient {
  readonly wire: Wire
  readonly _connectionContext: { readonly connection: Connection }
  readonly #retry: RetryOptions
  readonly #sessions = new Set<SessionReceiver>()
  readonly #fibers = new Set<Fiber.Fiber<unknown, unknown>>()
  isOpen = false
  isLost = false

  constructor(connectionString: string, { retryOptions }: { readonly retryOptions: RetryOptions }) {
    const wire = wires.get(hostOf(connectionString))
    if (wire === undefined) throw new ServiceBusError("ENOTFOUND", "no such host")
    this.wire = wire
    this.#retry = retryOptions
    this._connectionContext = { connection: new Connection(this) }
    wire.add(this)
  }

  /** In the turn of the process; one that has crashed never comes to it. */
  later(task: () => void): void {
    this.wire.process.later(task)
  }

  /** Ends with the connection. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    const fiber = this.wire.fork(effect)
    this.#fibers.add(fiber)
    fiber.addObserver(() => this.#fibers.delete(fiber))
    return fiber
  }

  forget(session: SessionReceiver): void {
    this.#sessions.delete(session)
  }

  #open(): void {
    if (this.isOpen || this.isLost) return
    this.isOpen = true
    this._connectionContext.connection.emit("connection_open")
  }

  #struck<A>(action: string, call: Call<A>): Call<A> {
    const broken = Effect.suspend(() => {
      this.drop()
      return Effect.fail(disconnected)
    })
    switch (struckBy(this.wire.process, action)) {
      case "lost":
        return Effect.andThen(call, broken)
      case "silent":
        return Effect.andThen(call, Effect.never)
      case "throttled":
        return Effect.fail(failed("ServiceBusy", "the server is busy: please wait 2 seconds"))
      case "disconnected":
        return broken
      case "short delay":
        return Effect.delay(call, 300)
      case "long delay":
        return Effect.delay(call, 4_000)
      case undefined:
        return call
    }
  }

  /** A call: goes out in the turn of its process, and is answered in one. */
  call<A>(action: string, call: Call<A>): Promise<A> {
    return new Promise((resolve, reject) => {
      const fail = ({ code, text }: Failed): void => reject(new ServiceBusError(code, text))
      this.later(() => {
        if (this.isLost) return fail(disconnected)
        this.#open()
        const fiber = this.fork(Effect.suspend(() => this.#struck(action, call)))
        fiber.addObserver((exit) =>
          this.later(() => {
            if (Exit.isSuccess(exit)) return resolve(exit.value)
            return fail(Option.getOrElse(Cause.findErrorOption(exit.cause), () => disconnected))
          })
        )
        return undefined
      })
    })
  }

  /** What cannot fail, and nothing strikes. */
  quietly(effect: Effect.Effect<void>): Promise<void> {
    return new Promise((resolve) => {
      this.later(() => {
        this.wire.fork(effect).addObserver(() => this.later(resolve))
      })
    })
  }

  createSender(path: string): Sender {
    return new Sender(this, path)
  }

  createReceiver(path: string, { subQueueType }: Accepting = {}): Receiver {
    return new Receiver(this, path, subQueueType === "deadLetter")
  }

  #accept(path: string, sessionId: string | undefined, millis: number): Promise<SessionReceiver> {
    const { broker } = this.wire.bus
    const accepted = Effect.flatMap(Scope.make(), (scope) =>
      broker.acceptSession(path, sessionId).pipe(
        Scope.provide(scope),
        Effect.timeoutOption(millis),
        Effect.mapError(refused),
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.fail(failed("ServiceTimeout", "no session is free")),
            onSome: Effect.succeed
          })
        ),
        Effect.flatMap((session) =>
          Effect.map(session.lockedUntil, (until) => {
            const receiver = new SessionReceiver(this, path, { session, scope, until })
            this.#sessions.add(receiver)
            return receiver
          })
        ),
        Effect.onError(() => Scope.close(scope, Exit.void))
      )
    )
    return this.call("AcceptSession", accepted)
  }

  acceptSession(path: string, sessionId: string): Promise<SessionReceiver> {
    return this.#accept(path, sessionId, this.#retry.timeoutInMs)
  }

  acceptNextSession(path: string): Promise<SessionReceiver> {
    return this.#accept(path, undefined, this.#retry.timeoutInMs)
  }

  /** The connection is gone: its sessions are free, and what it waited for comes never. */
  drop(): void {
    if (this.isLost) return
    this.isLost = true
    this.isOpen = false
    for (const session of this.#sessions) this.wire.fork(session.end)
    this.#sessions.clear()
    for (const fiber of this.#fibers) fiber.interruptUnsafe()
    this.later(() => void this._connectionContext.connection.emit("disconnected"))
  }

  close(): Promise<void> {
    return this.quietly(Effect.sync(() => this.drop()))
  }
}
