import { QueueError } from "@queue-runtime/core"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as breakerMachine from "./breakerMachine.ts"

/** How the ending of a call is read. */
export interface Judge<A, E> {
  readonly kind: breakerMachine.Kind
  /** What is called, for the error of a refusal. */
  readonly operation?: string
  readonly ofValue: (value: A) => breakerMachine.Ending
  readonly ofCause: (cause: Cause.Cause<E>) => breakerMachine.Ending
}

/** Who is told of a change. */
export interface Observer {
  /** At once, so that changes are seen in their order. */
  readonly changed: (state: breakerMachine.State, previous: breakerMachine.State) => void
  /** The line of the log; `exit` is how the call that changed the state ended, if it has. */
  readonly log: (
    state: breakerMachine.State,
    exit: Exit.Exit<unknown, unknown>
  ) => Effect.Effect<void>
}

/** A machine on the fibers' clock, and what goes around a call. */
export class Breaker {
  readonly machine: breakerMachine.BreakerMachine
  readonly #observer: Observer
  /** Where refusals happened, for their errors. */
  readonly #place: QueueError.Context
  readonly #refusals = new WeakSet<QueueError.QueueError>()

  constructor(limits: breakerMachine.Limits, observer: Observer, place: QueueError.Context = {}) {
    this.#observer = observer
    this.#place = place
    this.machine = new breakerMachine.BreakerMachine(limits, observer.changed)
  }

  /** The error of a call that is not made, or whose failure is not its own fault. */
  refusal(until: number, now: number, context: QueueError.Context): QueueError.QueueError {
    const reason = new QueueError.CircuitOpen({ until: DateTime.makeUnsafe(until) })
    const retryAfter = Duration.millis(Math.max(0, until - now))
    const error = QueueError.make(reason, { ...this.#place, ...context, retryAfter })
    this.#refusals.add(error)
    return error
  }

  /** Whether this breaker made the error; another one may be open behind it. */
  isRefusal(error: unknown): error is QueueError.QueueError {
    return error instanceof QueueError.QueueError && this.#refusals.has(error)
  }

  /** Ends at the next change of the state or end of a probe. */
  readonly next: Effect.Effect<void> = Effect.callback((resume) => {
    const cancel = this.machine.onNext(() => resume(Effect.void))
    return Effect.sync(cancel)
  })

  /** The call if it is admitted; while closed nothing is asked of the clock. */
  protect<A, E, R>(
    call: Effect.Effect<A, E, R>,
    judge: Judge<A, E>
  ): Effect.Effect<A, E | QueueError.QueueError, R> {
    return Effect.suspend(() =>
      this.machine.isClosed
        ? this.#watched(call, judge, this.machine.closedTicket(judge.kind))
        : this.#guarded(call, judge)
    )
  }

  #watched<A, E, R>(
    call: Effect.Effect<A, E, R>,
    judge: Judge<A, E>,
    ticket: breakerMachine.Ticket
  ): Effect.Effect<A, E, R> {
    return Effect.matchCauseEffect(call, {
      onSuccess: (value) => {
        const ending = judge.ofValue(value)
        const exit = Exit.succeed(value)
        return ending === "Failure"
          ? this.#failed(ticket, exit)
          : this.#passed(ticket, ending, exit)
      },
      onFailure: (cause) => {
        const ending = judge.ofCause(cause)
        const exit = Exit.failCause(cause)
        return ending === "Failure"
          ? this.#failed(ticket, exit)
          : this.#passed(ticket, ending, exit)
      }
    })
  }

  /** Nothing but a failure opens a closed breaker, and only opening needs the time. */
  #passed<A, E>(
    ticket: breakerMachine.Ticket,
    ending: breakerMachine.Ending,
    exit: Exit.Exit<A, E>
  ): Exit.Exit<A, E> {
    this.machine.end(ticket, ending, 0)
    return exit
  }

  #failed<A, E>(ticket: breakerMachine.Ticket, exit: Exit.Exit<A, E>): Effect.Effect<A, E> {
    return Effect.andThen(this.#end(ticket, "Failure", exit), exit)
  }

  /** Not closed: a probe gives its place back however it ends, or it would be lost for good. */
  #guarded<A, E, R>(
    call: Effect.Effect<A, E, R>,
    judge: Judge<A, E>
  ): Effect.Effect<A, E | QueueError.QueueError, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now): Effect.Effect<A, E | QueueError.QueueError, R> => {
          const before = this.machine.state
          const ticket = this.machine.admit(judge.kind, now)
          if (typeof ticket === "number") {
            const { operation } = judge
            const context = operation === undefined ? {} : { operation }
            return Effect.fail(this.refusal(ticket, now, context))
          }
          const probe = Effect.onExit(restore(call), (exit) =>
            this.#end(
              ticket,
              Exit.isSuccess(exit) ? judge.ofValue(exit.value) : judge.ofCause(exit.cause),
              exit
            )
          )
          const { state } = this.machine
          return state === before
            ? probe
            : Effect.andThen(this.#observer.log(state, Exit.void), probe)
        }
      )
    )
  }

  #end<A, E>(
    ticket: breakerMachine.Ticket,
    ending: breakerMachine.Ending,
    exit: Exit.Exit<A, E>
  ): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const before = this.machine.state
      this.machine.end(ticket, ending, now)
      const { state } = this.machine
      return state === before ? Effect.void : this.#observer.log(state, exit)
    })
  }
}
