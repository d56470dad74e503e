/**
 * A run before it runs: who sends what and when, who works on it, and what may go wrong. Drawn from a seed,
 * or written by hand.
 *
 * @since 0.1.0
 */
import * as Fault from "./Fault.ts"
import type * as History from "./History.ts"
import { Dice } from "./internal/dice.ts"
import * as profiles from "./internal/profile.ts"

/**
 * A message to be sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlannedMessage {
  readonly id: string
  /** Counted from zero. */
  readonly index: number
  readonly producer: number
  /** Absent on a queue without sessions. */
  readonly session?: string
  /** Milliseconds after the beginning. Messages of one producer and one time go in one call. */
  readonly atMillis: number
  readonly delayMillis?: number
  readonly timeToLiveMillis?: number
}

/**
 * What an operator is to do with the dead letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlannedOperation {
  readonly what: History.Operation
  /** Milliseconds after the beginning, or when the one before has ended. */
  readonly atMillis: number
  /** The ids of the messages that are meant. Absent: all. */
  readonly only?: ReadonlyArray<string>
  /** Of a purge: how long letters must have been there. */
  readonly olderThanMillis?: number
  /** Letters of a page, or sent and not yet removed at most. */
  readonly together: number
}

/**
 * The whole of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plan {
  readonly seed: string
  readonly sessions: boolean
  readonly deduplicates: boolean
  readonly producers: number
  readonly workers: number
  /** Of one worker: handlers side by side, or sessions. */
  readonly concurrency: number
  readonly prefetch: number
  readonly sessionMessagesMax: number
  readonly sessionIdleMillis: number
  readonly parkedMax: number
  /** How long whoever follows sessions takes to hear of one that is opened; zero: nobody follows them. */
  readonly openingMillis: number
  readonly deliveriesMax: number
  readonly lockMillis: number
  readonly handlerTimeoutMillis: number
  readonly gracePeriodMillis: number
  /** The longest a handler usually takes. */
  readonly handlerMillis: number
  /** The longest a call usually takes; zero: no time at all. */
  readonly latencyMillis: number
  /** Whether a producer sends the messages of a batch one by one and side by side. */
  readonly sendsSingly: boolean
  readonly idempotent: boolean
  readonly messages: ReadonlyArray<PlannedMessage>
  /** Of one operator, one after the other. */
  readonly operations: ReadonlyArray<PlannedOperation>
  readonly profile: Fault.Profile
  readonly faultsMax: number
}

/**
 * What a seed leaves open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Whether the queue is ordered. Default: drawn. */
  readonly sessions?: boolean
  /** How many messages: the most that is drawn. Default: 40. */
  readonly messagesMax?: number
  /** Faults that may be drawn. Default: all but those that a stack of its own must know of. */
  readonly faults?: ReadonlyArray<Fault.Name>
  /** In place of drawn probabilities. */
  readonly profile?: Fault.Profile
  /**
   * Whether an effect of one key must be applied once, whatever comes twice. Faults that cut a handler off
   * between its effect and its record are left out then. Default: no; drawn with `once`.
   */
  readonly idempotent?: boolean
  /** Whether the handler is put behind `Idempotency.handler`, where it is to be idempotent. Default: no. */
  readonly once?: boolean
  /** Whether the broker may forget what it was sent. Default: drawn. */
  readonly deduplicates?: boolean
  /** Whether messages may be scheduled and may expire. Default: true. */
  readonly timed?: boolean
  /** Whether an operator lists, replays and purges dead letters meanwhile. Default: no. */
  readonly operated?: boolean
  /** Whether calls of one session may be under way side by side: the stack keeps their order. */
  readonly keepsOrder?: boolean
  /** The shortest lock that is drawn, in milliseconds. Default: 5,000. */
  readonly lockMillisMin?: number
  /** Over what is drawn. */
  readonly over?: Partial<Omit<Plan, "seed" | "messages">>
}

const usual: ReadonlyArray<Fault.Name> = Fault.all
  .map(({ name }) => name)
  .filter((name) => name !== "key rotated away")

/** What an idempotent handler cannot promise to survive: it is cut off between its effect and its record. */
const cutting: ReadonlySet<Fault.Name> = new Set<Fault.Name>([
  "crash",
  "paused",
  "clock skew",
  "restart",
  "stubborn handler",
  "slow handler",
  "lock expires"
])

const letters = "abcdefghijklmnopqrstuvwxyz"

const schedule = (
  dice: Dice,
  options: Options,
  shape: { readonly producers: number; readonly sessions: boolean; readonly bursts: boolean }
): ReadonlyArray<PlannedMessage> => {
  const { messagesMax = 40, timed = true } = options
  const count = dice.between(Math.min(3, messagesMax), messagesMax)
  const sessionCount = dice.oneOf([1, 2, 3, 6])
  const isTimed = timed && dice.chance(0.25)
  const gap = dice.oneOf([0, 10, 500, 5_000])
  const clocks = Array.from({ length: shape.producers }, () => 0)
  return Array.from({ length: count }, (_, index): PlannedMessage => {
    const producer = dice.between(0, shape.producers - 1)
    // The next call of its producer, or one more message of this one.
    const isNew = !shape.bursts || dice.chance(0.4)
    const atMillis = (clocks[producer] ?? 0) + (isNew ? dice.between(1, gap + 1) : 0)
    clocks[producer] = atMillis
    const session = letters[dice.between(0, sessionCount - 1)] ?? "a"
    const isLate = isTimed && dice.chance(0.3)
    const isMortal = isTimed && dice.chance(0.3)
    return {
      id: `m${index + 1}`,
      index,
      producer,
      atMillis,
      ...(shape.sessions ? { session } : {}),
      ...(isLate ? { delayMillis: dice.oneOf([1, 700, 20_000]) } : {}),
      ...(isMortal ? { timeToLiveMillis: dice.oneOf([50, 2_000, 60_000]) } : {})
    }
  })
}

/** Where there is an operator there are dead letters. */
const burying: ReadonlyArray<Fault.Name> = ["rejecting handler", "poison"]

const buried = (profile: Fault.Profile): Fault.Profile => ({
  ...profile,
  ...Fault.only(...burying)
})

/** Dice of its own: who has no operator has the same plan as ever. */
const operationsOf = (
  seed: string,
  messages: ReadonlyArray<PlannedMessage>
): ReadonlyArray<PlannedOperation> => {
  const dice = new Dice(`${seed}/operator`)
  const end = messages.reduce((last, { atMillis }) => Math.max(last, atMillis), 0)
  const some = (): ReadonlyArray<string> =>
    messages.filter(() => dice.chance(0.5)).map(({ id }) => id)
  const times = Array.from({ length: dice.between(2, 6) }, () => dice.between(0, end + 30_000))
  const operation = (atMillis: number): PlannedOperation => {
    const what = dice.oneOf<History.Operation>(["replay", "replay", "replay", "list", "purge"])
    const together = dice.oneOf([1, 2, 3, 100])
    const only = dice.chance(0.4) ? { only: some() } : {}
    const olderThanMillis = dice.oneOf([0, 1_000, 10_000])
    const age = what === "purge" && dice.chance(0.7) ? { olderThanMillis } : {}
    return { what, atMillis, together, ...(what === "list" ? {} : only), ...age }
  }
  return times.toSorted((one, other) => one - other).map(operation)
}

/**
 * The plan of a seed: the same in any process.
 *
 * **Example** (Two looks at one seed)
 *
 * ```ts
 * import { Plan } from "@queue-runtime/simulation"
 *
 * Plan.draw("7").messages.length === Plan.draw("7").messages.length // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const draw = (seed: string, options: Options = {}): Plan => {
  const dice = new Dice(`${seed}/plan`)
  const sessions = options.sessions ?? dice.chance(0.5)
  const producers = dice.oneOf([1, 1, 2, 3])
  const messages = schedule(dice, options, { producers, sessions, bursts: dice.chance(0.7) })
  const isOnce = dice.chance(0.2)
  const idempotent = options.idempotent ?? (options.once === true && isOnce)
  const allowed = options.faults ?? usual
  const names = idempotent ? allowed.filter((name) => !cutting.has(name)) : allowed
  const drawn = options.profile ?? profiles.draw(dice, names)
  const profile = options.operated === true ? buried(drawn) : drawn
  const lockMillis = Math.max(options.lockMillisMin ?? 5_000, dice.oneOf([5_000, 10_000, 30_000]))
  return {
    seed,
    sessions,
    deduplicates: options.deduplicates ?? dice.chance(0.3),
    producers,
    workers: dice.oneOf([1, 2, 2, 3]),
    concurrency: dice.oneOf([1, 2, 4, 10]),
    prefetch: dice.oneOf([1, 3, 10]),
    sessionMessagesMax: dice.oneOf([1, 3, 1_000]),
    sessionIdleMillis: dice.oneOf([0, 200, 5_000]),
    parkedMax: dice.oneOf([1, 2, 100]),
    openingMillis: sessions ? new Dice(`${seed}/opening`).oneOf([0, 0, 1, 30, 1_000]) : 0,
    deliveriesMax: dice.oneOf([2, 3, 5]),
    lockMillis,
    handlerTimeoutMillis: dice.oneOf([20_000, 300_000]),
    gracePeriodMillis: dice.oneOf([0, 1_000, 20_000]),
    handlerMillis: dice.oneOf([0, 0, 50, 3_000, lockMillis]),
    latencyMillis: dice.oneOf([0, 0, 5, 100]),
    sendsSingly: dice.chance(0.5) && (options.keepsOrder === true || !sessions),
    idempotent,
    messages,
    operations: options.operated === true ? operationsOf(seed, messages) : [],
    profile,
    faultsMax: dice.oneOf([3, 10, 30]),
    ...options.over
  }
}
