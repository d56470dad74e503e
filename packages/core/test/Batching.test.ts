import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Batching from "../src/Batching.ts"
import * as Defaults from "../src/Defaults.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Verdict from "../src/Verdict.ts"
import { noDurations } from "./support/Clients.ts"
import * as Merged from "./support/Merged.ts"
import * as RecordingProvider from "./support/RecordingProvider.ts"
import { type Faults, ordered } from "./support/ScriptedProvider.ts"
import { pass, quiet } from "./support/Time.ts"

const { answers, calls, message, orders, roundTrip, sendEach } = Merged

const numbered = (count: number, prefix = "m") =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

const settleEach = (
  { batching }: Merged.Merged,
  ...wanted: ReadonlyArray<
    readonly [Parameters<typeof batching.settle>[0][number], Verdict.Verdict]
  >
) =>
  Effect.forEach(wanted, ([receipt, verdict]) => Merged.start(batching.settle([receipt], verdict)))

/** Interrupts a caller, which must be there. */
const stop = <A, E>(fiber: Fiber.Fiber<A, E> | undefined) => {
  assert(fiber !== undefined)
  return Fiber.interrupt(fiber)
}

const throttled = QueueError.make(new QueueError.Throttled())

describe("Batching", () => {
  describe("merging", () => {
    it.effect(
      "R3.10 sends of one tick go out in one call, and each caller gets its own outcome",
      () =>
        Effect.gen(function* () {
          const merged = yield* Merged.make()
          const callers = yield* sendEach(merged, ...numbered(5).map((id) => message(id)))
          yield* pass(roundTrip)
          assert.deepStrictEqual(calls(merged), ["m0 m1 m2 m3 m4"])
          assert.deepStrictEqual(answers(callers), numbered(5))
        })
    )

    it.effect("R3.10 a lone caller waits for nobody", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ linger: "1 hour" })
        yield* sendEach(merged, message("a"))
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["a"])
        yield* pass(roundTrip)
        const [second] = yield* sendEach(merged, message("b"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(second === undefined ? [] : [second]), ["b"])
      })
    )

    it.effect(
      "R3.10 what comes while a call is under way goes out when it has ended, together",
      () =>
        Effect.gen(function* () {
          const merged = yield* Merged.make({ linger: "1 hour" })
          const callers = [...(yield* sendEach(merged, message("a")))]
          yield* quiet
          callers.push(...(yield* sendEach(merged, message("b"))))
          yield* pass("50 millis")
          callers.push(...(yield* sendEach(merged, message("c"))))
          yield* pass("49 millis")
          assert.deepStrictEqual(calls(merged), ["a"])
          yield* pass("1 millis")
          assert.deepStrictEqual(calls(merged), ["a", "b c"])
          yield* pass(roundTrip)
          assert.deepStrictEqual(answers(callers), ["a", "b", "c"])
        })
    )

    it.effect("R3.10 or after the linger: from the oldest on, and again for those after it", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make()
        const linger = Duration.toMillis(Defaults.batchLinger)
        yield* sendEach(merged, message("a"))
        yield* quiet
        yield* sendEach(merged, message("b"))
        yield* pass(linger - 1)
        yield* sendEach(merged, message("c"))
        assert.deepStrictEqual(calls(merged), ["a"])
        yield* pass(1)
        assert.deepStrictEqual(calls(merged), ["a", "b c"])
        yield* sendEach(merged, message("d"))
        yield* pass(linger)
        assert.deepStrictEqual(calls(merged), ["a", "b c", "d"])
      })
    )

    it.effect("R3.10 without a linger every call that is free takes what there is", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ linger: 0, callsMax: 2 })
        for (const id of ["a", "b", "c", "d"]) {
          yield* sendEach(merged, message(id))
          yield* quiet
        }
        assert.deepStrictEqual(calls(merged), ["a", "b"])
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a", "b", "c d"])
      })
    )

    it.effect("R3.10 a full batch never waits, and no more calls than allowed are under way", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make(
          { linger: "1 hour", callsMax: 3 },
          { queue: { sendCountMax: 2 } }
        )
        yield* sendEach(merged, message("a"))
        yield* quiet
        const callers = yield* sendEach(merged, ...numbered(8).map((id) => message(id)))
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["a", "m0 m1", "m2 m3"])
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a", "m0 m1", "m2 m3", "m4 m5", "m6 m7"])
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(callers), numbered(8))
      })
    )

    it.effect("R3.10 what is left of a full batch waits for company like any other", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ linger: "1 hour" }, { queue: { sendCountMax: 2 } })
        yield* sendEach(merged, message("x"))
        yield* quiet
        yield* sendEach(merged, message("a"), message("b"), message("c"))
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["x", "a b"])
        yield* sendEach(merged, message("d"))
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["x", "a b", "c d"])
      })
    )

    it.effect("R3.10 a call holds as many bytes as one of the provider may", () =>
      Effect.gen(function* () {
        // Each counts its body and an id of one byte.
        const merged = yield* Merged.make({}, { queue: { sendSizeMax: 100 } })
        const callers = yield* sendEach(
          merged,
          message("a", undefined, 49),
          message("b", undefined, 49),
          message("c", undefined, 1),
          message("d", undefined, 98),
          message("e", undefined, 1)
        )
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a b", "c", "d", "e"])
        assert.deepStrictEqual(answers(callers), ["a", "b", "c", "d", "e"])
      })
    )

    it.effect("R3.9 a caller's own batch is merged if it fits, and never split", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({}, { queue: { sendCountMax: 4 } })
        const list = (...ids: ReadonlyArray<string>) => ids.map((id) => message(id))
        const callers = yield* Merged.send(
          merged,
          list("a", "b"),
          list("c", "d"),
          list("e", "f", "g")
        )
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a b c d", "e f g"])
        assert.deepStrictEqual(answers(callers), ["a b", "c d", "e f g"])
      })
    )

    it.effect("R3.9 more than one call takes goes to the provider alone, as it is", () =>
      Effect.gen(function* () {
        const { calls: made, provider } = RecordingProvider.make({})
        const batching = yield* Batching.make(provider)
        const many = numbered(11).map(RecordingProvider.message)
        const few = [RecordingProvider.message("a")]
        yield* Effect.all([batching.send(orders, few), batching.send(orders, many)], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(made, [
          ["send", orders, few],
          ["send", orders, many]
        ])
      })
    )

    it.effect("R3.10 settlements are merged by address and equal verdict alone", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ linger: 0 })
        const receipts = yield* Merged.deliveries(merged, numbered(12))
        const verdicts = [
          Verdict.complete,
          Verdict.abandon(Duration.seconds(1)),
          Verdict.abandon(Duration.seconds(2)),
          Verdict.deadLetter("A"),
          Verdict.deadLetter("A", ""),
          Verdict.deadLetter("B")
        ]
        const wanted = receipts.flatMap((receipt, index) => {
          const verdict = verdicts[index % verdicts.length]
          return verdict === undefined ? [] : [[receipt, verdict] as const]
        })
        assert.strictEqual(wanted.length, 10)
        const callers = yield* settleEach(merged, ...wanted)
        yield* pass(roundTrip)
        assert.deepStrictEqual(
          answers(callers),
          wanted.map(() => "ok")
        )
        const made = merged.broker
          .calls("settle")
          .map(({ ids, verdict }) => [ids.join(" "), verdict])
        assert.deepStrictEqual(made, [
          ["m0 m6", verdicts[0]],
          ["m1 m7", verdicts[1]],
          ["m2 m8", verdicts[2]],
          ["m3 m9", verdicts[3]],
          ["m4", verdicts[4]],
          ["m5", verdicts[5]]
        ])
      })
    )

    it.effect("R3.10 kinds of settlements take turns", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ callsMax: 1 }, { queue: { settleCountMax: 2 } })
        const receipts = yield* Merged.deliveries(merged, numbered(6))
        yield* settleEach(
          merged,
          ...receipts.map(
            (receipt, index) =>
              [receipt, index === 5 ? Verdict.abandon() : Verdict.complete] as const
          )
        )
        for (const _ of numbered(4)) yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged, "settle"), ["m0 m1", "m5", "m2 m3", "m4"])
      })
    )

    it.effect("R3.10 a queue and its dead letters are not merged", () =>
      Effect.gen(function* () {
        const { calls: made, provider } = RecordingProvider.make({})
        const batching = yield* Batching.make(provider)
        const queue = RecordingProvider.delivery(QueueAddress.queue(orders), "1").receipt
        const dead = RecordingProvider.delivery(QueueAddress.deadLetter(orders), "2").receipt
        yield* Effect.forEach(
          [queue, dead],
          (receipt) => batching.settle([receipt], Verdict.complete),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(made, [
          ["settle", [queue], Verdict.complete],
          ["settle", [dead], Verdict.complete]
        ])
      })
    )

    it.effect("R3.10 renewals are merged, and a used receipt fails its caller alone", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make()
        const receipts = yield* Merged.deliveries(merged, numbered(3))
        yield* merged.broker.service.settle(receipts.slice(1, 2), Verdict.complete).pipe(
          Effect.forkChild,
          Effect.tap(() => pass(roundTrip))
        )
        const callers = yield* Effect.forEach(receipts, (receipt) =>
          Merged.start(merged.batching.renewLock([receipt]))
        )
        yield* pass(roundTrip)
        assert.strictEqual(merged.broker.calls("renewLock").length, 1)
        assert.deepStrictEqual(answers(callers), ["ok", "ReceiptExpired", "ok"])
      })
    )
  })

  describe("failures", () => {
    it.effect("R3.10 an entry that fails fails its caller alone", () =>
      Effect.gen(function* () {
        const each = (_: unknown, id: string) => (id === "m1" ? throttled : undefined)
        const merged = yield* Merged.make({}, { faults: { each } })
        const [a, b, c] = numbered(3).map((id) => message(id))
        assert(a !== undefined && b !== undefined && c !== undefined)
        const callers = yield* Merged.send(merged, [a, b], [c])
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(callers), ["m0 Throttled", "m2"])
      })
    )

    it.effect("R3.10 a call that fails as a whole fails each caller with that error", () =>
      Effect.gen(function* () {
        const before = () => Effect.delay(Effect.fail(throttled), roundTrip)
        const merged = yield* Merged.make({}, { faults: { before } })
        const callers = yield* sendEach(merged, message("a"), message("b"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a b"])
        assert.deepStrictEqual(answers(callers), ["!Throttled", "!Throttled"])
      })
    )

    it.effect(
      "R1.7 a message over the limit is refused to its caller alone, before it is merged",
      () =>
        Effect.gen(function* () {
          const before = ({ ids }: { readonly ids: ReadonlyArray<string> }) =>
            ids.includes("b") ? Effect.fail(tooLarge(ids.indexOf("b"))) : Effect.void
          const merged = yield* Merged.make(
            {},
            { queue: { messageSizeMax: 100 }, faults: { before } }
          )
          const callers = yield* sendEach(
            merged,
            message("a"),
            message("b", undefined, 100),
            message("c")
          )
          yield* pass(roundTrip)
          assert.deepStrictEqual(calls(merged), ["a", "b", "c"])
          assert.deepStrictEqual(answers(callers), ["a", "!MessageTooLarge", "c"])
        })
    )

    const tooLarge = (index: number) =>
      QueueError.make(new QueueError.MessageTooLarge({ actualBytes: 2, maximumBytes: 1, index }))

    it.effect("R1.7 so is one that only the provider finds too large: the others are sent", () =>
      Effect.gen(function* () {
        const before = ({ ids }: { readonly ids: ReadonlyArray<string> }) =>
          ids.includes("m3") ? Effect.fail(tooLarge(ids.indexOf("m3"))) : Effect.void
        const merged = yield* Merged.make({}, { faults: { before } })
        const messages = numbered(6).map((id) => message(id))
        const callers = yield* Merged.send(
          merged,
          messages.slice(0, 2),
          messages.slice(2, 4),
          messages.slice(4, 5),
          messages.slice(5)
        )
        yield* quiet
        assert.deepStrictEqual(answers(callers), ["m0 m1", "!MessageTooLarge", "m4", "m5"])
        assert.deepStrictEqual(calls(merged), ["m0 m1 m2 m3 m4 m5", "m0 m1", "m2 m3", "m4 m5"])
        const [, second] = callers
        assert(second !== undefined)
        const { reason: why } = yield* Effect.flip(Effect.flatten(Fiber.join(second)))
        // Its place in the caller's own batch.
        assert.strictEqual(why._tag === "MessageTooLarge" ? why.index : undefined, 1)
      })
    )

    /** What a caller was answered, a failure by the message that it names. */
    const namedBy = Effect.fnUntraced(function* (
      callers: Effect.Success<ReturnType<typeof sendEach>>,
      place: number
    ) {
      const caller = callers[place]
      assert(caller !== undefined)
      const outcomes = yield* Effect.flatten(Fiber.join(caller))
      return outcomes.map((one) =>
        Result.isFailure(one) ? QueueError.indexOf(one.failure) : String(one.success.messageId)
      )
    })

    it.effect("R1.7 so it is when others were sent: each caller's error names one of its own", () =>
      Effect.gen(function* () {
        const isBad = (id: string): boolean => ["m1", "m4"].includes(id)
        const each: Faults["each"] = ({ ids }, id) =>
          isBad(id) ? tooLarge(ids.indexOf(id)) : undefined
        const merged = yield* Merged.make({}, { faults: { each } })
        const messages = numbered(6).map((id) => message(id))
        const callers = yield* Merged.send(
          merged,
          messages.slice(0, 2),
          messages.slice(2, 5),
          messages.slice(5)
        )
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["m0 m1 m2 m3 m4 m5"])
        assert.deepStrictEqual(yield* namedBy(callers, 0), ["m0", 1])
        assert.deepStrictEqual(yield* namedBy(callers, 1), ["m2", "m3", 2])
        assert.deepStrictEqual(yield* namedBy(callers, 2), ["m5"])
      })
    )

    it.effect("R1.7 what was not sent for another's message that is too large is sent again", () =>
      Effect.gen(function* () {
        // As a service does that takes the call in parts: behind the bad one nothing goes.
        const each: Faults["each"] = ({ ids }, id) => {
          const bad = ids.indexOf("m3")
          return bad >= 0 && ids.indexOf(id) >= bad ? tooLarge(bad) : undefined
        }
        const merged = yield* Merged.make({}, { faults: { each } })
        const messages = numbered(6).map((id) => message(id))
        const callers = yield* Merged.send(
          merged,
          messages.slice(0, 2),
          messages.slice(2, 4),
          messages.slice(4, 5),
          messages.slice(5)
        )
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["m0 m1 m2 m3 m4 m5", "m4", "m5"])
        assert.deepStrictEqual(answers(callers), ["m0 m1", "m2 MessageTooLarge", "m4", "m5"])
        assert.deepStrictEqual(yield* namedBy(callers, 1), ["m2", 1])
      })
    )

    /** `a` is too large, and with it fail `c` and `e` of a caller whose `b` and `d` are sent. */
    const behind = Effect.fnUntraced(function* (second: Faults) {
      const each: Faults["each"] = (call, id) => {
        if (call.nth > 1) return second.each?.(call, id)
        return ["a", "c", "e"].includes(id) ? tooLarge(0) : undefined
      }
      const before: Faults["before"] = (call) =>
        Effect.andThen(
          Effect.sleep(roundTrip),
          call.nth > 1 ? (second.before?.(call) ?? Effect.void) : Effect.void
        )
      const merged = yield* Merged.make({}, { faults: { each, before } })
      const all = ["b", "c", "d", "e"].map((id) => message(id))
      const callers = yield* Merged.send(merged, [message("a")], all)
      yield* pass(roundTrip)
      assert.strictEqual(answers(callers)[1], "?")
      if (second.outcomesMissing !== undefined) merged.faults.outcomesMissing = 1
      yield* pass(roundTrip)
      assert.deepStrictEqual(calls(merged), ["a b c d e", "c e"])
      return callers
    })

    it.effect("R1.7 of a caller whose others were sent only what was not goes again", () =>
      Effect.gen(function* () {
        const callers = yield* behind({})
        assert.deepStrictEqual(answers(callers), ["MessageTooLarge", "b c d e"])
        assert.deepStrictEqual(yield* namedBy(callers, 0), [0])
      })
    )

    it.effect("R1.7 what fails then, alone or as a whole, is named by its place in the call", () =>
      Effect.gen(function* () {
        const alone = yield* behind({ each: (_, id) => (id === "e" ? tooLarge(1) : undefined) })
        assert.deepStrictEqual(yield* namedBy(alone, 1), ["b", "c", "d", 3])
        const whole = yield* behind({ before: () => Effect.fail(tooLarge(1)) })
        assert.deepStrictEqual(yield* namedBy(whole, 1), ["b", 3, "d", 3])
        const none = yield* behind({ before: () => Effect.fail(tooLarge(9)) })
        assert.deepStrictEqual(yield* namedBy(none, 1), ["b", 9, "d", 9])
      })
    )

    it.effect("R2.3 a defect of the provider then is the caller's, too few outcomes included", () =>
      Effect.gen(function* () {
        const few = yield* behind({ outcomesMissing: 1 })
        assert.match(answers(few)[1] ?? "", /^defect: Error: the provider answered another number/u)
        const dead = yield* behind({ before: () => Effect.die(new Error("broken")) })
        assert.strictEqual(answers(dead)[1], "defect: Error: broken")
      })
    )

    it.effect("R3.10 who is interrupted meanwhile is not called for again", () =>
      Effect.gen(function* () {
        const each: Faults["each"] = ({ nth }, id) =>
          nth === 1 && id !== "d" ? tooLarge(0) : undefined
        const merged = yield* Merged.make({}, { faults: { each } })
        const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((id) => message(id))
        assert(a && b && c && d && e)
        const callers = yield* Merged.send(merged, [a], [b], [c, d], [e])
        yield* pass(roundTrip)
        yield* stop(callers[2])
        yield* stop(callers[3])
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a b c d e", "b"])
        assert.deepStrictEqual(answers(callers).slice(0, 2), ["MessageTooLarge", "b"])
        const after = yield* sendEach(merged, message("f"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(after), ["f"])
      })
    )

    it.effect("R2.1 an invalid message that is named is set apart at once", () =>
      Effect.gen(function* () {
        const before = ({ ids }: { readonly ids: ReadonlyArray<string> }) =>
          ids.includes("m2")
            ? Effect.fail(QueueError.validationFailed(`messages[${ids.indexOf("m2")}]`, "no"))
            : Effect.void
        const merged = yield* Merged.make({}, { faults: { before } })
        const callers = yield* sendEach(merged, ...numbered(4).map((id) => message(id)))
        yield* quiet
        assert.deepStrictEqual(answers(callers), ["m0", "m1", "!ValidationFailed", "m3"])
        assert.deepStrictEqual(calls(merged), ["m0 m1 m2 m3", "m0 m1", "m2", "m3"])
      })
    )

    it.effect("R1.7 and a merged call that is too large as a whole is sent in parts", () =>
      Effect.gen(function* () {
        // The provider counts more than the client, and names a message at random.
        const before = ({ ids }: { readonly ids: ReadonlyArray<string> }) =>
          ids.length > 2 ? Effect.fail(tooLarge(99)) : Effect.void
        const merged = yield* Merged.make({}, { faults: { before } })
        const callers = yield* sendEach(merged, ...numbered(5).map((id) => message(id)))
        yield* quiet
        assert.deepStrictEqual(answers(callers), numbered(5))
        assert.deepStrictEqual(calls(merged), [
          "m0 m1 m2 m3 m4",
          "m0 m1 m2",
          "m0 m1",
          "m2",
          "m3 m4"
        ])
      })
    )

    it.effect("R2.1 an invalid entry is found by halves, and fails its caller alone", () =>
      Effect.gen(function* () {
        const invalid = QueueError.validationFailed("attributes", "no")
        const before = ({ ids }: { readonly ids: ReadonlyArray<string> }) =>
          ids.includes("m2") ? Effect.fail(invalid) : Effect.void
        const merged = yield* Merged.make({}, { faults: { before } })
        const callers = yield* sendEach(merged, ...numbered(4).map((id) => message(id)))
        yield* quiet
        assert.deepStrictEqual(answers(callers), ["m0", "m1", "!ValidationFailed", "m3"])
      })
    )

    it.effect("R2.3 a defect of the provider is everybody's, and ends nothing else", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({}, { faults: { outcomesMissing: 1 } })
        const callers = yield* sendEach(merged, message("a"), message("b"))
        yield* pass(roundTrip)
        const defect =
          "defect: Error: the provider answered another number of outcomes than asked for"
        assert.deepStrictEqual(answers(callers), [defect, defect])
        merged.faults.outcomesMissing = 0
        const after = yield* sendEach(merged, message("c"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(after), ["c"])
      })
    )

    it.effect("R2.3 a call that throws, or that is interrupted from inside, ends its callers", () =>
      Effect.gen(function* () {
        const { provider } = RecordingProvider.make({})
        let send: QueueProvider.Service["send"] = () => {
          throw new Error("thrown")
        }
        const batching = yield* Batching.make({ ...provider, send: (...given) => send(...given) })
        const call = Merged.start(batching.send(orders, [message("a")]))
        const first = yield* call
        yield* quiet
        assert.strictEqual(Merged.answered(first), "defect: Error: thrown")
        send = () => Effect.interrupt
        const second = yield* call
        yield* quiet
        assert.strictEqual(Merged.answered(second), "interrupted inside")
      })
    )
  })

  describe("order", () => {
    it.effect("R4.1 a session has one call under way; other sessions fill the batch", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({}, { queue: ordered })
        const callers = yield* sendEach(
          merged,
          message("a1", "A"),
          message("a2", "A"),
          message("b1", "B"),
          message("a3", "A"),
          message("b2", "B")
        )
        for (const _ of numbered(3)) yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 b1", "a2 b2", "a3"])
        assert.deepStrictEqual(answers(callers), ["a1", "a2", "b1", "a3", "b2"])
      })
    )

    it.effect("R4.1 the next is sent when the one before failed, after it and not before", () =>
      Effect.gen(function* () {
        const each = (_: unknown, id: string) => (id === "a1" ? throttled : undefined)
        const merged = yield* Merged.make({ linger: 0 }, { queue: ordered, faults: { each } })
        const callers = yield* sendEach(merged, message("a1", "A"), message("a2", "A"))
        yield* pass("99 millis")
        assert.deepStrictEqual(calls(merged), ["a1"])
        yield* pass("1 millis")
        yield* pass(roundTrip)
        assert.deepStrictEqual(answers(callers), ["Throttled", "a2"])
      })
    )

    it.effect("R4.1 a call of several sessions waits for all of them, and they for it", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ linger: 0 }, { queue: ordered })
        const callers = yield* Merged.send(
          merged,
          [message("a1", "A")],
          [message("b1", "B"), message("a2", "A"), message("b2", "B")],
          [message("b3", "B")],
          [message("c1", "C")]
        )
        for (const _ of numbered(3)) yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 c1", "b1 a2 b2", "b3"])
        assert.deepStrictEqual(answers(callers), ["a1", "b1 a2 b2", "b3", "c1"])
      })
    )

    it.effect("R4.1 a session waits for a call of it that nobody waits for any more", () =>
      Effect.gen(function* () {
        const stopped = yield* Deferred.make<void>()
        const merged = yield* Merged.make({}, { queue: ordered })
        merged.faults.before = ({ nth }) =>
          nth === 1 ? Effect.ensuring(Effect.never, Deferred.await(stopped)) : Effect.void
        const [first, second] = yield* sendEach(merged, message("a1", "A"), message("a2", "A"))
        yield* quiet
        yield* stop(first)
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["a1"])
        yield* Deferred.succeed(stopped, undefined)
        yield* quiet
        assert.deepStrictEqual(calls(merged), ["a1", "a2"])
        assert.deepStrictEqual(answers(second === undefined ? [] : [second]), ["a2"])
      })
    )

    it.effect("R3.13 without order a session is only an attribute", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make()
        yield* sendEach(merged, message("a1", "A"), message("a2", "A"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 a2"])
      })
    )

    it.effect("R3.13 what has no session on an ordered queue waits for none", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({}, { queue: ordered })
        yield* sendEach(merged, message("x"), message("a1", "A"), message("a2", "A"), message("y"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["x a1 y", "a2"])
      })
    )

    it.effect("R4.1 sendOrder batch: one call holds several of a session, in their order", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make(
          { sendOrder: "batch", linger: 0 },
          { queue: { ...ordered, sendCountMax: 3 } }
        )
        const callers = yield* Merged.send(
          merged,
          [message("a1", "A")],
          [message("a2", "A")],
          [message("b1", "B")],
          [message("a3", "A"), message("b2", "B")],
          [message("a4", "A")],
          [message("c1", "C")]
        )
        yield* quiet
        // a3 would be a fourth: A and B wait for the call, C does not.
        assert.deepStrictEqual(calls(merged), ["a1 b1 c1"])
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 b1 c1", "a2 a3 b2"])
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 b1 c1", "a2 a3 b2", "a4"])
        assert.deepStrictEqual(answers(callers), ["a1", "a2", "b1", "a3 b2", "a4", "c1"])
      })
    )
  })

  describe("interruption", () => {
    it.effect("R3.10 what has not gone out is withdrawn, and the wait ends at once", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ callsMax: 1 }, { queue: ordered })
        const [first, second, third, fourth] = yield* sendEach(
          merged,
          message("a1", "A"),
          message("a2", "A"),
          message("a3", "A"),
          message("b1", "B")
        )
        assert(first !== undefined && second !== undefined)
        assert(third !== undefined && fourth !== undefined)
        yield* quiet
        const [late] = yield* sendEach(merged, message("c1", "C"))
        assert(late !== undefined)
        // One that waits for its session, and one that waits for a call.
        yield* Fiber.interruptAll([second, late])
        for (const _ of numbered(3)) yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a1 b1", "a3"])
        assert.deepStrictEqual(answers([first, third, fourth]), ["a1", "a3", "b1"])
      })
    )

    it.effect("R3.10 a session whose only call under way waits is free for the next", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ callsMax: 1 }, { queue: ordered })
        yield* sendEach(merged, message("x", "X"))
        yield* quiet
        const [first, second] = yield* sendEach(merged, message("a1", "A"), message("a2", "A"))
        yield* stop(first)
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["x", "a2"])
        assert.deepStrictEqual(answers(second === undefined ? [] : [second]), ["a2"])
      })
    )

    it.effect("R3.10 what is under way goes on for the others", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make()
        const [first, ...others] = yield* sendEach(merged, ...numbered(3).map((id) => message(id)))
        yield* pass("50 millis")
        yield* stop(first)
        yield* pass("50 millis")
        assert.deepStrictEqual(answers(others), ["m1", "m2"])
        assert.deepStrictEqual(calls(merged), ["m0 m1 m2"])
      })
    )

    it.effect("R3.10 and is interrupted when all of them are gone", () =>
      Effect.gen(function* () {
        let interrupted = 0
        const merged = yield* Merged.make()
        merged.faults.before = () =>
          Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
        const callers = yield* sendEach(merged, ...numbered(3).map((id) => message(id)))
        yield* quiet
        yield* Fiber.interruptAll(callers.slice(1))
        yield* quiet
        assert.strictEqual(interrupted, 0)
        yield* Fiber.interruptAll(callers)
        yield* quiet
        assert.strictEqual(interrupted, 1)
      })
    )

    it.effect("R3.10 the part that nobody waits for any more is not called again", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make()
        const invalid = QueueError.validationFailed("attributes", "no")
        merged.faults.before = ({ nth }) =>
          nth === 1 ? Effect.delay(Effect.fail(invalid), roundTrip) : Effect.void
        const callers = yield* sendEach(merged, message("a"), message("b"))
        yield* pass("50 millis")
        yield* Fiber.interruptAll(callers.slice(0, 1))
        yield* pass("50 millis")
        assert.deepStrictEqual(calls(merged), ["a b", "b"])
        assert.deepStrictEqual(answers(callers.slice(1)), ["b"])
      })
    )
  })

  describe("bounds", () => {
    it.effect("R10.7 callers beyond the bound wait in line, and may leave it", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make(
          { callsMax: 1, waitingMax: 2 },
          { queue: { sendCountMax: 3 } }
        )
        const callers = [...(yield* sendEach(merged, message("x")))]
        yield* quiet
        callers.push(...(yield* sendEach(merged, ...numbered(6).map((id) => message(id)))))
        yield* quiet
        const gone = callers[4]
        yield* stop(gone)
        for (const _ of numbered(5)) yield* pass(roundTrip)
        // Two at a time, since no more were held when the call was made up.
        assert.deepStrictEqual(calls(merged), ["x", "m0 m1", "m2 m4", "m5"])
        const left = callers.filter((fiber) => fiber !== gone)
        assert.deepStrictEqual(answers(left), ["x", "m0", "m1", "m2", "m4", "m5"])
      })
    )

    it.effect("R10.7 one that leaves makes room for the next in line", () =>
      Effect.gen(function* () {
        const merged = yield* Merged.make({ callsMax: 1, waitingMax: 1 })
        yield* sendEach(merged, message("x"))
        yield* quiet
        const [first, second] = yield* sendEach(merged, message("a"), message("b"))
        yield* stop(first)
        yield* pass(roundTrip)
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["x", "b"])
        assert.deepStrictEqual(answers(second === undefined ? [] : [second]), ["b"])
      })
    )

    it.effect("R10.7 a queue that is idle costs nothing: its limits are asked for anew", () =>
      Effect.gen(function* () {
        const queue = { sendCountMax: 2 }
        const merged = yield* Merged.make({ linger: "1 second" }, { queue })
        yield* sendEach(merged, message("a"))
        yield* quiet
        const [late] = yield* sendEach(merged, message("b"))
        yield* quiet
        // Its alarm is set; it and the lane go with it.
        yield* stop(late)
        yield* pass(roundTrip)
        queue.sendCountMax = 1
        yield* sendEach(merged, message("c"), message("d"))
        yield* pass(roundTrip)
        assert.deepStrictEqual(calls(merged), ["a", "c", "d"])
      })
    )

    it.effect("R10.1 an option out of its range is ValidationFailed", () =>
      Effect.gen(function* () {
        const { provider } = RecordingProvider.make({})
        const wrong: ReadonlyArray<Batching.Options> = [
          { callsMax: 0 },
          { callsMax: 1.5 },
          { waitingMax: 0 },
          ...noDurations.flatMap((value) => [{ linger: value }, { closeWait: value }])
        ]
        for (const options of wrong) {
          const { reason } = yield* Effect.flip(Batching.make(provider, options))
          const [field] = Object.keys(options)
          assert.strictEqual(reason._tag, "ValidationFailed")
          assert.strictEqual(reason._tag === "ValidationFailed" ? reason.field : "", field)
        }
      })
    )
  })

  describe("the end of its scope", () => {
    const scoped = Effect.fnUntraced(function* (options: Batching.Options = {}) {
      const scope = yield* Scope.make()
      const merged = yield* Scope.provide(
        Merged.make({ callsMax: 1, closeWait: Defaults.batchCloseWait, ...options }),
        scope
      )
      return { merged, close: Effect.forkChild(Scope.close(scope, Exit.void)) }
    })

    it.effect(
      "R3.2 lets go out what waits, lingers or is under way, and takes in nothing more",
      () =>
        Effect.gen(function* () {
          const { close, merged } = yield* scoped({ linger: "1 hour", callsMax: 2 })
          const [receipt] = yield* Merged.deliveries(merged, ["r"])
          assert(receipt !== undefined)
          const first = yield* sendEach(merged, message("a"))
          yield* quiet
          const second = yield* sendEach(merged, message("b"))
          const settled = yield* settleEach(merged, [receipt, Verdict.complete])
          const closing = yield* close
          yield* quiet
          const late = yield* sendEach(merged, message("c"))
          yield* quiet
          assert.deepStrictEqual(answers(late), ["!ConnectionFailed"])
          assert.isUndefined(closing.pollUnsafe())
          yield* pass(roundTrip)
          assert.deepStrictEqual(answers([...first, ...second]), ["a", "b"])
          assert.deepStrictEqual(answers(settled), ["ok"])
          assert.isDefined(closing.pollUnsafe())
        })
    )

    it.effect("R3.2 ends at once when nothing is under way", () =>
      Effect.gen(function* () {
        const { close, merged } = yield* scoped()
        yield* sendEach(merged, message("a"))
        yield* pass(roundTrip)
        const closing = yield* close
        yield* quiet
        assert.isDefined(closing.pollUnsafe())
      })
    )

    it.effect(
      "R2.1 whoever waits beyond the close wait fails with a typed error, and nothing hangs",
      () =>
        Effect.gen(function* () {
          const { close, merged } = yield* scoped()
          let interrupted = 0
          merged.faults.before = () =>
            Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
          const callers = [...(yield* sendEach(merged, message("a"), message("b")))]
          yield* quiet
          callers.push(...(yield* sendEach(merged, message("c"))))
          const closing = yield* close
          yield* pass(Duration.subtract(Defaults.batchCloseWait, Duration.millis(1)))
          assert.deepStrictEqual(answers(callers), ["?", "?", "?"])
          yield* pass(1)
          const error = "!ConnectionFailed"
          assert.deepStrictEqual(answers(callers), [error, error, error])
          assert.isDefined(closing.pollUnsafe())
          assert.strictEqual(interrupted, 1)
          assert.deepStrictEqual(calls(merged), ["a b"])
        })
    )
  })

  describe("the port", () => {
    it.effect("R4.2 sessions, receives, peeks and empty calls go through as they are", () =>
      Effect.gen(function* () {
        const { calls: made, provider } = RecordingProvider.make({ tellsDepth: true })
        const batching = yield* Batching.make(provider)
        const address = QueueAddress.queue(orders)
        const options = { max: 2, wait: Duration.zero }
        const accept = { sessionId: SessionId.makeUnsafe("s"), wait: Duration.zero }
        yield* batching.receive(address, options)
        yield* batching.peek(address, { max: 3 })
        yield* batching.depth?.(address) ?? Effect.void
        const session = Option.getOrThrow(yield* batching.acceptSession(orders, accept))
        yield* session.settle([], Verdict.complete)
        yield* batching.send(orders, [])
        yield* batching.settle([], Verdict.complete)
        yield* batching.renewLock([])
        assert.deepStrictEqual(made, [
          ["receive", address, options],
          ["peek", address, { max: 3 }],
          ["depth", address],
          ["acceptSession", orders, accept],
          ["session.settle", [], Verdict.complete],
          ["send", orders, []],
          ["settle", [], Verdict.complete],
          ["renewLock", []]
        ])
        assert.deepStrictEqual(batching.stack, ["batching", "recording"])
        assert.strictEqual(batching.name, "recording")
        assert.deepStrictEqual(batching.capabilities(orders), provider.capabilities(orders))
      })
    )

    it.effect("R4.1 what has a session nobody can tell is not merged; its dead letters are", () =>
      Effect.gen(function* () {
        const { calls: made, provider } = RecordingProvider.make({})
        const batching = yield* Batching.make({
          ...provider,
          capabilities: (queue) => ({ ...provider.capabilities(queue), ordered: true })
        })
        const together = { concurrency: "unbounded" } as const
        const methods = ["settle", "settle", "renewLock", "renewLock"]
        for (const address of [QueueAddress.queue(orders), QueueAddress.deadLetter(orders)]) {
          const receipts = ["1", "2"].map(
            (token) => RecordingProvider.delivery(address, token).receipt
          )
          yield* Effect.forEach(
            receipts,
            (one) => batching.settle([one], Verdict.complete),
            together
          )
          yield* Effect.forEach(receipts, (one) => batching.renewLock([one]), together)
        }
        assert.deepStrictEqual(
          made.map(([method]) => method),
          [...methods, "settle", "renewLock"]
        )
      })
    )

    it.effect("R3.10 as a layer it decorates the provider below it", () =>
      Effect.gen(function* () {
        const { provider } = RecordingProvider.make({})
        const { stack } = yield* Effect.provide(
          QueueProvider.QueueProvider,
          Layer.provide(Batching.layer(), Layer.succeed(QueueProvider.QueueProvider, provider))
        )
        assert.deepStrictEqual([...stack], ["batching", "recording"])
      })
    )

    it.effect("R9.1 a call has the span its callers share for parent, or links to theirs", () =>
      Effect.gen(function* () {
        const { provider } = RecordingProvider.make({})
        const seen: Array<{ parent: string | undefined; links: ReadonlyArray<string> }> = []
        const traced = QueueProvider.transform(provider, "traced", (call) =>
          Effect.tap(
            Effect.useSpan("call", (span) =>
              Effect.sync(() => {
                const parent = Option.getOrUndefined(span.parent)
                seen.push({
                  parent: parent?.spanId,
                  links: span.links.map((link) => link.span.spanId)
                })
              })
            ),
            () => call
          ).pipe(Effect.andThen(call))
        )
        const spanOf = (spanId: string) => Tracer.externalSpan({ spanId, traceId: "t" })
        const batching = yield* Batching.make(traced).pipe(Effect.withParentSpan(spanOf("layer")))
        const [one, other] = [spanOf("one"), spanOf("other")]
        const sendIn = (span?: Tracer.AnySpan) => {
          const call = batching.send(orders, [message("a")])
          return span === undefined ? call : Effect.withParentSpan(call, span)
        }
        const sent = (...spans: ReadonlyArray<Tracer.AnySpan | undefined>) =>
          Effect.forEach(spans, sendIn, { concurrency: "unbounded" })
        yield* sent(undefined)
        yield* sent(one)
        yield* sent(one, one)
        yield* sent(one, other, undefined)
        assert.deepStrictEqual(seen, [
          { parent: undefined, links: [] },
          { parent: "one", links: [] },
          { parent: "one", links: [] },
          { parent: undefined, links: ["one", "other"] }
        ])
      })
    )
  })
})
