import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Message, MessageId, QueueAddress, QueueName, QueueProvider } from "@queue-runtime/core"
import * as ProviderContract from "../src/ProviderContract.ts"
import * as ProviderRule from "../src/ProviderRule.ts"
import * as Sabotage from "../src/Sabotage.ts"
import * as Sabotages from "../src/Sabotages.ts"
import { harness, make, makeStore } from "./support/tiny.ts"

const queue = QueueName.makeUnsafe("orders")

const address = QueueAddress.queue(queue)

const message = (id: string, text = id) =>
  Effect.map(Message.text(text), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

const receive = { max: 10, wait: Duration.zero }

const byId = (id: string) => {
  const found = Sabotages.all.find((one) => one.id === id)
  assert.isDefined(found)
  return found
}

const connect = (layer: Layer.Layer<QueueProvider.QueueProvider>) =>
  Effect.provide(QueueProvider.QueueProvider, Layer.fresh(layer), { local: true })

describe("Sabotage", () => {
  it.effect(
    "R12.2 a transform breaks one thing, says so, and leaves the rest to the provider",
    () =>
      Effect.gen(function* () {
        const healthy = make(makeStore(queue))
        const broken = yield* Sabotage.transform(byId("send-loses-last"))(healthy)
        assert.deepStrictEqual(broken.stack, ["sabotage send-loses-last", "tiny"])
        assert.strictEqual(broken.name, "tiny")
        assert.deepStrictEqual(broken.capabilities(queue), healthy.capabilities(queue))
        const outcomes = yield* broken.send(queue, [yield* message("a"), yield* message("b")])
        assert.deepStrictEqual(
          outcomes.map((one) => one._tag),
          ["Success", "Success"]
        )
        const received = yield* broken.receive(address, receive)
        assert.deepStrictEqual(
          received.map((one) => one.messageId as string),
          ["a"]
        )
      })
  )

  it.effect("R12.2 a provider that is an instance of a class is broken like any other", () =>
    Effect.gen(function* () {
      const inner = make(makeStore(queue))
      class Provider implements QueueProvider.Service {
        readonly name = "classy"
        readonly stack = ["classy"]
        capabilities(name: QueueName.QueueName) {
          return inner.capabilities(name)
        }
        send(...args: Parameters<QueueProvider.Service["send"]>) {
          return inner.send(...args)
        }
        receive(...args: Parameters<QueueProvider.Service["receive"]>) {
          return inner.receive(...args)
        }
        settle(...args: Parameters<QueueProvider.Service["settle"]>) {
          return inner.settle(...args)
        }
        renewLock(...args: Parameters<QueueProvider.Service["renewLock"]>) {
          return inner.renewLock(...args)
        }
        peek(...args: Parameters<QueueProvider.Service["peek"]>) {
          return inner.peek(...args)
        }
        acceptSession(...args: Parameters<QueueProvider.Service["acceptSession"]>) {
          return inner.acceptSession(...args)
        }
      }
      const broken = yield* Sabotage.transform(byId("body-trimmed"))(new Provider())
      yield* broken.send(queue, [yield* message("a", " a ")])
      const [received] = yield* broken.receive(address, receive)
      assert.deepStrictEqual(received?.body, new TextEncoder().encode("a"))
      assert.deepStrictEqual(broken.capabilities(queue), inner.capabilities(queue))
    })
  )

  it.effect(
    "R12.2 connections to one queue share what a fault remembers, those to two do not",
    () =>
      Effect.gen(function* () {
        const { harness: tiny } = harness()
        const broken = Sabotage.harness(tiny, byId("deduplication-by-body"))
        assert.strictEqual(broken.name, `${tiny.name}, sabotaged: deduplication-by-body`)
        assert.strictEqual(broken.time, tiny.time)
        const spec = { ...ProviderRule.queueDefaults, queue }
        const opened = yield* broken.open(spec)
        const one = yield* connect(opened.layer)
        const other = yield* connect(opened.layer)
        yield* one.send(queue, [yield* message("a")])
        yield* other.send(queue, [yield* message("a")])
        assert.strictEqual((yield* one.receive(address, receive)).length, 1)
        const second = yield* connect((yield* broken.open(spec)).layer)
        yield* second.send(queue, [yield* message("a")])
        assert.strictEqual((yield* second.receive(address, receive)).length, 1)
      })
  )

  it.effect("R12.2 a run says which rules failed, and which of them were meant to", () =>
    Effect.gen(function* () {
      const { harness: tiny } = harness()
      const rules = ProviderContract.rules.filter(({ id }) => id === "SEND-2" || id === "SEND-3")
      const lost = yield* Sabotage.run(tiny, byId("send-loses-last"), { rules })
      assert.strictEqual(lost.sabotage.id, "send-loses-last")
      assert.deepStrictEqual(lost.failed, ["SEND-2"])
      assert.deepStrictEqual(lost.caughtBy, ["SEND-2"])
      const refused = { ...byId("send-empty-refused"), caughtBy: [] }
      const unmeant = yield* Sabotage.run(tiny, refused, { rules })
      assert.deepStrictEqual(unmeant.failed, ["SEND-3"])
      assert.deepStrictEqual(unmeant.caughtBy, [])
    })
  )
})

describe("Sabotages", () => {
  it("R12.2 each has an id of its own and names rules that there are", () => {
    const known = new Set(ProviderContract.rules.map(({ id }) => id))
    const seen = new Set<string>()
    for (const { caughtBy, id, source, title } of Sabotages.all) {
      assert.match(id, /^[a-z]+(?:-[a-z0-9]+)+$/u)
      assert.isFalse(seen.has(id), `${id} is there twice`)
      seen.add(id)
      assert.isAbove(caughtBy.length, 0, `${id} names no rule`)
      assert.deepStrictEqual(
        caughtBy.filter((rule) => !known.has(rule)),
        [],
        id
      )
      assert.strictEqual(new Set(caughtBy).size, caughtBy.length, id)
      assert.match(title, /^\S.*[^.\s]$/u)
      assert.match(source, /^\S.*[^.\s]$/u)
    }
  })

  it("R12.2 what the model-based rules are for they are named to catch, or it is said why not", () => {
    for (const { beyondModel, caughtBy, id, kind } of Sabotages.all) {
      const isNamed = caughtBy.some((rule) => rule.startsWith("MODEL-"))
      assert.strictEqual(isNamed, kind !== undefined && beyondModel === undefined, id)
      if (beyondModel !== undefined) assert.isDefined(kind, id)
    }
    const kinds = new Set(Sabotages.all.flatMap(({ kind }) => kind ?? []))
    assert.deepStrictEqual([...kinds].toSorted(), [
      "double holding",
      "duplication",
      "loss",
      "order"
    ])
  })
})
