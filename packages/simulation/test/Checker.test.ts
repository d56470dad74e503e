import { assert, describe, it } from "@effect/vitest"
import { Checker } from "../src/index.ts"
import type { Promises } from "../src/History.ts"
import { begun, done, history, sent, unnumbered, type Written } from "./histories.ts"

const ordered = { ordered: true }

const session = { session: "a", hold: "h1" } as const

const accepted: Written = ["Accepted"]

const ended: ReadonlyArray<Written> = [["Draining"], ["Finished"]]

interface Case {
  readonly title: string
  readonly written: ReadonlyArray<Written>
  readonly promises?: Partial<Promises>
  /** The checker that complains, and what it says; absent: nobody does. */
  readonly found?: readonly [checker: string, what: RegExp]
}

const second = { token: "d2", node: "w2", count: 2 } as const

const unseen = { ...ordered, complete: false, exclusive: false }

const next = { session: "a", hold: "h2", ...second } as const

/** Two have a session and its message. */
const twice: ReadonlyArray<Written> = [
  ...sent("m1", { session: "a" }),
  accepted,
  ...begun(session),
  ["Accepted", { node: "w2", hold: "h2", at: 1_000, until: 31_000 }],
  ...begun({ ...next, at: 1_000 })
]

/** It is put aside as what its handler failed with. */
const buried = (id = "m1", token = "d1"): ReadonlyArray<Written> => [
  ...begun({ id, token }),
  ["Ended", { id, token, how: "permanent", reason: "Bad" }],
  ["Settling", { id, token, verdict: "DeadLetter", reason: "Bad" }],
  ["Settled", { id, token, verdict: "DeadLetter" }]
]

/** An operator sends it again, the n-th time. */
const resent = (
  of = "m1",
  count = 1,
  more: { readonly session?: string; readonly sequence?: number } = {}
): ReadonlyArray<Written> => {
  const own = { node: "op", id: `${of}.r${count}` }
  const { sequence = 10 * count, ...where } = more
  return [
    ["Submitted", { ...own, of, order: count, ...where }],
    ["Storing", own],
    ["Stored", { ...own, ...where, sequence }]
  ]
}

const removed = (id = "m1", token = "d9"): Written => ["Unburied", { id, token }]

const inA = { session: "a" } as const

const cases: ReadonlyArray<Case> = [
  { title: "R3.2 a message that is handled is fine", written: [...sent(), ...begun(), ...done()] },
  {
    title: "R3.2 a message that was taken and never came is lost",
    written: sent(),
    found: ["total queue", /^m1 was taken and is lost$/u]
  },
  {
    title: "R3.7 one that expired is not lost",
    written: [...sent("m1", { timeToLiveMillis: 50 }), ["Launched", { at: 1_000 }]]
  },
  {
    title: "R3.2 one that is put aside is not lost",
    written: [
      ...sent(),
      ...begun(),
      ["Ended", { how: "permanent", reason: "Bad" }],
      ["Settling", { verdict: "DeadLetter", reason: "Bad" }],
      ["Settled", { verdict: "DeadLetter" }]
    ]
  },
  {
    title: "R3.2 a message that nobody sent",
    written: begun(),
    found: ["total queue", /never sent/u]
  },
  {
    title: "R3.4 a completed message comes back",
    written: [...sent(), ...begun(), ...done(), ["Delivered", second]],
    found: ["total queue", /came again after it was settled/u]
  },
  {
    title: "R3.14 a second copy of one message may come",
    written: [
      ...sent(),
      ["Fault", { refs: ["m1"] }],
      ...sent(),
      ...begun(),
      ...done(),
      ...begun({ token: "d2" }),
      ...done({ token: "d2" })
    ]
  },
  {
    title: "R5.2 a message is completed though its handler failed",
    written: [...sent(), ...begun(), ["Ended", { how: "failed" }], ["Settling"], ["Settled"]],
    found: ["total queue", /no handler of this delivery had succeeded/u]
  },
  {
    title: "R6.1 what was taken is sent again",
    written: [...sent(), ["Storing"], ["Stored", { sequence: 2 }], ...begun(), ...done()],
    found: ["sending", /went out again though it was taken/u]
  },
  {
    title: "R6.1 what may not have been taken is sent again",
    written: [["Submitted"], ["Storing"], ["Storing"], ["Stored"], ["Sent"], ...begun(), ...done()]
  },
  {
    title: "R3.10 a message overtakes another of its session on the way",
    promises: ordered,
    written: [
      ["Submitted", { session: "a" }],
      ["Submitted", { id: "m2", order: 2, session: "a" }],
      ["Storing", { id: "m2" }],
      ["Stored", { id: "m2", session: "a", sequence: 1 }],
      ["Storing"],
      ["Stored", { session: "a", sequence: 2 }],
      ["Left", { place: "deadLetters", id: "m1", reason: "MaxDeliveryCountExceeded", count: 5 }],
      ["Left", { place: "deadLetters", id: "m2", reason: "MaxDeliveryCountExceeded", count: 5 }],
      ["Fault"]
    ],
    found: ["sending", /m1 was taken behind m2/u]
  },
  {
    title: "R4.1 a session in order is fine",
    promises: ordered,
    written: [
      ...sent("m1", { session: "a" }),
      ...sent("m2", { session: "a" }),
      accepted,
      ...begun(session),
      ...done(session),
      ...begun({ ...session, id: "m2", token: "d2" }),
      ...done({ ...session, id: "m2", token: "d2" }),
      ["Released"],
      ...ended
    ]
  },
  {
    title: "R4.1 the second message of a session begins first",
    promises: ordered,
    written: [
      ...sent("m1", { session: "a" }),
      ...sent("m2", { session: "a" }),
      accepted,
      ...begun({ ...session, id: "m2", token: "d2" }),
      ...done({ ...session, id: "m2", token: "d2" }),
      ...begun(session),
      ...done(session)
    ],
    found: ["order", /m2 began before m1 of session a was done/u]
  },
  {
    title: "R4.7 the next message begins before the settlement of the one before is confirmed",
    promises: ordered,
    written: [
      ...sent("m1", { session: "a" }),
      ...sent("m2", { session: "a" }),
      accepted,
      ...begun(session),
      ["Ended"],
      ["Settling"],
      ...begun({ ...session, id: "m2", token: "d2" }),
      ["Settled"],
      ...done({ ...session, id: "m2", token: "d2" })
    ],
    found: ["order", /m2 began before m1/u]
  },
  {
    title: "R4.1 behind one that a crash may have completed the next one may begin",
    promises: { ...ordered, complete: false },
    written: [
      ...sent("m1", { session: "a" }),
      ...sent("m2", { session: "a" }),
      accepted,
      ...begun(session),
      ["Ended"],
      ["Settling"],
      ["Crashed"],
      ["Accepted", { node: "w2", hold: "h2", at: 40_000, until: 70_000 }],
      ...begun({ session: "a", hold: "h2", id: "m2", token: "d2", node: "w2" }),
      ...done({ session: "a", id: "m2", token: "d2", node: "w2" })
    ]
  },
  {
    title: "R4.3 a session is given to two",
    promises: ordered,
    written: [accepted, ["Accepted", { node: "w2", hold: "h2" }]],
    found: ["one holder", /session a was given to w2 while w1 held it/u]
  },
  {
    title: "R4.3 a session whose lock ran out is given to the next",
    promises: ordered,
    written: [accepted, ["Accepted", { node: "w2", hold: "h2", at: 30_001, until: 60_000 }]]
  },
  {
    title: "R4.3 a connection breaks, and its holder is killed before it hears of it",
    promises: unseen,
    written: [...twice, ["Crashed", { at: 2_000 }], ...done({ ...next, at: 3_000 })]
  },
  {
    title: "R4.3 the same of a holder that the broker answered meanwhile",
    promises: unseen,
    written: [
      ...twice,
      ["Renewed", { hold: "h1", at: 1_500, until: 31_500 }],
      ["Crashed", { at: 2_000 }],
      ...done({ ...next, at: 3_000 })
    ],
    found: ["one holder", /m1 began in w2 while w1 held it/u]
  },
  {
    title: "R3.5 two handlers have one message",
    written: [...sent(), ...begun(), ...begun({ token: "d2", node: "w2", count: 1 }), ...done()],
    found: ["one holder", /m1 began in w2 while w1 held it/u]
  },
  {
    title: "R4.7 two messages of a session are at work in one worker",
    promises: ordered,
    written: [
      ...sent("m1", { session: "a" }),
      ...sent("m2", { session: "a" }),
      accepted,
      ...begun(session),
      ...begun({ ...session, id: "m2", token: "d2" }),
      ...done(session),
      ...done({ ...session, id: "m2", token: "d2" })
    ],
    found: ["one holder", /m2 began while m1 of its session was at work/u]
  },
  {
    title: "R3.5 a late settlement changes something",
    written: [
      ...sent(),
      ...begun(),
      ["Delivered", { ...second, at: 30_001, until: 60_000 }],
      ...done()
    ],
    found: ["one holder", /w1 settled m1 though it had been delivered again to w2/u]
  },
  {
    title: "R3.4 a late settlement is refused",
    written: [
      ...sent(),
      ...begun(),
      ["Fault"],
      ["Delivered", { ...second, at: 30_001, until: 60_000 }],
      ["Started", second],
      ["Ended"],
      ["Settling"],
      ["Settled", { result: "ReceiptExpired" }],
      ...done({ token: "d2", node: "w2" })
    ]
  },
  {
    title: "R3.4 a receipt settles twice",
    written: [...sent(), ...begun(), ...done(), ["Settling"], ["Settled"]],
    found: ["settlement", /settled again/u]
  },
  {
    title: "R3.4 a settlement whose reply was lost is tried again",
    written: [
      ...sent(),
      ...begun(),
      ...done(),
      ["Fault", { refs: ["d1"] }],
      ["Settling"],
      ["Settled", { result: "ReceiptExpired" }]
    ]
  },
  {
    title: "R5.2 a handled delivery is never settled",
    written: [...sent(), ...begun(), ["Ended", { how: "failed" }], ["Left", { place: "queue" }]],
    found: ["settlement", /the handler of m1 ended \(failed\) and the delivery was never settled/u]
  },
  {
    title: "R5.2 a delivery whose lock was lost is left alone",
    written: [
      ...sent(),
      ...begun(),
      ["Fault"],
      ["Ended", { how: "interrupted", at: 29_900 }],
      ["Delivered", { ...second, at: 30_001, until: 60_000 }],
      ["Started", second],
      ...done({ token: "d2", node: "w2" })
    ]
  },
  {
    title: "R5.2 a message is put aside as what it did not fail with",
    written: [
      ...sent(),
      ...begun(),
      ["Ended", { how: "failed" }],
      ["Settling", { verdict: "DeadLetter", reason: "Bad" }],
      ["Settled", { verdict: "DeadLetter" }]
    ],
    found: ["dead letters", /put aside as Bad, and ended as failed/u]
  },
  {
    title: "R3.6 a message is put aside too early",
    written: [
      ...sent(),
      ...begun({ count: 4 }),
      ["Ended", { how: "failed" }],
      ["Settling", { verdict: "DeadLetter", reason: "MaxDeliveryCountExceeded" }],
      ["Settled", { verdict: "DeadLetter" }]
    ],
    found: ["dead letters", /on delivery 4 of 5/u]
  },
  {
    title: "R4.7 a message is put aside for company",
    promises: { deliveriesMax: 2 },
    written: [
      ...sent(),
      ["Delivered", { count: 3 }],
      ["Settling", { verdict: "DeadLetter", reason: "MaxDeliveryCountExceeded" }],
      ["Settled", { verdict: "DeadLetter" }]
    ],
    found: ["dead letters", /after 0 handlers/u]
  },
  {
    title: "R5.2 a handler gets a message past its maximum",
    promises: { deliveriesMax: 2 },
    written: [...sent(), ...begun({ count: 3 }), ...done()],
    found: ["dead letters", /delivery 3 of at most 2/u]
  },
  {
    title: "R3.6 the broker puts aside what it did not deliver",
    written: [
      ...sent(),
      ["Left", { place: "deadLetters", reason: "MaxDeliveryCountExceeded", count: 1 }]
    ],
    found: ["dead letters", /the broker put m1 aside after 0 handlers/u]
  },
  {
    title: "R3.7 one that never expires is put aside as expired",
    written: [...sent(), ["Left", { place: "deadLetters", reason: "TTLExpiredException" }]],
    found: ["dead letters", /as expired and has no age/u]
  },
  {
    title: "R3.6 a dead letter that nobody made",
    written: [...sent(), ["Left", { place: "deadLetters", reason: "Gone" }]],
    found: ["dead letters", /nobody put it there/u]
  },
  {
    title: "R7.1 a dead letter that is sent again, removed and handled is fine",
    written: [
      ...sent(),
      ...buried(),
      ["Operating"],
      ["Taken"],
      ...resent(),
      removed(),
      ["Told"],
      ["Operated"],
      ...begun({ id: "m1.r1", token: "d2" }),
      ...done({ id: "m1.r1", token: "d2" })
    ]
  },
  {
    title: "R7.1 a replay that is sent again is lost",
    written: [...sent(), ...buried(), ["Operating"], ["Taken"], ...resent(), removed()],
    found: ["total queue", /m1\.r1 was taken and is lost/u]
  },
  {
    title: "R7.1 a dead letter is removed and was not sent again",
    written: [...sent(), ...buried(), ["Operating"], ["Taken"], removed()],
    found: ["operator", /removed, and it had not been sent again/u]
  },
  {
    title: "R7.1 a replay that the broker takes for another one is not there",
    written: [
      ...sent(),
      ...buried(),
      ["Operating"],
      ["Taken"],
      ["Submitted", { node: "op", id: "m1.r1", of: "m1" }],
      ["Storing", { node: "op", id: "m1.r1" }],
      ["Stored", { node: "op", id: "m1.r1", ...unnumbered }],
      removed()
    ],
    found: ["operator", /it had not been sent again/u]
  },
  {
    title: "R7.1 a replay says that a letter is done with which is still there",
    written: [
      ...sent(),
      ...buried(),
      ["Operating"],
      ["Taken"],
      ...resent(),
      ["Told"],
      ["Left", { id: "m1", place: "deadLetters" }],
      ["Left", { id: "m1.r1", place: "queue" }]
    ],
    found: ["operator", /is said to be done with, and is among the dead letters still/u]
  },
  {
    title: "R7.1 a replay sends one letter twice",
    written: [...sent(), ...buried(), ["Operating"], ["Taken"], ...resent(), ...resent("m1", 2)],
    found: ["operator", /more often than it was among the dead letters/u]
  },
  {
    title: "R7.1 a replay takes what it has sent and failed again",
    written: [
      ...sent(),
      ...buried(),
      ["Operating"],
      ["Taken"],
      ...resent(),
      removed(),
      ...buried("m1.r1", "d2"),
      ["Taken", { id: "m1.r1", token: "d8" }],
      ...resent("m1", 2)
    ],
    found: ["operator", /more often than it was among the dead letters/u]
  },
  {
    title: "R7.1 a replay sends a session in another order",
    promises: ordered,
    written: [
      ["Operating"],
      ["Taken", { id: "m1", token: "d8", sequence: 1 }],
      ["Taken", { id: "m2", token: "d9", sequence: 2 }],
      ...resent("m2", 1, { ...inA, sequence: 11 }),
      ...resent("m1", 1, { ...inA, sequence: 12 })
    ],
    found: ["operator", /a replay sent m1 behind m2 of session a/u]
  },
  {
    title: "R7.1 a replay goes on behind a failure of the session",
    promises: ordered,
    written: [
      ["Operating"],
      ["Taken", { id: "m2", token: "d9" }],
      ["Told", { id: "m1", ...inA, outcome: "failed" }],
      ...resent("m2", 1, inA),
      removed("m2"),
      ["Told", { id: "m2", ...inA }]
    ],
    found: ["operator", /m2 was sent again behind m1, which had failed/u]
  },
  {
    title: "R7.1 a letter is removed that was not selected",
    written: [
      ...sent(),
      ...buried(),
      ["Operating", { only: ["m2"] }],
      ["Taken"],
      ...resent(),
      removed()
    ],
    found: ["operator", /removed m1, which was not meant/u]
  },
  {
    title: "R7.1 a purge removes what is too young",
    written: [
      ...sent(),
      ...buried(),
      ["Operating", { what: "purge", olderThanMillis: 1_000 }],
      ["Taken"],
      removed()
    ],
    found: ["operator", /before its 1000 ms/u]
  },
  {
    title: "R7.1 a purge removes what is old enough",
    written: [
      ...sent(),
      ...buried(),
      ["Operating", { what: "purge", olderThanMillis: 1_000, at: 2_000 }],
      ["Taken"],
      removed(),
      ["Told"],
      ["Operated", { what: "purge" }]
    ]
  },
  {
    title: "R7.1 a listing leaves one out",
    written: [
      ...sent(),
      ...buried(),
      ["Operating", { what: "list" }],
      ["Operated", { what: "list" }],
      ["Left", { place: "deadLetters" }]
    ],
    found: ["operator", /m1 is among the dead letters and was not listed/u]
  },
  {
    title: "R7.1 a listing shows one twice",
    written: [
      ["Operating", { what: "list" }],
      ["Told", { outcome: "listed" }],
      ["Told", { outcome: "listed" }]
    ],
    found: ["operator", /m1 was listed twice/u]
  },
  {
    title: "R7.1 an operator leaves a letter locked",
    written: [["Operating"], ["Taken"], ["Operated"]],
    found: ["operator", /left the dead letter of m1 locked/u]
  },
  {
    title: "R7.1 one that was killed leaves it to its lock",
    written: [["Operating"], ["Taken"], ["Crashed", { node: "op" }]]
  },
  {
    title: "R7.1 one that something went wrong for may leave it",
    written: [["Operating"], ["Taken"], ["Fault", { node: "op" }], ["Operated"]]
  },
  {
    title: "R4.1 of two that were sent side by side either may be first where nobody tells",
    promises: { ...ordered, complete: false },
    written: [
      ["Submitted", inA],
      ["Submitted", { id: "m2", node: "p2", order: 1, ...inA }],
      ["Storing"],
      ["Storing", { id: "m2", node: "p2" }],
      ["Stored", { ...inA, ...unnumbered }],
      ["Stored", { id: "m2", node: "p2", ...inA, ...unnumbered }],
      accepted,
      ...begun({ ...session, id: "m2", token: "d2" }),
      ...done({ ...session, id: "m2", token: "d2" }),
      ...begun(session),
      ...done(session)
    ]
  },
  {
    title: "R4.1 one that was taken before the other was sent is first",
    promises: { ...ordered, complete: false },
    written: [
      ["Submitted", inA],
      ["Storing"],
      ["Stored", { ...inA, ...unnumbered }],
      ["Submitted", { id: "m2", node: "p2", order: 1, ...inA }],
      ["Storing", { id: "m2", node: "p2" }],
      ["Stored", { id: "m2", node: "p2", ...inA, ...unnumbered }],
      accepted,
      ...begun({ ...session, id: "m2", token: "d2" }),
      ...done({ ...session, id: "m2", token: "d2" }),
      ...begun(session),
      ...done(session)
    ],
    found: ["order", /m2 began before m1 of session a was done/u]
  },
  {
    title: "R3.6 one that a settlement put aside whose answer got lost",
    promises: { complete: false },
    written: [
      ...sent(),
      ...begun(),
      ["Ended", { how: "permanent", reason: "Bad" }],
      ["Settling", { verdict: "DeadLetter", reason: "Bad" }],
      ["Settled", { verdict: "DeadLetter", result: "Timeout" }],
      ["Left", { place: "deadLetters", reason: "MaxDeliveryCountExceeded", count: 1 }]
    ]
  },
  {
    title: "R3.8 a message comes before it is due",
    written: [...sent("m1", { delayMillis: 1_000 }), ...begun(), ...done()],
    found: ["timing", /too early/u]
  },
  {
    title: "R3.7 a message comes after it expired",
    written: [
      ...sent("m1", { timeToLiveMillis: 50 }),
      ["Delivered", { at: 1_000 }],
      ["Started"],
      ...done()
    ],
    found: ["timing", /after it expired/u]
  },
  {
    title: "R3.5 an abandoned message comes before its backoff is over",
    written: [
      ...sent(),
      ...begun(),
      ["Ended", { how: "failed" }],
      ["Settling", { verdict: "Abandon", delayMillis: 1_000 }],
      ["Settled", { verdict: "Abandon", delayMillis: 1_000 }],
      ["Delivered", { ...second, at: 500 }],
      ["Started", second],
      ...done({ token: "d2", node: "w2" })
    ],
    found: ["timing", /before its backoff was over/u]
  },
  {
    title: "R5.7 an effect is applied twice",
    promises: { idempotent: true },
    written: [...sent(), ...begun(), ["Applied"], ["Applied"], ...done()],
    found: ["effects", /charge m1 was applied again/u]
  },
  {
    title: "R5.1 a lock runs out in its handler though nothing was wrong",
    written: [...sent(), ...begun(), ["Ended", { at: 40_000 }], ["Settling"], ["Settled"]],
    found: ["locks kept", /ran out in its handler/u]
  },
  {
    title: "R5.1 a renewed lock holds",
    written: [
      ...sent(),
      ...begun(),
      ["Renewed", { token: "d1", at: 15_000, until: 45_000 }],
      ["Ended", { at: 40_000 }],
      ["Settling"],
      ["Settled"]
    ]
  },
  {
    title: "R5.1 a handler begins when its lock is over",
    written: [...sent(), ["Delivered"], ["Started", { at: 31_000 }], ...done()],
    found: ["locks kept", /began in w1 when its lock was over/u]
  },
  {
    title: "R5.3 a worker ends with a handler at work",
    written: [...sent(), ...begun(), ...ended, ...done()],
    found: ["drain", /w1 ended with a handler of m1 at work/u]
  },
  {
    title: "R5.3 a worker ends and leaves a session locked",
    promises: ordered,
    written: [accepted, ...ended],
    found: ["drain", /left session a locked/u]
  },
  {
    title: "R5.3 a worker ends and leaves a message locked",
    written: [...sent(), ["Delivered"], ...ended, ["Left", { place: "queue" }]],
    found: ["drain", /w1 ended and left m1 locked/u]
  },
  {
    title: "R3.2 a message is in the queue when all is over",
    written: [...sent(), ["Left"]],
    found: ["drain", /m1 is still in the queue/u]
  },
  {
    title: "R5.1 a worker takes more than it has room for",
    promises: { inHandMax: 1 },
    written: [
      ...sent(),
      ...sent("m2"),
      ...begun(),
      ...begun({ id: "m2", token: "d2" }),
      ...done(),
      ...done({ id: "m2", token: "d2" })
    ],
    found: ["bounds", /had 2 deliveries in hand and has room for 1/u]
  },
  {
    title: "R10.7 a number is above its bound",
    written: [["Gauge", { value: 3, max: 2 }]],
    found: ["bounds", /w1 had 3 things, and the bound is 2/u]
  },
  {
    title: "R1.5 a handler gets another body",
    written: [...sent(), ["Delivered"], ["Started", { digest: 8 }], ...done()],
    found: ["bodies", /another body of m1/u]
  },
  {
    title: "R8.1 a body goes out in plain text",
    promises: { sealed: true },
    written: [...sent(), ...begun(), ...done()],
    found: ["bodies", /m1 went out in plain text/u]
  },
  {
    title: "R5.4 nothing goes on",
    written: [["Stuck", { why: "spinning" }]],
    found: ["progress", /went round without time passing/u]
  },
  {
    title: "R5.4 a worker ends by an error",
    written: [["Finished", { reason: "ConnectionFailed" }]],
    found: ["progress", /w1 ended with ConnectionFailed/u]
  },
  {
    title: "R5.3 a worker ends though nobody asked it to",
    written: [["Finished"]],
    found: ["progress", /nobody had asked it to/u]
  },
  { title: "R5.3 a worker ends when it is asked to", written: ended }
]

describe("Checker", () => {
  it.each(cases)("$title", ({ found, promises, written }) => {
    const violations = Checker.check(history(written, promises))
    if (found === undefined) {
      assert.deepStrictEqual(violations, [])
      return
    }
    const [checker, what] = found
    const own = violations.filter((one) => one.checker === checker)
    assert.strictEqual(own.length, 1, JSON.stringify(violations))
    assert.match(own[0]?.what ?? "", what)
  })

  it("R12.2 each checker has a history that it complains of, and all have a rule in words", () => {
    const complaining = new Set(cases.flatMap(({ found }) => found?.[0] ?? []))
    assert.deepStrictEqual(
      Checker.all.map(({ name }) => name).filter((name) => !complaining.has(name)),
      []
    )
    for (const { rule } of Checker.all) assert.isAbove(rule.length, 20)
  })

  it("checkers are linear: ten times the events take about ten times as long", () => {
    const of = (count: number) => {
      const written: Array<Written> = []
      for (let index = 1; index <= count; index++) {
        const where = { id: `m${index}`, token: `d${index}` }
        written.push(...sent(where.id), ...begun(where), ...done(where))
      }
      return history(written)
    }
    const cost = (count: number): number => {
      const made = of(count)
      Checker.check(made)
      const before = process.cpuUsage()
      Checker.check(made)
      const { system, user } = process.cpuUsage(before)
      return user + system
    }
    const small = Math.min(...Array.from({ length: 3 }, () => cost(2_000)))
    const large = Math.min(...Array.from({ length: 3 }, () => cost(20_000)))
    // A quadratic one would take a hundred times as long.
    assert.isBelow(large / small, 40)
  })
})
