import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Batching from "../src/Batching.ts"
import type * as Message from "../src/Message.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import type * as QueueProvider from "../src/QueueProvider.ts"
import * as Verdict from "../src/Verdict.ts"
import * as Merged from "./support/Merged.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"
import { quiet } from "./support/Time.ts"

const { message, orders } = Merged

const whole = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const flag = Arbitrary.schema(Schema.Boolean)

/** One caller: when it calls, what it sends, and when it is interrupted; 0 is never. */
const caller = Arbitrary.all([
  whole(0, 30),
  whole(0, 40),
  Arbitrary.array(Arbitrary.all([whole(0, 3), whole(1, 40)]), { minLength: 1, maxLength: 3 })
]).pipe(Arbitrary.map(([at, stop, sends]) => ({ at, stop: stop > 20 ? 0 : stop, sends })))

const scenario = {
  callers: Arbitrary.array(caller, { minLength: 1, maxLength: 25 }),
  ordered: flag,
  order: Arbitrary.schema(Schema.Literals(["strict", "batch"])),
  callsMax: whole(1, 3),
  waitingMax: whole(1, 6),
  linger: whole(0, 8),
  countMax: whole(3, 6),
  sizeMax: whole(150, 250),
  /** How long each call takes, and whether it fails as a whole. */
  calls: Arbitrary.array(Arbitrary.all([whole(0, 12), whole(0, 9)]), {
    minLength: 1,
    maxLength: 8
  }),
  failing: whole(2, 9)
}

/** Not a verdict, but a renewal. */
const renewal = 5

const verdictOf = (number: number): Verdict.Verdict => {
  if (number === 0) return Verdict.complete
  if (number <= 2) return Verdict.abandon(Duration.seconds(number))
  return number === 3 ? Verdict.deadLetter("A") : Verdict.deadLetter("A", "b")
}

const throttled = QueueError.make(new QueueError.Throttled())

/** What a provider saw: the calls under way, and what it answered for each message. */
const watched = (provider: QueueProvider.Service) => {
  const seen = { most: 0, overlaps: 0, twice: 0, answers: new Map<string, string>() }
  const under: Array<ReadonlyArray<Message.Stamped>> = []
  const sessionsOf = (messages: ReadonlyArray<Message.Stamped>) =>
    messages.flatMap(({ sessionId }) => sessionId ?? [])
  const record = (messages: ReadonlyArray<Message.Stamped>, tags: ReadonlyArray<string>) => {
    for (const [index, { messageId }] of messages.entries()) {
      if (seen.answers.has(messageId)) seen.twice++
      seen.answers.set(messageId, tags[index] ?? "none")
    }
  }
  const service: QueueProvider.Service = {
    ...provider,
    send: (queue, messages) =>
      Effect.suspend(() => {
        const busy = new Set(under.flatMap(sessionsOf))
        if (sessionsOf(messages).some((session) => busy.has(session))) seen.overlaps++
        under.push(messages)
        seen.most = Math.max(seen.most, under.length)
        return provider.send(queue, messages).pipe(
          Effect.tap((outcomes) => Effect.sync(() => record(messages, outcomes.map(Merged.tag)))),
          Effect.tapError(({ reason }) =>
            Effect.sync(() =>
              record(
                messages,
                messages.map(() => `!${reason._tag}`)
              )
            )
          ),
          Effect.ensuring(Effect.sync(() => under.splice(under.indexOf(messages), 1)))
        )
      })
  }
  return { seen, service }
}

describe("Batching, whatever comes", () => {
  it.effect.prop(
    "R3.10 R4.1 everybody gets its own outcome, sessions keep their order, no limit is exceeded, and " +
      "interruption loses nothing of others",
    scenario,
    (given) =>
      Effect.gen(function* () {
        const { callers, calls, countMax, failing, linger, order, ordered, sizeMax } = given
        const broker = yield* ScriptedProvider.make({
          queues: {
            orders: {
              ...(ordered ? ScriptedProvider.ordered : {}),
              sendCountMax: countMax,
              sendSizeMax: sizeMax
            }
          },
          faults: {
            before: ({ nth }) => {
              const [millis = 0, luck = 9] = calls[nth % calls.length] ?? []
              const slept = millis === 0 ? Effect.void : Effect.sleep(millis)
              return luck === 0 ? Effect.andThen(slept, Effect.fail(throttled)) : slept
            },
            each: (_, id) =>
              Number(id.split("-")[1]) % failing === 1
                ? QueueError.make(new QueueError.QuotaExceeded({ resource: "it", maximum: 1 }))
                : undefined
          }
        })
        const { seen, service } = watched(broker.service)
        const batching = yield* Batching.make(service, {
          callsMax: given.callsMax,
          waitingMax: given.waitingMax,
          linger,
          sendOrder: order,
          closeWait: 0
        })

        let number = 0
        const inOrder = callers
          .toSorted((one, other) => one.at - other.at)
          .map(({ at, sends, stop }) => ({
            at,
            stop,
            messages: sends.map(([session, bytes]) =>
              message(`m-${++number}`, `s${session}`, bytes)
            )
          }))
        const fibers: Array<{
          readonly fiber: Fiber.Fiber<unknown, unknown>
          readonly answer: () => string
          readonly ids: ReadonlyArray<string>
          readonly until: number
        }> = []
        for (let now = 0; now <= 1_000; now += now < 80 ? 1 : 100) {
          for (const { at, messages, stop } of inOrder) {
            if (at !== now) continue
            const fiber = yield* Merged.start(batching.send(orders, messages))
            const ids = messages.map(({ messageId }) => messageId)
            const until = stop === 0 ? Infinity : at + stop
            fibers.push({ fiber, answer: () => Merged.answered(fiber), ids, until })
          }
          yield* quiet
          for (const { fiber, until } of fibers) {
            if (until === now) fiber.interruptUnsafe()
          }
          yield* TestClock.adjust(now < 80 ? 1 : 100)
        }
        yield* quiet

        assert.isAtMost(seen.most, given.callsMax, "calls under way")
        assert.strictEqual(seen.twice, 0, "messages sent twice")
        if (ordered) assert.strictEqual(seen.overlaps, 0, "sessions in two calls")
        for (const { answer, ids } of fibers) {
          const own = ids.map((id) => seen.answers.get(id) ?? "not sent")
          const [first = ""] = own
          const expected = first.startsWith("!") ? first : own.join(" ")
          assert.include([expected, "interrupted"], answer())
        }
        const unasked = fibers.filter(
          ({ answer, until }) => answer() === "interrupted" && until === Infinity
        )
        assert.strictEqual(unasked.length, 0, "interrupted, and nobody asked for it")
        if (!ordered) return true
        for (const session of ["s0", "s1", "s2", "s3"]) {
          const stored = broker
            .messages(QueueAddress.queue(orders))
            .flatMap(({ messageId, sessionId }) =>
              sessionId === session ? [Number(messageId.slice(2))] : []
            )
          assert.deepStrictEqual(
            stored,
            stored.toSorted((one, other) => one - other)
          )
        }
        return true
      }),
    { arbitrary: { runs: 60, seed: 7 } }
  )

  it.effect.prop(
    "R3.10 settlements of any verdicts and renewals side by side have each their own effect",
    {
      verdicts: Arbitrary.array(whole(0, 5), { minLength: 1, maxLength: 30 }),
      used: Arbitrary.array(whole(0, 29), { minLength: 0, maxLength: 8 }),
      settleCountMax: whole(1, 10)
    },
    ({ settleCountMax, used, verdicts }) =>
      Effect.gen(function* () {
        const merged = yield* Merged.make(
          { linger: 2 },
          { queue: { settleCountMax, receiveCountMax: 50 } }
        )
        delete merged.faults.before
        const ids = verdicts.map((_, index) => `m-${index}`)
        const receipts = yield* Merged.deliveries(merged, ids)
        const settled = new Set(used.filter((index) => index < ids.length))
        for (const index of settled) {
          const receipt = receipts[index]
          if (receipt !== undefined) yield* merged.broker.service.settle([receipt], verdictOf(0))
        }
        const before = merged.broker.settled.length
        const callers = yield* Effect.forEach(receipts, (receipt, index) =>
          Merged.start(
            verdicts[index] === renewal
              ? Effect.map(merged.batching.renewLock([receipt]), (outcomes) =>
                  outcomes.map(Result.map(() => undefined))
                )
              : merged.batching.settle([receipt], verdictOf(verdicts[index] ?? 0))
          )
        )
        for (let turn = 0; turn < 40; turn++) {
          yield* quiet
          yield* TestClock.adjust(2)
        }
        assert.deepStrictEqual(
          callers.map((fiber) => Merged.answered(fiber)),
          ids.map((_, index) => (settled.has(index) ? "ReceiptExpired" : "ok"))
        )
        const expected = ids.flatMap((id, index) =>
          settled.has(index) || verdicts[index] === renewal
            ? []
            : [`${id} ${verdictOf(verdicts[index] ?? 0)._tag}`]
        )
        const done = merged.broker.settled
          .slice(before)
          .map(({ id, verdict }) => `${id} ${verdict}`)
        assert.deepStrictEqual(done.toSorted(), expected.toSorted())
        return true
      }),
    { arbitrary: { runs: 60, seed: 11 } }
  )
})
