import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Exit, Option, Result, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  QueueAddress,
  type QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "../src/index.ts"
import {
  address,
  counted,
  ids,
  message,
  now,
  ordered,
  orders,
  seconds,
  sessionId
} from "./world.ts"

/**
 * Two clients of one broker against a model of a few lines. The model knows one list of messages a
 * session, how many of them are in hand, who holds it and until when; of a queue without sessions it
 * knows each message's count and until when it is locked or hidden.
 */

const lockMillis = 30_000
const deliveriesMax = 3
const names = ["a", "b", "c"] as const

const int = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Command = Schema.Struct({
  kind: Schema.Literals([
    "send",
    "accept",
    "next",
    "receive",
    "settle",
    "release",
    "renew",
    "advance"
  ]),
  client: int(0, 1),
  session: int(0, 2),
  number: int(1, 4),
  verdict: Schema.Literals(["complete", "complete", "abandon", "delay", "deadLetter"])
})

const commands = Arbitrary.array(Arbitrary.schema(Command), { minLength: 20, maxLength: 120 })

const verdictOf = (verdict: (typeof Command.Type)["verdict"]): Verdict.Verdict => {
  if (verdict === "complete") return Verdict.complete
  if (verdict === "deadLetter") return Verdict.deadLetter("Bad")
  return Verdict.abandon(seconds(verdict === "delay" ? 7 : 0))
}

interface Model {
  readonly id: string
  count: number
  /** Hidden or locked until then. */
  until: number
}

interface Delivered {
  readonly model: Model
  readonly count: number
  readonly message: ReceivedMessage.ReceivedMessage
}

interface ModelSession {
  readonly messages: Array<Model>
  hand: Array<Delivered>
  hold:
    | {
        readonly client: number
        readonly handle: QueueSession.QueueSession
        readonly scope: Scope.Closeable
        until: number
      }
    | undefined
}

const twoClients = Effect.gen(function* () {
  const clients: Array<QueueProvider.Service> = [
    yield* MemoryProvider.make,
    yield* MemoryProvider.make
  ]
  return (index: number): QueueProvider.Service => {
    const client = clients[index]
    assert(client !== undefined)
    return client
  }
})

const expectOne = <A>(
  outcomes: ReadonlyArray<Result.Result<A, { readonly reason: { readonly _tag: string } }>>
): string => {
  const [outcome] = outcomes
  assert(outcome !== undefined && outcomes.length === 1)
  return Result.isSuccess(outcome) ? "ok" : outcome.failure.reason._tag
}

describe("against a model", () => {
  it.effect.prop(
    "R4.1 sessions: order, counts, one holder, nothing lost",
    { commands },
    ({ commands: plan }) =>
      Effect.gen(function* () {
        const broker = yield* MemoryClient.MemoryClient
        const client = yield* twoClients
        const sessions = new Map(
          names.map((name): [string, ModelSession] => [
            name,
            { messages: [], hand: [], hold: undefined }
          ])
        )
        const stale: Array<Delivered> = []
        const completed: Array<string> = []
        let dead: Array<string> = []
        let time = 0
        let sent = 0

        const back = (
          session: ModelSession,
          from: number,
          isCounted: (one: Delivered) => boolean
        ) => {
          for (const one of session.hand.splice(from)) {
            stale.push(one)
            if (!isCounted(one)) one.model.count--
            else if (one.model.count >= deliveriesMax) bury(session, one.model)
          }
        }
        const bury = (session: ModelSession, one: Model) => {
          session.messages.splice(session.messages.indexOf(one), 1)
          dead.push(one.id)
        }
        const pass = () => {
          for (const session of sessions.values()) {
            if (session.hold !== undefined && session.hold.until <= time) {
              session.hold = undefined
              back(session, 0, () => true)
            }
          }
        }

        for (const { client: who, kind, number, session: index, verdict } of plan) {
          const name = names[index] ?? "a"
          const session = sessions.get(name)
          assert(session !== undefined)
          const { hold } = session
          const isReady = (one: ModelSession) => {
            const [first] = one.messages
            return one.hold === undefined && first !== undefined && first.until <= time
          }
          switch (kind) {
            case "send": {
              const id = `${name}${sent++}`
              yield* client(who).send(ordered, [yield* message(id, { sessionId: sessionId(name) })])
              session.messages.push({ id, count: 0, until: 0 })
              break
            }
            case "accept":
            case "next": {
              const scope = yield* Scope.make()
              const which = kind === "accept" ? { sessionId: sessionId(name) } : {}
              const result = yield* client(who)
                .acceptSession(ordered, { ...which, wait: now })
                .pipe(Scope.provide(scope), Effect.result)
              if (Result.isFailure(result)) {
                assert.strictEqual(result.failure.reason._tag, "SessionLocked")
                assert.isDefined(hold)
                break
              }
              if (Option.isNone(result.success)) {
                assert.strictEqual(kind, "next")
                assert.isFalse([...sessions.values()].some(isReady))
                break
              }
              const handle = result.success.value
              const granted = sessions.get(handle.sessionId)
              assert(granted !== undefined)
              assert.isUndefined(granted.hold)
              if (kind === "next") assert.isTrue(isReady(granted))
              granted.hold = { client: who, handle, scope, until: time + lockMillis }
              break
            }
            case "receive": {
              if (hold === undefined) break
              const received = yield* hold.handle.receive({ max: number, wait: now })
              const expected: Array<Model> = []
              for (const one of session.messages.slice(session.hand.length)) {
                if (expected.length === number || one.until > time) break
                one.count++
                expected.push(one)
              }
              assert.deepStrictEqual(
                counted(received),
                expected.map((one) => `${one.id}:${one.count}`)
              )
              for (const [at, model] of expected.entries()) {
                const one = received[at]
                assert(one !== undefined)
                session.hand.push({ model, count: model.count, message: one })
              }
              break
            }
            case "settle": {
              const old = stale[number]
              if (old !== undefined) {
                const late = yield* client(who).settle([old.message.receipt], verdictOf(verdict))
                assert.strictEqual(expectOne(late), "ReceiptExpired")
              }
              const at = number % Math.max(1, session.hand.length)
              const one = session.hand[at]
              if (hold === undefined || one === undefined) break
              const settler = who === hold.client ? hold.handle : client(who)
              const outcome = yield* settler.settle([one.message.receipt], verdictOf(verdict))
              assert.strictEqual(expectOne(outcome), "ok")
              if (verdict === "abandon" || verdict === "delay") {
                one.model.until = verdict === "delay" ? time + 7_000 : 0
                back(session, at, (other) => other === one)
              } else {
                session.hand.splice(at, 1)
                stale.push(one)
                if (verdict === "deadLetter") bury(session, one.model)
                else {
                  session.messages.splice(session.messages.indexOf(one.model), 1)
                  completed.push(one.model.id)
                }
              }
              break
            }
            case "release": {
              if (hold === undefined) break
              yield* Scope.close(hold.scope, Exit.void)
              session.hold = undefined
              back(session, 0, () => false)
              break
            }
            case "renew": {
              if (hold === undefined) break
              yield* hold.handle.renewLock
              hold.until = time + lockMillis
              break
            }
            default: {
              yield* TestClock.adjust(seconds(number * 4))
              time += number * 4_000
              pass()
            }
          }
          const all = [...sessions.values()]
          const inHand = all.flatMap((one) => one.hand).length
          const held = all.flatMap((one) => one.messages).length
          const stats = yield* broker.stats(ordered)
          assert.deepInclude(stats, {
            locked: inHand,
            active: held - inHand,
            deadLettered: dead.length
          })
        }
        for (const [name, session] of sessions) {
          const stored = yield* client(0).peek(QueueAddress.queue(ordered), { max: 1_000 })
          assert.deepStrictEqual(
            counted(stored.filter((one) => one.sessionId === name)),
            session.messages.map((one) => `${one.id}:${one.count}`)
          )
        }
        const letters = yield* client(1).peek(QueueAddress.deadLetter(ordered), { max: 1_000 })
        dead = dead.toSorted()
        assert.deepStrictEqual(ids(letters).toSorted(), dead)
        const left = [...sessions.values()].flatMap((one) => one.messages).length
        assert.strictEqual(left + dead.length + completed.length, sent)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          MemoryClient.layer({
            queues: { ordered: { sessions: true, deliveriesMax, lockDuration: lockMillis } }
          })
        )
      ),
    { arbitrary: { runs: 150, seed: 21 } }
  )

  it.effect.prop(
    "R3.2 without sessions: no loss, no delivery twice at once, counts right",
    { commands },
    ({ commands: plan }) =>
      Effect.gen(function* () {
        const broker = yield* MemoryClient.MemoryClient
        const client = yield* twoClients
        const messages: Array<Model> = []
        let hand: Array<Delivered> = []
        const stale: Array<Delivered> = []
        const dead: Array<string> = []
        const completed: Array<string> = []
        let time = 0
        let sent = 0
        const bury = (one: Model) => {
          messages.splice(messages.indexOf(one), 1)
          dead.push(one.id)
        }
        const giveBack = (one: Delivered, until: number) => {
          stale.push(one)
          hand = hand.filter((other) => other !== one)
          one.model.until = until
          if (one.model.count >= deliveriesMax) bury(one.model)
        }
        for (const { client: who, kind, number, verdict } of plan) {
          switch (kind) {
            case "send":
            case "accept": {
              const batch = Array.from({ length: number }, () => `m${sent++}`)
              yield* client(who).send(orders, yield* Effect.forEach(batch, (id) => message(id)))
              messages.push(...batch.map((id) => ({ id, count: 0, until: 0 })))
              break
            }
            case "receive":
            case "next": {
              const received = yield* client(who).receive(address, { max: number, wait: now })
              const expected = messages.filter((one) => one.until <= time).slice(0, number)
              for (const one of expected) {
                one.count++
                one.until = time + lockMillis
              }
              assert.deepStrictEqual(
                counted(received),
                expected.map((one) => `${one.id}:${one.count}`)
              )
              for (const [at, model] of expected.entries()) {
                const one = received[at]
                assert(one !== undefined)
                hand.push({ model, count: model.count, message: one })
              }
              break
            }
            case "settle":
            case "release": {
              const old = stale[number]
              if (old !== undefined) {
                const late = yield* client(who).settle([old.message.receipt], verdictOf(verdict))
                assert.strictEqual(expectOne(late), "ReceiptExpired")
              }
              const one = hand[number % Math.max(1, hand.length)]
              if (one === undefined) break
              const outcome = yield* client(who).settle([one.message.receipt], verdictOf(verdict))
              assert.strictEqual(expectOne(outcome), "ok")
              if (verdict === "abandon" || verdict === "delay") {
                giveBack(one, verdict === "delay" ? time + 7_000 : 0)
                break
              }
              stale.push(one)
              hand = hand.filter((other) => other !== one)
              if (verdict === "deadLetter") bury(one.model)
              else {
                messages.splice(messages.indexOf(one.model), 1)
                completed.push(one.model.id)
              }
              break
            }
            case "renew": {
              const one = hand[number % Math.max(1, hand.length)]
              if (one === undefined) break
              yield* client(who).renewLock([one.message.receipt])
              one.model.until = time + lockMillis
              break
            }
            default: {
              yield* TestClock.adjust(seconds(number * 4))
              time += number * 4_000
              for (const one of hand) if (one.model.until <= time) giveBack(one, 0)
            }
          }
          const stats = yield* broker.stats(orders)
          assert.deepInclude(stats, {
            locked: hand.length,
            active: messages.length - hand.length,
            deadLettered: dead.length
          })
        }
        const stored = yield* client(0).peek(address, { max: 1_000 })
        assert.deepStrictEqual(
          counted(stored),
          messages.map((one) => `${one.id}:${one.count}`)
        )
        assert.strictEqual(messages.length + dead.length + completed.length, sent)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          MemoryClient.layer({ queues: { orders: { deliveriesMax, lockDuration: lockMillis } } })
        )
      ),
    { arbitrary: { runs: 150, seed: 22 } }
  )
})
