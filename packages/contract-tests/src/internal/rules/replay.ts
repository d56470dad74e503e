import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import {
  Capabilities,
  DeadLetters,
  type Message,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as wrap from "../sabotages/wrap.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Replay"

const skip = needs("deadLetter")

const bad = Verdict.deadLetter("Bad", "very bad")

/** The client and the dead letters over a provider: that of the rule, unless one is given. */
const tools = Effect.fnUntraced(function* (over?: QueueProvider.Service) {
  const { provider } = yield* world
  const client = yield* QueueClient.make(over ?? provider)
  return { client, letters: yield* DeadLetters.make(client) }
})

/** All of a stream. What cannot be peeked at is waited for, a second at a time. */
const all = <A>(stream: Stream.Stream<A, QueueError.QueueError>) =>
  steps.ends(Stream.runCollect(stream), Duration.seconds(30))

/** Sends messages and puts each aside; all alike, unless told. */
const bury = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>,
  options: Message.Options = {},
  verdictOf: (id: string) => Verdict.Verdict = () => bad
) {
  yield* steps.send(ids, options)
  for (const message of yield* steps.receiveIds(ids)) {
    yield* steps.settle([message], verdictOf(message.messageId))
  }
})

/** The messages of the queue as an application receives them, each completed. */
const received = Effect.fnUntraced(function* (count: number) {
  const { queue, time } = yield* world
  const { client } = yield* tools()
  const found: Array<steps.Received> = []
  while (found.length < count) {
    const ask = client.receive(queue, { max: count - found.length, wait: time.patience })
    const some = yield* steps.ends(ask, time.patience)
    if (some.length === 0) break
    found.push(...some)
    yield* steps.complete(some)
  }
  return found
})

const receivedOne = Effect.flatMap(received(1), ([first]) =>
  expect.present("the message that was replayed", first)
)

/** What a replay or a purge comes to. */
const outcome = Effect.fnUntraced(function* (
  stream: Stream.Stream<DeadLetters.Progress, QueueError.QueueError>,
  done: number
) {
  const last = (yield* all(stream)).at(-1)
  yield* expect.equal("the letters that failed", last?.failed, 0)
  yield* expect.equal("the letters that were done", last?.done, done)
})

const sortedIds = (letters: ReadonlyArray<{ readonly messageId: string }>) =>
  steps.ids(letters).toSorted()

/** The dead letters as they are listed now. */
const listed = Effect.flatMap(tools(), ({ letters }) =>
  Effect.flatMap(world, ({ queue }) => all(letters.list(queue)))
)

/** All messages of a session, as an application receives them. */
const sessionTexts = Effect.fnUntraced(function* (session: string, count: number) {
  const { capabilities, queue, time } = yield* world
  const { client } = yield* tools()
  const isById = Capabilities.isSupported(capabilities.acceptSpecific)
  const sessionId = SessionId.makeUnsafe(session)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const ask = client.acceptSession(queue, {
        ...(isById ? { sessionId } : {}),
        wait: time.patience
      })
      const accepted = Option.getOrUndefined(yield* steps.ends(ask, time.patience))
      const held = yield* expect.present(`session "${session}"`, accepted)
      const found: Array<string> = []
      while (found.length <= count) {
        // One too many would be there already.
        const wait = found.length < count ? time.patience : time.quiet
        const some = yield* steps.ends(held.receive({ max: 1, wait }), wait)
        if (some.length === 0) break
        for (const message of some) {
          found.push(message.messageId)
          yield* steps.ends(held.complete(message))
        }
      }
      return [held.sessionId, found] as const
    })
  )
})

export const replay: ReadonlyArray<ProviderRule> = [
  {
    id: "REPLAY-1",
    group,
    title: "dead letters are listed and counted without being removed, once each, page by page too",
    source: "SPEC R7.1",
    breaks: "removes what it shows, shows it twice, or begins each page with the first",
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      const ids = ["a", "b", "c", "d", "e"]
      yield* bury(ids)
      yield* expect.equal("the letters", sortedIds(yield* listed), ids)
      const counted = yield* steps.ends(letters.count(queue), Duration.seconds(30))
      yield* expect.equal("their number", counted.count, ids.length)
      const found: Array<string> = []
      let cursor: string | undefined
      for (const _ of ids) {
        const options = { size: 2, ...(cursor === undefined ? {} : { cursor }) }
        const page = yield* steps.ends(letters.page(queue, options), Duration.seconds(30))
        yield* expect.equal("whether the page is complete", page.complete, true)
        found.push(...steps.ids(page.letters))
        cursor = page.next
        if (cursor === undefined) break
      }
      yield* expect.equal("the letters of all pages", found.toSorted(), ids)
      yield* steps.receiveIds(ids, yield* steps.deadLetters)
    })
  },
  {
    id: "REPLAY-2",
    group,
    title: "a dead letter replayed at once is delivered, as it was sent, with what happened to it",
    source: "SPEC R7.1: the broker must not swallow a replay as a duplicate of the first sending",
    breaks: "drops what it has seen before, or what is beside the message",
    queue: { deduplication: true },
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      const attributes: Record<string, string> = { one: "1", two: "zwei 😀" }
      const options = { attributes, correlationId: "c", contentType: "text/x" }
      yield* bury(["a"], options)
      yield* outcome(letters.replay(queue, DeadLetters.all), 1)
      const a = yield* receivedOne
      yield* expect.equal("the id", a.messageId, "a")
      yield* expect.equal("the body", new TextDecoder().decode(a.body), "a")
      yield* expect.equal("the attributes", { ...a.attributes }, attributes)
      yield* expect.equal("the correlation id", a.correlationId, "c")
      yield* expect.equal("the content type", a.contentType, "text/x")
      yield* expect.equal("the deliveries", a.deliveryCount, 1)
      const [past] = a.history ?? []
      yield* expect.equal("the reason of before", past?.reason, "Bad")
      yield* expect.equal("the queue it came from", past?.source, queue)
      yield* expect.equal("the letters left", (yield* listed).length, 0)
    })
  },
  {
    id: "REPLAY-3",
    group,
    title: "a message can be put aside and replayed again and again, and remembers each time",
    source: "SPEC R7.1: a deduplication id of its own for each replay and each dead-lettering",
    breaks: "drops the second replay, or the second dead letter, as a duplicate of the first",
    queue: { deduplication: true },
    skip,
    run: Effect.gen(function* () {
      const { queue, time } = yield* world
      const { client, letters } = yield* tools()
      yield* bury(["a"])
      yield* outcome(letters.replay(queue, DeadLetters.all), 1)
      for (const reason of ["Worse", "Worst"]) {
        const ask = client.receive(queue, { wait: time.patience })
        const [a] = yield* steps.ends(ask, time.patience)
        const again = yield* expect.present("the message that was replayed", a)
        yield* steps.ends(client.deadLetter(again, { reason }))
        const [letter] = yield* listed
        yield* expect.equal("the id of the letter", letter?.messageId, "a")
        yield* expect.equal("its reason", letter?.reason, reason)
        yield* outcome(letters.replay(queue, DeadLetters.all), 1)
      }
      const last = yield* receivedOne
      const reasons = (last.history ?? []).map((one) => one.reason)
      yield* expect.equal("its history", reasons, ["Bad", "Worse", "Worst"])
      yield* expect.equal("its id", last.messageId, "a")
    })
  },
  {
    id: "REPLAY-4",
    group,
    title: "letters are replayed by id and by condition, and the others stay",
    source: "SPEC R7.1: one, many or by predicate",
    breaks: "gives back what was received, and loses it, or sends all of it",
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      const verdictOf = (id: string) => Verdict.deadLetter(id === "c" ? "Other" : "Bad")
      yield* bury(["a", "b", "c", "d"], {}, verdictOf)
      const b = (yield* listed).find(({ messageId }) => messageId === "b")
      const { id } = yield* expect.present("the letter of b", b)
      const found = yield* steps.ends(letters.get(queue, id), Duration.seconds(30))
      yield* expect.equal("the letter found", Option.getOrUndefined(found)?.messageId, "b")
      yield* outcome(letters.replay(queue, DeadLetters.ids([id])), 1)
      const isOther = DeadLetters.where(({ reason }) => reason === "Other")
      yield* outcome(letters.replay(queue, isOther), 1)
      yield* expect.equal("the messages replayed", sortedIds(yield* received(2)), ["b", "c"])
      yield* steps.receiveNoneNow()
      yield* expect.equal("the letters left", sortedIds(yield* listed), ["a", "d"])
    })
  },
  {
    id: "REPLAY-5",
    group,
    title: "a replay keeps each session and its order",
    source: "SPEC R7.1, R4.1; sqsmover#145: replay that keeps group, origin and reason",
    probes: ["P1"],
    breaks: "sends dead letters as they come, or without their session",
    queue: { sessions: true, deduplication: true },
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      const expected: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
        ["A", ["a1", "a2", "a3", "a4"]],
        ["B", ["b1", "b2", "b3"]]
      ]
      for (const [name, ids] of expected) {
        yield* Effect.scoped(
          Effect.flatMap(steps.holding(name, ids), ({ received: own, session }) =>
            steps.settle(own, bad, session)
          )
        )
      }
      yield* outcome(letters.replay(queue, DeadLetters.all), 7)
      const found = [yield* sessionTexts("A", 4), yield* sessionTexts("B", 3)]
      const sorted = found.toSorted(([one], [other]) => (one < other ? -1 : 1))
      yield* expect.equal("the sessions replayed", sorted, expected)
    })
  },
  {
    id: "REPLAY-6",
    group,
    title: "a replay cut off between the sending and the removal loses nothing, and is made up for",
    source: "SPEC R7.1: sends before it removes; the same deduplication id after a crash",
    breaks: "drops the dead letter with its copy; takes the second copy where it deduplicates",
    queue: { deduplication: true },
    skip,
    run: Effect.gen(function* () {
      const { capabilities, provider, queue } = yield* world
      const throttled = Result.fail(QueueError.make(new QueueError.Throttled()))
      const cut = wrap.change(provider, {
        settle: (receipts, verdict) =>
          verdict._tag === "Complete"
            ? Effect.succeed(receipts.map(() => throttled))
            : provider.settle(receipts, verdict)
      })
      yield* bury(["a"])
      const { letters: broken } = yield* tools(cut)
      const progress = yield* all(broken.replay(queue, DeadLetters.all))
      const became = progress.flatMap((one) => one.last?.outcome ?? [])
      yield* expect.equal("what became of it", became, ["duplicated"])
      const { letters } = yield* tools()
      yield* outcome(letters.replay(queue, DeadLetters.all), 1)
      const isDropped = Capabilities.isSupported(capabilities.deduplication)
      const copies = steps.ids(yield* received(2))
      yield* expect.equal("the copies", copies, isDropped ? ["a"] : ["a", "a"])
      yield* expect.equal("the letters left", (yield* listed).length, 0)
    })
  },
  {
    id: "REPLAY-7",
    group,
    title: "a purge removes what was selected for good, and nothing younger than it was told",
    source: "SPEC R7.1, R7.4: clean-up is an explicit operation",
    breaks: "gives back what was to go, or removes what was to stay",
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      yield* bury(["a", "b", "c"])
      yield* outcome(letters.purge(queue, DeadLetters.all, { olderThan: "1 hour" }), 0)
      yield* outcome(letters.cleanUp(queue), 0)
      const isB = DeadLetters.where(({ messageId }) => messageId === "b")
      yield* outcome(letters.purge(queue, isB, { dryRun: true }), 1)
      yield* expect.equal("the letters left", sortedIds(yield* listed), ["a", "b", "c"])
      yield* outcome(letters.purge(queue, isB), 1)
      yield* expect.equal("the letters left", sortedIds(yield* listed), ["a", "c"])
      yield* outcome(letters.purge(queue, DeadLetters.all), 2)
      yield* steps.receiveNoneNow(yield* steps.deadLetters)
      yield* steps.receiveNoneNow()
    })
  },
  {
    id: "REPLAY-8",
    group,
    title: "an export sent again by an import is what it was, and a second import is dropped",
    source: "SPEC R7.1: export; R4.1",
    probes: ["P1"],
    breaks: "loses bytes, sessions or ids on the way",
    queue: { sessions: true, deduplication: true },
    skip,
    run: Effect.gen(function* () {
      const { capabilities, queue } = yield* world
      const { letters } = yield* tools()
      yield* Effect.scoped(
        Effect.flatMap(steps.holding("A", ["a1", "a2"]), ({ received: own, session }) =>
          steps.settle(own, bad, session)
        )
      )
      const lines = yield* all(letters.exportNdjson(queue))
      yield* outcome(letters.purge(queue, DeadLetters.all), 2)
      // Backwards, and cut where nobody would: the import brings it into order.
      const text = Stream.fromIterable([...lines.toReversed().join("")])
      yield* outcome(letters.importNdjson(queue, text), 2)
      if (Capabilities.isSupported(capabilities.deduplication)) {
        yield* outcome(letters.importNdjson(queue, text), 2)
      }
      const [session, ids] = yield* sessionTexts("A", 2)
      yield* expect.equal("the session", session, SessionId.makeUnsafe("A"))
      yield* expect.equal("its messages", ids, ["a1", "a2"])
    })
  },
  {
    id: "REPLAY-9",
    group,
    title: "attributes are edited on the way, and a dry run changes nothing",
    source: "SPEC R7.1: with attributes edited",
    breaks: "sends the dead letter as it lies there",
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      yield* bury(["a"], { attributes: { keep: "1", change: "2", remove: "3" } })
      const edit = DeadLetters.editAttributes({ change: "two", add: "4", remove: undefined })
      yield* outcome(letters.replay(queue, DeadLetters.all, { edit, dryRun: true }), 1)
      yield* steps.receiveNoneNow()
      yield* outcome(letters.replay(queue, DeadLetters.all, { edit }), 1)
      const a = yield* receivedOne
      const expected: Record<string, string> = { keep: "1", change: "two", add: "4" }
      yield* expect.equal("the attributes", { ...a.attributes }, expected)
    })
  },
  {
    id: "REPLAY-10",
    group,
    title: "deliveries are counted on after a replay, if it is told so",
    source: "SPEC R7.4: replay chooses whether the delivery count starts again",
    breaks: "hides the count of before, or the attribute that carries it",
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const { letters } = yield* tools()
      yield* steps.send(["a"])
      yield* steps.abandon([yield* steps.receiveOne()])
      yield* steps.settle([yield* steps.receiveOne()], bad)
      yield* outcome(letters.replay(queue, DeadLetters.all, { restartDeliveryCount: false }), 1)
      const a = yield* receivedOne
      yield* expect.equal("the deliveries", steps.counted([a]), ["a:3"])
      yield* expect.equal("the attributes", { ...a.attributes }, {})
    })
  },
  {
    id: "REPLAY-11",
    group,
    title: "dead letters are summed up: by reason, by service, the oldest and the newest",
    source: "SPEC R7.3",
    breaks: "loses reasons or details of some",
    skip,
    run: Effect.gen(function* () {
      const { queue, time } = yield* world
      const { letters } = yield* tools()
      const before = yield* DateTime.now
      const verdictOf = (id: string) =>
        id === "c"
          ? Verdict.deadLetter("Other", undefined, { service: "bot" })
          : Verdict.deadLetter("Bad")
      yield* bury(["a", "b", "c"], {}, verdictOf)
      const after = yield* DateTime.now
      const sum = yield* steps.ends(letters.statistics(queue), Duration.seconds(30))
      yield* expect.equal("how many", [sum.count, sum.complete], [3, true])
      yield* expect.equal("by reason", { ...sum.byReason }, { Bad: 2, Other: 1 })
      yield* expect.equal("by service", { ...sum.byService }, { unknown: 2, bot: 1 })
      const hours = sum.byHour.reduce((total, { count }) => total + count, 0)
      yield* expect.equal("in all hours", hours, 3)
      const slack = Duration.times(time.precision, 2)
      const span = {
        minimum: DateTime.subtractDuration(before, slack),
        maximum: DateTime.addDuration(after, slack)
      }
      for (const at of [sum.oldest, sum.newest]) {
        const isThen = at !== undefined && DateTime.between(at, span)
        yield* expect.holds("the time is that of the dead-lettering", isThen, at)
      }
    })
  },
  {
    id: "REPLAY-12",
    group,
    title: "the depth of a queue and of its dead letters, where it is told, is what is there",
    source: "QueueProvider.depth",
    breaks: "forgets what is locked, or counts the other part of the queue",
    skip,
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const { depth } = QueueProvider.mapDepth(provider, (call) => call)
      if (depth === undefined) return yield* expect.skip("the provider tells no depth")
      const depthOf = (address: QueueAddress.QueueAddress) => steps.ends(depth(address))
      yield* bury(["a", "b", "c"])
      yield* steps.send(["d"])
      const dead = QueueAddress.deadLetter(queue)
      const [held] = yield* steps.receive(1, dead)
      const letter = yield* expect.present("a dead letter", held)
      const inDead = yield* depthOf(dead)
      yield* expect.equal("the dead letters", inDead, { available: 2, locked: 1, delayed: 0 })
      const inQueue = yield* depthOf(QueueAddress.queue(queue))
      yield* expect.equal("the queue", inQueue, { available: 1, locked: 0, delayed: 0 })
      yield* steps.complete([letter])
      const after = yield* depthOf(dead)
      yield* expect.equal("one less", after, { available: 2, locked: 0, delayed: 0 })
    })
  },
  {
    id: "REPLAY-13",
    group,
    title:
      "a replay says at its end whether it came to all letters, and those that others hold are some",
    source: "SPEC R7.1: where the service cannot show everything, complete is false",
    breaks: "hides from a peek, or from the depth, what somebody holds",
    skip,
    run: Effect.gen(function* () {
      const { capabilities, provider, queue } = yield* world
      const { letters } = yield* tools()
      const ending = (selection: DeadLetters.Selection) =>
        Effect.map(all(letters.replay(queue, selection)), (progress) => {
          const { complete, done } = progress.at(-1) ?? {}
          return { complete, done }
        })
      yield* bury(["a", "b"])
      const [held] = yield* steps.receive(1, yield* steps.deadLetters)
      const letter = yield* expect.present("a dead letter", held)
      const first = yield* ending(DeadLetters.all)
      yield* expect.equal("while another one is held", first, { complete: false, done: 1 })
      yield* steps.abandon([letter])
      // Who neither shows nor counts them cannot say that these were all.
      const isTold = Capabilities.isSupported(capabilities.peek) || provider.depth !== undefined
      const second = yield* ending(DeadLetters.all)
      yield* expect.equal("with all of them", second, { complete: isTold, done: 1 })
    })
  }
]
