import { connect as dial } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import rhea, { type Message } from "rhea"
import { ServiceBusEmulator } from "../src/index.ts"
import { cert, key } from "./certificate.ts"
import { after, conditionIn, connect, next, receiver, requester, send, sender } from "./strict.ts"
import { until } from "./world.ts"

const made = Effect.fnUntraced(function* (options: ServiceBusEmulator.Options = {}) {
  const emulator = yield* ServiceBusEmulator.make({
    queues: { q: {}, s: { requiresSession: true, lockDuration: "30 seconds" } },
    ...options
  })
  return { emulator, connection: yield* connect(emulator) }
})

const sendAll = Effect.fnUntraced(function* (
  connection: rhea.Connection,
  target: string,
  messages: ReadonlyArray<Message>
) {
  const link = yield* sender(connection, target)
  for (const message of messages) assert.strictEqual(yield* send(link, message), "accepted")
  link.close()
})

const sessionFilter = "com.microsoft:session-filter"

describe("connections", () => {
  /** What comes back for some bytes, until it is as long as is waited for. */
  const talk = (emulator: ServiceBusEmulator.Emulator, bytes: Buffer, length: number) =>
    Effect.callback<Buffer>((resume) => {
      const socket = dial(emulator.port, emulator.host)
      let received = Buffer.alloc(0)
      socket.on("error", () => undefined)
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk])
        if (received.length >= length) resume(Effect.succeed(received))
      })
      socket.on("close", () => resume(Effect.succeed(received)))
      socket.write(bytes)
      return Effect.sync(() => socket.destroy())
    })

  const header = (protocol: number) => Buffer.from([0x41, 0x4d, 0x51, 0x50, protocol, 1, 0, 0])

  it.live("something else than AMQP is told what is spoken here", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      const answer = yield* talk(emulator, Buffer.from("GET / HTTP/1.1\r\n\r\n"), 9)
      assert.deepStrictEqual(answer, header(3))
    })
  )

  it.live("the mechanisms of other clients are offered", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      const text = (yield* talk(emulator, header(3), 40)).toString("latin1")
      for (const mechanism of ["MSSBCBS", "PLAIN", "ANONYMOUS"]) assert.include(text, mechanism)
    })
  )

  it.live("an idle time is answered with heartbeats", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      // open { container-id, idle-time-out: 40 ms }, in a frame by hand.
      const fields = [0xa1, 1, 0x61, 0x40, 0x40, 0x40, 0x70, 0, 0, 0, 40]
      const performative = [0x00, 0x53, 0x10, 0xc0, fields.length + 1, 5, ...fields]
      const size = 8 + performative.length
      const open = Buffer.from([0, 0, 0, size, 2, 0, 0, 0, ...performative])
      // Header and open first; what follows are empty frames of eight bytes.
      const answer = yield* talk(emulator, Buffer.concat([header(0), open]), 90)
      assert.deepStrictEqual(answer.subarray(-8), Buffer.from([0, 0, 0, 8, 2, 0, 0, 0]))
    })
  )

  it.live("what is no AMQP frame closes the connection with an error", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      const frame = Buffer.from([0, 0, 0, 12, 2, 0, 0, 0, 0x99, 1, 2, 3])
      const answer = yield* talk(emulator, Buffer.concat([header(0), frame]), 10_000)
      assert.include(answer.toString("latin1"), "amqp:decode-error")
      const large = Buffer.from([0x7f, 0, 0, 0, 2, 0, 0, 0])
      const other = yield* talk(emulator, Buffer.concat([header(0), large]), 10_000)
      assert.include(other.toString("latin1"), "amqp:connection:framing-error")
    })
  )

  it.live("TLS, where there is a certificate", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({ queues: { q: {} }, tls: { cert, key } })
      assert.notInclude(emulator.connectionString, "UseDevelopmentEmulator")
      const connection = yield* connect(emulator, { tls: cert })
      yield* sendAll(connection, "q", [{ body: "secret" }])
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    })
  )

  it.live("PLAIN: a name and its key are good for all queues, a wrong key for none", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made({ keys: { app: "secret" } })
      const good = yield* connect(emulator, { username: "app", password: "secret" })
      yield* sendAll(good, "q", [{ body: 1 }])
      const bad = yield* connect(emulator, { username: "app", password: "guess" })
      const { error } = yield* next(bad, "connection_error").pipe(
        Effect.raceFirst(next(bad, "disconnected"))
      )
      assert.isDefined(error)
      const none = yield* connect(emulator)
      const link = none.open_sender("q")
      yield* next(link, "sender_error")
      assert.strictEqual(conditionIn(link), "amqp:unauthorized-access")
    })
  )

  it.effect("a connection without a token is closed after the time for it", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made({ tokenTimeout: "20 seconds" })
      yield* next(connection, "connection_open")
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual((yield* emulator.connections).length, 1)
      const closed = yield* Effect.forkChild(next(connection, "connection_error"), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closed)
      assert.strictEqual(conditionIn(connection), "amqp:unauthorized-access")
    })
  )

  it.live("a token without a reply-to is answered on the session's own $cbs link", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const replies = connection.open_receiver("$cbs")
      const requests = yield* sender(connection, "$cbs")
      const { message } = yield* after(next(replies, "message"), () =>
        requests.send({
          message_id: "7",
          application_properties: { operation: "put-token", name: "sb://x/q", type: "jwt" },
          body: "any"
        })
      )
      assert.strictEqual(message?.correlation_id, "7")
      assert.strictEqual(message?.application_properties?.["status-code"], 202)
    })
  )
})

describe("links", () => {
  it.live("a full URL is an address too, whatever its case", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      yield* sendAll(connection, "amqps://127.0.0.1:5671/Q", [{ body: 1 }])
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    })
  )

  it.live("one name may be a sender's and a receiver's in one session", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const outgoing = connection.open_sender({ name: "same", target: "q" })
      yield* next(outgoing, "sendable")
      yield* send(outgoing, { body: 1 })
      // rhea itself knows a link by its name alone, so the second one has a session of its own.
      const session = connection.create_session()
      session.open()
      const incoming = session.open_receiver({ name: "same", source: "q", credit_window: 1 })
      assert.strictEqual((yield* next(incoming, "message")).message?.body, 1)
    })
  )

  it.live("credit that comes with the attach is used only after its answer", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      yield* sendAll(connection, "q", [{ body: 1 }, { body: 2 }])
      const link = receiver(connection, "q")
      // Before the answer: both frames leave together.
      link.add_credit(2)
      const opened = yield* Effect.forkChild(next(link, "receiver_open"), {
        startImmediately: true
      })
      const { message } = yield* next(link, "message")
      assert.strictEqual(message?.body, 1)
      assert.isDefined(opened.pollUnsafe())
    })
  )

  it.live("credit is what is delivered, and what is left of it waits", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      yield* sendAll(connection, "q", [{ body: 1 }, { body: 2 }, { body: 3 }])
      const link = receiver(connection, "q")
      const bodies: Array<unknown> = []
      link.on("message", ({ message }) => bodies.push(message?.body))
      link.add_credit(2)
      yield* until(Effect.sync(() => bodies.length === 2))
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
      link.add_credit(5)
      yield* until(Effect.sync(() => bodies.length === 3))
      yield* sendAll(connection, "q", [{ body: 4 }])
      yield* until(Effect.sync(() => bodies.length === 4))
      assert.deepStrictEqual(bodies, [1, 2, 3, 4])
      const links = (yield* emulator.connections).flatMap((one) => one.links)
      assert.strictEqual(links.find(({ role }) => role === "receiver")?.credit, 3)
    })
  )

  it.live("a drain takes all credit back, and is answered with none left too", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      yield* sendAll(connection, "q", [{ body: 1 }])
      const link = receiver(connection, "q")
      link.add_credit(3)
      yield* next(link, "message")
      yield* after(next(link, "receiver_drained"), () => link.drain_credit())
      yield* sendAll(connection, "q", [{ body: 2 }])
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
      // At zero credit, as when a message crossed the drain on its way.
      yield* after(next(link, "receiver_drained"), () => link.drain_credit())
      link.drain = false
      link.add_credit(1)
      assert.strictEqual((yield* next(link, "message")).message?.body, 2)
    })
  )

  it.live("a sender has credit, and gets more of it before it runs out", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = yield* sender(connection, "q")
      let sent = 0
      const pump = () => {
        while (sent < 3000 && link.sendable()) link.send({ body: ++sent })
      }
      link.on("sendable", pump)
      pump()
      yield* until(Effect.map(emulator.inspect("q"), ({ active }) => active === 3000))
    })
  )

  it.live("a client may take few transfers at a time: the rest waits for its window", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const large = "x".repeat(200_000)
      yield* sendAll(
        connection,
        "q",
        Array.from({ length: 6 }, (_, body) => ({ body: `${body}${large}` }))
      )
      // Of five: each message is four of them.
      const narrow = yield* connect(emulator, { window: 5 })
      const link = narrow.open_receiver({ source: "q", credit_window: 6 })
      const bodies: Array<string> = []
      link.on("message", ({ message }) => bodies.push(String(message?.body).charAt(0)))
      yield* until(Effect.sync(() => bodies.length === 6))
      assert.deepStrictEqual(bodies, ["0", "1", "2", "3", "4", "5"])
    })
  )

  it.live("an attach can lose its link or its connection", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      yield* emulator.inject({ operation: "Attach", times: 1, fault: { _tag: "DropLink" } })
      const first = yield* connect(emulator)
      const link = first.open_sender("q")
      yield* next(link, "sender_error")
      assert.strictEqual(conditionIn(link.error), "amqp:link:detach-forced")
      yield* emulator.inject({ operation: "Attach", times: 1, fault: { _tag: "DropConnection" } })
      first.open_sender("q")
      yield* next(first, "disconnected")
    })
  )

  it.live("a queue that is replaced detaches its links and forgets its sessions", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const filter: { [key: string]: unknown } = { [sessionFilter]: "A" }
      const link = receiver(connection, { address: "s", filter })
      yield* next(link, "receiver_open")
      yield* emulator.broker.send("s", { body: new Uint8Array(1), sessionId: "B" })
      const own = yield* emulator.broker.acceptSession("s", "C")
      yield* emulator.broker.acceptSession("s", "B")
      const waiting = receiver(connection, { address: "s", filter: { [sessionFilter]: null } })
      yield* until(Effect.map(emulator.inspect("s"), ({ waiting: count }) => count === 1))
      const detached = yield* Effect.forkChild(next(link, "receiver_error"), {
        startImmediately: true
      })
      yield* emulator.addQueue("s", { requiresSession: true })
      yield* Fiber.join(detached)
      assert.isFalse(yield* own.isHeld)
      yield* until(Effect.sync(() => waiting.is_closed()))
      const { messages, sessions } = yield* emulator.inspect("s")
      assert.deepStrictEqual([messages.length, sessions.length], [0, 0])
    })
  )

  it.live("transactions, topics and sending to dead letters are refused", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const { types } = rhea
      const coordinator = connection.attach_sender({ name: "transactions" })
      // rhea has no coordinator of its own: the target it would write is replaced.
      const attach: unknown = Reflect.get(Reflect.get(coordinator, "local"), "attach")
      if (typeof attach !== "object" || attach === null) return assert.fail("no attach")
      Reflect.set(attach, "target", types.wrap_described([], 0x30))
      yield* next(coordinator, "sender_error")
      assert.strictEqual(conditionIn(coordinator.error), "amqp:not-implemented")
      const dead = connection.open_sender("q/$deadletterqueue")
      yield* next(dead, "sender_error")
      assert.strictEqual(conditionIn(dead.error), "amqp:not-allowed")
      const topic = connection.open_receiver("t/subscriptions/s")
      yield* next(topic, "receiver_error")
      assert.strictEqual(conditionIn(topic.error), "amqp:not-implemented")
    })
  )
})

describe("messages", () => {
  it.live("types that JavaScript lacks survive in bodies, properties and annotations", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const { types } = rhea
      const typed = {
        short: types.wrap_short(-5),
        float: types.wrap_float(1.5),
        byte: types.wrap_ubyte(7),
        char: types.wrap_char(65)
      }
      const message: Message = {
        message_id: rhea.string_to_uuid("00112233-4455-6677-8899-aabbccddeeff"),
        first_acquirer: true,
        priority: 9,
        message_annotations: { "x-mine": types.wrap_short(3) },
        application_properties: typed,
        body: types.wrap_short(-300)
      }
      const bytes = rhea.message.encode(message)
      yield* sendAll(connection, "q", [message])
      const link = receiver(connection, "q")
      // The bytes as they came: rhea's own decoding forgets what width a number had.
      const raw: Array<Buffer> = []
      const { decode } = rhea.message
      Object.assign(rhea.message, {
        decode: (buffer: Buffer) => {
          raw.push(buffer)
          return decode(buffer)
        }
      })
      link.add_credit(1)
      const { message: received } = yield* next(link, "message")
      Object.assign(rhea.message, { decode })
      assert.strictEqual(received?.priority, 9)
      assert.strictEqual(received?.first_acquirer, true)
      assert.strictEqual(received?.delivery_count, 0)
      assert.strictEqual(received?.message_annotations?.["x-mine"], 3)
      // Properties, application properties and body are the last part of both.
      const tail = bytes.subarray(bytes.indexOf(Buffer.from([0x00, 0x53, 0x73])))
      assert.isTrue(raw[0]?.subarray(-tail.length).equals(tail))
    })
  )

  it.live("a batch is N messages in data sections, one outcome for all", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = yield* sender(connection, "q")
      const encoded = ["a", "b"].map((body) => rhea.message.encode({ body }))
      const batch = rhea.message.encode({ body: rhea.message.data_sections(encoded) })
      assert.strictEqual(yield* send(link, batch, 0x8001_3700), "accepted")
      assert.strictEqual((yield* emulator.inspect("q")).active, 2)
      const single = rhea.message.encode({ body: rhea.message.data_section(encoded[0]) })
      assert.strictEqual(yield* send(link, single, 0x8001_3700), "accepted")
      assert.strictEqual((yield* emulator.inspect("q")).active, 3)
      assert.strictEqual(yield* send(link, Buffer.from("no"), 0), "amqp:decode-error")
    })
  )

  it.live("one message of a batch that is refused refuses the whole", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = yield* sender(connection, "s")
      const encoded = [{ body: 1, group_id: "A" }, { body: 2 }].map((one) =>
        rhea.message.encode(one)
      )
      const batch = rhea.message.encode({ body: rhea.message.data_sections(encoded) })
      assert.strictEqual(yield* send(link, batch, 0x8001_3700), "amqp:not-allowed")
      assert.strictEqual((yield* emulator.inspect("s")).active, 0)
    })
  )

  it.live("a pre-settled send is taken and not answered", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = connection.open_sender({ target: "q", snd_settle_mode: 1 })
      yield* next(link, "sendable")
      link.send({ body: 1 })
      yield* until(Effect.map(emulator.inspect("q"), ({ active }) => active === 1))
    })
  )
})

describe("settling", () => {
  const received = Effect.fnUntraced(function* (count: number) {
    const { connection, emulator } = yield* made()
    yield* sendAll(
      connection,
      "q",
      Array.from({ length: count }, (_, body) => ({ body }))
    )
    const link = receiver(connection, "q")
    const deliveries: Array<rhea.Delivery> = []
    link.on("message", ({ delivery }) => {
      if (delivery !== undefined) deliveries.push(delivery)
    })
    link.add_credit(count)
    yield* until(Effect.sync(() => deliveries.length === count))
    return { deliveries, emulator, link }
  })

  it.live("released goes back uncounted, modified counts, rejected dead-letters", () =>
    Effect.gen(function* () {
      const { deliveries, emulator, link } = yield* received(3)
      const settle = (act: () => void) => after(next(link, "settled"), act)
      yield* settle(() => deliveries[0]?.release())
      yield* settle(() => deliveries[1]?.modified({ delivery_failed: true }))
      yield* settle(() => deliveries[2]?.reject({ condition: "app:broken", description: "why" }))
      const { deadLetters, messages } = yield* emulator.inspect("q")
      assert.deepStrictEqual(
        messages.map(({ deliveryCount, state }) => [deliveryCount, state]),
        [
          [0, "Ready"],
          [1, "Ready"]
        ]
      )
      assert.strictEqual(deadLetters.length, 1)
    })
  )

  it.live("each delivery gets its own answer, beside neighbours with another one", () =>
    Effect.gen(function* () {
      const { deliveries, emulator, link } = yield* received(4)
      const states: Array<string> = []
      link.on("settled", ({ delivery }) => states.push(conditionIn(delivery?.remote_state)))
      yield* emulator.expireLocks("q")
      link.add_credit(2)
      yield* until(Effect.sync(() => deliveries.length === 6))
      // One disposition of the client for six deliveries, four of which are not its own any more.
      for (const delivery of deliveries) delivery.accept()
      yield* until(Effect.sync(() => states.length === 6))
      const lost = "com.microsoft:message-lock-lost"
      assert.deepStrictEqual(states, [lost, lost, lost, lost, "none", "none"])
      const { active, locked } = yield* emulator.inspect("q")
      assert.deepStrictEqual([active, locked], [2, 0])
    })
  )

  it.live("a settlement inside a transaction is refused, and the message stays locked", () =>
    Effect.gen(function* () {
      const { deliveries, emulator, link } = yield* received(1)
      const state = rhea.types.wrap_described([rhea.types.wrap_binary(Buffer.from("t"))], 0x34)
      yield* after(next(link, "settled"), () => deliveries[0]?.update(false, state))
      assert.strictEqual(conditionIn(deliveries[0]?.remote_state), "amqp:not-implemented")
      assert.strictEqual((yield* emulator.inspect("q")).locked, 1)
    })
  )

  it.live("the end of an AMQP session ends its links and gives its sessions back", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const session = connection.create_session()
      session.open()
      const filter: { [key: string]: unknown } = { [sessionFilter]: "A" }
      const link = session.open_receiver({ source: { address: "s", filter }, credit_window: 0 })
      yield* next(link, "receiver_open")
      yield* after(next(session, "session_close"), () => session.close())
      const { sessions } = yield* emulator.inspect("s")
      assert.deepStrictEqual(sessions, [])
    })
  )

  it.live("a settlement can lose its link", () =>
    Effect.gen(function* () {
      const { deliveries, emulator, link } = yield* received(1)
      yield* emulator.inject({ operation: "Settle", fault: { _tag: "DropLink" } })
      yield* after(next(link, "receiver_error"), () => deliveries[0]?.accept())
      assert.strictEqual(conditionIn(link.error), "amqp:link:detach-forced")
      assert.strictEqual((yield* emulator.inspect("q")).locked, 1)
    })
  )

  it.live("a client that settles first gets no answer, and what it said holds", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      yield* sendAll(connection, "q", [{ body: 1 }])
      const link = receiver(connection, "q", { rcv_settle_mode: 0 })
      link.add_credit(1)
      const { delivery } = yield* next(link, "message")
      delivery?.accept()
      yield* until(Effect.map(emulator.inspect("q"), ({ locked }) => locked === 0))
      assert.strictEqual((yield* emulator.inspect("q")).active, 0)
    })
  )
})

describe("sessions", () => {
  const bySession = (value: unknown) => ({ address: "s", filter: { [sessionFilter]: value } })

  it.live("the granted session is told in the filter, the lock's end in ticks", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      yield* sendAll(connection, "s", [{ body: 1, group_id: "A" }])
      const link = receiver(connection, bySession(null))
      yield* next(link, "receiver_open")
      assert.strictEqual(link.source.filter?.[sessionFilter], "A")
      const ticks: unknown = link.properties["com.microsoft:locked-until-utc"]
      assert.instanceOf(ticks, Buffer)
      assert.strictEqual(ticks.length, 8)
    })
  )

  it.live("a filter that other clients wrap in a descriptor is understood", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const wrapped = rhea.types.wrap_described("B", 0x137000000c)
      const link = receiver(connection, bySession(wrapped))
      yield* next(link, "receiver_open")
      const granted: unknown = link.source.filter?.[sessionFilter]
      assert.strictEqual(
        typeof granted === "object" && granted !== null && "value" in granted
          ? granted.value
          : granted,
        "B"
      )
    })
  )

  it.effect("no free session within the client's time: attach without a source, then timeout", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = receiver(connection, bySession(null), {
        properties: { "com.microsoft:timeout": rhea.types.wrap_uint(5000) }
      })
      yield* until(Effect.map(emulator.inspect("s"), ({ waiting }) => waiting === 1))
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(link.is_remote_open())
      const refused = yield* Effect.forkChild(next(link, "receiver_error"), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(refused)
      assert.strictEqual(conditionIn(link.error), "com.microsoft:timeout")
      assert.isNotOk(link.source?.address)
    })
  )

  it.live("a client that gives up is answered, and nothing waits for it", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      const link = receiver(connection, bySession(null))
      yield* until(Effect.map(emulator.inspect("s"), ({ waiting }) => waiting === 1))
      yield* after(next(link, "receiver_close"), () => link.close())
      assert.strictEqual((yield* emulator.inspect("s")).waiting, 0)
    })
  )

  it.effect("a session's lock that runs out detaches its link", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const link = receiver(connection, bySession("A"))
      yield* next(link, "receiver_open")
      const lost = yield* Effect.forkChild(next(link, "receiver_error"), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(lost)
      assert.strictEqual(conditionIn(link.error), "com.microsoft:session-lock-lost")
    })
  )
})

describe("$management", () => {
  it.live("sessions are listed in pages, and state is removed by writing null", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      yield* sendAll(
        connection,
        "s",
        ["A", "B", "C"].map((group_id) => ({ body: 1, group_id }))
      )
      const { ask } = yield* requester(connection, "s/$management")
      const { types } = rhea
      const list = (skip: number) =>
        ask("get-message-sessions", {
          "last-updated-time": types.wrap_timestamp(253_402_300_799_999),
          skip: types.wrap_int(skip),
          top: types.wrap_int(2)
        })
      assert.deepInclude((yield* list(0)).body, { skip: 2, "sessions-ids": ["A", "B"] })
      assert.deepInclude((yield* list(2)).body, { skip: 3, "sessions-ids": ["C"] })
      assert.strictEqual((yield* list(3)).status, 204)
      const filterA: { [key: string]: unknown } = { [sessionFilter]: "A" }
      const link = receiver(connection, { address: "s", filter: filterA })
      yield* next(link, "receiver_open")
      const state = (value: unknown) =>
        ask("set-session-state", { "session-id": "A", "session-state": value })
      const read = Effect.map(
        ask("get-session-state", { "session-id": "A" }),
        ({ body }) => body["session-state"]
      )
      assert.strictEqual((yield* state(Buffer.from("x"))).status, 200)
      assert.deepStrictEqual(yield* read, Buffer.from("x"))
      yield* state(null)
      assert.isNull(yield* read)
      // Another link's name is not the holder's.
      const foreign = yield* ask(
        "get-session-state",
        { "session-id": "A" },
        { "associated-link-name": "other" }
      )
      assert.deepStrictEqual(
        [foreign.status, foreign.condition],
        [410, "com.microsoft:session-lock-lost"]
      )
    })
  )

  it.live("deliveries are settled by their tokens, all of a request or none", () =>
    Effect.gen(function* () {
      const { connection, emulator } = yield* made()
      yield* sendAll(connection, "q", [{ body: 1 }, { body: 2 }, { body: 3 }])
      const link = receiver(connection, "q")
      const tokens: Array<Buffer> = []
      link.on("message", ({ delivery }) => {
        if (!Buffer.isBuffer(delivery?.tag)) return
        const token = Buffer.from(delivery.tag)
        for (const [from, to] of [
          [0, 4],
          [4, 6],
          [6, 8]
        ]) {
          token.subarray(from, to).reverse()
        }
        tokens.push(token)
      })
      link.add_credit(3)
      yield* until(Effect.sync(() => tokens.length === 3))
      const { ask } = yield* requester(connection, "q/$management")
      const settle = (status: string, of: ReadonlyArray<Buffer>, more: object = {}) =>
        Effect.map(
          ask("update-disposition", {
            "disposition-status": status,
            "lock-tokens": rhea.types.wrap_array(of, 0x98, undefined),
            ...more
          }),
          ({ condition, status: code }) => [code, condition]
        )
      const [a, b, c] = tokens
      if (a === undefined || b === undefined || c === undefined) return assert.fail("too few")
      const foreign = Buffer.alloc(16, 9)
      const lost = [410, "com.microsoft:message-lock-lost"]
      assert.deepStrictEqual(yield* settle("completed", [a, foreign]), lost)
      assert.strictEqual((yield* emulator.inspect("q")).locked, 3)
      assert.deepStrictEqual(yield* settle("perhaps", [a]), [400, "com.microsoft:argument-error"])
      const properties = { "properties-to-modify": { mark: "x" } }
      assert.deepStrictEqual((yield* settle("abandoned", [a], properties))[0], 200)
      assert.deepStrictEqual((yield* settle("defered", [b]))[0], 200)
      assert.deepStrictEqual(
        (yield* settle("suspended", [c], { "deadletter-reason": "r" }))[0],
        200
      )
      const { active, deadLettered, deferred } = yield* emulator.inspect("q")
      assert.deepStrictEqual([active, deferred, deadLettered], [1, 1, 1])
      assert.deepStrictEqual(yield* settle("completed", [a]), lost)
      const [again] = yield* emulator.broker.receive("q")
      assert.deepStrictEqual(again?.properties, { mark: "x" })
    })
  )

  it.live("a reply finds its link in another session of the connection", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const other = connection.create_session()
      other.open()
      const replies = other.open_receiver({ source: "q/$management", target: "there" })
      yield* next(replies, "receiver_open")
      const requests = yield* sender(connection, "q/$management")
      const { message } = yield* after(next(replies, "message"), () =>
        requests.send({
          message_id: "9",
          reply_to: "there",
          application_properties: {
            operation: "com.microsoft:peek-message",
            "com.microsoft:tracking-id": "t"
          },
          body: { "from-sequence-number": 1, "message-count": 1 }
        })
      )
      assert.strictEqual(message?.correlation_id, "9")
      assert.strictEqual(message?.application_properties?.["statusCode"], 204)
      assert.strictEqual(message?.application_properties?.["com.microsoft:tracking-id"], "t")
    })
  )

  it.live("a request can lose its link or its connection", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made()
      for (const [fault, event] of [
        [{ _tag: "DropLink" }, "sender_error"],
        [{ _tag: "DropConnection" }, "disconnected"]
      ] as const) {
        const connection = yield* connect(emulator)
        const requests = yield* sender(connection, "q/$management")
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* emulator.inject({ operation: "Management", fault })
            yield* after(next(event === "disconnected" ? connection : requests, event), () =>
              requests.send({ message_id: "1", body: {} })
            )
          })
        )
      }
    })
  )

  it.live("what it does not know is refused by name, a queue that is not there by attach", () =>
    Effect.gen(function* () {
      const { connection } = yield* made()
      const { ask } = yield* requester(connection, "q/$management")
      const { condition, status } = yield* ask("add-rule", {})
      assert.deepStrictEqual([status, condition], [501, "amqp:not-implemented"])
      const missing = yield* ask("renew-session-lock", {})
      assert.deepStrictEqual(
        [missing.status, missing.condition],
        [400, "com.microsoft:argument-error"]
      )
      const link = connection.open_sender("nope/$management")
      yield* next(link, "sender_error")
      assert.strictEqual(conditionIn(link.error), "amqp:not-found")
    })
  )
})
