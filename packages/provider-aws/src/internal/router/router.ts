import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import { Defaults, type Outcome, ProviderMetrics, type QueueError } from "@queue-runtime/core"
import { provider } from "../errors.ts"
import * as arriving from "./arriving.ts"
import { Attempts } from "./attempts.ts"
import * as burying from "./burying.ts"
import type { Delivery } from "./delivery.ts"
import type { Group } from "./group.ts"
import type { Line } from "./line.ts"
import { type Demand, Poller } from "./poller.ts"
import * as settling from "./settling.ts"
import { State } from "./state.ts"

const second = 1_000
const keptMax = Duration.toMillis(Defaults.sqsReceiveWaitMax)
const restMillis = Duration.toMillis(Defaults.sqsBufferRest)
const batchMax = Defaults.sqsBatchCountMax
const bufferIdle = Duration.toMillis(Defaults.sqsBufferIdle)
const scanSecondsMax = Duration.toSeconds(Defaults.sqsScanVisibility)
const waitSecondsMax = Duration.toSeconds(Defaults.sqsReceiveWaitMax)

const foreign = Metric.counter("queue_runtime.sqs.foreign.groups", {
  description: "Message groups received that nobody waited for",
  incremental: true
})

const limited = Metric.counter("queue_runtime.sqs.limited.scans", {
  description: "Scans for a session that ended since too many other groups were in the way",
  incremental: true
})

/**
 * The sessions of one FIFO queue in this process: receives while somebody wants a session or its next
 * message, deals what comes out by group, and gives back what nobody takes.
 */
export class Router {
  readonly line: Line
  readonly state = new State()
  readonly poller: Poller
  readonly #attempts: Attempts
  /** Who waits for a change of a group. */
  readonly #watched = new Map<Group, Deferred.Deferred<void, QueueError.QueueError>>()
  #isTended = false
  /** Until when others have the first go at what nobody here took. */
  #restsUntil = 0
  readonly countForeign: Effect.Effect<void>
  readonly countLimited: Effect.Effect<void>

  constructor(line: Line) {
    this.line = line
    line.owner = {
      changed: (group) => this.changed(group),
      lose: (group, from, now) => this.lose(group, from, now)
    }
    const about = ProviderMetrics.attributes(provider, line.address.queue)
    this.countForeign = Metric.update(Metric.withAttributes(foreign, about), 1)
    this.countLimited = Metric.update(Metric.withAttributes(limited, about), 1)
    this.#attempts = new Attempts(line)
    this.poller = new Poller({
      pollersMax: line.settings.pollersMax,
      scope: line.shared.scope,
      demand: (now, polls) => this.#demand(now, polls),
      poll: (demand) => this.#attempts.receive(demand),
      arrived: (answer, demand, now) => this.#arrived(answer, demand, now),
      failed: (error) => this.fail(error)
    })
  }

  get isIdle(): boolean {
    const { draining, groups, isWanted } = this.state
    return groups.size === 0 && draining.size === 0 && !isWanted && this.poller.polls === 0
  }

  /** Whether another receive may be made: each may bring as many groups as messages. */
  hasRoom(polls = 0): boolean {
    return this.state.buffered.length + polls * batchMax < this.line.settings.groupsMax
  }

  /** A scan locks what it meets for a short time alone; what is kept of it is extended. */
  get #scanSeconds(): number {
    return Math.min(this.line.visibilitySeconds, scanSecondsMax)
  }

  get #isScan(): boolean {
    return this.state.acceptors.size === 0 && this.state.listening.size === 0
  }

  /** Nobody here takes any session, and what was kept for that was just given back. */
  #rests(now: number): boolean {
    // A clock that was set back must not make it longer.
    const left = this.#restsUntil - now
    return this.state.acceptors.size === 0 && left > 0 && left <= restMillis
  }

  #demand(now: number, polls: number): Demand | undefined {
    if (this.#rests(now)) return undefined
    const { acceptors, listening, reserved } = this.state
    const ends = [
      ...Array.from(acceptors, ({ until }) => until),
      ...Array.from(reserved.values(), ({ until }) => until),
      ...listening.values()
    ]
    const until = Math.max(...ends)
    if (until <= now || !this.hasRoom(polls)) return undefined
    // A second poll would outlast the scan, and receive again what the scan gives back.
    if (this.#isScan && polls > 0) return undefined
    // Each brings a session at least: more than are wanted would be received for nothing.
    if (polls > 0 && polls >= acceptors.size + listening.size) return undefined
    return {
      max: batchMax,
      waitSeconds: Math.min(waitSecondsMax, Math.ceil((until - now) / second)),
      visibilitySeconds: this.#isScan ? this.#scanSeconds : this.line.visibilitySeconds
    }
  }

  /** Asks once without waiting, whatever becomes of the caller: how many messages came. */
  get once(): Effect.Effect<number, QueueError.QueueError> {
    return Effect.suspend(() => {
      const visibilitySeconds = this.#isScan ? this.#scanSeconds : this.line.visibilitySeconds
      const asked = this.poller.once({ max: batchMax, waitSeconds: 0, visibilitySeconds })
      return this.line.detached(asked, "receive")
    })
  }

  #arrived(answer: arriving.Answer, demand: Demand, now: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const deliveries = arriving.readInTime(this.line, answer, demand.visibilitySeconds, now)
      const groups = Map.groupBy(deliveries, ({ content }) => content.groupId ?? "")
      const slow: Array<Effect.Effect<void>> = []
      for (const [id, own] of groups) {
        const known = this.state.groups.get(id)
        // Its lock ended unnoticed. What it was goes before the new ones stand in its place.
        if (known !== undefined && !known.takes(own)) yield* this.lose(known, 0, now)
        const group = this.state.arrive(id, own)
        const isForeign = group.phase === "Buffered" && !this.state.reserved.has(id)
        if (isForeign && this.state.acceptors.size === 0) yield* this.countForeign
        const isShort = group.lockedUntil > group.freshUntil && group.phase === "Held"
        if (isShort) slow.push(this.#lengthen(group))
        if (this.needsPreparing(group, now)) slow.push(this.#prepareAndDeal(group))
        else if (!isShort) this.wake(group)
      }
      yield* this.deal
      yield* this.tend
      if (this.state.reserved.size > 0 && !this.hasRoom()) yield* this.countLimited
      // Calls: those of one group hold up no other.
      if (slow.length === 0) return
      const all = Effect.all(slow, { concurrency: "unbounded", discard: true })
      yield* Effect.interruptible(all)
    })
  }

  #prepareAndDeal(group: Group): Effect.Effect<void> {
    return Effect.flatMap(this.prepare(group), () => {
      this.wake(group)
      return this.deal
    })
  }

  /**
   * A scan locks for a short time, and brought the next of a session that is held for longer: its holder
   * must not be told more than holds.
   */
  #lengthen(group: Group): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = group.lockedUntil
      group.lockedUntil = Math.min(before, group.freshUntil)
      return Effect.map(this.extend(group, this.line.visibilitySeconds), () => {
        group.lockedUntil = Math.min(Math.max(before, group.lockedUntil), group.freshUntil)
        this.wake(group)
      })
    })
  }

  /** It may be handed out: it is neither expired nor spent. */
  isDue(delivery: Delivery, now: number): boolean {
    return !arriving.isExpired(delivery, now) && !arriving.isSpent(this.line, delivery)
  }

  #isReady(group: Group, now: number): boolean {
    return group.next(now, 1, (delivery) => this.isDue(delivery, now)).length > 0
  }

  /** What stands first and must not be handed out is removed: expired, or delivered once too often. */
  prepare(group: Group): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const { head } = group
        const now = yield* Clock.currentTimeMillis
        if (head === undefined || head.backsOffUntil > now || this.isDue(head, now)) return
        if (arriving.isExpired(head, now)) {
          // Nobody ever gets it: those behind it need not wait until it is gone.
          head.phase = "settling"
          yield* Effect.forkIn(burying.expire(this.line, head), this.line.shared.scope)
          continue
        }
        const deliveries = this.line.countOf(head) - 1
        const why = { ...burying.spent(this.line), deliveries }
        if (!(yield* burying.bury(this.line, head, why))) return
      }
    })
  }

  /** Whether `prepare` has anything to do. */
  needsPreparing(group: Group, now: number): boolean {
    const { head } = group
    return head !== undefined && head.backsOffUntil <= now && !this.isDue(head, now)
  }

  /** What is free goes to those who want it. */
  readonly deal: Effect.Effect<void> = Effect.map(Clock.currentTimeMillis, (now) => {
    const isReady = (group: Group): boolean => this.#isReady(group, now)
    for (const { answer } of this.state.grant(isReady, now, this.line.lockMillis)) {
      Deferred.doneUnsafe(answer, Effect.void)
    }
  })

  /** The next change of a group, or the error its receive ends with. */
  watch(group: Group): Effect.Effect<void, QueueError.QueueError> {
    return Effect.suspend(() => this.#watch(group))
  }

  /** From this step on: no change between looking at a group and waiting for one is missed. */
  #watch(group: Group): Effect.Effect<void, QueueError.QueueError> {
    const known = this.#watched.get(group)
    const watched = known ?? Deferred.makeUnsafe<void, QueueError.QueueError>()
    if (known === undefined) this.#watched.set(group, watched)
    return Deferred.await(watched)
  }

  /** Until no settlement of it is on its way. */
  #settled(group: Group): Effect.Effect<void> {
    return Effect.suspend(() =>
      group.isSettling
        ? Effect.andThen(Effect.ignore(this.#watch(group)), this.#settled(group))
        : Effect.void
    )
  }

  wake(group: Group, end: Effect.Effect<void, QueueError.QueueError> = Effect.void): void {
    const watched = this.#watched.get(group)
    if (watched === undefined) return
    this.#watched.delete(group)
    Deferred.doneUnsafe(watched, end)
  }

  changed(group: Group): Effect.Effect<void> {
    return Effect.sync(() => {
      this.state.sweep(group)
      this.wake(group)
    })
  }

  /** Everybody's wait ends so. */
  fail(error: QueueError.QueueError): void {
    const { acceptors, listening, reserved } = this.state
    for (const { answer } of [...acceptors, ...reserved.values()]) {
      Deferred.doneUnsafe(answer, Effect.fail(error))
    }
    for (const group of listening.keys()) this.wake(group, Effect.fail(error))
  }

  /** A held group whose time is over is lost, whether or not anybody has noticed yet. */
  expire(group: Group | undefined, now: number): Effect.Effect<void> {
    return group?.phase === "Held" && group.lockedUntil <= now
      ? this.lose(group, 0, now)
      : Effect.void
  }

  /**
   * Not ours from a place on. What is behind it is, and would keep the group from others: it is given
   * back.
   */
  lose(group: Group, from: number, now: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const lost = this.state.lose(group, from)
      for (const one of lost) this.#forget(one)
      this.wake(group)
      const ours = lost.filter(({ lockedUntil }) => lockedUntil > now)
      if (ours.length === 0) return Effect.void
      const release = group.turn.withPermit(this.line.release(ours, 0))
      const owing = this.line.owing(ours, release)
      return Effect.asVoid(Effect.forkIn(owing, this.line.shared.scope, { startImmediately: true }))
    })
  }

  #forget(delivery: Delivery): void {
    this.line.shared.receipts.drop(delivery.token)
    this.line.counts.ended(delivery)
  }

  /**
   * Gives a group back: its settlements on their way first, then all that is left in one call, head first
   * and with one delay, the longest any of them has left.
   */
  giveBack(group: Group): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (group.isOver) return Effect.void
      const back = [...this.state.drain(group)]
      for (const one of back) this.#forget(one)
      this.wake(group)
      const settled = Effect.gen({ self: this }, function* () {
        yield* this.#settled(group)
        const late = group.drain()
        for (const one of late) this.#forget(one)
        back.push(...late)
        back.sort((one, other) =>
          Number((one.content.sequence ?? 0n) - (other.content.sequence ?? 0n))
        )
        const now = yield* Clock.currentTimeMillis
        const until = Math.max(now, ...back.map(({ backsOffUntil }) => backsOffUntil))
        const left = Math.min(...back.map((one) => Math.max(0, this.line.secondsLeft(one, now))))
        const seconds = Math.min(Math.ceil((until - now) / second), left)
        yield* group.turn.withPermit(this.line.release(back, seconds))
      })
      const ended = Effect.sync(() => this.state.drained(group))
      return this.line
        .owing(back, settled)
        .pipe(Effect.ensuring(ended), Effect.andThen(this.poller.poke))
    })
  }

  /** Nobody waits for what is buffered. */
  readonly giveBackBuffered: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(this.state.buffered, (group) => this.giveBack(group), {
      concurrency: "unbounded",
      discard: true
    })
  )

  /** Locks all of a group anew; the first failure that is not a loss, if there is one. */
  extend(group: Group, seconds: number): Effect.Effect<Outcome.Outcome<void>> {
    const extended = Effect.gen({ self: this }, function* () {
      const outcomes = yield* settling.extend(this.line, group.needed, seconds)
      let failure: QueueError.QueueError | undefined
      for (const [delivery, outcome] of outcomes) {
        if (Result.isSuccess(outcome)) continue
        if (outcome.failure.reason._tag !== "ReceiptExpired") failure ??= outcome.failure
        // Settled meanwhile, or behind one that is lost.
        else if (delivery.isUnsettled) yield* this.line.lost(delivery)
      }
      return failure === undefined ? Result.succeed(undefined) : Result.fail(failure)
    })
    return group.turn.withPermit(extended)
  }

  /** Looks after what is buffered while anything is: kept while somebody waits, then given back. */
  readonly tend: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isTended || this.state.buffered.length === 0) return Effect.void
    this.#isTended = true
    return Effect.asVoid(Effect.forkIn(this.#tending, this.line.shared.scope))
  })

  get #tending(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (this.state.buffered.length > 0) {
        yield* Effect.sleep(Defaults.sqsBufferTick)
        const now = yield* Clock.currentTimeMillis
        // Side by side: their extensions are merged, and one that hangs keeps no other.
        const { buffered } = this.state
        yield* Effect.forEach(buffered, (group) => this.#tendOne(group, now), {
          concurrency: "unbounded",
          discard: true
        })
      }
      this.#isTended = false
    })
  }

  #tendOne(group: Group, now: number): Effect.Effect<void> {
    const { idleSince } = this.state
    if (group.unsettled.length === 0) return this.changed(group)
    if (group.freshUntil <= now) return this.lose(group, 0, now)
    // Closing, one of our own polls under way would be handed it: it goes back when they have landed.
    const isUnwanted =
      !this.poller.isClosed && idleSince !== undefined && now - idleSince >= bufferIdle
    // Whose wait it was kept for, that wait is over; others may want it, and it takes room here.
    const isKeptLong = now - group.receivedAt >= keptMax
    if (isKeptLong) this.#restsUntil = now + restMillis
    if (
      isUnwanted ||
      isKeptLong ||
      this.#rests(now) ||
      (!group.isBlocked && !this.#isReady(group, now))
    ) {
      // It pokes when it is over; that may be within the rest.
      const resting = Effect.andThen(Effect.sleep(restMillis), this.poller.poke)
      const back = Effect.andThen(this.giveBack(group), isKeptLong ? resting : Effect.void)
      return Effect.asVoid(Effect.forkIn(back, this.line.shared.scope))
    }
    const seconds = this.#scanSeconds
    // Half of it is left: there is time for more than one try.
    return group.freshUntil - now < (seconds * second) / 2
      ? Effect.asVoid(this.extend(group, seconds))
      : Effect.void
  }

  /** Everybody's wait ends so, and nothing is asked for any more. */
  close(error: QueueError.QueueError): void {
    this.poller.close()
    this.fail(error)
  }

  /** Closed: everything goes back, what is held at once, and what polls under way bring as they land. */
  readonly land: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.state.groups.values()], (group) => this.giveBack(group), {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(this.poller.landed), Effect.andThen(this.giveBackBuffered))
  )

  /** After its polls are cut short. */
  get releaseLeft(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // They came while the others went back. What was on its way to be settled is not any more.
      const groups = [...this.state.groups.values()]
      const late = groups.flatMap((group) => this.state.drain(group).concat(group.deliveries))
      for (const one of late) this.#forget(one)
      return Effect.andThen(this.line.release(late, 0), this.#attempts.release)
    })
  }
}
