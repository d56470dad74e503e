/** Runs effects of the stack as promises, until it is closed. */
import { QueueError } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Services from "./services.ts"

/** An AbortSignal for one call. */
export interface Signal {
  /** Ends the call at once with the signal's reason; nothing is left locked. */
  readonly signal?: AbortSignal | undefined
}

const closed = (): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: "these queues are closed" }))

/** What a promise is rejected with: the error itself, the signal's reason, or what was thrown. Who was
 * interrupted without a signal was under way when the stack was closed. */
const rejection = (cause: Cause.Cause<unknown>, signal: AbortSignal | undefined): unknown => {
  const error = Cause.findErrorOption(cause)
  if (Option.isSome(error)) return error.value
  if (!Cause.hasInterruptsOnly(cause)) return Cause.squash(cause)
  return signal?.aborted === true ? signal.reason : closed()
}

const settled = <A, E>(exit: Exit.Exit<A, E>, signal: AbortSignal | undefined): Promise<A> =>
  Exit.isSuccess(exit) ? Promise.resolve(exit.value) : Promise.reject(rejection(exit.cause, signal))

/** An effect that needs nothing, as a promise. */
export const promise = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromiseExit(effect).then((exit) => settled(exit, undefined))

/** What is begun and must end before the stack may. */
export interface Begun {
  readonly end: () => Promise<unknown>
}

export class Runner {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Services.Services, QueueError.QueueError>
  readonly #begun = new Set<Begun>()
  #closing: Promise<void> | undefined
  #isClosed = false

  constructor(runtime: ManagedRuntime.ManagedRuntime<Services.Services, QueueError.QueueError>) {
    this.#runtime = runtime
  }

  run<A, E>(effect: Effect.Effect<A, E, Services.Services>, { signal }: Signal = {}): Promise<A> {
    if (this.#isClosed) return Promise.reject(closed())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    const options = signal === undefined ? {} : { signal }
    return this.#runtime.runPromiseExit(effect, options).then((exit) => settled(exit, signal))
  }

  /** Until it ends or the signal fires, which is how it ends well. */
  runUntil<A, E>(
    effect: Effect.Effect<A, E, Services.Services>,
    signal: AbortSignal
  ): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed())
    if (signal.aborted) return Promise.resolve()
    return this.#runtime
      .runPromiseExit(Effect.asVoid(effect), { signal })
      .then((exit) =>
        signal.aborted && Exit.hasInterrupts(exit) ? undefined : settled(exit, undefined)
      )
  }

  /** Its elements, pulled one by one; what it fails with is thrown by the iteration. */
  iterate<A, E>(
    stream: Stream.Stream<A, E, Services.Services>,
    { signal }: Signal = {}
  ): AsyncIterable<A> {
    const make = (): AsyncIterator<A> => {
      let pulled: Promise<AsyncIterator<A>> | undefined
      const started = () =>
        (pulled ??= this.run(Stream.toAsyncIterableEffect(ending(stream, signal)), {}).then(
          (iterable) => iterable[Symbol.asyncIterator]()
        ))
      return {
        next: () =>
          signal?.aborted === true
            ? Promise.reject(signal.reason)
            : started().then((iterator) => iterator.next()),
        return: (value) =>
          pulled === undefined
            ? Promise.resolve({ done: true, value })
            : pulled.then((iterator) => iterator.return?.(value) ?? { done: true, value })
      }
    }
    return { [Symbol.asyncIterator]: make }
  }

  /** Remembers what `close` has to end first. */
  begin(begun: Begun): void {
    this.#begun.add(begun)
  }

  ended(begun: Begun): void {
    this.#begun.delete(begun)
  }

  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Ends what was begun, all of it side by side, then closes every connection. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Handlers that drain may still send and settle. */
  #close(): Promise<void> {
    const ends = [...this.#begun].map((begun) => begun.end())
    return Promise.allSettled(ends).then(() => {
      this.#isClosed = true
      return this.#runtime.dispose()
    })
  }
}

/** The stream until the signal fires, which it then dies with. */
const ending = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
  signal: AbortSignal | undefined
): Stream.Stream<A, E, R> =>
  signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal))

/** Never succeeds: it dies with the reason of the signal when that fires. */
const aborted = (signal: AbortSignal): Effect.Effect<never> =>
  Effect.callback<never>((resume) => {
    const onAbort = (): void => resume(Effect.die(signal.reason))
    if (signal.aborted) return onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", onAbort))
  })
