import { assert, describe, it } from "@effect/vitest"
import { Link } from "../../src/internal/connection.ts"
import { closed } from "../../src/internal/errors.ts"
import { Room, type Waiter } from "../../src/internal/waiting.ts"

/** A room in a world that a test moves by hand. */
const world = () => {
  const state = {
    now: 0,
    due: Infinity,
    version: 1,
    there: 0,
    alarm: undefined as number | undefined,
    caughtUp: 0
  }
  const told: Array<string> = []
  const room = new Room({
    now: () => state.now,
    catchUp: () => (state.caughtUp++, state.due),
    version: () => state.version,
    pollMillis: 50,
    setAlarm: (millis) => (state.alarm = millis),
    clearAlarm: () => (state.alarm = undefined)
  })
  const link = new Link()
  const enter = (name: string, options: Partial<Waiter> = {}): Waiter => {
    const waiter = {
      link,
      queue: "orders",
      line: "orders",
      deadline: 1_000,
      attempt: () => {
        if (state.there === 0) return false
        state.there--
        told.push(`${name} has it`)
        return true
      },
      end: (error?: { readonly reason: { readonly _tag: string } }) =>
        void told.push(`${name} ends with ${error?.reason._tag ?? "nothing"}`),
      ...options
    }
    room.enter(waiter)
    return waiter
  }
  return { enter, link, room, state, told }
}

describe("Room", () => {
  it("serves at once what is there, and asks once when the deadline is now", () => {
    const { enter, state, told } = world()
    state.there = 1
    enter("a")
    enter("b", { deadline: 0 })
    assert.deepStrictEqual(told, ["a has it", "b ends with nothing"])
    assert.isUndefined(state.alarm)
  })

  it("serves a line in order, and stops at the first who gets nothing", () => {
    const { enter, room, state, told } = world()
    for (const name of ["a", "b", "c"]) enter(name)
    enter("other", { line: "orders/dead-letter", attempt: () => told.push("asked") === 0 })
    told.length = 0
    state.there = 2
    room.changed()
    assert.deepStrictEqual(told, ["a has it", "b has it", "asked"])
  })

  it("does nothing between polls while nobody writes and nothing is due", () => {
    const { enter, room, state } = world()
    enter("a")
    const { caughtUp } = state
    state.now = 50
    room.ring()
    assert.strictEqual(state.caughtUp, caughtUp)
    assert.strictEqual(state.alarm, 50)
    state.version = 2
    room.ring()
    assert.isAbove(state.caughtUp, caughtUp)
  })

  it("sets its alarm for what is due or over before the next poll, and never for now", () => {
    const { enter, room, state, told } = world()
    state.due = 20
    const waiter = enter("a", { deadline: 30 })
    assert.strictEqual(state.alarm, 20)
    state.due = Infinity
    room.changed()
    assert.strictEqual(state.alarm, 30)
    // A timer that is early rings again.
    state.now = 29.9
    room.ring()
    assert.strictEqual(state.alarm, 1)
    state.now = 30
    room.ring()
    assert.deepStrictEqual(told, ["a ends with nothing"])
    room.leave(waiter)
    assert.isUndefined(state.alarm)
  })

  it("serves what came at the very end of a wait", () => {
    const { enter, room, state, told } = world()
    enter("a", { deadline: 30 })
    state.there = 1
    state.now = 30
    room.ring()
    assert.deepStrictEqual(told, ["a has it"])
  })

  it("is not entered again by the calls that serving makes", () => {
    const { enter, room, state, told } = world()
    const attempt = (): boolean => {
      room.changed()
      return told.push("asked") > 1
    }
    enter("a", { attempt })
    room.changed()
    room.changed()
    assert.deepStrictEqual(told, ["asked", "asked"])
    assert.isUndefined(state.alarm)
  })

  it("ends the waits of one link", () => {
    const { enter, link, room, told } = world()
    enter("a")
    enter("b", { link: new Link() })
    room.close(link, closed("receive"))
    assert.deepStrictEqual(told, ["a ends with ConnectionFailed"])
  })
})
