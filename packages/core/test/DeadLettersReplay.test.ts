import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as DeadLetters from "../src/DeadLetters.ts"
import * as Defaults from "../src/Defaults.ts"
import type * as Message from "../src/Message.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as Clients from "./support/Clients.ts"
import * as Letters from "./support/Letters.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { all, blind, dead, orders, outcomes } = Letters

const fifo = { ...ScriptedProvider.ordered, lockDuration: Duration.seconds(30) }

const blindFifo = { ...fifo, ...blind }

const abc = ["a", "b", "c"]

const last = (progress: ReadonlyArray<DeadLetters.Progress>) =>
  progress.at(-1) ?? assert.fail("there is always a first progress")

const refused = () => QueueError.make(new QueueError.PermissionDenied({ operation: "send" }))

const sessionsOf = (ids: ReadonlyArray<string>) =>
  Object.fromEntries(
    [...Map.groupBy(ids, (id) => id.charAt(0))].map(([session, own]) => [session, own.join(" ")])
  )

/** Every way a replay goes: looking or receiving first, with order or without. */
const ways = [
  { way: "with peek", capabilities: {} },
  { way: "without peek", capabilities: blind },
  { way: "with peek, ordered", capabilities: fifo },
  { way: "without peek, ordered", capabilities: blindFifo }
]

describe("DeadLetters: replay", () => {
  for (const { capabilities, way } of ways) {
    it.effect(`R7.1 ${way}: letters go back as they were, and are gone from where they lay`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put, there } = yield* Letters.make(capabilities, {
          tellsDepth: true
        })
        for (const id of abc) put(id, { session: "s", attributes: { team: "merge" }, at: 5 })
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(progress), ["a done", "b done", "c done"])
        const { done, failed, failures, total } = last(progress)
        assert.deepStrictEqual(
          { done, failed, failures, total },
          {
            done: 3,
            failed: 0,
            failures: {},
            total: 3
          }
        )
        assert.isUndefined(progress[0]?.last)
        assert.deepStrictEqual(left(), [])
        assert.deepStrictEqual(yield* there, abc)
        assert.deepStrictEqual(yield* broker.locked, [])
        const sent = broker.messages({ _tag: "Queue", queue: orders })
        for (const { attributes, messageId, sessionId } of sent) {
          assert.match(messageId, /^rp-[0-9a-f]{64}$/u)
          assert.strictEqual(sessionId, "s")
          assert.strictEqual(attributes["team"], "merge")
        }
      })
    )

    it.effect(`R7.1 ${way}: those that were not selected are given back`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put, there } = yield* Letters.make(capabilities)
        for (const id of abc) put(id, { session: id })
        const [, letter] = yield* all(letters.list(orders))
        const one = letters.replay(orders, DeadLetters.ids([letter?.id ?? "", "nobody"]))
        assert.strictEqual(last(yield* all(one)).total, 2)
        assert.deepStrictEqual(yield* there, ["b"])
        const where = DeadLetters.where(({ messageId }) => messageId === "c")
        assert.isUndefined(last(yield* all(letters.replay(orders, where))).total)
        assert.deepStrictEqual(yield* there, ["b", "c"])
        assert.deepStrictEqual(left(), ["a"])
        assert.deepStrictEqual(yield* broker.locked, [])
        const none = yield* all(letters.replay(orders, DeadLetters.ids([])))
        const nothing = { done: 0, failed: 0, failures: {}, total: 0 }
        assert.deepStrictEqual(none, [nothing, { ...nothing, complete: true }])
      })
    )

    it.effect(`R7.1 ${way}: the last word is whether it came to all there was`, () =>
      Effect.gen(function* () {
        const { left, letters, put } = yield* Letters.make(capabilities, { tellsDepth: true })
        // As this library puts them aside: alone in their groups.
        const sequenceNumber = 1n
        for (const id of abc) put(id, { session: id, sequenceNumber })
        const replay = (dryRun: boolean) => letters.replay(orders, DeadLetters.all, { dryRun })
        const purge = (dryRun: boolean) => letters.purge(orders, DeadLetters.all, { dryRun })
        const replayed = [...(yield* all(replay(true))), ...(yield* all(replay(false)))]
        for (const id of abc) put(id, { session: id, sequenceNumber, delivery: id })
        const purged = [...(yield* all(purge(true))), ...(yield* all(purge(false)))]
        const progress = [...replayed, ...purged]
        assert.deepStrictEqual(left(), [])
        const told = [undefined, undefined, undefined, undefined, true]
        assert.deepStrictEqual(
          progress.map(({ complete }) => complete),
          [...told, ...told, ...told, ...told]
        )
        // What it says is of the whole; of letters all was said before.
        const end = last(progress)
        assert.deepStrictEqual([end.done, end.failed, end.total, end.last], [3, 0, 3, undefined])
      })
    )

    it.effect(`R7.1 ${way}: what was asked for by its id and found is all that was asked for`, () =>
      Effect.gen(function* () {
        const { letters, put } = yield* Letters.make(capabilities)
        for (const id of abc) put(id, { session: id })
        const [, letter] = yield* all(letters.list(orders))
        const { id } = letter ?? assert.fail("nothing is listed")
        const found = yield* all(letters.replay(orders, DeadLetters.ids([id, id])))
        assert.deepStrictEqual([last(found).done, last(found).complete], [1, true])
        // Without a peek, and without a number, nobody can tell that there is no such letter.
        const missing = yield* all(letters.replay(orders, DeadLetters.ids(["nobody"])))
        assert.strictEqual(last(missing).complete, !("peek" in capabilities))
      })
    )

    it.effect(`R7.1 ${way}: a letter that cannot be sent stays`, () =>
      Effect.gen(function* () {
        const faults: ScriptedProvider.Faults = {}
        const { broker, left, letters, put } = yield* Letters.make(capabilities, { faults })
        for (const id of abc) put(id, { session: id })
        let sends = 0
        faults.each = ({ method }) => (method === "send" && sends++ === 1 ? refused() : undefined)
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        const expected = ["a done", "b failed PermissionDenied", "c done"]
        assert.deepStrictEqual(outcomes(progress), expected)
        assert.deepStrictEqual(last(progress).failures, { PermissionDenied: 1 })
        assert.deepStrictEqual(left(), ["b"])
        assert.deepStrictEqual(yield* broker.locked, [])
      })
    )

    it.effect(`R7.1 ${way}: an interruption leaves nothing locked, and nothing half done`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put, there } = yield* Letters.make(capabilities)
        for (let index = 0; index < 40; index++) put(`m-${index}`, { session: `s-${index}` })
        const replay = letters.replay(orders, DeadLetters.all, { rate: 1 })
        const fiber = yield* Effect.forkChild(Stream.runDrain(replay))
        for (let second = 0; second < 45; second++) yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
        const gone = (yield* there).length
        assert.isAbove(gone, 0)
        assert.strictEqual(left().length + gone, 40)
        assert.deepStrictEqual(yield* broker.locked, [])
      })
    )
  }

  for (const { capabilities, way } of ways.slice(2)) {
    it.effect(`R7.1 R4.1 ${way}: each session in its order, the sessions side by side`, () =>
      Effect.gen(function* () {
        const { broker, letters, put, there } = yield* Letters.make(capabilities)
        // As they come is not as they were: the number of before tells.
        for (const place of [3, 1, 2]) {
          for (const session of ["s", "t"]) {
            put(`${session}${place}`, { session, sequenceNumber: BigInt(place) })
          }
        }
        put("u1")
        const failed = (yield* all(letters.replay(orders, DeadLetters.all))).filter(
          (one) => one.last?.outcome === "failed"
        )
        // Without a session it is refused, as the queue wants one.
        assert.deepStrictEqual(outcomes(failed), ["u1 failed ValidationFailed"])
        const expected = { s: "s1 s2 s3", t: "t1 t2 t3" }
        assert.deepStrictEqual(sessionsOf(yield* there), expected)
        // One of each session in a call.
        const calls = broker.calls("send").filter(({ ids }) => ids.length > 1)
        assert.deepStrictEqual(
          calls.map(({ ids }) => ids.length),
          [2, 2]
        )
      })
    )

    it.effect(`R7.1 R4.1 ${way}: behind a failure nothing of its session is sent`, () =>
      Effect.gen(function* () {
        const faults: ScriptedProvider.Faults = {}
        const { left, letters, put, there } = yield* Letters.make(capabilities, { faults })
        for (const id of ["s1", "s2", "s3", "t1", "t2"]) put(id, { session: id.charAt(0) })
        let sends = 0
        faults.each = ({ method }) => (method === "send" && sends++ === 2 ? refused() : undefined)
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(progress), [
          "s1 done",
          "t1 done",
          "s2 failed PermissionDenied",
          "t2 done",
          "s3 failed PermissionDenied"
        ])
        assert.deepStrictEqual(sessionsOf(yield* there), { s: "s1", t: "t1 t2" })
        assert.deepStrictEqual(left(), ["s2", "s3"])
      })
    )

    it.effect(`R7.1 R4.1 ${way}: what another one holds is waited for`, () =>
      Effect.gen(function* () {
        const { letters, put, there } = yield* Letters.make(capabilities, { tellsDepth: true })
        put("s1", { session: "s", heldUntil: 20_000 })
        put("s2", { session: "s" })
        yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(yield* there, ["s1", "s2"])
        assert.isAtLeast(yield* Clock.currentTimeMillis, 20_000)
      })
    )

    it.effect(`R7.1 ${way}: what another one keeps is given up, and nothing is sent`, () =>
      Effect.gen(function* () {
        const { broker, letters, put, there } = yield* Letters.make(capabilities, {
          tellsDepth: true
        })
        put("s1", { session: "s", heldUntil: 600_000 })
        put("s2", { session: "s" })
        const error = yield* Effect.flip(all(letters.replay(orders, DeadLetters.all)))
        assert.strictEqual(error.reason._tag, "Timeout")
        assert.match(error.message, /others hold some of them/u)
        assert.deepStrictEqual(yield* there, [])
        assert.deepStrictEqual(yield* broker.locked, ["s1"])
      })
    )
  }

  it.effect("R7.1 with peek, ordered: what another one removes meanwhile is not waited for", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { client, letters, put, there } = yield* Letters.make(fifo, { faults })
      put("s1", { session: "s" })
      put("s2", { session: "s" })
      const [mine] = yield* client.receive(dead, { wait: 0 })
      const fiber = yield* Effect.forkChild(all(letters.replay(orders, DeadLetters.all)))
      yield* TestClock.adjust("5 seconds")
      yield* client.complete(mine ?? assert.fail("nothing received"))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* there, ["s2"])
    })
  )

  it.effect("R7.1 with peek, without order: what another one holds is left to it", () =>
    Effect.gen(function* () {
      const { left, letters, put, there } = yield* Letters.make()
      put("a", { heldUntil: 60_000 })
      put("b")
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual([left(), yield* there], [["a"], ["b"]])
      assert.isFalse(last(progress).complete)
    })
  )

  it.effect("R7.1 with peek, without order: what another one removes meanwhile is not missed", () =>
    Effect.gen(function* () {
      const { client, letters, put, there } = yield* Letters.make()
      put("a")
      put("b")
      const [mine] = yield* client.receive(dead, { wait: 0 })
      const fiber = yield* Effect.forkChild(all(letters.replay(orders, DeadLetters.all)))
      yield* TestClock.adjust("500 millis")
      yield* client.complete(mine ?? assert.fail("nothing received"))
      const progress = yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* there, ["b"])
      assert.isTrue(last(progress).complete)
    })
  )

  for (const tellsDepth of [true, false]) {
    const how = tellsDepth ? "with depth" : "without depth"
    it.effect(`R7.1 without peek, ${how}, without order: what others hold is told as hidden`, () =>
      Effect.gen(function* () {
        const { left, letters, put, there } = yield* Letters.make(blind, { tellsDepth })
        put("a", { heldUntil: 60_000 })
        put("b")
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual([left(), yield* there], [["a"], ["b"]])
        assert.isFalse(last(progress).complete)
        yield* TestClock.adjust("1 minute")
        const purged = yield* all(letters.purge(orders, DeadLetters.all))
        assert.deepStrictEqual([last(purged).done, last(purged).complete], [1, tellsDepth])
      })
    )
  }

  it.effect(
    "R7.1 who may not ask how many there are may replay, and is not told that it is all",
    () =>
      Effect.gen(function* () {
        const faults: ScriptedProvider.Faults = {}
        const { letters, put } = yield* Letters.make(blind, { faults, tellsDepth: true })
        put("a")
        faults.before = ({ method }) => (method === "depth" ? Effect.fail(refused()) : Effect.void)
        const everything = DeadLetters.where(() => true)
        const progress = yield* all(letters.replay(orders, everything))
        assert.deepStrictEqual([last(progress).done, last(progress).complete], [1, false])
      })
  )

  it.effect("R7.1 what is put aside meanwhile does not stand for what others hold", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { letters, put, there } = yield* Letters.make(blind, { faults, tellsDepth: true })
      put("a", { heldUntil: 60_000 })
      put("b")
      faults.after = ({ method }) =>
        Effect.sync(() => {
          if (method !== "send") return
          delete faults.after
          put("late", { at: 1 })
        })
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      assert.include(yield* there, "b")
      assert.isFalse(last(progress).complete)
    })
  )

  it.effect("R7.1 without peek and without depth a lock has to pass without a new one", () =>
    Effect.gen(function* () {
      const { letters, put, there } = yield* Letters.make(blindFifo)
      put("s1", { session: "s", heldUntil: 25_000 })
      put("s2", { session: "s" })
      yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(yield* there, ["s1", "s2"])
    })
  )

  it.effect("R7.1 what the broker moved in one group hides the rest: nothing overtakes it", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { broker, put, there } = yield* Letters.make(blindFifo, { faults, tellsDepth: true })
      // Of the group the second one shows when the first is gone, as on SQS.
      put("s1", { session: "s" })
      put("s9", { session: "s", sequenceNumber: 900n, delivery: "ours" })
      put("t1", { session: "t", sequenceNumber: 1n, delivery: "other" })
      let isHidden = true
      const hidden = (id: string) => put(id, { session: "s" })
      faults.after = ({ method, verdict }) =>
        Effect.sync(() => {
          if (method === "settle" && verdict?._tag === "Complete" && isHidden) {
            isHidden = false
            hidden("s2")
          }
        })
      const { depth } = broker.service
      const more = {
        ...broker.service,
        depth: (address: Parameters<NonNullable<typeof depth>>[0]) =>
          Effect.map(depth?.(address) ?? assert.fail("it tells its depth"), (told) => ({
            ...told,
            available: told.available + (isHidden ? 1 : 0)
          }))
      }
      const service = yield* DeadLetters.make(yield* QueueClient.make(more))
      const progress = yield* all(service.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(sessionsOf(yield* there), { s: "s1 s2 s9", t: "t1" })
      assert.isTrue(last(progress).complete)
    })
  )

  for (const isFailed of [true, false]) {
    const what = isFailed ? "cannot be sent" : "was not selected"
    it.effect(`R7.1 behind one of the broker's that ${what} there may be more: not complete`, () =>
      Effect.gen(function* () {
        const { left, letters, put } = yield* Letters.make(blindFifo, { tellsDepth: true })
        put("s1", { session: "s" })
        put("t1", { session: "t", sequenceNumber: 1n, delivery: "ours" })
        const selection = isFailed
          ? DeadLetters.all
          : DeadLetters.where(({ messageId }) => messageId === "t1")
        const edit: DeadLetters.Edit = (message, { messageId }) =>
          isFailed && messageId === "s1" ? Effect.fail(refused()) : Effect.succeed(message)
        const progress = yield* all(letters.replay(orders, selection, { edit }))
        assert.deepStrictEqual(left(), ["s1"])
        assert.deepStrictEqual([last(progress).done, last(progress).complete], [1, false])
        // Nothing of ours hides another one.
        const dry = yield* all(letters.replay(orders, selection, { dryRun: true }))
        assert.isFalse(last(dry).complete)
        yield* all(letters.purge(orders, DeadLetters.all))
        put("u1", { session: "u", sequenceNumber: 1n, delivery: "ours too" })
        const nobody = DeadLetters.where(() => false)
        const none = yield* all(letters.replay(orders, nobody))
        assert.deepStrictEqual([last(none).done, last(none).complete], [0, true])
      })
    )
  }

  it.effect("R7.1 a refusal of one among others names it as it would name it alone", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { letters, put } = yield* Letters.make({}, { faults })
      for (const id of abc) put(id)
      let sends = 0
      faults.each = ({ method }) =>
        method === "send" && sends++ === 1
          ? QueueError.validationFailed("messages[1].attributes", "are too many")
          : undefined
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      const errors = progress.flatMap((one) => one.last?.error ?? [])
      assert.deepStrictEqual(
        errors.map(({ message }) => message),
        ["ValidationFailed: messages[0].attributes: are too many"]
      )
    })
  )

  it.effect(
    "R7.1 sends before it removes; what is cut off between goes under the same id again",
    () =>
      Effect.gen(function* () {
        const faults: ScriptedProvider.Faults = {}
        const { left, letters, put, there } = yield* Letters.make(
          { deduplication: "native" },
          { faults }
        )
        put("a")
        faults.each = ({ method }) => (method === "settle" ? Clients.transient() : undefined)
        const cut = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(cut), ["a duplicated ConnectionFailed"])
        assert.deepStrictEqual([last(cut).done, last(cut).failed], [1, 0])
        assert.deepStrictEqual(left(), ["a"])
        delete faults.each
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(outcomes(yield* all(letters.replay(orders, DeadLetters.all))), [
          "a done"
        ])
        assert.deepStrictEqual(left(), [])
        assert.deepStrictEqual(yield* there, ["a"])
      })
  )

  it.effect("R7.1 a connection that fails ends the replay; nothing stays locked", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { broker, left, letters, put } = yield* Letters.make({}, { faults })
      for (const id of abc) put(id)
      faults.before = ({ method }) =>
        method === "send" ? Effect.fail(Clients.transient()) : Effect.void
      const error = yield* Effect.flip(all(letters.replay(orders, DeadLetters.all)))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(left(), abc)
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect(
    "R7.1 one that is refused alone does not keep the others, nor one that fails alone",
    () =>
      Effect.gen(function* () {
        const faults: ScriptedProvider.Faults = {}
        const { left, letters, put } = yield* Letters.make({}, { faults })
        for (const id of abc) put(id)
        faults.before = ({ ids, method }) =>
          method === "send" && ids.length > 1 ? Effect.fail(refused()) : Effect.void
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(progress), ["a done", "b done", "c done"])
        put("d")
        put("e")
        faults.before = ({ ids, method }) =>
          method === "send"
            ? Effect.fail(ids.length > 1 ? refused() : Clients.transient())
            : Effect.void
        const error = yield* Effect.flip(all(letters.replay(orders, DeadLetters.all)))
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
        assert.deepStrictEqual(left(), ["d", "e"])
      })
  )

  it.effect("R7.1 a connection that fails half way leaves nothing that was sent behind", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { broker, left, letters, put, there } = yield* Letters.make({}, { faults })
      for (const id of abc) put(id)
      let alone = 0
      faults.before = ({ ids, method }) => {
        if (method !== "send") return Effect.void
        if (ids.length > 1) return Effect.fail(refused())
        return ++alone > 1 ? Effect.fail(Clients.transient()) : Effect.void
      }
      const error = yield* Effect.flip(all(letters.replay(orders, DeadLetters.all)))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      // The one behind the failure is not tried.
      assert.strictEqual(alone, 2)
      assert.deepStrictEqual(left(), ["b", "c"])
      assert.deepStrictEqual(yield* broker.locked, [])
      delete faults.before
      yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(yield* there, abc)
    })
  )

  it.effect("R7.1 a message that fills the limit goes with less history, or as it was", () =>
    Effect.gen(function* () {
      const description = "x".repeat(200)
      const { client, left, letters, put, there } = yield* Letters.make()
      put("whole", { description })
      put("little", { description, bytes: 700 })
      put("none", { description, bytes: 990 })
      put("too large", { description, bytes: 1_001 })
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      const failed = ["whole done", "little done", "none done", "too large failed MessageTooLarge"]
      assert.deepStrictEqual(outcomes(progress), failed)
      assert.deepStrictEqual(left(), ["too large"])
      assert.deepStrictEqual(yield* there, ["whole", "little", "none"])
      const histories = (yield* client.peek(orders, { max: 3 })).map(
        ({ history }) => history?.length
      )
      assert.deepStrictEqual(histories, [1, 0, undefined])
    })
  )

  it.effect("R7.1 where the broker remembers its id a message that fills the limit waits", () =>
    Effect.gen(function* () {
      for (const [window, isSent] of [
        [{ deduplicationWindow: Duration.minutes(5) }, true],
        [{}, false]
      ] as const) {
        const { letters, put } = yield* Letters.make({ deduplication: "native", ...window })
        const enqueuedAt = yield* Clock.currentTimeMillis
        put("a", { bytes: 990, enqueuedAt, at: enqueuedAt })
        const first = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(first), ["a failed MessageTooLarge"])
        yield* TestClock.adjust("6 minutes")
        const second = yield* all(letters.replay(orders, DeadLetters.all))
        assert.strictEqual(last(second).done, isSent ? 1 : 0)
      }
    })
  )

  it.effect("R7.1 one the provider finds too large alone is tried with less", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { letters, put, there } = yield* Letters.make({}, { faults })
      put("a")
      let sends = 0
      const tooLarge = new QueueError.MessageTooLarge({ actualBytes: 2, maximumBytes: 1, index: 0 })
      faults.each = ({ method }) =>
        method === "send" && sends++ === 0 ? QueueError.make(tooLarge) : undefined
      assert.strictEqual(last(yield* all(letters.replay(orders, DeadLetters.all))).done, 1)
      assert.deepStrictEqual(yield* there, ["a"])
    })
  )

  it.effect("R7.1 messages are edited on the way, and an edit that fails keeps its letter", () =>
    Effect.gen(function* () {
      const { client, left, letters, put } = yield* Letters.make()
      for (const id of abc) put(id, { attributes: { keep: "1", drop: "2" } })
      const set = DeadLetters.editAttributes({ drop: undefined, add: "3" })
      const edit: DeadLetters.Edit = (message, letter) =>
        letter.messageId === "b" ? Effect.fail(refused()) : set(message, letter)
      const progress = yield* all(letters.replay(orders, DeadLetters.all, { edit }))
      assert.deepStrictEqual(outcomes(progress), ["a done", "b failed PermissionDenied", "c done"])
      assert.deepStrictEqual(left(), ["b"])
      const [first] = yield* client.peek(orders)
      assert.deepStrictEqual(first?.attributes, { keep: "1", add: "3" })
      const bad = DeadLetters.editAttributes({ "": "no name" })
      const refusal = yield* all(letters.replay(orders, DeadLetters.all, { edit: bad }))
      assert.deepStrictEqual(last(refusal).failures, { ValidationFailed: 1 })
    })
  )

  it.effect("R7.1 an edit may send it as another message, and a replay to another queue", () =>
    Effect.gen(function* () {
      const { broker, client, letters, put } = yield* Letters.make()
      put("a")
      const { messageId: _, ...anonymous } = Clients.message("x")
      const edit = () => Effect.succeed<Message.Message>(anonymous)
      yield* all(letters.replay(orders, DeadLetters.all, { edit, to: Clients.aside }))
      assert.deepStrictEqual(broker.messages({ _tag: "Queue", queue: orders }), [])
      const [there] = yield* client.peek(Clients.aside)
      assert.strictEqual(there?.messageId, "a")
      put("b")
      const other = () => Effect.succeed(Clients.message("other"))
      yield* all(letters.replay(orders, DeadLetters.all, { edit: other }))
      const [changed] = yield* client.peek(orders)
      assert.strictEqual(changed?.messageId, "other")
    })
  )

  it.effect("R7.1 a dry run says what would be, and changes nothing", () =>
    Effect.gen(function* () {
      const { broker, left, letters, put } = yield* Letters.make()
      for (const id of abc) put(id)
      const dry = yield* all(letters.replay(orders, DeadLetters.all, { dryRun: true }))
      assert.deepStrictEqual(outcomes(dry), ["a done", "b done", "c done"])
      const isB = DeadLetters.where(({ messageId }) => messageId === "b")
      const purge = yield* all(letters.purge(orders, isB, { dryRun: true }))
      assert.deepStrictEqual(outcomes(purge), ["b done"])
      assert.deepStrictEqual(left(), abc)
      assert.deepStrictEqual([broker.calls("send"), broker.calls("receive")], [[], []])
    })
  )

  it.effect("R7.1 no more a second than it was told", () =>
    Effect.gen(function* () {
      for (const [rate, seconds] of [
        [1, 39],
        [40, 0.9],
        [0.5, 78]
      ] as const) {
        const { letters, put } = yield* Letters.make()
        for (let index = 0; index < 40; index++) put(`m-${index}`)
        const before = yield* Clock.currentTimeMillis
        const fiber = yield* Effect.forkChild(
          Stream.runDrain(letters.replay(orders, DeadLetters.all, { rate }))
        )
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
        const took = ((yield* Clock.currentTimeMillis) - before) / 1_000
        assert.isAtLeast(took, seconds)
        assert.isAtMost(took, seconds + 2.5)
      }
    })
  )

  it.effect("R1.1 a rate and a concurrency that are none are refused", () =>
    Effect.gen(function* () {
      const { letters } = yield* Letters.make()
      for (const options of [{ rate: 0 }, { rate: Number.NaN }, { concurrency: 0 }]) {
        const replay = letters.replay(orders, DeadLetters.all, options)
        const error = yield* Effect.flip(Stream.runDrain(replay))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
      }
    })
  )

  it.effect("R7.4 deliveries are counted from one again, or go on", () =>
    Effect.gen(function* () {
      const { client, letters, put } = yield* Letters.make()
      put("a", { deliveryCount: 4 })
      yield* all(letters.replay(orders, DeadLetters.all))
      const [again] = yield* client.receive(orders, { wait: 0 })
      assert.strictEqual(again?.deliveryCount, 1)
      put("b", { deliveryCount: 4 })
      yield* all(letters.replay(orders, DeadLetters.all, { restartDeliveryCount: false }))
      const [message] = yield* client.receive(orders, { wait: 0 })
      const on = message ?? assert.fail("the message came back")
      assert.strictEqual(on.deliveryCount, 5)
      yield* client.deadLetter(on, { reason: "Worse" })
      const [letter] = yield* all(letters.list(orders))
      assert.strictEqual(letter?.deliveryCount, 5)
    })
  )

  it.effect("R7.1 its history is the last of what happened, without stacks, cut", () =>
    Effect.gen(function* () {
      const roomy = { messageSizeMax: 100_000, sendSizeMax: 100_000 }
      const { client, letters, put } = yield* Letters.make(roomy)
      const errorType = "E".repeat(5_000)
      const details = { service: "bot", errorType, stack: "at parse", tags: { team: "a" } }
      put("a", { reason: "r-0", description: "x".repeat(5_000), details })
      for (let turn = 1; turn <= Defaults.deadLetterHistoryMax + 1; turn++) {
        yield* all(letters.replay(orders, DeadLetters.all))
        const [message] = yield* client.receive(orders, { wait: 0 })
        const received = message ?? assert.fail("the message came back")
        if (turn === 1) {
          const [past] = received.history ?? []
          assert.strictEqual(past?.description?.length, Defaults.deadLetterHistoryLengthMax)
          const kept = { service: "bot", errorType: errorType.slice(0, 256) }
          assert.deepStrictEqual(past?.details, kept)
        }
        assert.isDefined(received.replayId)
        yield* TestClock.adjust("1 second")
        yield* client.deadLetter(received, { reason: `r-${turn}` })
      }
      const [letter] = yield* all(letters.list(orders))
      const reasons = letter?.history.map(({ reason }) => reason)
      const expected = Array.from(
        { length: Defaults.deadLetterHistoryMax },
        (_, at) => `r-${at + 1}`
      )
      assert.deepStrictEqual(reasons, expected)
    })
  )

  it.effect("R7.1 what fails again while it runs, or is put aside later, is for another time", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { client, left, letters, put } = yield* Letters.make({}, { faults })
      for (let index = 0; index < 60; index++) put(`m-${index}`)
      put("later", { at: 20_000 })
      // Each that comes is put aside again at once.
      let isBusy = false
      faults.after = ({ method, queue, verdict }) =>
        Effect.suspend(() => {
          if (method !== "settle" || verdict?._tag !== "Complete" || isBusy) return Effect.void
          if (queue !== "orders/dead-letter") return Effect.void
          isBusy = true
          return Effect.gen(function* () {
            const some = yield* client.receive(orders, { max: 10, wait: 0 })
            for (const one of some) yield* client.deadLetter(one, { reason: "Again" })
            isBusy = false
          })
        })
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      assert.strictEqual(last(progress).done, 60)
      assert.include(left(), "later")
    })
  )

  it.effect("R10.7 what cannot be held is refused before anything is sent", () =>
    Effect.gen(function* () {
      for (const options of [{ heldMax: 5 }, { heldSizeMax: 30 }]) {
        const { broker, letters, put, there } = yield* Letters.make(blindFifo, {}, options)
        for (let index = 0; index < 40; index++) put(`m-${index}`, { session: "s" })
        const error = yield* Effect.flip(all(letters.replay(orders, DeadLetters.all)))
        assert.match(error.message, /heldMax: this would hold more than/u)
        assert.deepStrictEqual(yield* there, [])
        assert.deepStrictEqual(yield* broker.locked, [])
      }
    })
  )

  it.effect("R7.1 locks are kept while it takes long, and lost ones are not sent twice", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { broker, left, letters, put, there } = yield* Letters.make(blindFifo, {
        faults,
        tellsDepth: true
      })
      for (let index = 0; index < 8; index++) put(`m-${index}`, { session: `s-${index}` })
      let renewals = 0
      // The first renewal fails for a moment; later on one lock is lost.
      faults.before = ({ method }) =>
        method === "renewLock" && renewals++ === 0 ? Effect.fail(Clients.transient()) : Effect.void
      const slow = letters.replay(orders, DeadLetters.all, { rate: 0.1 })
      assert.strictEqual(last(yield* all(slow)).done, 8)
      assert.isAbove(renewals, 2)
      assert.deepStrictEqual(left(), [])
      const ids = yield* there
      assert.strictEqual(new Set(ids).size, ids.length)
      for (let index = 0; index < 4; index++) put(`n-${index}`, { session: `t-${index}` })
      faults.before = ({ method }) =>
        method === "renewLock"
          ? Effect.fail(QueueError.make(new QueueError.ReceiptExpired()))
          : Effect.void
      const lost = yield* all(letters.replay(orders, DeadLetters.all, { rate: 0.05 }))
      assert.strictEqual(last(lost).failures["ReceiptExpired"], last(lost).failed)
      assert.isAbove(last(lost).failed, 0)
      assert.strictEqual(left().length, last(lost).failed)
      assert.isArray(yield* broker.locked)
    })
  )

  it.effect("R3.15 R7.1 locks are kept where the queue of dead letters has shorter ones", () =>
    Effect.gen(function* () {
      const queues = {
        orders: { deadLetter: "unsupported", lockDuration: Duration.minutes(10) },
        aside: { deadLetter: "unsupported", lockDuration: Duration.seconds(30) }
      } as const
      const deadLetterQueues = { orders: Clients.aside }
      const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
      const letters = yield* DeadLetters.make(client)
      for (const id of abc) {
        yield* client.send(orders, Clients.message(id))
        const [message] = yield* client.receive(orders)
        yield* client.deadLetter(message ?? assert.fail("it was sent"), { reason: "Bad" })
      }
      const progress = yield* all(letters.replay(orders, DeadLetters.all, { rate: 0.02 }))
      assert.deepStrictEqual(outcomes(progress), ["a done", "b done", "c done"])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R7.1 a lock that is lost while it is being sent leaves a letter that was sent", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { left, letters, put, there } = yield* Letters.make({}, { faults })
      put("a")
      faults.before = ({ method }) => {
        if (method === "send") return Effect.sleep("25 seconds")
        const expired = QueueError.make(new QueueError.ReceiptExpired())
        return method === "renewLock" ? Effect.fail(expired) : Effect.void
      }
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(outcomes(progress), ["a duplicated ReceiptExpired"])
      assert.deepStrictEqual([left(), yield* there], [["a"], ["a"]])
    })
  )

  it.effect("R7.1 without numbers a session's order is that of the times it was sent at", () =>
    Effect.gen(function* () {
      const { letters, put, there } = yield* Letters.make(blindFifo, { isNumbered: false })
      for (const [id, enqueuedAt] of [
        ["s3", 3],
        ["s1", 1],
        ["s2", 2]
      ] as const) {
        put(id, { session: "s", enqueuedAt })
      }
      yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(yield* there, ["s1", "s2", "s3"])
    })
  )

  for (const { capabilities, way } of ways) {
    it.effect(`R7.1 ${way}: a copy that a crash left goes with its letter`, () =>
      Effect.gen(function* () {
        const { left, letters, put, there } = yield* Letters.make(capabilities)
        put("a", { session: "s", delivery: "dl-1" })
        put("a", { session: "s", delivery: "dl-1" })
        const progress = yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(outcomes(progress), ["a done"])
        assert.deepStrictEqual([left(), yield* there], [[], ["a"]])
      })
    )

    it.effect(`R7.1 ${way}: a condition that changes its mind loses no body`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put } = yield* Letters.make(capabilities)
        for (const id of abc) put(id, { session: id, bytes: 7 })
        let asked = 0
        const fickle = DeadLetters.where(() => asked++ % 2 === 0)
        yield* all(letters.replay(orders, fickle))
        const sent = broker.messages({ _tag: "Queue", queue: orders })
        for (const { body } of sent) assert.strictEqual(body.length, 7)
        assert.strictEqual(left().length + sent.length, 3)
      })
    )
  }
})

describe("DeadLetters: purge", () => {
  for (const { capabilities, way } of ways) {
    it.effect(`R7.1 ${way}: what is selected is removed for good, the rest given back`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put, there } = yield* Letters.make(capabilities, {
          tellsDepth: true
        })
        for (const id of abc) put(id, { session: "s" })
        const isB = DeadLetters.where(({ messageId }) => messageId === "b")
        assert.deepStrictEqual(outcomes(yield* all(letters.purge(orders, isB))), ["b done"])
        assert.deepStrictEqual(left(), ["a", "c"])
        assert.deepStrictEqual(yield* broker.locked, [])
        const progress = yield* all(letters.purge(orders, DeadLetters.all))
        assert.deepStrictEqual([last(progress).done, last(progress).total], [2, 2])
        assert.deepStrictEqual([left(), yield* there], [[], []])
      })
    )
  }

  it.effect(
    "R7.4 a clean-up removes what is past its retention, 30 days unless told otherwise",
    () =>
      Effect.gen(function* () {
        const { left, letters, put } = yield* Letters.make()
        const day = Duration.toMillis(Duration.days(1))
        put("a", { at: 0 })
        put("b", { at: 2 * day })
        put("c", { at: 30 * day })
        yield* TestClock.setTime(31 * day)
        assert.strictEqual(last(yield* all(letters.cleanUp(orders))).done, 1)
        assert.deepStrictEqual(left(), ["b", "c"])
        yield* all(letters.cleanUp(orders, { retention: "2 days" }))
        assert.deepStrictEqual(left(), ["c"])
        const error = yield* Effect.flip(all(letters.cleanUp(orders, { retention: -1 })))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
      })
  )

  it.effect("R7.1 what cannot be removed is told, and stays", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { broker, left, letters, put } = yield* Letters.make({}, { faults })
      put("a")
      faults.each = ({ method, verdict }) =>
        method === "settle" && verdict?._tag === "Complete" ? refused() : undefined
      const progress = yield* all(letters.purge(orders, DeadLetters.all))
      assert.deepStrictEqual(outcomes(progress), ["a failed PermissionDenied"])
      assert.deepStrictEqual([left(), yield* broker.locked], [["a"], []])
    })
  )
})

describe("DeadLetters: what comes back", () => {
  it.effect("R1.6 an attribute of the same name that is not ours is left as it is", () =>
    Effect.gen(function* () {
      const { client } = yield* Letters.make()
      const attributes = { "queue-runtime-replay": "mine" }
      yield* client.send(orders, { ...Clients.message("a"), attributes })
      const [message] = yield* client.peek(orders)
      assert.deepStrictEqual(message?.attributes, attributes)
      assert.deepStrictEqual(
        DateTime.toEpochMillis(message?.enqueuedAt ?? DateTime.makeUnsafe(1)),
        0
      )
    })
  )
})
