/**
 * What was put aside on one queue, for an operator.
 *
 * @since 0.1.0
 */
import { DeadLetters as Core, type QueueError, type QueueName } from "@queue-runtime/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Plain, plain } from "./internal/plain.ts"
import type * as Runner from "./internal/runner.ts"
import type * as Services from "./internal/services.ts"

/**
 * A dead letter: that of `@queue-runtime/core`, times as dates and durations in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetter = Plain<Core.DeadLetter>

/**
 * Dead letters summed up, times as dates.
 *
 * @category models
 * @since 0.1.0
 */
export type Statistics = Plain<Core.Statistics>

/**
 * One page of dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export type Page = Plain<Core.Page>

/**
 * How far it got, in plain values; the last one when it is done.
 *
 * @category models
 * @since 0.1.0
 */
export type Progress = Core.Progress

/**
 * Watches and ends a long call. What is done when the signal fires stays done.
 *
 * @category options
 * @since 0.1.0
 */
export interface Watch extends Runner.Signal {
  /** Told after each letter. */
  readonly onProgress?: (progress: Progress) => void
}

const nothing: Progress = { done: 0, failed: 0, failures: {} }

type Streamed = Stream.Stream<Progress, QueueError.QueueError>

/**
 * The dead letters of one queue. The methods and what they promise are those of `DeadLetters` of
 * `@queue-runtime/core`; a progress that is a stream there is a callback here.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadLetters {
  readonly #runner: Runner.Runner
  readonly #queue: QueueName.QueueName

  /** @internal */
  constructor(runner: Runner.Runner, queue: QueueName.QueueName) {
    this.#runner = runner
    this.#queue = queue
  }

  /** The letters one by one; nothing is removed. */
  list(options: Core.ListOptions & Runner.Signal = {}): AsyncIterable<DeadLetter> {
    return this.#iterate(
      (letters) => Stream.map(letters.list(this.#queue, options), plain<Core.DeadLetter>),
      options
    )
  }

  /** The letters page by page. */
  page(options: Core.PageOptions & Runner.Signal = {}): Promise<Page> {
    return this.#run(
      (letters) => Effect.map(letters.page(this.#queue, options), plain<Core.Page>),
      options
    )
  }

  /** How many there are. */
  count(options: Runner.Signal = {}): Promise<Core.Count> {
    return this.#run((letters) => letters.count(this.#queue), options)
  }

  /** The letter of an id; `undefined` when there is none. */
  get(id: string, options: Runner.Signal = {}): Promise<DeadLetter | undefined> {
    return this.#run(
      (letters) =>
        Effect.map(letters.get(this.#queue, id), (letter) =>
          Option.getOrUndefined(Option.map(letter, plain<Core.DeadLetter>))
        ),
      options
    )
  }

  /** Sends letters again, then removes each; how it ended. */
  replay(selection: Core.Selection, options: Core.ReplayOptions & Watch = {}): Promise<Progress> {
    return this.#watch((letters) => letters.replay(this.#queue, selection, options), options)
  }

  /** Removes letters for good; how it ended. */
  purge(selection: Core.Selection, options: Core.PurgeOptions & Watch = {}): Promise<Progress> {
    return this.#watch((letters) => letters.purge(this.#queue, selection, options), options)
  }

  /** Removes those past their retention, 30 days unless told otherwise; how it ended. */
  cleanUp(options: { readonly retention?: Duration.Input } & Watch = {}): Promise<Progress> {
    return this.#watch((letters) => letters.cleanUp(this.#queue, options), options)
  }

  /** The letters as lines of JSON, each with its line feed. */
  exportNdjson(options: Core.ListOptions & Runner.Signal = {}): AsyncIterable<string> {
    return this.#iterate((letters) => letters.exportNdjson(this.#queue, options), options)
  }

  /** Sends what was exported as a replay does, in the order of the lines; text may be cut anywhere. */
  importNdjson(
    lines: AsyncIterable<string>,
    options: Omit<Core.ReplayOptions, "dryRun"> & Watch = {}
  ): Promise<Progress> {
    // What the iteration throws is the caller's own, and rejects the call as it is.
    const text = Stream.orDie(Stream.fromAsyncIterable(lines, (cause) => cause))
    return this.#watch((letters) => letters.importNdjson(this.#queue, text, options), options)
  }

  /** The letters summed up: by reason, by service, by hour. */
  statistics(options: Runner.Signal = {}): Promise<Statistics> {
    return this.#run(
      (letters) => Effect.map(letters.statistics(this.#queue), plain<Core.Statistics>),
      options
    )
  }

  #run<A>(
    call: (letters: Core.Service) => Effect.Effect<A, QueueError.QueueError>,
    signal: Runner.Signal
  ): Promise<A> {
    return this.#runner.run(Core.DeadLetters.use(call), signal)
  }

  #iterate<A>(
    call: (letters: Core.Service) => Stream.Stream<A, QueueError.QueueError>,
    signal: Runner.Signal
  ): AsyncIterable<A> {
    const stream: Stream.Stream<A, QueueError.QueueError, Services.Services> = Stream.unwrap(
      Core.DeadLetters.useSync(call)
    )
    return this.#runner.iterate(stream, signal)
  }

  #watch(
    call: (letters: Core.Service) => Streamed,
    { onProgress, signal }: Watch
  ): Promise<Progress> {
    const last = (stream: Streamed) =>
      Stream.runFold(
        stream,
        () => nothing,
        (_, progress) => {
          onProgress?.(progress)
          return progress
        }
      )
    return this.#run((letters) => last(call(letters)), { signal })
  }
}
