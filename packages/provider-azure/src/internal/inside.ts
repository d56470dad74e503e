import * as Predicate from "effect/Predicate"

/** A property of what the SDK keeps to itself; none where it looks otherwise inside. */
export const at = (value: unknown, ...path: ReadonlyArray<string>): unknown => {
  let found = value
  for (const key of path) {
    if (!Predicate.hasProperty(found, key)) return undefined
    found = found[key]
  }
  return found
}

const protectedLinks = new WeakSet<object>()

const isClose = (value: unknown): value is (this: unknown, options?: unknown) => Promise<unknown> =>
  typeof value === "function"

/** Where a receiver, a session's receiver and a sender of the SDK keep their link. */
const places = ["_batchingReceiver", "_streamingReceiver", "_messageSession", "_sender"]

type Method = (this: unknown, ...values: Array<unknown>) => unknown

const isMethod = (value: unknown): value is Method => typeof value === "function"

const protectLink = (link: unknown): void => {
  const close = at(link, "close")
  if (!Predicate.isObject(link) || !isClose(close) || protectedLinks.has(link)) return
  protectedLinks.add(link)
  Object.defineProperty(link, "close", {
    configurable: true,
    value: (options?: unknown) => close.call(link, options).catch(() => undefined)
  })
}

const protectedHolders = new WeakSet<object>()

/** Every link that the SDK opens here from now on, before it uses it. */
const protectNext = (holder: unknown): void => {
  const create = at(holder, "createRheaLink")
  if (!Predicate.isObject(holder) || !isMethod(create) || protectedHolders.has(holder)) return
  protectedHolders.add(holder)
  const value = (...values: Array<unknown>): unknown => {
    const made = Reflect.apply(create, holder, values)
    // Before the SDK goes on, which asked later; that it was not made is the SDK's to tell.
    Promise.resolve(made).then(protectLink, () => undefined)
    return made
  }
  Object.defineProperty(holder, "createRheaLink", { configurable: true, value })
}

/**
 * Closing a link that is dead fails after a minute, and where the SDK closes one because the service did
 * not answer its drain nobody takes that failure: it would end the process. So a failed close is a close,
 * of the link that there is and of those that the SDK opens in its place: the first drain may be the one
 * without an answer.
 */
export const protect = (thing: unknown): void => {
  for (const place of places) {
    const holder = at(thing, place)
    protectNext(holder)
    protectLink(at(holder, "_link"))
  }
}

/**
 * Gives the service as long as this to take back a credit that was not used. The SDK waits a fifth of a
 * second, or longer if it was told so before, and then closes the link: a session is lost then because the
 * service, or this process, was slow once, and another link is to be opened.
 */
export const drainWithin = (thing: unknown, millis: number): void => {
  for (const place of places) {
    const batching = at(thing, place, "_batchingReceiverLite")
    const known = at(batching, "_drainTimeoutInMs")
    if (typeof known === "number" && known < millis && Predicate.isObject(batching)) {
      Object.defineProperty(batching, "_drainTimeoutInMs", { configurable: true, value: millis })
    }
  }
}

/** Calls a method of the SDK's inside; nothing where there is none. */
const invoke = (thing: unknown, name: string, ...values: ReadonlyArray<unknown>): void => {
  const method = at(thing, name)
  if (isMethod(method)) Reflect.apply(method, thing, values)
}

/**
 * Whether the service takes a credit back that was not used, within so long a time. A link that ends
 * meanwhile has none any more, and one that ends with its connection, which does not tell it, keeps no
 * process alive.
 */
const drained = (link: object, millis: number): Promise<boolean> =>
  new Promise((resolve) => {
    const end = (isDrained: boolean): void => {
      clearTimeout(timer)
      invoke(link, "removeListener", "receiver_drained", onDrained)
      invoke(link, "removeListener", "receiver_close", onClose)
      resolve(isDrained)
    }
    const onDrained = (): void => end(true)
    const onClose = (): void => end(false)
    const timer = setTimeout(end, millis, false).unref()
    invoke(link, "once", "receiver_drained", onDrained)
    invoke(link, "once", "receiver_close", onClose)
  })

const patientLinks = new WeakSet<object>()

/**
 * The same for a subscription, whose fifth of a second cannot be changed: what closes its link then waits,
 * and leaves it open if the credit comes back in time. Over a link that is being closed the SDK drops what
 * crosses its end, which stays locked and is seen by nobody.
 */
export const drainBeforeClose = (receiver: unknown, millis: number): void => {
  const holder = at(receiver, "_streamingReceiver")
  const link = at(holder, "_link")
  const close = at(link, "close")
  if (!Predicate.isObject(link) || !isClose(close) || patientLinks.has(link)) return
  patientLinks.add(link)
  // What is closed for good the SDK lets go of first.
  const isKept = (): boolean => at(holder, "_link") === link
  const value = (options?: unknown): Promise<unknown> =>
    at(link, "drain") === true && isKept()
      ? drained(link, millis).then((isDrained) =>
          isDrained && isKept() ? undefined : close.call(link, options)
        )
      : close.call(link, options)
  Object.defineProperty(link, "close", { configurable: true, value })
}

/** The connection of a client, which the SDK keeps to itself; none where it looks otherwise inside. */
const connectionOf = (client: unknown): unknown => at(client, "_connectionContext", "connection")

/** The socket of a client; none where it looks otherwise inside, or where it has not got one yet. */
export const socketOf = (client: unknown): unknown =>
  at(connectionOf(client), "_connection", "socket")

/**
 * Lets what is written to a socket in one turn leave together. The AMQP library writes each frame by itself,
 * and a system call for each is a tenth of what a settlement costs, here and where they arrive.
 */
export const writeTogether = (socket: unknown): void => {
  const write = at(socket, "write")
  if (!Predicate.isObject(socket) || !isMethod(write) || !isMethod(at(socket, "cork"))) return
  let isCorked = false
  const value = (...values: Array<unknown>): unknown => {
    if (!isCorked) {
      isCorked = true
      invoke(socket, "cork")
      process.nextTick(() => {
        isCorked = false
        invoke(socket, "uncork")
      })
    }
    return Reflect.apply(write, socket, values)
  }
  // Node itself puts another in its place when the other side ends the socket.
  Object.defineProperty(socket, "write", { configurable: true, writable: true, value })
}

/** Whether the SDK takes its connection for open. */
export const isConnectionOpen = (client: unknown): boolean => {
  const isOpen = at(connectionOf(client), "isOpen")
  return isMethod(isOpen) && Reflect.apply(isOpen, connectionOf(client), []) === true
}

/** Listens to the connection of a client, before the SDK does. */
export const onConnection = (
  client: unknown,
  event: string,
  listener: (context: unknown) => void
): void => {
  invoke(connectionOf(client), "prependListener", event, listener)
}

const sizeOf = (value: unknown): number =>
  Predicate.isObject(value) ? Object.values(value).length : 0

/** The links on the connection of a client, those of the SDK's own included. */
export const countLinks = (client: unknown): number => {
  const sessions = at(connectionOf(client), "_connection", "local_channel_map")
  if (!Predicate.isObject(sessions)) return 0
  return Object.values(sessions).reduce<number>(
    (count, session) => count + sizeOf(at(session, "links")),
    0
  )
}

/** Closes the connection of a client and nothing else, which closes its links at the service as well. */
export const closeConnection = (client: {
  readonly close: () => Promise<void>
}): Promise<unknown> => {
  const connection = connectionOf(client)
  const close = at(connection, "close")
  return isMethod(close) ? Promise.resolve(Reflect.apply(close, connection, [])) : client.close()
}

const replace = (thing: unknown, name: string, value: () => unknown): void => {
  if (Predicate.isObject(thing)) Object.defineProperty(thing, name, { configurable: true, value })
}

/** Lets a client whose connection is lost open no other, whatever still waits for one in it. */
export const seal = (client: unknown): void => {
  replace(connectionOf(client), "open", () =>
    Promise.reject(new Error("the connection was lost, and is closed"))
  )
  const context = at(client, "_connectionContext")
  replace(context, "refreshConnection", () => undefined)
  // No link is opened on it any more.
  replace(context, "isConnectionClosing", () => true)
}

/**
 * Where a link of the SDK's keeps what it waits for: settlements, sends and requests, each up to a minute
 * unless it hears of it.
 */
const pendingMaps = (holder: unknown): ReadonlyArray<Map<unknown, unknown>> =>
  [
    at(holder, "_deliveryDispositionMap"),
    at(holder, "_link", "deliveryDispositionMap"),
    at(holder, "_link", "_responsesMap"),
    at(holder, "_responsesMap")
  ].filter((map) => map instanceof Map)

const isTimer = (value: unknown): value is NodeJS.Timeout => isMethod(at(value, "unref"))

const clear = (timer: unknown): void => {
  if (isTimer(timer)) clearTimeout(timer)
}

const endPendingIn = (map: Map<unknown, unknown>): void => {
  const all = [...map.values()]
  map.clear()
  for (const one of all) {
    clear(at(one, "timer"))
    invoke(one, "cleanupBeforeResolveOrReject")
    invoke(one, "reject", new Error("the link is closed"))
  }
}

/** Ends what is pending on a receiver or sender that is closed: its timers keep the process alive. */
export const endPending = (thing: unknown): void => {
  for (const place of places) pendingMaps(at(thing, place)).forEach(endPendingIn)
}

/** Where a client keeps its links: those of its senders, receivers and sessions, and of management. */
const books = ["senders", "messageReceivers", "messageSessions", "managementClients"]

/**
 * How to end what is under way on the links that a client has now: what is pending, and the timers that
 * would renew their tokens, up to an hour later.
 */
export const endingLinks = (client: unknown): (() => void) => {
  const context = at(client, "_connectionContext")
  const links = books.flatMap((book) => {
    const known = at(context, book)
    return Predicate.isObject(known) ? Object.values(known) : []
  })
  const tokens = at(context, "cbsSession", "_cbsSenderReceiverLink")
  const maps = [tokens, ...links].flatMap(pendingMaps)
  return () => {
    maps.forEach(endPendingIn)
    for (const link of links) {
      clear(at(link, "_tokenRenewalTimer"))
      replace(link, "_ensureTokenRenewal", () => undefined)
    }
  }
}

/**
 * Ends what a lost or closed client leaves. The SDK waits a minute for the answer to a link that it asked
 * for, and its AMQP library waits for the service to end the socket; their timers keep the process alive.
 * To both the connection is lost now.
 */
export const endTransport = (client: unknown): void => {
  const amqp = at(connectionOf(client), "_connection")
  const socket = at(amqp, "socket")
  if (socket !== undefined) invoke(amqp, "abort_socket", socket)
  // A connection that was closed in order tells nobody that it is gone.
  invoke(amqp, "emit", "disconnected", { connection: amqp, error: new Error("closed") })
}
