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

/**
 * Closing a link that is dead fails after a minute, and where the SDK closes one because the service did
 * not answer its drain nobody takes that failure: it would end the process. So a failed close is a close.
 */
export const protect = (thing: unknown): void => {
  for (const place of places) {
    const link = at(thing, place, "_link")
    if (!Predicate.isObject(link) || protectedLinks.has(link)) continue
    const close = at(link, "close")
    if (!isClose(close)) continue
    protectedLinks.add(link)
    Object.defineProperty(link, "close", {
      configurable: true,
      value: (options?: unknown) => close.call(link, options).catch(() => undefined)
    })
  }
}

type Method = (this: unknown, ...values: Array<unknown>) => unknown

const isMethod = (value: unknown): value is Method => typeof value === "function"

/** Calls a method of the SDK's inside; nothing where there is none. */
const invoke = (thing: unknown, name: string, ...values: ReadonlyArray<unknown>): void => {
  const method = at(thing, name)
  if (isMethod(method)) Reflect.apply(method, thing, values)
}

/**
 * Ends what a closed client leaves. The SDK waits a minute for the answer to a link that it asked for, and
 * its AMQP library waits for the service to end the socket; their timers keep the process alive. To both
 * the connection is lost now.
 */
export const endTransport = (client: unknown): void => {
  const connection = at(client, "_connectionContext", "connection")
  const amqp = at(connection, "_connection")
  const socket = at(amqp, "socket")
  // The SDK would open its links again.
  invoke(connection, "removeAllListeners", "disconnected")
  if (socket !== undefined) invoke(amqp, "abort_socket", socket)
  // A connection that was closed in order tells nobody that it is gone.
  invoke(amqp, "emit", "disconnected", { connection: amqp, error: new Error("closed") })
}
