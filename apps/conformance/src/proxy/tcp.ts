/** A proxy before any server on TCP: passes bytes on, and does to them what its seed draws. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import {
  type ChunkName,
  chunkNames,
  type Dice,
  dice,
  type Probabilities,
  Tally,
  type TcpName
} from "./faults.ts"

export interface Options {
  /** Where the server is, or is not for a while. */
  readonly target: { readonly host: string; readonly port: number }
  readonly seed: string
  /** None when left out. */
  readonly probabilities?: Probabilities<TcpName>
  /** In place of the usual ones. */
  readonly ranges?: Partial<Ranges>
}

/** A proxy that stands until its scope closes. */
export interface TcpProxy {
  readonly host: string
  readonly port: number
  /** From now on, for connections that are open too. */
  readonly use: (probabilities: Probabilities<TcpName>) => Effect.Effect<void>
  /** Resets every connection there is; how many there were. */
  readonly cut: Effect.Effect<number>
  /** How often each fault struck. */
  readonly tally: Tally<TcpName>
  /** Connections taken so far, and those that are open. */
  readonly connections: () => { readonly taken: number; readonly open: number }
}

const host = "127.0.0.1"

/** How long, and how much: drawn between the two. */
export type Ranges = Readonly<Record<keyof typeof usual, readonly [min: number, max: number]>>

const usual = {
  closedMillis: [100, 1_500],
  halfOpenMillis: [500, 6_000],
  latencyMillis: [200, 2_000],
  delayMillis: [5, 80],
  jitterMillis: [0, 120],
  throttledMillis: [200, 2_000],
  bytesPerSecond: [2_000, 40_000]
} as const

/** Of one direction, on its way; above that its source waits. */
const bytesMax = 256 * 1_024

/** A port that somebody else has got meanwhile comes free again. */
const listenAgainMillis = 50

const now = (): number => performance.now()

/** A reset, if it can be one: of a socket whose end is under way Node loses track when it resets it. */
const reset = (socket: net.Socket): void => {
  if (socket.destroyed) return
  const isEnding = socket.writableEnded && !socket.writableFinished
  if (isEnding || socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}

/** Both directions of a connection go by it. */
interface Spells {
  latencyUntil: number
  delayMillis: number
  jitterMillis: number
  throttledUntil: number
  bytesPerSecond: number
}

interface Waiting {
  readonly chunk: Buffer
  readonly dueAt: number
}

/** One direction: chunks leave in the order they came, each when it is due. */
class Flow {
  readonly #from: net.Socket
  readonly #to: net.Socket
  readonly #spells: Spells
  readonly #dice: Dice
  readonly #waiting: Array<Waiting> = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #lastDueAt = 0
  #isEnding = false
  #isFull = false
  isSwallowing = false

  constructor(from: net.Socket, to: net.Socket, spells: Spells, own: Dice) {
    this.#from = from
    this.#to = to
    this.#spells = spells
    this.#dice = own
    to.on("drain", () => {
      this.#isFull = false
      this.#flow()
    })
  }

  pass(chunk: Buffer): void {
    if (this.isSwallowing) return
    const spells = this.#spells
    const at = now()
    const delay =
      at < spells.latencyUntil ? spells.delayMillis + this.#dice.next() * spells.jitterMillis : 0
    const transfer =
      at < spells.throttledUntil ? (chunk.byteLength / spells.bytesPerSecond) * 1_000 : 0
    // What was slow before it holds it up as well.
    this.#lastDueAt = Math.max(this.#lastDueAt, at + delay) + transfer
    this.#waiting.push({ chunk, dueAt: this.#lastDueAt })
    this.#bytes += chunk.byteLength
    this.#flow()
  }

  /** A part of a chunk, at once, with all before it; `then` when it is written. */
  passPart(chunk: Buffer, part: number, then: () => void): void {
    for (const { chunk: before } of this.#waiting.splice(0)) this.#to.write(before)
    const bytes = chunk.subarray(0, Math.floor(chunk.byteLength * part))
    this.#to.write(bytes, then)
  }

  /** The source has nothing more to say. */
  end(): void {
    this.#isEnding = true
    this.#flow()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }

  #flow(): void {
    clearTimeout(this.#timer)
    while (!this.#isFull) {
      const [first] = this.#waiting
      if (first === undefined) break
      const wait = first.dueAt - now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#flow(), wait)
        break
      }
      this.#waiting.shift()
      this.#bytes -= first.chunk.byteLength
      this.#isFull = !this.#to.write(first.chunk)
    }
    if (this.#bytes >= bytesMax) this.#from.pause()
    else if (this.#from.isPaused()) this.#from.resume()
    if (this.#isEnding && this.#waiting.length === 0 && !this.isSwallowing) this.#to.end()
  }
}

/** What all connections of a proxy go by, as it is now. */
interface Rules {
  readonly probabilities: Probabilities<TcpName>
  readonly ranges: Ranges
  readonly tally: Tally<TcpName>
}

/** A client, the server, and what is drawn for the bytes between them. */
class Connection {
  readonly #client: net.Socket
  readonly #server: net.Socket
  readonly #up: Flow
  readonly #down: Flow
  readonly #dice: Dice
  readonly #proxy: Rules
  readonly #spells: Spells = {
    latencyUntil: 0,
    delayMillis: 0,
    jitterMillis: 0,
    throttledUntil: 0,
    bytesPerSecond: Infinity
  }
  #isReplyLost = false
  #isOver = false
  /** Until the end of a connection that is half open. */
  #silence: NodeJS.Timeout | undefined

  constructor(client: net.Socket, server: net.Socket, own: Dice, proxy: Rules) {
    this.#client = client
    this.#server = server
    this.#dice = own
    this.#proxy = proxy
    this.#up = new Flow(client, server, this.#spells, own)
    this.#down = new Flow(server, client, this.#spells, own)
    client.on("data", (chunk: Buffer) => this.#onRequest(chunk))
    server.on("data", (chunk: Buffer) => this.#onReply(chunk))
    client.on("end", () => this.#up.end())
    server.on("end", () => this.#down.end())
    // What breaks on one side breaks on the other.
    for (const socket of [client, server]) {
      socket.on("error", () => this.reset())
      socket.on("close", (isBroken) => isBroken && this.reset())
    }
  }

  reset(): void {
    this.#isOver = true
    clearTimeout(this.#silence)
    this.#up.stop()
    this.#down.stop()
    for (const socket of [this.#client, this.#server]) reset(socket)
  }

  #onRequest(chunk: Buffer): void {
    if (this.#isOver) return
    const name = this.#strike(this.#up, chunk)
    if (name === "reset") return
    if (name === "lost reply") this.#isReplyLost = true
    this.#up.pass(chunk)
  }

  #onReply(chunk: Buffer): void {
    if (this.#isOver) return
    if (this.#isReplyLost) {
      this.#proxy.tally.add("lost reply")
      return this.reset()
    }
    if (this.#strike(this.#down, chunk) !== "reset") this.#down.pass(chunk)
  }

  /** What befalls this chunk, or what begins with it. */
  #strike(flow: Flow, chunk: Buffer): ChunkName | undefined {
    // Nothing more can befall what is about to end.
    if (this.#silence !== undefined || this.#isReplyLost) return undefined
    const name = this.#dice.draw(chunkNames, this.#proxy.probabilities)
    const spells = this.#spells
    switch (name) {
      case "reset":
        this.#isOver = true
        flow.passPart(chunk, this.#dice.next(), () => this.reset())
        break
      case "half open": {
        const silent = this.#dice.next() < 0.5 ? this.#up : this.#down
        silent.isSwallowing = true
        // What was swallowed cannot be had again, so the connection cannot go on.
        this.#silence = setTimeout(
          () => this.reset(),
          this.#dice.between(...this.#proxy.ranges.halfOpenMillis)
        )
        break
      }
      case "latency":
        spells.latencyUntil = now() + this.#dice.between(...this.#proxy.ranges.latencyMillis)
        spells.delayMillis = this.#dice.between(...this.#proxy.ranges.delayMillis)
        spells.jitterMillis = this.#dice.between(...this.#proxy.ranges.jitterMillis)
        break
      case "throttled":
        spells.throttledUntil = now() + this.#dice.between(...this.#proxy.ranges.throttledMillis)
        spells.bytesPerSecond = this.#dice.between(...this.#proxy.ranges.bytesPerSecond)
        break
      default:
        // A lost reply counts when it is lost.
        return name === "lost reply" ? name : undefined
    }
    this.#proxy.tally.add(name)
    return name
  }
}

const refusal = ["refused"] as const

/** The port, and who came by it. */
class Proxy implements Rules {
  readonly tally = new Tally<TcpName>()
  readonly ranges: Ranges
  readonly #options: Options
  readonly #dice: Dice
  readonly #open = new Set<net.Socket>()
  readonly #connections = new Set<Connection>()
  #listener: net.Server | undefined
  #opening: NodeJS.Timeout | undefined
  #taken = 0
  #isClosed = false
  probabilities: Probabilities<TcpName>
  port = 0

  constructor(options: Options) {
    this.#options = options
    this.#dice = dice(options.seed, "port")
    this.probabilities = options.probabilities ?? {}
    this.ranges = { ...usual, ...options.ranges }
  }

  get connections(): { readonly taken: number; readonly open: number } {
    return { taken: this.#taken, open: this.#connections.size }
  }

  listen(then: () => void): void {
    const made = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#onClient(client)
    )
    made.on("error", () => {
      if (this.#isClosed) return
      this.#opening = setTimeout(() => this.listen(then), listenAgainMillis)
    })
    made.listen(this.port, host, () => {
      if (this.#isClosed) return void made.close()
      const address = made.address()
      if (typeof address === "object" && address !== null) this.port = address.port
      this.#listener = made
      then()
    })
  }

  cut(): number {
    const cut = this.#connections.size
    for (const one of this.#connections) one.reset()
    return cut
  }

  close(then: () => void): void {
    this.#isClosed = true
    clearTimeout(this.#opening)
    this.cut()
    for (const socket of this.#open) socket.destroy()
    if (this.#listener === undefined) then()
    else this.#listener.close(then)
    this.#listener = undefined
  }

  #onClient(client: net.Socket): void {
    this.#taken++
    this.#open.add(client)
    client.on("close", () => this.#open.delete(client))
    if (this.#dice.draw(refusal, this.probabilities) !== undefined) return this.#refuse(client)
    const { host: name, port } = this.#options.target
    const server = net.connect({ host: name, port, allowHalfOpen: true, noDelay: true })
    const connection = new Connection(
      client,
      server,
      dice(this.#options.seed, `connection ${this.#taken}`),
      this
    )
    this.#connections.add(connection)
    const gone = new Set<net.Socket>()
    for (const socket of [client, server]) {
      socket.on("close", () => {
        if (gone.add(socket).size === 2) this.#connections.delete(connection)
      })
    }
  }

  #refuse(client: net.Socket): void {
    this.tally.add("refused")
    client.on("error", () => undefined)
    client.resetAndDestroy()
    // Those that are open stay so.
    this.#listener?.close()
    this.#listener = undefined
    clearTimeout(this.#opening)
    const wait = this.#dice.between(...this.ranges.closedMillis)
    this.#opening = setTimeout(() => this.listen(() => undefined), wait)
  }
}

/** Listens on a free port until the scope closes. */
export const make = (options: Options): Effect.Effect<TcpProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const proxy = yield* Effect.acquireRelease(
      Effect.callback<Proxy>((resume) => {
        const made = new Proxy(options)
        made.listen(() => resume(Effect.succeed(made)))
      }),
      (made) => Effect.callback<void>((resume) => made.close(() => resume(Effect.void)))
    )
    return {
      host,
      port: proxy.port,
      use: (probabilities) =>
        Effect.sync(() => {
          proxy.probabilities = probabilities
        }),
      cut: Effect.sync(() => proxy.cut()),
      tally: proxy.tally,
      connections: () => proxy.connections
    }
  })
