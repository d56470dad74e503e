import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as QueueName from "../src/QueueName.ts"
import * as QueueSession from "../src/QueueSession.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Verdict from "../src/Verdict.ts"
import * as RecordingProvider from "./support/RecordingProvider.ts"

/** What the port says each member is; the compiler refuses this table when one is missing. */
const members: { readonly [Member in keyof QueueSession.QueueSession]: string } = {
  queue: "string",
  sessionId: "string",
  lockedUntil: "effect",
  receive: "function",
  settle: "function",
  renewLock: "effect",
  state: "effect",
  setState: "function"
}

const orders = QueueName.makeUnsafe("orders")
const sessionId = SessionId.makeUnsafe("s-1")
const wait = Duration.zero

const accepted = Effect.gen(function* () {
  const { provider } = RecordingProvider.make({})
  return Option.getOrThrow(yield* provider.acceptSession(orders, { wait, sessionId }))
})

describe("QueueSession", () => {
  it.effect("R4.2 a handle has the members of the port, and no other", () =>
    Effect.gen(function* () {
      const session = yield* accepted
      const kinds = Object.entries(session).map(([name, member]) => [
        name,
        Effect.isEffect(member) ? "effect" : typeof member
      ])
      assert.deepStrictEqual(Object.fromEntries(kinds), members)
    })
  )

  it.effect("R4.2 it receives, settles, renews, reads and writes state", () =>
    Effect.gen(function* () {
      const session = yield* accepted
      const messages = yield* session.receive({ max: 1, wait })
      const receipts = messages.map(({ receipt }) => receipt)
      assert.strictEqual((yield* session.settle(receipts, Verdict.complete)).length, 1)
      const [until, renewed] = [yield* session.lockedUntil, yield* session.renewLock]
      assert.isTrue(DateTime.isGreaterThanOrEqualTo(renewed, until))
      yield* session.setState(Option.none())
      assert.deepStrictEqual(yield* session.state, RecordingProvider.state)
    })
  )

  it.effect("R4.2 a decorator hands on how a session is lost, where its provider can tell", () =>
    Effect.gen(function* () {
      const session = yield* accepted
      assert.deepStrictEqual(QueueSession.lostOf(session), {})
      const lost = Effect.never
      assert.deepStrictEqual(QueueSession.lostOf({ ...session, lost }), { lost })
    }).pipe(Effect.scoped)
  )
})
