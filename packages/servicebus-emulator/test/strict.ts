import type { EventEmitter } from "node:events"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import rhea, {
  type Connection,
  type EventContext,
  type Message,
  type Receiver,
  type ReceiverOptions,
  type Sender
} from "rhea"
import type { ServiceBusEmulator } from "../src/index.ts"

/** The next event of a name. */
export const next = (emitter: EventEmitter, name: string): Effect.Effect<EventContext> =>
  Effect.callback((resume) => {
    const listener = (context: EventContext) => resume(Effect.succeed(context))
    emitter.once(name, listener)
    return Effect.sync(() => emitter.off(name, listener))
  })

/** Does something and waits for what comes of it. */
export const after = Effect.fnUntraced(function* <A>(event: Effect.Effect<A>, act: () => unknown) {
  const fiber = yield* Effect.forkChild(event, { startImmediately: true })
  act()
  return yield* Fiber.join(fiber)
})

/** A connection without the SDK, closed with the scope. */
export const connect = (
  { host, port }: Pick<ServiceBusEmulator.Emulator, "host" | "port">,
  options: {
    readonly username?: string
    readonly password?: string
    readonly tls?: string
    /** Transfers that it takes ahead. */
    readonly window?: number
  } = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { password, tls, username = "anonymous", window = 2048 } = options
      const login = password === undefined ? { username } : { username, password }
      const common = {
        host,
        port,
        reconnect: false,
        session_buffer_size: window,
        ...login
      } as const
      const connection = rhea
        .create_container()
        .connect(
          tls === undefined
            ? common
            : { ...common, transport: "tls", ca: [tls], servername: "localhost" }
        )
      // Without a listener rhea throws what the other end says.
      for (const event of [
        "disconnected",
        "connection_close",
        "connection_error",
        "session_error",
        "sender_error",
        "receiver_error"
      ]) {
        connection.on(event, () => undefined)
      }
      return connection
    }),
    (connection) => Effect.sync(() => connection.close())
  )

/** A receiver that asks for nothing and settles nothing by itself. */
export const receiver = (
  connection: Connection,
  source: ReceiverOptions["source"],
  options: ReceiverOptions = {}
): Receiver =>
  connection.open_receiver({
    ...(source === undefined ? {} : { source }),
    credit_window: 0,
    autoaccept: false,
    autosettle: false,
    rcv_settle_mode: 1,
    ...options
  })

/** What became of a message: `accepted`, or the condition it was rejected with. */
export const send = (link: Sender, message: Message | Buffer, format?: number) =>
  after(
    Effect.raceFirst(
      Effect.as(next(link, "accepted"), "accepted"),
      Effect.map(next(link, "rejected"), ({ delivery }) => conditionIn(delivery?.remote_state))
    ),
    () => link.send(message, undefined, format)
  )

/** A sender that may send. */
export const sender = Effect.fnUntraced(function* (connection: Connection, target: string) {
  const link = connection.open_sender({ target })
  yield* next(link, "sendable")
  return link
})

/** The condition of the error in a state or an error itself. */
export const conditionIn = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return "none"
  if ("condition" in value) return String(value.condition)
  return "error" in value ? conditionIn(value.error) : "none"
}

/** A pair of links for requests. */
export const requester = Effect.fnUntraced(function* (connection: Connection, node: string) {
  const replies = connection.open_receiver({
    source: node,
    target: "me",
    autoaccept: true
  })
  const requests = yield* sender(connection, node)
  return {
    ask: (operation: string, body: unknown, properties: object = {}) =>
      Effect.map(
        after(next(replies, "message"), () =>
          requests.send({
            message_id: "1",
            reply_to: "me",
            application_properties: { operation: `com.microsoft:${operation}`, ...properties },
            body
          })
        ),
        ({ message }) => ({
          status: Number(message?.application_properties?.["statusCode"]),
          condition: String(message?.application_properties?.["errorCondition"]),
          body: message?.body
        })
      )
  }
})
