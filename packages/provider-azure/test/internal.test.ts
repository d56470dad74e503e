import { EventEmitter } from "node:events"
import { Writable } from "node:stream"
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Capabilities, Defaults, QueueAddress, QueueName, Receipt } from "@queue-runtime/core"
import * as fc from "fast-check"
import * as Schema from "effect/Schema"
import { AzureConfig } from "../src/index.ts"
import { Cache } from "../src/internal/cache.ts"
import * as capabilities from "../src/internal/capabilities.ts"
import * as connectionString from "../src/internal/connectionString.ts"
import { Deliveries, Delivery, type Owner } from "../src/internal/deliveries.ts"
import { longOf } from "../src/internal/long.ts"
import {
  at,
  countLinks,
  drainBeforeClose,
  drainWithin,
  endTransport,
  isConnectionOpen,
  onConnection,
  protect,
  seal,
  writeTogether
} from "../src/internal/inside.ts"
import { Losses } from "../src/internal/losses.ts"
import { SdkClient } from "../src/internal/sdkClient.ts"
import * as sessionState from "../src/internal/sessionState.ts"

const address = QueueAddress.queue(QueueName.makeUnsafe("orders"))

const owner: Owner = {
  settle: () => Effect.void,
  complete: () => Effect.succeed([]),
  renew: () => Effect.succeed(0)
}

const sequence = (value: number) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the number alone is read
  ({ toString: () => String(value), toNumber: () => value }) as never

const messageOf = (value: number): ServiceBusReceivedMessage => ({
  body: Buffer.from("x"),
  messageId: `m${value}`,
  state: "active",
  sequenceNumber: sequence(value),
  _rawAmqpMessage: { body: undefined, bodyType: "data" }
})

const deliveryOf = (value: number, lockedUntil: number, now = 0): Delivery =>
  new Delivery(messageOf(value), address, owner, {
    token: `t${value}`,
    now,
    lockedUntil
  })

/** A link of the SDK's that waits for an unused credit to come back. */
class Draining extends EventEmitter {
  drain = true
  closes = 0
  close = (): Promise<void> => {
    this.closes++
    return Promise.resolve()
  }
}

const silence = (): void => undefined

interface Holder {
  _link: Draining | undefined
}

describe("Deliveries", () => {
  it("R3.4 a receipt finds its delivery once, at its own address", () => {
    const deliveries = new Deliveries()
    const delivery = deliveryOf(1, 1_000)
    deliveries.add(delivery)
    const receipt = Receipt.make(address, "t1")
    assert.strictEqual(deliveries.find(receipt), delivery)
    assert.isUndefined(deliveries.find(Receipt.make(QueueAddress.deadLetter(address.queue), "t1")))
    delivery.state = "Claimed"
    assert.isUndefined(deliveries.find(receipt))
    delivery.state = "Open"
    assert.deepStrictEqual([...deliveries.inHand(address)], ["1"])
    deliveries.remove(delivery)
    assert.isUndefined(deliveries.find(receipt))
    assert.strictEqual(deliveries.inHand(address).size, 0)
  })

  it("R10.7 unsettled deliveries are bounded, and those that ran out go first", () => {
    const deliveries = new Deliveries()
    const max = Defaults.serviceBusDeliveriesMax
    const now = 1_000_000
    deliveries.add(deliveryOf(0, now + 60_000, now))
    deliveries.add(deliveryOf(1, 0))
    for (let index = 2; index < max + 1; index++) {
      deliveries.add(deliveryOf(index, now + 60_000, now))
    }
    assert.strictEqual(deliveries.size, max)
    assert.isDefined(deliveries.find(Receipt.make(address, "t0")))
    assert.isUndefined(deliveries.find(Receipt.make(address, "t1")))
    deliveries.add(deliveryOf(max + 1, now + 60_000, now))
    assert.strictEqual(deliveries.size, max)
    assert.isUndefined(deliveries.find(Receipt.make(address, "t0")))
  })

  it("R1.4 the time of the first delivery is remembered, until the message is done", () => {
    const deliveries = new Deliveries()
    const first = (delivery: Delivery): number => {
      deliveries.add(delivery)
      return delivery.firstDeliveredAt
    }
    assert.strictEqual(first(deliveryOf(1, 0, 10)), 10)
    assert.strictEqual(first(deliveryOf(1, 0, 20)), 10)
    const told = {
      ...messageOf(2),
      applicationProperties: { "qr-first-delivered-at": "1970-01-01T00:00:00.005Z" }
    }
    const facts = { token: "t2", now: 20, lockedUntil: 0 }
    assert.strictEqual(first(new Delivery(told, address, owner, facts)), 5)
    deliveries.finish(deliveryOf(1, 0))
    assert.strictEqual(first(deliveryOf(1, 0, 30)), 30)
    for (let index = 0; index <= Defaults.serviceBusFirstDeliveriesMax; index++) {
      first(deliveryOf(index + 10, 0, 40))
    }
    assert.strictEqual(first(deliveryOf(1, 0, 50)), 50)
  })
})

describe("Cache", () => {
  it("R10.7 the least recently used idle item is closed when there are too many", () => {
    const closed: Array<string> = []
    const busy = new Set(["q0"])
    const cache = new Cache<{ isIdle: () => boolean; close: () => void }>()
    const get = (key: string) =>
      cache.get(key, () => ({ isIdle: () => !busy.has(key), close: () => closed.push(key) }))
    for (let index = 0; index < Defaults.serviceBusQueuesMax; index++) get(`q${index}`)
    const first = get("q1")
    assert.strictEqual(get("q1"), first)
    get("new")
    assert.deepStrictEqual(closed, ["q2"])
    assert.strictEqual(cache.values().length, Defaults.serviceBusQueuesMax)
  })
})

describe("session state", () => {
  it("R4.2 any bytes come back as they were, though the SDK reads JSON where it can", () => {
    const asSdk = (bytes: Buffer): unknown => {
      const text = bytes.toString("utf8")
      return isJson(text) ? JSON.parse(text) : bytes
    }
    const samples = ["{}", "null", "1", " [1] ", "", "text", "\u0000qr\u0001x"].map((one) =>
      Uint8Array.from(Buffer.from(one))
    )
    const check = (bytes: Uint8Array): void => {
      const read = sessionState.fromWire(asSdk(sessionState.toWire(bytes)))
      assert.deepStrictEqual([...Option.getOrThrow(read)], [...bytes])
    }
    for (const sample of samples) check(sample)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), check), { numRuns: 200 })
    fc.assert(
      fc.property(fc.json(), (json) => check(Uint8Array.from(Buffer.from(json)))),
      { numRuns: 200 }
    )
  })

  it("R4.2 no state is none, and the JSON of another program its text", () => {
    assert.isTrue(Option.isNone(sessionState.fromWire(null)))
    assert.isTrue(Option.isNone(sessionState.fromWire(undefined)))
    const foreign = Option.getOrThrow(sessionState.fromWire({ a: 1 }))
    assert.strictEqual(Buffer.from(foreign).toString(), '{"a":1}')
  })
})

const isJson = (text: string): boolean =>
  Option.isSome(Option.liftThrowable((one: string): unknown => JSON.parse(one))(text))

describe("small things", () => {
  it("a sequence number has its eight bytes", () => {
    assert.deepStrictEqual(longOf(0x01_02_03n).toBytesBE(), [0, 0, 0, 0, 0, 1, 2, 3])
    assert.deepStrictEqual(longOf(-1n).toBytesBE(), Array(8).fill(255))
  })

  it("a client that looks otherwise inside is left as it is when it was closed", () => {
    const strange = [undefined, {}, { _connectionContext: { connection: { _connection: 1 } } }]
    for (const client of strange) {
      assert.doesNotThrow(() => {
        seal(client)
        onConnection(client, "disconnected", () => undefined)
        endTransport(client)
      })
      assert.isFalse(isConnectionOpen(client))
      assert.strictEqual(countLinks(client), 0)
    }
    const calls: Array<string> = []
    const method = (name: string) => () => calls.push(name)
    const amqp = { socket: {}, abort_socket: method("abort"), emit: method("emit") }
    endTransport({ _connectionContext: { connection: { _connection: amqp } } })
    assert.deepStrictEqual(calls, ["abort", "emit"])
  })

  it.live("§5.3 what is written in one turn leaves together, the end of a socket included", () =>
    Effect.gen(function* () {
      const calls: Array<string> = []
      const socket = new Writable({
        write: (chunk, _, done) => {
          calls.push(String(chunk))
          done()
        },
        writev: (chunks, done) => {
          calls.push(chunks.map((one) => String(one.chunk)).join("+"))
          done()
        }
      })
      writeTogether(socket)
      for (const frame of ["a", "b", "c"]) socket.write(frame)
      assert.deepStrictEqual(calls, [])
      yield* Effect.sleep(0)
      socket.write("d")
      yield* Effect.sleep(0)
      socket.write("e")
      socket.end("f")
      yield* Effect.sleep(0)
      assert.deepStrictEqual(calls, ["a+b+c", "d", "e+f"])
      const plain = { write: () => true }
      const { write } = plain
      writeTogether(plain)
      writeTogether(undefined)
      assert.strictEqual(plain.write, write)
    })
  )

  it.live("what the links of a client have to do next is done in one turn", () =>
    Effect.gen(function* () {
      const namespace =
        "Endpoint=sb://localhost;SharedAccessKeyName=k;SharedAccessKey=v;UseDevelopmentEmulator=true"
      const client = new SdkClient(new ServiceBusClient(namespace), Duration.seconds(1))
      const turns: Array<string> = []
      const later = (name: string): void => {
        turns.push(name)
        if (name === "a") client.soon(() => later("c"))
        process.nextTick(() => turns.push("end"))
      }
      client.soon(() => later("a"))
      client.soon(() => later("b"))
      assert.deepStrictEqual(turns, [])
      yield* Effect.sleep(20)
      assert.deepStrictEqual(turns, ["a", "b", "end", "end", "c", "end"])
    })
  )

  it("a loss is told once, and to nobody who forgot it", () => {
    const losses = new Losses()
    let told = 0
    losses.on(() => told++)
    losses.on(() => told++)()
    losses.tell()
    losses.tell()
    assert.strictEqual(told, 1)
    losses.watch({ once: (_: string, listener: () => void) => listener() }, ["close"])
    losses.watch(undefined, ["close"])
  })

  it.live("§4.7 a link that cannot be closed fails nobody's process", () =>
    Effect.gen(function* () {
      let closes = 0
      const close = (): Promise<unknown> => {
        closes++
        return Promise.reject(new Error("Unable to close the receiver"))
      }
      const link = { close }
      const receiver = { _batchingReceiver: { _link: link } }
      protect(receiver)
      const once = link.close
      protect(receiver)
      assert.strictEqual(link.close, once)
      const ended: unknown = yield* Effect.promise((): Promise<unknown> => link.close())
      assert.isUndefined(ended)
      assert.strictEqual(closes, 1)
      protect({ _sender: { _link: { close: 1 } }, _streamingReceiver: 7 })
      protect(undefined)
    })
  )

  it.live(
    "§4.7 a link that the SDK opens in another's place is protected before its first use",
    () =>
      Effect.gen(function* () {
        const failing = () => ({
          close: (): Promise<unknown> => Promise.reject(new Error("Unable to close the receiver"))
        })
        let isRefused = false
        const holder = {
          _link: failing(),
          prefix: "link",
          createRheaLink(name: string) {
            assert.strictEqual(`${this.prefix} ${name}`, "link a")
            return isRefused ? Promise.reject(new Error("refused")) : Promise.resolve(failing())
          }
        }
        protect({ _batchingReceiver: holder })
        const once = at(holder, "createRheaLink")
        protect({ _batchingReceiver: holder })
        assert.strictEqual(at(holder, "createRheaLink"), once)
        const first: unknown = yield* Effect.promise(() => holder._link.close())
        // As the SDK does: what it opened it uses at once.
        const reopened: unknown = yield* Effect.promise(() =>
          holder.createRheaLink("a").then((link) => link.close())
        )
        assert.deepStrictEqual([first, reopened], [undefined, undefined])
        isRefused = true
        const refused = yield* Effect.flip(Effect.tryPromise(() => holder.createRheaLink("a")))
        assert.include(String(refused.cause), "refused")
        const strange = { createRheaLink: () => 7 }
        protect({ _batchingReceiver: strange, _sender: { createRheaLink: 1 } })
        assert.strictEqual(strange.createRheaLink(), 7)
      })
  )

  it("the SDK's own patience is never made shorter", () => {
    const batching = { _drainTimeoutInMs: 200 }
    const receiver = { _batchingReceiver: { _batchingReceiverLite: batching } }
    drainWithin(receiver, 100)
    assert.strictEqual(batching._drainTimeoutInMs, 200)
    drainWithin(receiver, 1_000)
    assert.strictEqual(batching._drainTimeoutInMs, 1_000)
    drainWithin({ _batchingReceiver: { _batchingReceiverLite: {} } }, 1_000)
  })

  for (const [when, meanwhile, closes] of [
    ["whose credit comes back stays open", (link: Draining) => link.emit("receiver_drained"), 0],
    ["whose credit does not come back is closed", silence, 1],
    ["that ends meanwhile is closed at once", (link: Draining) => link.emit("receiver_close"), 1],
    [
      "that is closed for good meanwhile is closed",
      (link: Draining, holder: Holder) => {
        holder._link = undefined
        link.emit("receiver_drained")
      },
      1
    ]
  ] as const) {
    it.live(`§5.4 the link of a subscription ${when}`, () =>
      Effect.gen(function* () {
        // Only one that hears nothing at all waits to the end.
        const millis = meanwhile === silence ? 50 : 60_000
        const link = new Draining()
        const holder: Holder = { _link: link }
        const receiver = { _streamingReceiver: holder }
        drainBeforeClose(receiver, millis)
        drainBeforeClose(receiver, millis)
        const closed = link.close()
        assert.strictEqual(link.closes, 0)
        meanwhile(link, holder)
        yield* Effect.promise(() => closed)
        assert.strictEqual(link.closes, closes)
        assert.strictEqual(link.listenerCount("receiver_drained"), 0)
        assert.strictEqual(link.listenerCount("receiver_close"), 0)
        link.drain = false
        yield* Effect.promise(() => link.close())
        assert.strictEqual(link.closes, closes + 1)
      })
    )
  }

  it("a subscription that looks otherwise inside is left as it is", () => {
    const link = { close: 1 }
    drainBeforeClose({ _streamingReceiver: { _link: link } }, 50)
    drainBeforeClose(undefined, 50)
    assert.strictEqual(link.close, 1)
  })

  it.each([
    ["Endpoint=sb://a.b/;SharedAccessKeyName=n;SharedAccessKey=k==", undefined],
    ["endpoint=sb://127.0.0.1:5672;sharedaccesssignature=SharedAccessSignature sr=x", undefined],
    ["SharedAccessKeyName=n;SharedAccessKey=k", "must have an Endpoint"],
    ["Endpoint=sb://a.b/;SharedAccessKeyName=n", "must have SharedAccessKeyName"],
    ["", "must have an Endpoint"]
  ])("the connection string %s", (value, expected) => {
    const problem = connectionString.problemOf(value)
    if (expected === undefined) assert.isUndefined(problem)
    else assert.include(problem ?? "", expected)
  })

  it("R3.11 capabilities follow the settings of the queue", () => {
    const config = Effect.runSync(
      AzureConfig.make({
        namespace: "a.b",
        tier: "premium",
        queues: {
          plain: { messageSizeMax: 50_000_000 },
          ordered: { sessions: true, deduplicationWindow: "1 minute" }
        }
      })
    )
    const of = (name: string) =>
      capabilities.make(AzureConfig.queue(config, QueueName.makeUnsafe(name)))
    const isValid = Schema.is(Capabilities.Capabilities)
    assert.isTrue(isValid(of("plain")) && isValid(of("ordered")))
    assert.isAtLeast(of("plain").sendSizeMax, 50_000_000)
    assert.strictEqual(of("plain").sessionState, "unsupported")
    assert.strictEqual(of("ordered").sessions, "native")
    assert.deepStrictEqual(of("ordered").deduplicationWindow, Duration.minutes(1))
  })
})
