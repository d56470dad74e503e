import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Tracer from "effect/Tracer"
import type * as Outcome from "../../Outcome.ts"
import * as QueueError from "../../QueueError.ts"
import type * as SessionId from "../../SessionId.ts"
import * as placed from "../placed.ts"
import { divide } from "./divide.ts"
import * as LinkedList from "./linkedList.ts"
import { type Ordered, type Place, SessionOrder } from "./sessionOrder.ts"

/** What the port answers to a batch. */
export type Answer<A> = Effect.Effect<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>

/** What one caller asks for. */
export interface Request<I, A> {
  readonly items: ReadonlyArray<I>
  /** What it counts against `sizeMax`. */
  readonly bytes: number
  /** Only requests of one kind are merged. */
  readonly kind: string
  /** Sessions whose order it must keep. */
  readonly sessions: ReadonlyArray<SessionId.SessionId>
  /** The same call for every request of its kind. */
  readonly call: (items: ReadonlyArray<I>) => Answer<A>
}

/** Most of one call. */
export interface Limits {
  readonly countMax: number
  readonly sizeMax: number
}

export interface Settings {
  readonly callsMax: number
  readonly waitingMax: number
  readonly lingerMillis: number
  /** Whether one call may hold several requests of a session. */
  readonly sharesSessions: boolean
}

/** Where lanes live. */
export interface Host {
  readonly settings: Settings
  readonly run: (effect: Effect.Effect<void>) => void
  readonly now: () => number
}

const noPlaces: ReadonlyArray<never> = []

/** A request and who waits for its answer: its own node in the list it stands in. */
export class Entry<I, A> implements Ordered<Entry<I, A>>, LinkedList.Node<Entry<I, A>> {
  readonly request: Request<I, A>
  readonly span: Tracer.AnySpan | undefined
  readonly resume: (answer: Answer<A>) => void
  readonly sessions: ReadonlyArray<SessionId.SessionId>
  readonly since: number
  readonly value: this = this
  previous: LinkedList.Node<Entry<I, A>> | undefined
  next: LinkedList.Node<Entry<I, A>> | undefined
  places: ReadonlyArray<Place<Entry<I, A>>> = noPlaces
  blockers = 0
  stage: Stage<I, A> = blocked
  /** Among those who wait; none any more once it is answered or withdrawn. */
  waiting: LinkedList.Node<Entry<I, A>> | undefined

  constructor(
    request: Request<I, A>,
    span: Tracer.AnySpan | undefined,
    resume: (answer: Answer<A>) => void,
    since: number
  ) {
    this.request = request
    this.span = span
    this.resume = resume
    this.sessions = request.sessions
    this.since = since
  }
}

/** How far a request has come. */
type Stage<I, A> =
  /** In the line outside. */
  | { readonly _tag: "Outside" }
  /** A session of it is busy, or others come first in it. */
  | { readonly _tag: "Blocked" }
  | Group<I, A>
  | Batch<I, A>

const outside = { _tag: "Outside" } as const

const blocked = { _tag: "Blocked" } as const

/** Requests that went out in one call. */
interface Batch<I, A> {
  readonly _tag: "Called"
  readonly entries: ReadonlyArray<Entry<I, A>>
  /** Those who still wait for their answer. */
  waiting: number
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

/** Requests of one kind that may go out, oldest first. */
interface Group<I, A> {
  readonly _tag: "Ready"
  readonly entries: LinkedList.LinkedList<Entry<I, A>>
  count: number
  bytes: number
}

const tooFew = Exit.die(
  new Error("the provider answered another number of outcomes than asked for")
)

/**
 * The requests of one method on one address: a few calls are under way, and what comes meanwhile is
 * merged into the next ones. Every change is whole between two steps of a fiber.
 */
export class Lane<I, A> {
  readonly #host: Host
  readonly #limits: Limits
  readonly #onIdle: () => void
  readonly #order: SessionOrder<Entry<I, A>>
  /** Everybody who waits for an answer. */
  readonly #entries = LinkedList.make<Entry<I, A>>()
  /** By kind; the one that comes first is served next. */
  readonly #groups = new Map<string, Group<I, A>>()
  /** Beyond the bound, in the order they came. */
  readonly #outside = LinkedList.make<Entry<I, A>>()
  #waiting = 0
  #calls = 0
  #isAwake = false
  /** When the tick that is waited for was asked for: all that is called until then is of that time. */
  #awakeSince = 0
  #isFlushing = false
  #alarm: Fiber.Fiber<unknown, unknown> | undefined

  constructor(host: Host, limits: Limits, onIdle: () => void) {
    this.#host = host
    this.#limits = limits
    this.#onIdle = onIdle
    const listener = {
      ready: (entry: Entry<I, A>) => this.#ready(entry),
      unready: (entry: Entry<I, A>) => this.#unready(entry)
    }
    this.#order = new SessionOrder(listener, host.settings.sharesSessions)
  }

  /** Takes a request in; it goes out at the next tick if a call is free. */
  submit(
    request: Request<I, A>,
    span: Tracer.AnySpan | undefined,
    resume: (answer: Answer<A>) => void
  ): Entry<I, A> {
    this.#wake()
    const entry = new Entry(request, span, resume, this.#awakeSince)
    entry.waiting = LinkedList.append(this.#entries, entry)
    if (this.#waiting < this.#host.settings.waitingMax) {
      this.#admit(entry)
    } else {
      entry.stage = outside
      LinkedList.push(this.#outside, entry)
    }
    return entry
  }

  /** Its caller was interrupted: it does not go out, or its answer goes nowhere. */
  withdraw(entry: Entry<I, A>): void {
    this.#leave(entry)
    const { stage } = entry
    if (stage._tag === "Called") {
      stage.waiting--
      if (stage.waiting === 0) stage.fiber?.interruptUnsafe()
      return
    }
    if (stage._tag === "Outside") {
      LinkedList.remove(this.#outside, entry)
      return
    }
    this.#unready(entry)
    this.#order.remove(entry)
    this.#left()
    this.#wake()
    this.#drop()
  }

  /** Nothing lingers any more. */
  flush(): void {
    this.#isFlushing = true
    this.#wake()
  }

  /** Everybody who still waits gets this answer. */
  end(answer: Answer<A>): void {
    for (let node = this.#entries.first; node !== undefined; node = this.#entries.first) {
      this.#leave(node.value)
      node.value.resume(answer)
    }
  }

  /** Whether it waited until now: it does no longer. */
  #leave(entry: Entry<I, A>): boolean {
    const { waiting } = entry
    if (waiting === undefined) return false
    entry.waiting = undefined
    LinkedList.remove(this.#entries, waiting)
    return true
  }

  #admit(entry: Entry<I, A>): void {
    this.#waiting++
    this.#order.add(entry)
  }

  /** One waits less; the next one comes in. */
  #left(): void {
    this.#waiting--
    const node = this.#outside.first
    if (node === undefined) return
    const { value: entry } = node
    LinkedList.remove(this.#outside, entry)
    entry.stage = blocked
    this.#admit(entry)
  }

  #ready(entry: Entry<I, A>): void {
    const { bytes, items, kind } = entry.request
    const group = this.#groups.get(kind) ?? this.#newGroup(kind)
    LinkedList.push(group.entries, entry)
    entry.stage = group
    group.count += items.length
    group.bytes += bytes
  }

  #newGroup(kind: string): Group<I, A> {
    const group: Group<I, A> = { _tag: "Ready", entries: LinkedList.make(), count: 0, bytes: 0 }
    this.#groups.set(kind, group)
    return group
  }

  #unready(entry: Entry<I, A>): void {
    const { stage: group } = entry
    if (group._tag !== "Ready") return
    const { bytes, items, kind } = entry.request
    entry.stage = blocked
    LinkedList.remove(group.entries, entry)
    group.count -= items.length
    group.bytes -= bytes
    if (group.entries.first === undefined) this.#groups.delete(kind)
  }

  /** At the next tick, so that callers of one tick go out together. */
  #wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    const { now, settings } = this.#host
    if (settings.lingerMillis > 0) this.#awakeSince = now()
    this.#host.run(
      Effect.andThen(
        Effect.yieldNow,
        Effect.suspend(() => this.#pump())
      )
    )
  }

  /** Calls what may go out. The last call is made by the fiber that asks: it has nothing else to do. */
  #pump(): Effect.Effect<void> {
    this.#isAwake = false
    let last: Batch<I, A> | undefined
    while (this.#calls < this.#host.settings.callsMax) {
      const kind = this.#next()
      if (kind === undefined) break
      if (last !== undefined) this.#host.run(this.#call(last))
      last = this.#makeUp(kind)
      this.#calls++
    }
    return last === undefined ? Effect.void : this.#call(last)
  }

  /**
   * The kind to serve now: any when nothing is under way, else one that fills a call or has lingered.
   * When all of them linger, the one that is due first sets the alarm.
   */
  #next(): string | undefined {
    const { lingerMillis } = this.#host.settings
    const isPatient = lingerMillis > 0 && this.#calls > 0 && !this.#isFlushing
    const now = isPatient ? this.#host.now() : 0
    let due = Infinity
    for (const [kind, group] of this.#groups) {
      const oldest = group.entries.first?.value
      if (!isPatient || oldest === undefined || this.#isFull(group)) return kind
      const end = oldest.since + lingerMillis
      if (end <= now) return kind
      due = Math.min(due, end)
    }
    if (due < Infinity) this.#setAlarm(due - now)
    return undefined
  }

  #isFull({ bytes, count }: Group<I, A>): boolean {
    return count >= this.#limits.countMax || bytes >= this.#limits.sizeMax
  }

  #setAlarm(millis: number): void {
    if (this.#alarm !== undefined) return
    this.#host.run(
      Effect.withFiber((fiber) => {
        this.#alarm = fiber
        return Effect.andThen(
          Effect.sleep(millis),
          Effect.suspend(() => {
            this.#alarm = undefined
            return this.#pump()
          })
        )
      })
    )
  }

  /** As many of the oldest of this kind as fit; the first one always goes. */
  #makeUp(kind: string): Batch<I, A> {
    const entries: Array<Entry<I, A>> = []
    const batch: Batch<I, A> = { _tag: "Called", entries, waiting: 0, fiber: undefined }
    const isRoomFor = this.#room()
    // Asked for anew each time: taking one out may make one ready, and an empty group is forgotten.
    let entry = this.#first(kind)
    while (entry !== undefined && isRoomFor(entry.request)) {
      this.#unready(entry)
      this.#order.take(entry)
      entry.stage = batch
      entries.push(entry)
      entry = this.#first(kind)
    }
    this.#order.close(entries)
    batch.waiting = entries.length
    for (const _ of entries) this.#left()
    this.#rotate(kind)
    return batch
  }

  #first(kind: string): Entry<I, A> | undefined {
    return this.#groups.get(kind)?.entries.first?.value
  }

  /** Whether one more fits into a call that began empty; into an empty one anything does. */
  #room(): (request: Request<I, A>) => boolean {
    const { countMax, sizeMax } = this.#limits
    let count = 0
    let bytes = 0
    return (request) => {
      const isEmpty = count === 0
      count += request.items.length
      bytes += request.bytes
      return isEmpty || (count <= countMax && bytes <= sizeMax)
    }
  }

  /** What is left of a kind waits until the other kinds had their turn. */
  #rotate(kind: string): void {
    const group = this.#groups.get(kind)
    if (group === undefined) return
    this.#groups.delete(kind)
    this.#groups.set(kind, group)
  }

  #call(batch: Batch<I, A>): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      batch.fiber = fiber
      return Effect.onExit(this.#callAll(batch.entries), () =>
        Effect.sync(() => {
          this.#calls--
          this.#order.release(batch.entries)
          if (this.#groups.size > 0) this.#wake()
          this.#drop()
        })
      )
    })
  }

  /** One call for all of them. What a single one makes fail is taken apart until it fails that one. */
  #callAll(batch: ReadonlyArray<Entry<I, A>>): Effect.Effect<void> {
    const entries = batch.filter(isWaiting)
    const [first] = entries
    if (first === undefined) return Effect.void
    const items = itemsOf(entries)
    const call = Effect.suspend(() => first.request.call(items))
    return Effect.flatMap(Effect.exit(withSpans(call, entries)), (exit) => {
      const parts = divide(entries, exit)
      if (parts !== undefined) {
        return Effect.forEach(parts, (part) => this.#callAll(part), { discard: true })
      }
      const isWhole = Exit.isFailure(exit) || exit.value.length === items.length
      return this.#answer(entries, isWhole ? exit : tooFew)
    })
  }

  /** Answers everybody, but those who failed by another's fault alone: they are called for again. */
  #answer(
    entries: ReadonlyArray<Entry<I, A>>,
    exit: Exit.Exit<ReadonlyArray<Outcome.Outcome<A>>, QueueError.QueueError>
  ): Effect.Effect<void> {
    const again: Array<Effect.Effect<void>> = []
    const isDone = Exit.isSuccess(exit) && exit.value.every(isSuccess)
    let from = 0
    for (const entry of entries) {
      const to = from + entry.request.items.length
      if (Exit.isFailure(exit) || entries.length === 1) {
        this.#end(entry, exit)
      } else {
        const outcomes = exit.value.slice(from, to)
        const innocent = isDone ? undefined : innocentIn(outcomes, from)
        if (innocent === undefined) this.#end(entry, Exit.succeed(outcomes))
        else if (innocent.length === 0) this.#end(entry, Exit.succeed(ownOf(outcomes, from)))
        else again.push(this.#callAgain(entry, ownOf(outcomes, from), innocent))
      }
      from = to
    }
    // One after the other: they may be of one session.
    return again.length === 0
      ? Effect.void
      : Effect.forEach(again, (call) => call, { discard: true })
  }

  /** An interrupted one waits no longer, and its outcomes are nobody's. */
  #end(entry: Entry<I, A>, answer: Answer<A>): void {
    if (this.#leave(entry)) entry.resume(answer)
  }

  /** A request alone, or what is in these places of it where the rest has its outcomes. */
  #callAgain(
    entry: Entry<I, A>,
    outcomes: ReadonlyArray<Outcome.Outcome<A>>,
    places: ReadonlyArray<number>
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (places.length === outcomes.length) return this.#callAll([entry])
      if (!isWaiting(entry)) return Effect.void
      const { call, items } = entry.request
      const some = items.filter((_, place) => places.includes(place))
      const called = Effect.match(withSpans(call(some), [entry]), {
        onFailure: (error) => some.map(() => Result.fail(error)),
        onSuccess: (made) => made
      })
      return Effect.map(Effect.exit(called), (exit) => {
        this.#end(entry, joined(outcomes, places, exit))
      })
    })
  }

  /** A lane that nobody uses is forgotten. */
  #drop(): void {
    if (this.#calls > 0 || this.#waiting > 0) return
    this.#alarm?.interruptUnsafe()
    this.#onIdle()
  }
}

const isWaiting = ({ waiting }: { readonly waiting: unknown }): boolean => waiting !== undefined

const itemsOf = <I, A>(entries: ReadonlyArray<Entry<I, A>>): ReadonlyArray<I> => {
  const items: Array<I> = []
  for (const { request } of entries) for (const item of request.items) items.push(item)
  return items
}

const isSuccess = (outcome: Outcome.Outcome<unknown>): boolean => Result.isSuccess(outcome)

/** The outcomes of a request as if it had been called alone: what an error names is in its own call. */
const ownOf = <A>(
  outcomes: ReadonlyArray<Outcome.Outcome<A>>,
  from: number
): ReadonlyArray<Outcome.Outcome<A>> => placed.outcomes(outcomes, (index) => index - from)

/**
 * The places of a request that began at `from` in a merged call whose errors name a message of another
 * one: nothing of theirs took effect. Mostly nothing failed at all.
 */
const innocentIn = (
  outcomes: ReadonlyArray<Outcome.Outcome<unknown>>,
  from: number
): ReadonlyArray<number> | undefined => {
  if (outcomes.every(isSuccess)) return undefined
  const to = from + outcomes.length
  return outcomes.flatMap((outcome, place) => {
    const index = Result.isFailure(outcome) ? QueueError.indexOf(outcome.failure) : undefined
    return index === undefined || (index >= from && index < to) ? [] : [place]
  })
}

/** Outcomes of which those in some places are what a call for these alone was answered. */
const joined = <A>(
  outcomes: ReadonlyArray<Outcome.Outcome<A>>,
  places: ReadonlyArray<number>,
  exit: Exit.Exit<ReadonlyArray<Outcome.Outcome<A>>>
): Exit.Exit<ReadonlyArray<Outcome.Outcome<A>>> => {
  if (Exit.isFailure(exit)) return exit
  if (exit.value.length !== places.length) return tooFew
  const made = placed.outcomes(exit.value, (index) => places[index] ?? index)
  return Exit.succeed(outcomes.map((outcome, place) => made[places.indexOf(place)] ?? outcome))
}

const spansOf = <I, A>(entries: ReadonlyArray<Entry<I, A>>): ReadonlySet<Tracer.AnySpan> => {
  const spans = new Set<Tracer.AnySpan>()
  for (const { span } of entries) if (span !== undefined) spans.add(span)
  return spans
}

/** In the span that all callers share; otherwise what spans the call makes are linked to theirs. */
const withSpans = <I, A>(call: Answer<A>, entries: ReadonlyArray<Entry<I, A>>): Answer<A> => {
  const spans = [...spansOf(entries)]
  const [first] = spans
  if (first === undefined) return call
  return spans.length === 1
    ? Effect.provideService(call, Tracer.ParentSpan, first)
    : Effect.linkSpans(call, spans)
}
