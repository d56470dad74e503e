/**
 * Runs a handler, and the stack under it, in seeded worlds where everything goes wrong, and judges what
 * happened.
 *
 * **Details**
 *
 * A seed gives a plan: producers, workers, sessions, locks, and which faults how often. It runs in virtual
 * time on one thread, and ends when every message is done. The checkers then go through its history. A seed
 * that fails is shrunk to the few messages and faults that it takes, and told step by step; run again, in
 * any process, it fails in the same way.
 *
 * **Gotchas** What is not virtual is not repeated: a handler that reads the machine's clock, its random
 * numbers or a socket. Promises are waited for with `isAsync`, which costs time.
 *
 * @since 0.1.0
 */
import type { MessageHandler, QueueClient, QueueError, QueueProvider } from "@queue-runtime/core"
import { Defaults, Message, MessageId } from "@queue-runtime/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Backend from "./Backend.ts"
import * as Checker from "./Checker.ts"
import type * as History from "./History.ts"
import * as shrinking from "./internal/shrink.ts"
import type * as subjects from "./internal/subject.ts"
import * as world from "./internal/world.ts"
import * as Plan from "./Plan.ts"
import * as Story from "./Story.ts"

/**
 * Where a stack is built: in one process, above its connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Environment = subjects.Environment

/**
 * The names of the queues of every run: the one that is worked on, and one more where a client may send
 * its dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export const queues = { simulated: world.simulated, aside: world.aside } as const

/**
 * What is tried, and how hard.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never, LE = never> extends Plan.Options {
  /** Seeds tried by `test`. Default: 100. */
  readonly seeds?: number
  /** Of the first seed: `7` tries `7/1`, `7/2`, … Default: `0`. */
  readonly seed?: string
  /** What the n-th message says. Default: its id as text. The ids are the plan's. */
  readonly message?: (
    planned: Plan.PlannedMessage
  ) => Effect.Effect<Message.Message, QueueError.QueueError>
  /** The layers between the client and the connection, of each process. Default: none. */
  readonly stack?: (
    environment: Environment
  ) => Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>
  /** Of the clients of producers and workers. Default: nothing special. */
  readonly client?: QueueClient.Options
  /** What the handler needs, built once a run: it is outside of the processes, as a database is. */
  readonly layer?: Layer.Layer<R, LE>
  /** Asked when a run is over: what is wrong, a sentence each. */
  readonly verify?: Effect.Effect<ReadonlyArray<string>, never, R>
  /** The broker. Default: the memory provider. */
  readonly backend?: Backend.Make
  /** Whether calls of the provider fail, or only what is below it. Default: so on the memory provider. */
  readonly callsFail?: boolean
  /** Whether everything that the broker does is seen by the calls. Default: so on the memory provider. */
  readonly complete?: boolean
  /** Whether an idle session is one holder's too; not so where sessions are emulated. Default: yes. */
  readonly exclusive?: boolean
  /** Whether the stack seals bodies, so that none may be readable below. Default: no. */
  readonly sealed?: boolean
  /** By how much the times that a provider tells may be wrong, in milliseconds. Default: 0. */
  readonly toleranceMillis?: number
  /** Whether promises are under way in handlers or the stack: they are waited for. Default: no. */
  readonly isAsync?: boolean
  /** What must hold besides. */
  readonly checkers?: ReadonlyArray<Checker.Checker>
  /** Runs that shrinking may cost. Default: 300. */
  readonly shrinksMax?: number
}

/**
 * A handler under trial. What it fails with is judged as a worker does.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = never, R = never> = MessageHandler.MessageHandler<E, R>

/**
 * One seed's run, judged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly seed: string
  readonly plan: Plan.Plan
  /** The keys of the faults that happened. */
  readonly faults: ReadonlyArray<string>
  readonly history: History.History
  readonly violations: ReadonlyArray<Checker.Violation>
  /** Tasks run. */
  readonly steps: number
  readonly virtualMillis: number
}

/**
 * What is repeated of a run: a plan, and the faults that may happen in it; absent: all that the seed draws.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replay {
  readonly plan: Plan.Plan
  readonly faults?: ReadonlyArray<string>
}

/**
 * A seed failed. Its message is the story.
 *
 * @category errors
 * @since 0.1.0
 */
export class SimulationFailed extends Data.TaggedError("SimulationFailed")<{
  readonly seed: string
  readonly violations: ReadonlyArray<Checker.Violation>
  /** The shrunk run. */
  readonly replay: Replay
  readonly story: string
  /** Steps of the story. */
  readonly steps: number
}> {
  override get message(): string {
    return this.story
  }
}

const encoder = new TextEncoder()

/** Short ASCII, as the plan's ids are, is written faster than an encoder is called. */
const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 127) return encoder.encode(text)
    bytes[index] = code
  }
  return bytes
}

const empty = new Message.Message({ body: new Uint8Array(0) })

/** What a message is made of is valid: its Schema, which costs more than all else of it, need not look. */
const plain = ({ id }: Plan.PlannedMessage) =>
  Effect.sync(() =>
    Object.assign(Message.stamp(empty, MessageId.makeUnsafe(id)), { body: bytesOf(id) })
  )

const untouched = ({ connection }: Environment) => connection

/** A failure that is no object, as one. */
class Failed extends Data.TaggedError("Failed")<{ readonly error: unknown }> {}

const asObject = (error: unknown): object =>
  typeof error === "object" && error !== null ? error : new Failed({ error })

/** Gives an effect what it needs. */
type Provide<R> = <A, E>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E>

/** Without a layer the handler needs nothing, which its type cannot tell. */
const provideNothing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- R is never when no layer is given
  effect as Effect.Effect<A, E>

/** To provide a context copies it, for each message once. */
const providing = <R, LE>(
  layer: Layer.Layer<R, LE> | undefined
): Effect.Effect<Provide<R>, never, Scope.Scope> =>
  layer === undefined
    ? Effect.succeed(provideNothing)
    : Effect.map(Layer.build(Layer.orDie(layer)), (context) => Effect.provideContext(context))

const subjectOf = <E, R, LE>(handler: Handler<E, R>, options: Options<R, LE>): subjects.Subject => {
  const { backend = Backend.memory, layer, message = plain, stack = untouched } = options
  const nothing = Effect.succeed<ReadonlyArray<string>>([])
  const { verify = nothing } = options
  return {
    backend,
    message,
    stack,
    make: Effect.map(providing(layer), (provide) => ({
      handler: (received) =>
        provide(
          Effect.mapError(
            Effect.suspend(() => handler(received)),
            asObject
          )
        ),
      verify: provide(verify)
    })),
    client: options.client ?? {},
    once: options.once ?? false,
    callsFail: options.callsFail ?? options.backend === undefined,
    complete: options.complete ?? options.backend === undefined,
    exclusive: options.exclusive ?? true,
    sealed: options.sealed ?? false,
    toleranceMillis: options.toleranceMillis ?? 0
  }
}

/**
 * Runs one plan, and judges it.
 *
 * **Example** (A seed, and its history)
 *
 * ```ts
 * import { Plan, Simulation } from "@queue-runtime/simulation"
 * import { Effect } from "effect"
 *
 * const run = Simulation.replay(() => Effect.void, { plan: Plan.draw("7") })
 * Effect.runSync(run).violations // => []
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const replay = <E = never, R = never, LE = never>(
  handler: Handler<E, R>,
  { faults, plan }: Replay,
  options: Options<R, LE> = {}
): Effect.Effect<Result> => {
  const { checkers = [], isAsync = false } = options
  const only = faults === undefined ? {} : { only: new Set(faults) }
  return Effect.map(
    world.run(subjectOf(handler, options), plan, { ...only, isAsync }),
    ({ fired, history, problems, steps, virtualMillis }): Result => {
      const found = Checker.check(history, [...Checker.all, ...checkers])
      const at = history.events.at(-1)?.at ?? 0
      const own = problems.map((what) => ({ checker: "verify", at, what, about: [] }))
      return {
        seed: plan.seed,
        plan,
        faults: fired,
        history,
        violations: [...found, ...own],
        steps,
        virtualMillis
      }
    }
  )
}

/**
 * Runs the plan of a seed, and judges it.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E = never, R = never, LE = never>(
  handler: Handler<E, R>,
  seed: string,
  options: Options<R, LE> = {}
): Effect.Effect<Result> =>
  Effect.suspend(() => replay(handler, { plan: Plan.draw(seed, options) }, options))

/**
 * The smallest run that fails as this one does: messages and faults are dropped for as long as the same
 * checker still complains. A run that did not fail stays as it is.
 *
 * @category running
 * @since 0.1.0
 */
export const shrink = Effect.fnUntraced(function* <E = never, R = never, LE = never>(
  handler: Handler<E, R>,
  failed: Result,
  options: Options<R, LE> = {}
) {
  const [first] = failed.violations
  if (first === undefined) return failed
  let best = failed
  const attempt = Effect.fnUntraced(function* (candidate: shrinking.Candidate) {
    const result = yield* replay(handler, candidate, options)
    if (!result.violations.some(({ checker }) => checker === first.checker)) return undefined
    best = result
    return { plan: result.plan, faults: result.faults }
  })
  yield* shrinking.shrink(
    { plan: failed.plan, faults: failed.faults },
    options.shrinksMax ?? Defaults.simulationShrinksMax,
    attempt
  )
  return { ...best, violations: sorted(best.violations, first.checker) }
})

/** What the story is about comes first. */
const sorted = (
  violations: ReadonlyArray<Checker.Violation>,
  checker: string
): ReadonlyArray<Checker.Violation> => [
  ...violations.filter((one) => one.checker === checker),
  ...violations.filter((one) => one.checker !== checker)
]

/** A failed run as the error that tells its story. */
const failure = ({ faults, history, plan, seed, violations }: Result): SimulationFailed => {
  const [first] = violations
  return new SimulationFailed({
    seed,
    violations,
    replay: { plan, faults },
    story: Story.format(seed, history, violations),
    steps: first === undefined ? 0 : Story.steps(history, first).length
  })
}

/**
 * What was tried.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly seeds: number
  readonly messages: number
  readonly deliveries: number
  readonly faults: number
  readonly virtualMillis: number
}

/**
 * Tries a handler on many seeds: fails with the story of the first that goes wrong, shrunk, and answers
 * what was tried when none does.
 *
 * **Example** (A handler that does its work once)
 *
 * ```ts
 * import { Effects, Simulation } from "@queue-runtime/simulation"
 * import { Effect } from "effect"
 *
 * const handler = (message: { readonly messageId: string }) =>
 *   Effects.applied(`greet ${message.messageId}`)
 * const tried = Simulation.test(handler, { seeds: 5, sessions: true })
 * Effect.runSync(tried).seeds // => 5
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const test = Effect.fnUntraced(function* <E = never, R = never, LE = never>(
  handler: Handler<E, R>,
  options: Options<R, LE> = {}
): Effect.fn.Return<Report, SimulationFailed> {
  const { seed = "0", seeds = Defaults.simulationSeeds } = options
  const report = { seeds: 0, messages: 0, deliveries: 0, faults: 0, virtualMillis: 0 }
  for (let number = 1; number <= seeds; number++) {
    const result = yield* run(handler, `${seed}/${number}`, options)
    if (result.violations.length > 0) {
      return yield* Effect.fail(failure(yield* shrink(handler, result, options)))
    }
    report.seeds++
    report.messages += result.plan.messages.length
    report.deliveries += result.history.events.filter(({ _tag }) => _tag === "Delivered").length
    report.faults += result.faults.length
    report.virtualMillis += result.virtualMillis
  }
  return report
})
