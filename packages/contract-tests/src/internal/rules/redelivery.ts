import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Verdict } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Redelivery"

/** A delay of this many lock durations, or the longest there is. */
const delayOf = Effect.fnUntraced(function* (locks: number) {
  const { capabilities } = yield* world
  const { abandonDelayMax, lockDuration } = capabilities
  const delay = Duration.times(lockDuration, locks)
  return abandonDelayMax === undefined ? delay : Duration.min(delay, abandonDelayMax)
})

/** Abandons the only message with a delay: it comes after the delay, and not before. */
const comesAfter = (locks: number) =>
  Effect.gen(function* () {
    const delay = yield* delayOf(locks)
    yield* steps.send(["a"])
    yield* steps.settle([yield* steps.receiveOne()], Verdict.abandon(delay))
    yield* steps.passUntilJustBefore(delay)
    yield* steps.receiveNoneNow()
    yield* steps.passOver
    const again = yield* steps.receiveIds(["a"])
    yield* expect.equal("the deliveries", steps.counted(again), ["a:2"])
  })

export const redelivery: ReadonlyArray<ProviderRule> = [
  {
    id: "REDELIVER-1",
    group,
    title: "an abandoned message comes again, with a new receipt and a count one higher",
    source: "SPEC R3.5",
    probes: ["P4"],
    breaks: "keeps the receipt or the count of the first delivery, or waits for the lock to end",
    run: Effect.gen(function* () {
      const first = yield* steps.deliver("a")
      yield* steps.abandon([first])
      const second = yield* steps.receiveOne()
      yield* expect.equal("the delivery", steps.counted([second]), ["a:2"])
      const isNew = second.receipt.token !== first.receipt.token
      yield* expect.holds("the receipt is a new one", isNew, second.receipt)
      yield* steps.complete([second])
    })
  },
  {
    id: "REDELIVER-2",
    group,
    title: "a message whose lock ran out comes again, with a new receipt and a count one higher",
    source: "SPEC R3.5",
    breaks: "counts abandons alone, so that a handler that kills its process is never stopped",
    run: Effect.gen(function* () {
      const first = yield* steps.deliver("a")
      yield* steps.passLock
      const second = yield* steps.receiveOne()
      yield* expect.equal("the delivery", steps.counted([second]), ["a:2"])
      const isNew = second.receipt.token !== first.receipt.token
      yield* expect.holds("the receipt is a new one", isNew, second.receipt)
      yield* steps.complete([second])
    })
  },
  {
    id: "REDELIVER-3",
    group,
    title: "a delivery lasts for the lock duration declared, and no longer",
    source: "SPEC R3.11: what is declared is what is done",
    breaks: "declares one lock and takes another",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
      yield* steps.passUntilJustBefore(capabilities.lockDuration)
      yield* steps.receiveNoneNow()
      yield* steps.passOver
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "REDELIVER-4",
    group,
    title: "an abandon with a delay hides the message for as long, and no longer",
    source: "SPEC R3.1; SQS ChangeMessageVisibility",
    breaks: "ignores the delay, or lets the lock run out instead",
    skip: needs("abandonDelay"),
    run: comesAfter(0.5)
  },
  {
    id: "REDELIVER-5",
    group,
    title: "an abandon with a delay longer than the lock is kept as well",
    source:
      "ADR 0001: Service Bus has no such delay, its lock is held and must be renewed meanwhile",
    breaks: "holds the lock without renewing it, and delivers when it ends",
    skip: needs("abandonDelay"),
    run: comesAfter(1.8)
  },
  {
    id: "REDELIVER-6",
    group,
    title: "a queue without a delay of abandons refuses one, and the delivery stays",
    source: "SPEC R3.11",
    breaks: "abandons at once, and a failing message spins",
    skip: lacks("abandonDelay"),
    run: Effect.gen(function* () {
      const { provider } = yield* world
      const a = yield* steps.deliver("a")
      const late = Verdict.abandon(Duration.seconds(1))
      const call = provider.settle([a.receipt], late)
      const result = yield* steps.ends(Effect.result(call))
      const reason =
        result._tag === "Failure" ? result.failure.reason._tag : steps.tags(result.success).join()
      yield* expect.equal("the outcome of a delayed abandon", reason, "UnsupportedOperation")
      yield* steps.complete([a])
    })
  },
  {
    id: "REDELIVER-7",
    group,
    title: "a message that backs off does not hold up the others",
    source: "SPEC R3.13: without sessions, messages run side by side",
    breaks: "waits for the first one in line",
    skip: needs("abandonDelay"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.settle([yield* steps.receiveOne()], Verdict.abandon(yield* delayOf(1)))
      yield* steps.send(["b"])
      yield* steps.receiveIds(["b"])
    })
  },
  {
    id: "REDELIVER-8",
    group,
    title: "each delivery counts once, abandoned or lost",
    source: "SPEC R1.4, R3.5; local-aws-sqs 2.0.2 counts every change of visibility (probe P4)",
    probes: ["P4"],
    breaks: "counts the abandon and the delivery after it",
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      const counts: Array<number> = []
      for (const end of ["abandon", "lose", "abandon", "keep"]) {
        const a = yield* steps.receiveOne()
        counts.push(a.deliveryCount)
        if (end === "abandon") yield* steps.abandon([a])
        if (end === "lose") yield* steps.passLock
      }
      yield* expect.equal("the counts", counts, [1, 2, 3, 4])
    })
  },
  {
    id: "REDELIVER-9",
    group,
    title: "renewals do not count as deliveries",
    source: "SQS (probe P12): two renewals and an abandon make 2; local-aws-sqs 2.0.2 makes 5",
    probes: ["P12"],
    breaks: "dead-letters a message because its handler was slow",
    run: Effect.gen(function* () {
      const { capabilities, provider } = yield* world
      const a = yield* steps.deliver("a")
      for (const _ of [1, 2, 3]) {
        yield* steps.pass(Duration.times(capabilities.lockDuration, 0.4))
        yield* steps.ends(provider.renewLock([a.receipt]))
      }
      yield* steps.abandon([a])
      const again = yield* steps.receiveIds(["a"])
      yield* expect.equal("the deliveries", steps.counted(again), ["a:2"])
    })
  },
  {
    id: "REDELIVER-10",
    group,
    title: "a redelivery is the same message: body, attributes, ids",
    source: "SPEC R1.5, R3.5",
    breaks: "hands out what the application changed, or a copy without its attributes",
    run: Effect.gen(function* () {
      const options = { attributes: { one: "1" }, correlationId: "c", contentType: "text/x" }
      yield* steps.send(["a"], options)
      const facts = (one: steps.Received) => ({
        body: [...one.body],
        attributes: { ...one.attributes },
        messageId: one.messageId,
        correlationId: one.correlationId,
        contentType: one.contentType
      })
      const first = yield* steps.receiveOne()
      const before = facts(first)
      // What a handler does to its copy is its own affair.
      first.body.fill(0)
      Object.assign(first.attributes, { one: "changed" })
      yield* steps.abandon([first])
      yield* expect.equal("the second delivery", facts(yield* steps.receiveOne()), before)
    })
  },
  {
    id: "REDELIVER-11",
    group,
    title: "a delay above abandonDelayMax is refused, and the delivery stays",
    source: "SPEC R3.11; SQS: 12 h after the receive",
    probes: ["P17"],
    breaks: "shortens the delay without a word",
    skip: (capabilities) =>
      needs("abandonDelay")(capabilities) ??
      (capabilities.abandonDelayMax === undefined ? "no abandonDelayMax is declared" : undefined),
    run: Effect.gen(function* () {
      const { capabilities, provider } = yield* world
      const max = capabilities.abandonDelayMax ?? Duration.zero
      const one = yield* steps.deliver("a")
      const over = Verdict.abandon(Duration.sum(max, Duration.seconds(1)))
      const result = yield* steps.ends(Effect.result(provider.settle([one.receipt], over)))
      const reason =
        result._tag === "Failure" ? result.failure.reason._tag : steps.tags(result.success).join()
      yield* expect.oneOf("the outcome", reason, ["UnsupportedOperation", "ValidationFailed"])
      yield* steps.complete([one])
    })
  }
]
