import { assert, describe, it } from "@effect/vitest"
import { MessageId, SessionId } from "@queue-runtime/core"
import type * as History from "../../src/demo/History.ts"
import type * as Plan from "../../src/demo/Plan.ts"
import * as Verification from "../../src/demo/Verification.ts"

const session = SessionId.makeUnsafe("acme/shop/pull/1")

const other = SessionId.makeUnsafe("acme/shop/pull/2")

const planned = (id: string, changes: Partial<Plan.Planned> = {}): Plan.Planned => ({
  id: MessageId.makeUnsafe(id),
  event: "push",
  session,
  fault: "none",
  isRepeated: false,
  status: 202,
  body: () => new Uint8Array(),
  ...changes
})

const answered = (id: string, status = 202, at: string = session): History.Event => ({
  _tag: "Answered",
  id,
  session: at,
  status
})

const started = (id: string, at: string = session): History.Event => ({
  _tag: "Started",
  id,
  session: at
})

const ended = (id: string, succeeded = true, at: string = session): History.Event => ({
  _tag: "Ended",
  id,
  session: at,
  succeeded
})

const settled = (
  id: string,
  as: "Abandoned" | "Completed" | "DeadLettered" = "Completed",
  at: string = session
): History.Event => ({ _tag: "Settled", id, session: at, as })

const notified = (id: string, at: string = session): History.Event => ({
  _tag: "Notified",
  id,
  session: at
})

const processed = (id: string, at: string = session): ReadonlyArray<History.Event> => [
  started(id, at),
  notified(id, at),
  ended(id, true, at),
  settled(id, "Completed", at)
]

const failed = (id: string, as: "Abandoned" | "DeadLettered"): ReadonlyArray<History.Event> => [
  started(id),
  ended(id, false),
  settled(id, as)
]

/** A good run: a, b (retried), p (put aside), c and a ping in one session, d in another, x refused. */
const good: Verification.Evidence = {
  plan: [
    planned("a"),
    planned("b"),
    planned("p", { event: "page_build" }),
    planned("c"),
    planned("ping", { event: "ping" }),
    planned("x", { fault: "wrong signature", status: 401 }),
    planned("a", { isRepeated: true }),
    planned("d", { session: other })
  ],
  events: [
    answered("a"),
    answered("b"),
    answered("p"),
    ...processed("a"),
    ...failed("b", "Abandoned"),
    answered("c"),
    answered("ping"),
    answered("x", 401),
    answered("a"),
    answered("d", 202, other),
    ...processed("b"),
    ...failed("p", "Abandoned"),
    ...failed("p", "DeadLettered"),
    ...processed("d", other),
    ...processed("c"),
    started("ping"),
    ended("ping"),
    settled("ping")
  ],
  deadLetters: [{ id: "p", session, event: "page_build", reason: "MaxDeliveryCountExceeded" }],
  timelines: new Map([
    [session, ["a", "b", "c", "ping"]],
    [other, ["d"]]
  ]),
  stored: 6,
  readable: [],
  left: 0
}

const without = (id: string, ...tags: ReadonlyArray<History.Event["_tag"]>) =>
  good.events.filter((event) => event.id !== id || !tags.includes(event._tag))

/** The good run with one thing changed. */
const tampered = (changes: Partial<Verification.Evidence>) =>
  Verification.violations({ ...good, ...changes })

/** What was found instead, if not this. */
const missed = (changes: Partial<Verification.Evidence>, problem: string | RegExp) => {
  const found = tampered(changes)
  const isFound = found.some((text) =>
    typeof problem === "string" ? text === problem : problem.test(text)
  )
  return isFound ? undefined : found
}

describe("Verification", () => {
  it("finds nothing wrong with a good run", () => {
    assert.deepStrictEqual(tampered({}), [])
  })

  it("finds a lost message", () => {
    const events = without("c", "Started", "Notified", "Ended", "Settled")
    assert.isUndefined(missed({ events }, "c was accepted and is lost"))
  })

  it("finds a message that was begun and never ended", () => {
    assert.isUndefined(
      missed({ events: without("c", "Ended", "Settled") }, "c was accepted and is lost")
    )
  })

  it("finds a message processed twice", () => {
    assert.isUndefined(
      missed({ events: [...good.events, ...processed("a")] }, "a was processed 2 times")
    )
  })

  it("finds one that was processed and put aside", () => {
    const letter = { id: "c", session, event: "push", reason: "x" }
    assert.isUndefined(
      missed(
        { deadLetters: [...good.deadLetters, letter] },
        "c was processed and is among the dead letters too"
      )
    )
  })

  it("finds a dead letter that is there twice", () => {
    assert.isUndefined(
      missed(
        { deadLetters: [...good.deadLetters, ...good.deadLetters] },
        "p is 2 times among the dead letters"
      )
    )
  })

  it("finds a dead letter without a cause, and one for another cause", () => {
    const events = [
      ...without("c", "Started", "Notified", "Ended", "Settled"),
      ...failed("c", "DeadLettered")
    ]
    const letter = { id: "c", session, event: "push", reason: "MaxDeliveryCountExceeded" }
    assert.isUndefined(
      missed(
        { events, deadLetters: [...good.deadLetters, letter] },
        "c was put aside for MaxDeliveryCountExceeded and not for anything"
      )
    )
    assert.isUndefined(
      missed(
        { deadLetters: [{ id: "p", session, event: "page_build", reason: "DownstreamRefused" }] },
        "p was put aside for DownstreamRefused and not for MaxDeliveryCountExceeded"
      )
    )
  })

  it("finds a dead letter that vanished", () => {
    assert.isUndefined(
      missed({ deadLetters: [] }, "p was put aside and is not among the dead letters")
    )
    assert.isUndefined(missed({ deadLetters: [] }, "p was accepted and is lost"))
  })

  it("finds a refused one that was processed", () => {
    const events = [...good.events, ...processed("x")]
    assert.isUndefined(missed({ events }, "x was never accepted and was processed"))
  })

  it("finds an answer that was not planned, and a missing one", () => {
    const accepted = good.events.map((event) => (event.id === "x" ? answered("x") : event))
    assert.isUndefined(missed({ events: accepted }, "x was answered 202 and not 401"))
    assert.isUndefined(
      missed({ events: without("x", "Answered") }, "x was answered never and not 401")
    )
  })

  it("finds messages processed out of order", () => {
    const events = [
      ...without("c", "Started", "Notified", "Ended", "Settled").slice(0, 3),
      ...processed("c"),
      ...without("c", "Started", "Notified", "Ended", "Settled").slice(3)
    ]
    assert.isUndefined(
      missed(
        { events },
        /^session acme\/shop\/pull\/1: began with c at place 1, where a was accepted$/u
      )
    )
    assert.isUndefined(missed({ events }, /processed c at place 1/u))
  })

  it("finds one that began before the one in front of it was put aside", () => {
    const rest = without("c", "Started", "Notified", "Ended", "Settled")
    const at = rest.findIndex(({ id, _tag }) => id === "p" && _tag === "Started")
    const events = [...rest.slice(0, at), ...processed("c"), ...rest.slice(at)]
    assert.isUndefined(missed({ events }, /began with c at place 3, where p was accepted/u))
  })

  it("finds what the downstream was told out of order, or not at all", () => {
    const events = [...good.events.slice(0, 3), notified("c"), ...good.events.slice(3)]
    assert.isUndefined(
      missed({ events }, /told the downstream c at place 1, where a was accepted/u)
    )
    assert.isUndefined(
      missed(
        { events: without("c", "Notified") },
        /told the downstream nothing at place 3, where c/u
      )
    )
  })

  it("finds a timeline that is out of order, short or too long", () => {
    const timeline = (...ids: ReadonlyArray<string>) => ({
      timelines: new Map([...good.timelines, [session, ids]] as const)
    })
    assert.isUndefined(
      missed(timeline("b", "a", "c", "ping"), /entered in the timeline b at place 1/u)
    )
    assert.isUndefined(
      missed(timeline("a", "b", "c"), /entered in the timeline nothing at place 4, where ping/u)
    )
    assert.isUndefined(
      missed(
        timeline("a", "b", "c", "ping", "x"),
        /entered in the timeline x at place 5, where nothing/u
      )
    )
  })

  it("finds a session handled twice at once", () => {
    const events = [...good.events.slice(0, 4), started("b"), ...good.events.slice(4)]
    assert.isUndefined(missed({ events }, "session acme/shop/pull/1: b began while a was at work"))
  })

  it("finds a message in another session", () => {
    const elsewhere = "acme/shop/pull/3"
    const events = [
      ...without("d", "Answered", "Started", "Notified", "Ended", "Settled"),
      answered("d", 202, elsewhere),
      ...processed("d", elsewhere)
    ]
    assert.isUndefined(
      missed(
        { events },
        /^d was Started in session acme\/shop\/pull\/3 and not in acme\/shop\/pull\/2$/u
      )
    )
  })

  it("finds a body that lay readable in the queue", () => {
    assert.isUndefined(missed({ readable: ["a"] }, "a lay readable in the queue"))
  })

  it("tells which were handled and came again for want of a settlement", () => {
    assert.deepStrictEqual(Verification.unsettled(good), [])
    const again = { ...settled("a"), as: "Unsettled" } as const
    assert.deepStrictEqual(Verification.unsettled({ ...good, events: [again, again] }), ["a"])
  })

  it("finds messages that are still in the queue", () => {
    assert.isUndefined(missed({ left: 2 }, "2 messages are still in the queue"))
  })
})
