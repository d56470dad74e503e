import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Result, Scope } from "effect"
import { writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { QueueProvider, Verdict } from "@queue-runtime/core"
import { SqliteClient, SqliteProvider } from "../src/index.ts"
import {
  connect,
  failure,
  lockDuration,
  made,
  missing,
  ordered,
  orders,
  receive,
  send,
  tags,
  temporaryPath
} from "./world.ts"

describe("queues", () => {
  it.effect("R3.12 one is made by its client, once, and known to who connects later", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const client = yield* SqliteClient.make({ path })
      yield* client.createQueue(ordered, { sessions: true, lockDuration: "7 seconds" })
      yield* client.createQueue(ordered, { sessions: true, lockDuration: 7_000 })
      assert.strictEqual(
        yield* failure(client.createQueue(ordered, { lockDuration: "7 seconds" })),
        "ConfigurationInvalid: queues.ordered: is there with other options"
      )
      assert.match(
        yield* failure(client.createQueue(orders, { deliveriesMax: 0 })),
        /deliveriesMax/u
      )
      const { capabilities } = yield* connect(path)
      assert.isTrue(capabilities(ordered).ordered)
      assert.strictEqual(capabilities(orders).lockDuration, lockDuration)
    })
  )

  it.effect("R3.11 one that another client made is known with the first call on it", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const provider = yield* connect(path)
      const client = yield* SqliteClient.make({ path })
      yield* client.createQueue(orders, { deduplication: true })
      assert.strictEqual(provider.capabilities(orders).deduplication, "unsupported")
      yield* receive(provider)
      assert.strictEqual(provider.capabilities(orders).deduplication, "native")
    })
  )

  it.effect("R3.4 one that is deleted and made again knows nothing of its old receipts", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const client = yield* SqliteClient.make({ path })
      const provider = yield* connect(path)
      yield* send(provider, ["a"])
      const [old] = yield* receive(provider)
      yield* client.deleteQueue(orders)
      assert.match(yield* failure(receive(provider)), /^QueueNotFound/u)
      assert.match(yield* failure(client.deleteQueue(missing)), /^QueueNotFound/u)
      yield* client.createQueue(orders)
      yield* send(provider, ["a"])
      const [renewed] = yield* receive(provider)
      assert.isDefined(old)
      assert.isDefined(renewed)
      const receipts = [old.receipt, renewed.receipt]
      const outcomes = yield* provider.settle(receipts, Verdict.complete)
      assert.deepStrictEqual(tags(outcomes), ["ReceiptExpired", "ok"])
    })
  )
})

describe("the file", () => {
  it.effect("R10.1 of another program, or of another version, is refused and left alone", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const other = new DatabaseSync(path)
      other.exec("CREATE TABLE other (a)")
      other.close()
      assert.match(yield* failure(SqliteClient.make({ path })), /^ConfigurationInvalid: path: /u)
      const later = yield* made()
      const handle = new DatabaseSync(later)
      handle.exec("PRAGMA user_version = 99")
      handle.close()
      assert.match(yield* failure(SqliteClient.make({ path: later })), /^ConfigurationInvalid: /u)
      const again = new DatabaseSync(path)
      assert.strictEqual(again.prepare("SELECT * FROM sqlite_schema").all().length, 1)
      again.close()
    })
  )

  it.effect("R2.3 that is none, or in no folder, is an error with its cause", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      writeFileSync(path, "this is no database, whatever its name says".repeat(100))
      const none = yield* Effect.flip(SqliteClient.make({ path }))
      assert.strictEqual(none.reason.message, 'provider "sqlite" failed with SQLITE_NOTADB')
      assert.strictEqual(none.retry, "Never")
      assert.isDefined(none.cause)
      const nowhere = yield* Effect.flip(SqliteClient.make({ path: `${path}/no/queues.db` }))
      assert.strictEqual(nowhere.reason._tag, "ConnectionFailed")
      assert.strictEqual(nowhere.retry, "Transient")
    })
  )

  it.effect("R10.6 somebody else who writes too long is a Timeout, and nothing was done", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const provider = yield* connect(path, { busyTimeout: "10 millis" })
      const other = new DatabaseSync(path)
      other.exec("BEGIN IMMEDIATE")
      const error = yield* Effect.flip(send(provider, ["a"]))
      assert.strictEqual(error.message, 'send "orders" (sqlite): Timeout: no answer within 10ms')
      assert.strictEqual(error.retry, "Transient")
      assert.match(yield* failure(receive(provider)), /^Timeout/u)
      other.exec("COMMIT")
      other.close()
      assert.deepStrictEqual(yield* receive(provider), [])
    })
  )
})

describe("use", () => {
  it.effect("R2.3 a row that something else wrote is an error, and no defect", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const client = yield* SqliteClient.make({ path })
      const provider = yield* connect(path)
      yield* send(provider, ["a"])
      yield* client.use((handle) => handle.exec("UPDATE message SET envelope = '{'"))
      assert.match(yield* failure(receive(provider)), /^ProviderFailure: .* SchemaError$/u)
    })
  )

  it.effect("R2.3 works on the handle, and what it throws is mapped", () =>
    Effect.gen(function* () {
      const client = yield* SqliteClient.make({ path: yield* made() })
      const count = yield* client.use((handle) =>
        handle.prepare("SELECT count(*) AS queues FROM queue").get()
      )
      assert.strictEqual(count?.["queues"], 2)
      const wrong = client.use((handle) => handle.exec("SELECT * FROM nothing"))
      assert.match(yield* failure(wrong), /SQLITE_1$/u)
    })
  )

  it.effect("R10.4 after the scope closed everything is ConnectionFailed", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(SqliteClient.make({ path }), scope)
      yield* Scope.close(scope, Exit.void)
      const outcomes = yield* Effect.forEach(
        [client.createQueue(orders), client.deleteQueue(orders), client.use((one) => one.exec(""))],
        (call) => Effect.result(call)
      )
      assert.isTrue(outcomes.every(Result.isFailure))
      assert.match(yield* failure(client.deleteQueue(orders)), /^ConnectionFailed: .* is closed$/u)
    })
  )

  it.effect("R10.4 providers of one client share its handle, and wake each other at once", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const client = yield* Layer.build(SqliteClient.layer({ path }))
      const build = Effect.map(
        Layer.build(Layer.fresh(SqliteProvider.layerWithClient)),
        Context.get(QueueProvider.QueueProvider)
      )
      const [one, other] = yield* Effect.provide(Effect.all([build, build]), client)
      const waiting = yield* Effect.forkChild(receive(one, lockDuration), {
        startImmediately: true
      })
      yield* send(other, ["a"])
      yield* Effect.yieldNow
      assert.isDefined(waiting.pollUnsafe())
    })
  )
})
