/** The socket that clients connect to. */
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import { ListenFailed } from "../EmulatorError.ts"
import * as access from "./access.ts"
import * as attaching from "./attaching.ts"
import { Connection, type Host } from "./connection.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"
import type { Service } from "./service.ts"

/** Where to listen, and with which certificate. */
export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string } | undefined
}

const onOpen = (service: Service, connection: Connection): void => {
  const { tokenMillis } = service.access
  if (tokenMillis === undefined || connection.isPlain) return
  service.scheduler.after(tokenMillis, () => {
    if (connection.tokens.size > 0) return
    connection.closeWith(new Refusal(condition.unauthorized, "No token was put to $cbs in time."))
  })
}

const makeHost = (service: Service, live: Scheduler): Host => ({
  containerId: "servicebus-emulator",
  live,
  isPlainRight: (name, password) => access.isRight(service, name, password),
  onOpen: (connection) => onOpen(service, connection),
  onAttach: (attach) => attaching.attach(service, attach),
  onClosed: (connection) => {
    service.connections.delete(connection)
    for (const { timer } of connection.tokens.values()) service.scheduler.cancel(timer)
  }
})

/** A listener that can be stopped and started again on the same port. */
export class Server {
  readonly #service: Service
  readonly #host: Host
  readonly #options: ServerOptions
  #listener: Net.Server | undefined
  /** All there are, those that a fault keeps from becoming a connection included. */
  readonly #sockets = new Set<Net.Socket>()
  #connected = 0
  port: number

  constructor(service: Service, live: Scheduler, options: ServerOptions) {
    this.#service = service
    this.#host = makeHost(service, live)
    this.#options = options
    this.port = options.port
  }

  get isListening(): boolean {
    return this.#listener !== undefined
  }

  #onSocket(socket: Net.Socket): void {
    const drop = () => {
      socket.destroy()
    }
    this.#sockets.add(socket)
    socket.once("close", () => this.#sockets.delete(socket))
    // An error is followed by close, which says all there is to do.
    socket.on("error", () => undefined)
    this.#service.faults.run(
      { operation: "Connect" },
      {
        apply: () => {
          this.#service.count("Connect")
          if (this.#listener === undefined || socket.destroyed) return drop()
          this.#service.connections.add(new Connection(++this.#connected, socket, this.#host))
        },
        refuse: drop,
        dropLink: drop,
        dropConnection: drop
      }
    )
  }

  #make(): Net.Server {
    const { tls } = this.#options
    const onSocket = (socket: Net.Socket) => this.#onSocket(socket)
    // Acknowledgements of small frames must not wait for more of them.
    return tls === undefined
      ? Net.createServer({ noDelay: true }, onSocket)
      : Tls.createServer({ noDelay: true, cert: tls.cert, key: tls.key }, onSocket)
  }

  /** Listens; nothing happens when it does already. */
  readonly start: Effect.Effect<void, ListenFailed> = Effect.suspend(() => {
    if (this.#listener !== undefined) return Effect.void
    const { host } = this.#options
    const { port } = this
    return Effect.callback<void, ListenFailed>((resume) => {
      const listener = this.#make()
      listener.once("error", (cause) =>
        resume(Effect.fail(new ListenFailed({ host, port, cause })))
      )
      listener.listen(port, host, () => {
        const bound = listener.address()
        if (typeof bound === "object" && bound !== null) this.port = bound.port
        this.#listener = listener
        resume(Effect.void)
      })
    })
  })

  /** Stops listening and cuts all connections. */
  readonly stop: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const listener = this.#listener
    this.#listener = undefined
    for (const connection of this.#service.connections) connection.destroy()
    for (const socket of this.#sockets) socket.destroy()
    if (listener === undefined) resume(Effect.void)
    else listener.close(() => resume(Effect.void))
  })
}
