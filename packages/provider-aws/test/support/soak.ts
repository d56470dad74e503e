import { Clock, Context, DateTime, Duration, Effect, Exit, Fiber, Layer, Option } from "effect"
import { Random, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { QueueProvider, type QueueSession, Verdict } from "@queue-runtime/core"
import { SqsBroker, type SqsFaults, type SqsHttp } from "@queue-runtime/sqs-emulator"
import { AwsProvider } from "../../src/index.ts"
import * as emulated from "./emulated.ts"
import * as world from "./world.ts"

/** How much is done, and what goes wrong meanwhile. */
export interface Plan {
  readonly seed: string
  readonly fifo: boolean
  readonly sessions: number
  /** Of each session. */
  readonly messages: number
  readonly processes: number
  /** In each process. */
  readonly workers: number
}

/** What came of it. */
export interface Figures {
  sent: number
  delivered: number
  completed: number
  deadLettered: number
  abandoned: number
  lost: number
  faults: number
  crashes: number
  closes: number
  virtualSeconds: number
}

const deliveriesMax = 5
const visibility = Duration.seconds(10)

type Fault = SqsFaults.Rule["fault"]

const anyEntry = (_: unknown, index: number): boolean => (index * 7 + 3) % 5 < 2

const actions = [
  "DeleteMessageBatch",
  "ChangeMessageVisibilityBatch",
  "SendMessageBatch",
  "ReceiveMessage"
] as const

const kinds: ReadonlyArray<Fault> = [
  { _tag: "FailEntries", entries: anyEntry, kind: "InternalError" },
  { _tag: "FailEntries", entries: "all", kind: "InternalError" },
  { _tag: "Fail", kind: "RequestThrottled" },
  { _tag: "Fail", kind: "ServiceUnavailable" },
  { _tag: "Fail", kind: "InternalError" },
  { _tag: "LoseReply" },
  { _tag: "LoseReply" },
  { _tag: "Reset" },
  { _tag: "Hang" },
  { _tag: "Slow", duration: "300 millis" },
  { _tag: "Slow", duration: "4 seconds" }
]

const careless: ReadonlyArray<Fault> = [{ _tag: "Duplicate" }, { _tag: "Reorder" }]

/** One of these. */
const oneOf = <A>(all: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.flatMap(Random.nextIntBetween(0, all.length, { halfOpen: true }), (index) =>
    Effect.fromNullishOr(all[index]).pipe(Effect.orDie)
  )

const chance = (part: number): Effect.Effect<boolean> =>
  Effect.map(Random.next, (drawn) => drawn < part)

const millisWithin = (minimum: number, maximum: number): Effect.Effect<number> =>
  Random.nextIntBetween(minimum, maximum)

/** A delivery in somebody's hands. */
interface InHand {
  readonly holder: object
  readonly messageId: string
  readonly until: () => number
}

/** What was sent, who has what, and what must never be. */
export class Ledger {
  readonly plan: Plan
  /** By session, in the order they were taken by the broker. */
  readonly sent = new Map<string, Array<string>>()
  /** Settled for certain. */
  readonly done = new Set<string>()
  /** Settled, or nobody can tell. */
  readonly perhaps = new Set<string>()
  readonly buried = new Set<string>()
  readonly inHand = new Map<string, Set<InHand>>()
  /** How often a handler had it. */
  readonly deliveries = new Map<string, number>()
  readonly violations: Array<string> = []
  readonly figures: Figures = {
    sent: 0,
    delivered: 0,
    completed: 0,
    deadLettered: 0,
    abandoned: 0,
    lost: 0,
    faults: 0,
    crashes: 0,
    closes: 0,
    virtualSeconds: 0
  }

  /** The bodies of the dead letters. */
  readonly dead: Effect.Effect<ReadonlyArray<string>>

  constructor(plan: Plan, dead: Effect.Effect<ReadonlyArray<string>>) {
    this.plan = plan
    this.dead = dead
  }

  took(session: string, messageId: string): void {
    const own = this.sent.get(session) ?? []
    own.push(messageId)
    this.sent.set(session, own)
    this.figures.sent++
  }

  #hands(session: string): Set<InHand> {
    const known = this.inHand.get(session) ?? new Set<InHand>()
    this.inHand.set(session, known)
    return known
  }

  /** R4.1 R4.3: in order, and nobody else has one of its session whose lock holds. */
  handOut(session: string, hand: InHand, now: number, dead: ReadonlyArray<string>): void {
    this.seen(hand.messageId)
    const { messageId } = hand
    const hands = this.#hands(session)
    if (this.plan.fifo) {
      if (this.done.has(messageId))
        this.violations.push(`${messageId} came again after it was done`)
      const own = this.sent.get(session) ?? []
      const mine = new Set(
        [...hands].flatMap((one) => (one.holder === hand.holder ? one.messageId : []))
      )
      for (const before of own.slice(0, Math.max(0, own.indexOf(messageId)))) {
        if (this.perhaps.has(before) || mine.has(before) || dead.includes(before)) continue
        this.violations.push(`${messageId} came before ${before}`)
      }
      for (const other of hands) {
        // The broker may have taken its settlement, whose answer is on its way.
        if (other.holder === hand.holder || this.perhaps.has(other.messageId)) continue
        if (dead.includes(other.messageId)) continue
        if (other.until() > now) {
          this.violations.push(
            `${now}: ${messageId} is in hand while ${other.messageId} is elsewhere until ${other.until()}`
          )
        } else hands.delete(other)
      }
    }
    hands.add(hand)
  }

  seen(messageId: string): void {
    this.figures.delivered++
    this.deliveries.set(messageId, (this.deliveries.get(messageId) ?? 0) + 1)
  }

  putDown(session: string, hand: InHand): void {
    this.#hands(session).delete(hand)
  }

  /** A holder has stopped working, whatever it has. */
  end(session: string, holder: object): void {
    const hands = this.#hands(session)
    for (const one of hands) if (one.holder === holder) hands.delete(one)
  }

  /** All that was sent is settled, perhaps without anybody having been told. */
  get left(): ReadonlyArray<string> {
    return [...this.sent.values()].flat().filter((id) => !this.perhaps.has(id))
  }
}

type Outcome = string | undefined

const isPoison = (messageId: string): boolean => messageId.endsWith("-poison")

const settle = Effect.fnUntraced(function* (
  ledger: Ledger,
  by: Pick<QueueProvider.Service, "settle">,
  messages: ReadonlyArray<world.Received>,
  verdict: Verdict.Verdict
) {
  const isFinal = verdict._tag !== "Abandon"
  // Until it is told otherwise the broker may have taken it.
  if (isFinal) for (const { messageId } of messages) ledger.perhaps.add(messageId)
  const result = yield* Effect.result(by.settle(world.receiptsOf(messages), verdict))
  const outcomes: ReadonlyArray<Outcome> =
    result._tag === "Success" ? world.tags(result.success) : messages.map(() => undefined)
  for (const [index, { messageId }] of messages.entries()) {
    const outcome = outcomes[index]
    if (outcome === "ok" && isFinal) {
      ledger.done.add(messageId)
      if (verdict._tag === "DeadLetter") ledger.buried.add(messageId)
      ledger.figures[verdict._tag === "DeadLetter" ? "deadLettered" : "completed"]++
    } else if (outcome === "ok") ledger.figures.abandoned++
    else ledger.figures.lost++
  }
  return outcomes
})

/** Works on a session as a careful holder does: in order, each when the one before is settled. */
const work = Effect.fnUntraced(function* (
  ledger: Ledger,
  session: QueueSession.QueueSession,
  holder: object
) {
  const id = session.sessionId
  let rounds = 0
  while (rounds < 6) {
    rounds++
    const max = yield* oneOf([1, 1, 3, 10])
    const wait = Duration.millis(yield* oneOf([0, 100, 1_500]))
    const messages = yield* session.receive({ max, wait })
    if (messages.length === 0) return
    const now = yield* Clock.currentTimeMillis
    const dead = yield* ledger.dead
    const hands = new Map<string, InHand>()
    for (const { lockedUntil, messageId } of messages) {
      const lockedAt = { until: DateTime.toEpochMillis(lockedUntil) }
      const hand = { holder, messageId, until: () => lockedAt.until }
      hands.set(messageId, hand)
      ledger.handOut(id, hand, now, dead)
    }
    const drop = (all: ReadonlyArray<world.Received>): void => {
      for (const { messageId } of all) {
        const hand = hands.get(messageId)
        if (hand !== undefined) ledger.putDown(id, hand)
      }
    }
    if (yield* chance(0.02)) {
      // Forgets to renew, as a process that stands still does.
      yield* Effect.sleep(Duration.sum(visibility, Duration.seconds(2)))
    }
    if (yield* chance(0.3)) {
      const outcomes = yield* settle(ledger, session, messages, Verdict.complete)
      drop(messages)
      if (outcomes.some((one) => one !== "ok")) return
      continue
    }
    for (const [index, one] of messages.entries()) {
      yield* Effect.sleep(yield* oneOf([1, 20, 200, 1_500]))
      if (yield* chance(0.3)) yield* session.renewLock
      const left = messages.slice(index)
      const isFailing = isPoison(one.messageId) || (yield* chance(0.05))
      if (isFailing) {
        const delay = Duration.millis(yield* oneOf([0, 0, 1_000]))
        yield* settle(ledger, session, [one], Verdict.abandon(delay))
        drop(left)
        break
      }
      const verdict = (yield* chance(0.03)) ? Verdict.deadLetter("Test") : Verdict.complete
      const [outcome] = yield* settle(ledger, session, [one], verdict)
      if (outcome !== "ok") {
        drop(left)
        return
      }
      drop([one])
    }
  }
})

const sessionWorker = (ledger: Ledger, provider: QueueProvider.Service) =>
  Effect.gen(function* () {
    while (true) {
      const bySession = (yield* chance(0.15))
        ? `s${yield* Random.nextIntBetween(0, ledger.plan.sessions, { halfOpen: true })}`
        : undefined
      const wait = yield* oneOf<Duration.Input>(["0 millis", "500 millis", "3 seconds"])
      yield* Effect.scoped(
        Effect.flatMap(world.accept(provider, bySession, wait), (session) => {
          if (Option.isNone(session)) return Effect.void
          const holder = {}
          const putDown = Effect.sync(() => ledger.end(session.value.sessionId, holder))
          return Effect.ensuring(work(ledger, session.value, holder), putDown)
        })
      ).pipe(Effect.ignore)
      yield* Effect.sleep(yield* millisWithin(1, 50))
    }
  })

const plainWorker = (ledger: Ledger, provider: QueueProvider.Service) =>
  Effect.gen(function* () {
    while (true) {
      const max = yield* oneOf([1, 3, 10])
      const wait = Duration.millis(yield* oneOf([0, 500, 3_000]))
      const got = yield* Effect.result(provider.receive(world.main, { max, wait }))
      const messages = Result.isSuccess(got) ? got.success : []
      for (const { messageId } of messages) ledger.seen(messageId)
      yield* Effect.sleep(yield* oneOf([1, 20, 200, 1_500]))
      const poison = messages.filter(({ messageId }) => isPoison(messageId))
      const good = messages.filter(({ messageId }) => !isPoison(messageId))
      if (poison.length > 0) yield* settle(ledger, provider, poison, Verdict.abandon())
      if (good.length === 0) continue
      if (yield* chance(0.1)) yield* settle(ledger, provider, good, Verdict.abandon())
      else if (yield* chance(0.95)) yield* settle(ledger, provider, good, Verdict.complete)
    }
  })

/** A process: a provider of its own, and workers. It ends well, or with its connections dead. */
const life = Effect.fnUntraced(function* (
  ledger: Ledger,
  broker: SqsBroker.Service,
  queues: world.Queues
) {
  const way = { deadSockets: "deliver", delay: yield* oneOf([0, 2, 30]) } as const
  const handler = yield* emulated.transport(broker, way)
  const line = { isDead: false }
  const handle: SqsHttp.RequestHandler["handle"] = (request, options) =>
    line.isDead ? new Promise(() => undefined) : handler.handle(request, options)
  const requestHandler = { ...handler, handle }
  const scope = yield* Scope.make()
  const layer = Layer.fresh(AwsProvider.layer(emulated.options(queues), { requestHandler }))
  const made = yield* Effect.result(Scope.provide(Layer.build(layer), scope))
  if (Result.isFailure(made)) return
  const provider = Context.get(made.success, QueueProvider.QueueProvider)
  const worker = ledger.plan.fifo ? sessionWorker : plainWorker
  const workers = yield* Effect.forEach(Array.from({ length: ledger.plan.workers }), () =>
    Effect.forkDetach(worker(ledger, provider))
  )
  yield* Effect.onExit(Effect.sleep(yield* millisWithin(5_000, 60_000)), () =>
    Effect.gen(function* () {
      const isCrash = yield* chance(0.5)
      if (isCrash) line.isDead = true
      ledger.figures[isCrash ? "crashes" : "closes"]++
      yield* Fiber.interruptAll(workers)
      yield* Scope.close(scope, Exit.void)
    })
  )
})

const processOf = (ledger: Ledger, broker: SqsBroker.Service, queues: world.Queues) =>
  Effect.gen(function* () {
    while (true) {
      yield* life(ledger, broker, queues)
      yield* Effect.sleep(yield* millisWithin(1, 2_000))
    }
  })

/** Each message again until it is taken, the next one after it. */
const producer = Effect.fnUntraced(function* (
  ledger: Ledger,
  provider: QueueProvider.Service,
  session: string
) {
  const { fifo, messages } = ledger.plan
  for (let at = 0; at < messages;) {
    const count = Math.min(messages - at, yield* millisWithin(1, 6))
    const ids = Array.from({ length: count }, (_, index) =>
      (at + index) % 50 === 7 ? `${session}-${at + index}-poison` : `${session}-${at + index}`
    )
    let due = yield* Effect.forEach(ids, (id) =>
      fifo ? world.inSession(session, id) : world.message(id)
    )
    while (due.length > 0) {
      const result = yield* Effect.result(provider.send(world.queue, due))
      const outcomes = Result.isSuccess(result) ? world.tags(result.success) : []
      const failed = due.filter((_, index) => outcomes[index] !== "ok")
      for (const one of due) if (!failed.includes(one)) ledger.took(session, one.messageId)
      due = failed
      if (due.length > 0) yield* Effect.sleep(100)
    }
    at += count
    yield* Effect.sleep(yield* oneOf([1, 50, 400, 3_000]))
  }
})

const trouble = (ledger: Ledger, broker: SqsBroker.Service) =>
  Effect.gen(function* () {
    const all = ledger.plan.fifo ? kinds : [...kinds, ...careless, ...careless]
    while (true) {
      yield* Effect.sleep(yield* millisWithin(50, 600))
      const rule = {
        fault: yield* oneOf(all),
        times: yield* millisWithin(1, 4),
        ...((yield* chance(0.7)) ? { action: yield* oneOf(actions) } : {})
      }
      const lasting = yield* millisWithin(100, 14_000)
      yield* Effect.forkChild(
        Effect.scoped(
          Effect.flatMap(broker.inject(rule), ({ hits, remove }) =>
            Effect.sleep(lasting).pipe(
              Effect.ensuring(remove),
              Effect.ensuring(
                Effect.map(hits, (hit) => {
                  ledger.figures.faults += hit
                })
              )
            )
          )
        )
      )
    }
  })

const turn = Effect.repeat(Effect.yieldNow, { times: 12 })

/** Lets the time pass until it is so. */
const until = Effect.fnUntraced(function* (
  ledger: Ledger,
  isSo: Effect.Effect<boolean>,
  limitSeconds: number
) {
  let passed = 0
  while (!(yield* isSo)) {
    if (passed > limitSeconds * 1_000) return false
    yield* turn
    yield* TestClock.adjust(10)
    passed += 10
    ledger.figures.virtualSeconds += 0.01
  }
  return true
})

const bodiesOf = (broker: SqsBroker.Service, name: string) => world.bodies(broker, name)

/** Producers, processes that come and go, and a broker that fails; then peace, and everything drains. */
export const run = Effect.fnUntraced(function* (plan: Plan) {
  const broker = yield* SqsBroker.make({ seed: plan.seed })
  const { dlq, name } = yield* emulated.create(broker, plan.fifo ? "q.fifo" : "q")
  const queues: world.Queues = {
    q: {
      name,
      deadLetter: { name: dlq },
      visibilityTimeout: visibility,
      groupsMax: 20,
      deliveriesMax
    }
  }
  const ledger = new Ledger(plan, bodiesOf(broker, dlq))
  const sending = yield* Effect.orDie(world.connectBy(broker, queues))
  const producers = yield* Effect.forEach(
    Array.from({ length: plan.sessions }, (_, index) => `s${index}`),
    (session) => Effect.forkChild(producer(ledger, sending, session))
  )
  const troubles = yield* Effect.forkChild(trouble(ledger, broker))
  const processes = yield* Effect.forEach(Array.from({ length: plan.processes }), () =>
    Effect.forkChild(processOf(ledger, broker, queues))
  )
  const isBroken = (): boolean => ledger.violations.length > 0
  const isSent = Effect.sync(
    () => isBroken() || producers.every((one) => one.pollUnsafe() !== undefined)
  )
  const hasSent = yield* until(ledger, isSent, 3_600)
  yield* Fiber.interrupt(troubles)
  const isDrained = Effect.map(bodiesOf(broker, name), (left) => isBroken() || left.length === 0)
  const hasDrained = hasSent && (yield* until(ledger, isDrained, 1_800))
  const left = yield* bodiesOf(broker, name)
  const dead = yield* bodiesOf(broker, dlq)
  const ending = yield* Effect.forkChild(Fiber.interruptAll(processes))
  yield* until(
    ledger,
    Effect.sync(() => ending.pollUnsafe() !== undefined),
    120
  )
  const all = [...ledger.sent.values()].flat()
  const known = new Set([...ledger.perhaps, ...dead])
  return {
    figures: ledger.figures,
    violations: ledger.violations.slice(0, 3),
    hasDrained,
    left,
    /** Neither settled by anybody nor among the dead letters. */
    lost: all.filter((id) => !known.has(id)),
    /** Dead-lettered, and not there. */
    unburied: [...ledger.buried].filter((id) => !dead.includes(id)),
    /** Put aside though nobody ever had it. */
    innocent: dead.filter((id) => !ledger.deliveries.has(id)),
    twice: dead.length - new Set(dead).size
  }
})
