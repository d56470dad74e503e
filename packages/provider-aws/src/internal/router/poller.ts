import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Defaults, type QueueError } from "@queue-runtime/core"
import type { Answer } from "./arriving.ts"

/** What one poll is to bring. */
export interface Demand {
  /** 1 to 10. */
  readonly max: number
  readonly waitSeconds: number
  readonly visibilitySeconds: number
}

export interface Options {
  /** Polls under way at most. */
  readonly pollersMax: number
  /**
   * What is wanted now beside the polls under way and what they may bring, and whether there is room for
   * it; nothing while there is neither.
   */
  readonly demand: (now: number, polls: number, coming: number) => Demand | undefined
  readonly poll: (demand: Demand) => Effect.Effect<Answer, QueueError.QueueError>
  /** Not interrupted: what takes time in it is to be made interruptible. */
  readonly arrived: (answer: Answer, demand: Demand, now: number) => Effect.Effect<void>
  readonly failed: (error: QueueError.QueueError) => void
  /** Polls end in it, whatever becomes of those who wanted them. */
  readonly scope: Scope.Scope
}

/** One poll loop: under way, or over. */
interface Flight {
  isOver: boolean
  /** What it asked for. */
  max: number
}

const pause = Duration.toMillis(Defaults.idlePause)

/**
 * Polls while something is wanted, and not otherwise. One poll at a time; one more whenever one came
 * back full, up to the maximum, and one again when one came back empty. Nobody's interruption cuts a
 * poll short: what the broker hands out meanwhile would stay locked unseen.
 */
export class Poller {
  #polls = 0
  /** Messages that the polls under way may bring. */
  #coming = 0
  #target = 1
  /** Receives under way, those beside the polls too, and what they brought being seen to. */
  #asks = 0
  readonly #landing = Deferred.makeUnsafe<void>()
  isClosed = false
  readonly #options: Options

  constructor(options: Options) {
    this.#options = options
  }

  get polls(): number {
    return this.#polls
  }

  /** Asks no more. What is under way goes on. */
  close(): void {
    this.isClosed = true
    this.#touchDown()
  }

  /** Closed, until nothing is under way any more. */
  get landed(): Effect.Effect<void> {
    return Deferred.await(this.#landing)
  }

  #touchDown(): void {
    if (this.isClosed && this.#asks === 0) Deferred.doneUnsafe(this.#landing, Effect.void)
  }

  /** Starts the polls that are wanted and not under way. */
  readonly poke: Effect.Effect<void> = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (this.isClosed || this.#polls >= this.#target) return Effect.void
    const demand = this.#options.demand(now, this.#polls, this.#coming)
    if (demand === undefined) return Effect.void
    this.#polls++
    this.#coming += demand.max
    const flight: Flight = { isOver: false, max: demand.max }
    const polling = Effect.onExit(this.#poll(demand, flight), () =>
      Effect.sync(() => this.#end(flight))
    )
    return Effect.andThen(Effect.forkIn(polling, this.#options.scope), this.poke)
  })

  /** In one step with finding out that nothing is wanted: whoever comes next starts a poll again. */
  #end(flight: Flight): void {
    if (flight.isOver) return
    flight.isOver = true
    this.#polls--
    this.#landed(flight)
  }

  /** It brings nothing more until it asks again. */
  #landed(flight: Flight): void {
    this.#coming -= flight.max
    flight.max = 0
  }

  /** Asks once, without waiting, beside the polls under way: how many came. */
  once(demand: Demand): Effect.Effect<number, QueueError.QueueError> {
    return this.#ask({ ...demand, waitSeconds: 0 })
  }

  #ask(demand: Demand, flight?: Flight): Effect.Effect<number, QueueError.QueueError> {
    // Closing cuts short the poll, not what is done with what it brought: that would stay locked unseen.
    return Effect.uninterruptibleMask((restore) => {
      if (this.isClosed) return Effect.succeed(0)
      this.#asks++
      const asked = Effect.flatMap(restore(this.#options.poll(demand)), (answer) => {
        const came = answer.messages.length
        if (flight !== undefined) this.#landed(flight)
        if (came === 0) return Effect.succeed(0)
        return Clock.currentTimeMillis.pipe(
          Effect.flatMap((now) => this.#options.arrived(answer, demand, now)),
          Effect.as(came)
        )
      })
      return Effect.ensuring(
        asked,
        Effect.sync(() => {
          this.#asks--
          this.#touchDown()
        })
      )
    })
  }

  #poll(demand: Demand, flight: Flight): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (before) =>
      Effect.flatMap(Effect.result(this.#ask(demand, flight)), (result) => {
        if (Result.isFailure(result)) {
          this.#target = 1
          this.#end(flight)
          this.#options.failed(result.failure)
          return Effect.void
        }
        const came = result.success
        if (came === 0) this.#target = 1
        if (came >= demand.max) {
          this.#target = Math.min(this.#options.pollersMax, this.#target + 1)
        }
        return Effect.andThen(this.#rest(came, demand, before), this.#again(flight))
      })
    )
  }

  /** A server that ends its polls early is not asked faster than once a pause. */
  #rest(came: number, demand: Demand, before: number): Effect.Effect<void> {
    if (came > 0 || demand.waitSeconds === 0) return Effect.void
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      // A clock that was set back must not stop it for as long.
      const left = Math.min(pause, before + pause - now)
      return left > 0 ? Effect.sleep(left) : Effect.void
    })
  }

  #again(flight: Flight): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const demand =
        this.isClosed || this.#polls > this.#target
          ? undefined
          : this.#options.demand(now, this.#polls - 1, this.#coming)
      if (demand === undefined) {
        this.#end(flight)
        return Effect.void
      }
      flight.max = demand.max
      this.#coming += demand.max
      return Effect.andThen(this.poke, this.#poll(demand, flight))
    })
  }
}
