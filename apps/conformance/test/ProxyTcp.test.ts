import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import * as net from "node:net"
import { chunkNames, dice } from "../src/proxy/faults.ts"
import * as tcpProxy from "../src/proxy/tcp.ts"

const host = "127.0.0.1"

/** What a server does with those who come; it is gone when the scope closes. */
const serve = (onClient: (client: net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly server: net.Server; readonly open: Set<net.Socket> }>((resume) => {
        const open = new Set<net.Socket>()
        const server = net.createServer({ allowHalfOpen: true }, (client) => {
          open.add(client)
          client.on("error", () => undefined)
          onClient(client)
        })
        server.listen(0, host, () => resume(Effect.succeed({ server, open })))
      }),
      ({ open, server }) =>
        Effect.callback<void>((resume) => {
          for (const one of open) one.destroy()
          server.close(() => resume(Effect.void))
        })
    ),
    ({ server }) => {
      const address = server.address()
      return { host, port: typeof address === "object" && address !== null ? address.port : 0 }
    }
  )

/** Says back what it hears. */
const echo = serve((client) => void client.pipe(client))

interface Heard {
  readonly bytes: Buffer
  /** How the connection ended: `end` by its peer's word, else what broke it. */
  readonly how: string
  readonly millis: number
}

const codeOf = (error: Error): string => ("code" in error ? String(error.code) : error.message)

interface Call {
  readonly port: number
  readonly sent: Buffer
  /** Says that there is no more to come. */
  readonly isLast?: boolean
  /** Hears enough then. */
  readonly bytes?: number
}

/** One connection: sends, and hears until it is over. */
const call = ({ bytes = Infinity, isLast = true, port, sent }: Call): Effect.Effect<Heard> =>
  Effect.callback((resume) => {
    const start = performance.now()
    const chunks: Array<Buffer> = []
    const socket = net.connect({ host, port, allowHalfOpen: true })
    const over = (how: string): void => {
      socket.destroy()
      const millis = performance.now() - start
      resume(Effect.succeed({ bytes: Buffer.concat(chunks), how, millis }))
    }
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      if (chunks.reduce((sum, one) => sum + one.byteLength, 0) >= bytes) over("enough")
    })
    socket.on("end", () => over("end"))
    socket.on("error", (error) => over(codeOf(error)))
    if (isLast) socket.end(sent)
    else socket.write(sent)
  })

const proxied = (options: Omit<tcpProxy.Options, "target" | "seed"> & { readonly seed?: string }) =>
  Effect.flatMap(echo, (target) => tcpProxy.make({ target, seed: "1", ...options }))

const run = <A>(test: Effect.Effect<A, never, Scope.Scope>) => Effect.scoped(test)

const text = Buffer.from("hello")

/** Waits for what must come; what does not come in time fails the test. */
const until = (condition: () => boolean) =>
  Effect.suspend(() => Effect.sleep("10 millis")).pipe(
    Effect.repeat({ until: condition }),
    Effect.timeout("10 seconds"),
    Effect.orDie
  )

describe("a proxy on TCP", () => {
  it.live("passes bytes on unchanged, and the end of either side", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* proxied({})
        const sent = Buffer.alloc(3_000_000, "0123456789")
        const heard = yield* call({ port: proxy.port, sent })
        assert.strictEqual(heard.how, "end")
        assert.isTrue(heard.bytes.equals(sent))
        assert.strictEqual(proxy.connections().taken, 1)
        yield* until(() => proxy.connections().open === 0)
        assert.deepStrictEqual(proxy.tally.toRecord(), {})
      })
    )
  )

  it.live("holds back a client whose server does not read", () =>
    run(
      Effect.gen(function* () {
        const stalled: Array<net.Socket> = []
        const target = yield* serve((client) => {
          client.pause()
          stalled.push(client)
        })
        const proxy = yield* tcpProxy.make({ target, seed: "1" })
        const socket = net.connect({ host, port: proxy.port })
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
        const bytes = 64 * 1_024 * 1_024
        socket.write(Buffer.alloc(bytes))
        yield* until(() => stalled.length === 1)
        yield* Effect.sleep("300 millis")
        // What the system takes in between is no more than a few megabytes.
        assert.isAbove(socket.writableLength, bytes / 2)
        let got = 0
        for (const one of stalled) {
          one.on("data", (chunk: Buffer) => (got += chunk.byteLength))
          one.resume()
        }
        yield* until(() => got === bytes)
      })
    )
  )

  it.live("refuses: the connection is reset, the port is closed, and open again later", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* proxied({ ranges: { closedMillis: [400, 400] } })
        const open = yield* Effect.forkChild(
          call({ port: proxy.port, sent: text, isLast: false, bytes: 2 * text.byteLength })
        )
        yield* until(() => proxy.connections().open === 1)
        yield* proxy.use({ refused: 1 })
        assert.strictEqual((yield* call({ port: proxy.port, sent: text })).how, "ECONNRESET")
        assert.strictEqual((yield* call({ port: proxy.port, sent: text })).how, "ECONNREFUSED")
        yield* proxy.use({})
        // Who was connected stays so.
        assert.isUndefined(open.pollUnsafe())
        yield* call({ port: proxy.port, sent: text }).pipe(
          Effect.repeat({ until: ({ how }) => how === "end" }),
          Effect.timeout("10 seconds"),
          Effect.orDie
        )
        assert.deepStrictEqual(proxy.tally.toRecord(), { refused: 1 })
      })
    )
  )

  it.live("resets in the middle of a chunk, on both sides", () =>
    run(
      Effect.gen(function* () {
        let got = 0
        let code = ""
        const target = yield* serve((client) => {
          client.on("data", (chunk) => (got += chunk.length))
          client.on("error", (error) => (code = codeOf(error)))
        })
        const proxy = yield* tcpProxy.make({ target, seed: "1", probabilities: { reset: 1 } })
        const sent = Buffer.alloc(1_000)
        const heard = yield* call({ port: proxy.port, sent, isLast: false })
        assert.strictEqual(heard.how, "ECONNRESET")
        yield* until(() => code !== "")
        assert.strictEqual(code, "ECONNRESET")
        assert.isAbove(got, 0)
        assert.isBelow(got, sent.byteLength)
        assert.strictEqual(proxy.tally.get("reset"), 1)
      })
    )
  )

  it.live("cuts those who are about to end, and keeps nothing of them", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* proxied({})
        const cutting = yield* Effect.forkChild(
          Effect.forever(Effect.andThen(proxy.cut, Effect.yieldNow))
        )
        yield* Effect.forEach(
          Array.from({ length: 100 }),
          () => call({ port: proxy.port, sent: text }),
          { concurrency: 10 }
        )
        yield* Fiber.interrupt(cutting)
        yield* until(() => proxy.connections().open === 0)
      })
    )
  )

  it.live("loses a reply: the server has the request, the client a reset", () =>
    run(
      Effect.gen(function* () {
        const got: Array<string> = []
        const target = yield* serve((client) => {
          client.on("data", (chunk) => {
            got.push(chunk.toString())
            client.write("done")
          })
        })
        const proxy = yield* tcpProxy.make({
          target,
          seed: "1",
          probabilities: { "lost reply": 1 }
        })
        const heard = yield* call({ port: proxy.port, sent: text, isLast: false })
        assert.strictEqual(heard.how, "ECONNRESET")
        assert.strictEqual(heard.bytes.byteLength, 0)
        assert.deepStrictEqual(got, ["hello"])
        assert.strictEqual(proxy.tally.get("lost reply"), 1)
      })
    )
  )

  it.live("goes half open: one direction falls silent, then the connection is reset", () =>
    run(
      Effect.gen(function* () {
        const silences = new Set<string>()
        for (const seed of ["1", "2", "3", "4", "5", "6"]) {
          let got = ""
          const target = yield* serve((client) => {
            client.write("welcome")
            client.on("data", (chunk) => {
              got += chunk.toString()
            })
          })
          const proxy = yield* tcpProxy.make({
            target,
            seed,
            ranges: { halfOpenMillis: [300, 300] }
          })
          const started = performance.now()
          yield* proxy.use({ "half open": 1 })
          const { bytes, how } = yield* call({ port: proxy.port, sent: text, isLast: false })
          assert.strictEqual(how, "ECONNRESET")
          assert.isAtLeast(performance.now() - started, 290)
          const isServerDeaf = got === ""
          const isClientDeaf = bytes.byteLength === 0
          assert.notStrictEqual(isServerDeaf, isClientDeaf, seed)
          silences.add(isServerDeaf ? "up" : "down")
          assert.strictEqual(proxy.tally.get("half open"), 1)
        }
        assert.deepStrictEqual([...silences].toSorted(), ["down", "up"])
      })
    )
  )

  it.live("takes its time, and keeps the order however much that differs", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* proxied({
          probabilities: { latency: 1 },
          ranges: { delayMillis: [60, 60], jitterMillis: [100, 100], latencyMillis: [1e4, 1e4] }
        })
        const one = yield* call({ port: proxy.port, sent: text })
        assert.isAtLeast(one.millis, 115)
        const sent = Buffer.from(Array.from({ length: 40 }, (_, index) => `${index} `).join(""))
        const heard = yield* Effect.callback<string>((resume) => {
          const socket = net.connect({ host, port: proxy.port, noDelay: true })
          let got = ""
          socket.on("data", (chunk) => {
            got += chunk.toString()
            if (got.length >= sent.byteLength) {
              socket.destroy()
              resume(Effect.succeed(got))
            }
          })
          // A chunk each.
          const step = (index: number): void => {
            if (index === 40) return
            socket.write(`${index} `)
            setTimeout(() => step(index + 1), 5)
          }
          step(0)
        })
        assert.strictEqual(heard, sent.toString())
        assert.isAtLeast(proxy.tally.get("latency"), 2)
      })
    )
  )

  it.live("lets few bytes pass in a second", () =>
    run(
      Effect.gen(function* () {
        const proxy = yield* proxied({
          probabilities: { throttled: 1 },
          ranges: { bytesPerSecond: [50_000, 50_000], throttledMillis: [1e4, 1e4] }
        })
        const sent = Buffer.alloc(20_000, "x")
        const heard = yield* call({ port: proxy.port, sent })
        assert.isTrue(heard.bytes.equals(sent))
        assert.isAtLeast(heard.millis, 390)
      })
    )
  )

  it.live("resets who comes while the server is away, and passes on again when it is back", () =>
    run(
      Effect.gen(function* () {
        const first = yield* Effect.scoped(echo)
        const proxy = yield* tcpProxy.make({ target: first, seed: "1" })
        assert.strictEqual((yield* call({ port: proxy.port, sent: text })).how, "ECONNRESET")
        const back = net.createServer((client) => void client.pipe(client))
        yield* Effect.addFinalizer(() => Effect.sync(() => back.close()))
        yield* Effect.callback<void>((resume) => {
          back.listen(first.port, host, () => resume(Effect.void))
        })
        assert.strictEqual((yield* call({ port: proxy.port, sent: text })).how, "end")
      })
    )
  )

  it.live("cuts all there are when it is told to, and when its scope closes", () =>
    run(
      Effect.gen(function* () {
        const target = yield* echo
        const open = (port: number) =>
          Effect.forkScoped(call({ port, sent: text, isLast: false, bytes: 2 * text.byteLength }))
        const last = yield* Effect.scoped(
          Effect.gen(function* () {
            const proxy = yield* tcpProxy.make({ target, seed: "1" })
            const one = yield* open(proxy.port)
            yield* until(() => proxy.connections().open === 1)
            assert.strictEqual(yield* proxy.cut, 1)
            assert.strictEqual((yield* Fiber.join(one)).how, "ECONNRESET")
            const other = yield* Effect.forkDetach(
              call({ port: proxy.port, sent: text, isLast: false, bytes: 2 * text.byteLength })
            )
            yield* until(() => proxy.connections().open === 1)
            return other
          })
        )
        assert.strictEqual((yield* Fiber.join(last)).how, "ECONNRESET")
      })
    )
  )
})

describe("dice", () => {
  const probabilities = { reset: 0.1, latency: 0.3 }
  const draws = (seed: string, of: string) => {
    const own = dice(seed, of)
    return Array.from({ length: 2_000 }, () => own.draw(chunkNames, probabilities))
  }

  it("a seed draws the same again, for each connection its own", () => {
    assert.deepStrictEqual(draws("1", "connection 1"), draws("1", "connection 1"))
    assert.notDeepEqual(draws("1", "connection 1"), draws("1", "connection 2"))
    assert.notDeepEqual(draws("1", "connection 1"), draws("2", "connection 1"))
  })

  it("each fault is as likely as it says, and what is not named never is", () => {
    const drawn = draws("1", "connection 1")
    const part = (name: string) => drawn.filter((one) => one === name).length / drawn.length
    assert.approximately(part("reset"), 0.1, 0.03)
    assert.approximately(part("latency"), 0.3, 0.04)
    assert.strictEqual(part("throttled"), 0)
  })
})
