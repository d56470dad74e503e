import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"

/** A call that is under way: when it ends at the latest, and what ends it then. */
interface Call {
  readonly until: number
  readonly onTimeout: () => void
  readonly onClose: () => void
  previous: Call | undefined
  next: Call | undefined
  isOver: boolean
}

/** Calls of one time limit, so the oldest of them ends first. */
class Line {
  readonly millis: number
  first: Call | undefined = undefined
  last: Call | undefined = undefined

  constructor(millis: number) {
    this.millis = millis
  }

  append(call: Call): void {
    call.previous = this.last
    if (this.last === undefined) this.first = call
    else this.last.next = call
    this.last = call
  }

  remove(call: Call): void {
    if (call.previous === undefined) this.first = call.next
    else call.previous.next = call.next
    if (call.next === undefined) this.last = call.previous
    else call.next.previous = call.previous
  }
}

/**
 * The calls of a client that are under way, each with its time limit. One fiber sleeps for all calls of
 * one limit: a race of each call with a sleep of its own is two fibers and a timer a call, hardly any of
 * which is ever over.
 */
export class UnderWay {
  readonly #lines = new Map<number, Line>()
  readonly #run: (effect: Effect.Effect<void>) => void
  readonly #now: () => number

  constructor(run: (effect: Effect.Effect<void>) => void, now: () => number) {
    this.#run = run
    this.#now = now
  }

  /** Begins one: what it answers is to be called when it is over. */
  begin(millis: number, onTimeout: () => void, onClose: () => void): () => void {
    const line = this.#line(millis)
    const until = this.#now() + millis
    const call: Call = {
      until,
      onTimeout,
      onClose,
      previous: undefined,
      next: undefined,
      isOver: false
    }
    line.append(call)
    return () => this.#end(line, call)
  }

  /** Ends all of them. */
  close(): void {
    for (const line of this.#lines.values()) {
      for (let call = line.first; call !== undefined; call = line.first) {
        this.#end(line, call)
        call.onClose()
      }
    }
  }

  #line(millis: number): Line {
    const known = this.#lines.get(millis)
    if (known !== undefined) return known
    const line = new Line(millis)
    this.#lines.set(millis, line)
    if (Number.isFinite(millis)) this.#run(Effect.andThen(Effect.sleep(millis), this.#watch(line)))
    return line
  }

  #end(line: Line, call: Call): void {
    if (call.isOver) return
    call.isOver = true
    line.remove(call)
  }

  /** Until there is no call of this limit any more. */
  #watch(line: Line): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = this.#now()
      for (let call = line.first; call !== undefined && call.until <= now; call = line.first) {
        this.#end(line, call)
        call.onTimeout()
      }
      if (line.first === undefined) {
        this.#lines.delete(line.millis)
        return Effect.void
      }
      return Effect.andThen(Effect.sleep(line.first.until - now), this.#watch(line))
    })
  }
}

/** Of a scope: closing it ends them. */
export const make = Effect.gen(function* () {
  const fibers = yield* FiberSet.make()
  const context = yield* Effect.context()
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(context)
  const run = (effect: Effect.Effect<void>): void => FiberSet.addUnsafe(fibers, runFork(effect))
  return yield* Effect.acquireRelease(
    Effect.sync(() => new UnderWay(run, () => clock.currentTimeMillisUnsafe())),
    (self) => Effect.sync(() => self.close())
  )
})
