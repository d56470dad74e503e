/**
 * The queues themselves, without HTTP: every call takes and answers what the JSON protocol carries.
 *
 * **Details**
 *
 * The broker goes by the `Clock` it was built with, so under `TestClock` nothing happens until a test
 * moves the time. Queues live as long as the broker; when its scope closes, waiting polls end with
 * `ConnectionCut`. Send, receive, delete and change cost O(log n) a message at most, whatever is in the
 * queue or in flight; what is visible, delayed or over age waits in heaps and is never searched.
 *
 * **Gotchas**
 *
 * Nothing is bounded but what SQS bounds: messages stay until they are deleted or over age, deduplication
 * ids for five minutes. The throughput quotas of SQS are not enforced; a `Fail` fault throttles.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as actions from "./internal/actions.ts"
import * as batch from "./internal/batch.ts"
import * as brokers from "./internal/broker.ts"
import * as injection from "./internal/injection.ts"
import type { Input } from "./internal/input.ts"
import * as limits from "./internal/limits.ts"
import type { Message } from "./internal/message.ts"
import type { Queue } from "./internal/queue.ts"
import * as receiving from "./internal/receiving.ts"
import * as refusals from "./internal/refusals.ts"
import * as tasks from "./internal/tasks.ts"
import { type Ending, Waiter } from "./internal/waiter.ts"
import * as SqsError from "./SqsError.ts"
import * as SqsFaults from "./SqsFaults.ts"

/**
 * How a broker is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Part of every ARN; `us-east-1` when left out. */
  readonly region?: string
  /** Twelve digits, part of every ARN and queue URL; `000000000000` when left out. */
  readonly account?: string
  /** What queue URLs begin with when a call does not say; `http://127.0.0.1` when left out. */
  readonly endpoint?: string
  /** Messages in flight in one queue; 120,000 when left out. */
  readonly inFlightMax?: number
  /** Of faults, message ids and whatever else is drawn; not predictable when left out. */
  readonly seed?: string
}

/**
 * A message as an inspection shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageView {
  readonly messageId: string
  readonly body: string
  readonly state: "Visible" | "Delayed" | "InFlight"
  /** When its delay or its visibility timeout ends, in milliseconds of the clock. */
  readonly until: number | undefined
  /** As `ApproximateReceiveCount` would say. */
  readonly receiveCount: number
  readonly groupId: string | undefined
  readonly deduplicationId: string | undefined
  readonly sequenceNumber: string | undefined
  readonly sentAt: number
}

/**
 * A message group of a FIFO queue as an inspection shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface GroupView {
  readonly groupId: string
  readonly messages: number
  /** Whether a receive would get its first message. */
  readonly available: boolean
}

/**
 * A queue as an inspection shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueView {
  readonly name: string
  readonly fifo: boolean
  readonly visible: number
  readonly inFlight: number
  readonly delayed: number
  /** In the order they arrived. */
  readonly messages: ReadonlyArray<MessageView>
  readonly groups: ReadonlyArray<GroupView>
  /** Long polls that wait. */
  readonly waiting: number
  /** Deduplication ids remembered. */
  readonly deduplicationIds: number
}

/**
 * What a call answers: the output of the JSON protocol.
 *
 * @category models
 * @since 0.1.0
 */
export type Output = object

/**
 * The methods of a broker.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /**
   * Makes a call by its name, as in `SendMessage`. A long poll waits; interrupted, it is taken off.
   *
   * **Errors** SqsError; ConnectionCut by a fault, or because the broker closed
   */
  readonly call: (
    action: string,
    input: Readonly<Record<string, unknown>>,
    options?: { readonly endpoint?: string }
  ) => Effect.Effect<Output, SqsError.SqsError | SqsFaults.ConnectionCut>
  /** Puts a fault in force until the scope closes. */
  readonly inject: (rule: SqsFaults.Rule) => Effect.Effect<SqsFaults.Injected, never, Scope.Scope>
  /** Puts a fault in force until it is removed. */
  readonly injectUnsafe: (rule: SqsFaults.Rule) => SqsFaults.Injected
  /** What a queue holds now, or nothing when there is none of this name. */
  readonly inspect: (queue: string) => Effect.Effect<QueueView | undefined>
  /** The names of all queues. */
  readonly queues: Effect.Effect<ReadonlyArray<string>>
  /** How often each call was made, refused ones included. */
  readonly calls: Effect.Effect<Readonly<Record<string, number>>>
  /** Ends all waiting polls as a server that stops does; without its state it also forgets every queue. */
  readonly restart: (options: { readonly keepState: boolean }) => Effect.Effect<void>
  readonly region: string
  readonly account: string
}

/**
 * The tag of a broker.
 *
 * @category services
 * @since 0.1.0
 */
export class SqsBroker extends Context.Service<SqsBroker, Service>()(
  "@queue-runtime/sqs-emulator/SqsBroker"
) {}

type Failure = SqsError.SqsError | SqsFaults.ConnectionCut

const viewOf = (message: Message): MessageView => {
  const { content, state } = message
  return {
    messageId: content.id,
    body: content.body,
    state: state === "Gone" ? "Visible" : state,
    until: state === "Visible" ? undefined : message.visibleAt,
    receiveCount: message.receivesBefore + message.receiveCount,
    groupId: content.groupId,
    deduplicationId: content.deduplicationId,
    sequenceNumber: message.sequenceNumber,
    sentAt: content.sentAt
  }
}

const queueViewOf = (queue: Queue): QueueView => ({
  name: queue.name,
  fifo: queue.fifo,
  visible: queue.counts.Visible,
  inFlight: queue.counts.InFlight,
  delayed: queue.counts.Delayed,
  messages: [...queue.messages.values()].map(viewOf),
  groups: [...queue.groups.values()].map((group) => ({
    groupId: group.id,
    messages: group.messages.size,
    available: group.list !== undefined
  })),
  waiting: queue.waiters.size,
  deduplicationIds: queue.sent.size
})

const endings: Readonly<Record<Ending, Effect.Effect<Output, Failure>>> = {
  Over: Effect.succeed({}),
  Deleted: Effect.suspend(() => Effect.fail(refusals.noQueue())),
  Closed: Effect.suspend(() => Effect.fail(new SqsFaults.ConnectionCut({ applied: false })))
}

/** Waits until there is something or the wait is over. */
const poll = (
  broker: brokers.Broker,
  queue: Queue,
  order: receiving.Order
): Effect.Effect<Output, Failure> =>
  Effect.withFiber((fiber) =>
    Effect.callback<Output, Failure>((resume) => {
      // Resumed from the scheduler: nobody's code runs inside the turn of another call.
      const finish = (effect: Effect.Effect<Output, Failure>): void =>
        fiber.currentDispatcher.scheduleTask(() => resume(effect), 0)
      if (queue.deleted) return finish(endings.Deleted)
      const take = (now: number): boolean => {
        const Messages = receiving.take(broker, queue, order, now)
        if (Messages.length === 0) return false
        finish(Effect.succeed({ Messages }))
        return true
      }
      const waiter = brokers.turn(broker, queue, (now) => {
        if (take(now)) return undefined
        const made = new Waiter(now + order.waitSeconds * 1_000, take, (why) =>
          finish(endings[why])
        )
        brokers.enter(queue, made)
        return made
      })
      return Effect.sync(() => {
        if (waiter !== undefined) brokers.leave(queue, waiter)
      })
    })
  )

const receive = (
  broker: brokers.Broker,
  input: Input,
  twist: receiving.Twist
): Effect.Effect<Output, Failure> => {
  const queue = brokers.queueOf(broker, input)
  const order = receiving.read(queue, input, twist)
  const Messages = brokers.turn(broker, queue, (now) => {
    receiving.checkInFlight(queue, order)
    return receiving.take(broker, queue, order, now)
  })
  if (Messages.length > 0) return Effect.succeed({ Messages })
  return order.waitSeconds === 0 ? endings.Over : poll(broker, queue, order)
}

/** Does what was drawn for a call around it. */
const suffer = (
  hit: injection.Hit,
  clock: Clock.Clock,
  call: Effect.Effect<Output, Failure>
): Effect.Effect<Output, Failure> => {
  const cut = (applied: boolean) => Effect.fail(new SqsFaults.ConnectionCut({ applied }))
  const core = Effect.suspend(() => {
    if (hit.reset) return cut(false)
    if (hit.refusal !== undefined) return Effect.fail(hit.refusal)
    return hit.loseReply ? Effect.flatMap(call, () => cut(true)) : call
  })
  const delay = hit.delayMillis > 0 ? clock.sleep(Duration.millis(hit.delayMillis)) : Effect.void
  return Effect.andThen(
    Effect.forEach(hit.hangs, (latch) => latch.await, { discard: true }),
    Effect.andThen(delay, core)
  )
}

const closePolls = (broker: brokers.Broker): void => {
  for (const queue of broker.queues.values()) {
    for (let waiter = queue.waiters.first; waiter !== undefined; waiter = queue.waiters.first) {
      brokers.leave(queue, waiter)
      waiter.end("Closed")
    }
  }
}

/** The random numbers of a broker: a seed's, or the caller's. */
const randomOf = (seed: string | undefined): Effect.Effect<typeof Random.Random.Service> => {
  const random = Effect.map(Random.Random, (service) => service)
  return seed === undefined ? random : Random.withSeed(random, seed)
}

/**
 * A broker, closed with its scope.
 *
 * **Example** (Sending and receiving)
 * ```ts
 * import { SqsBroker } from "@queue-runtime/sqs-emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { call } = yield* SqsBroker.make()
 *   yield* call("CreateQueue", { QueueName: "orders" })
 *   const QueueUrl = "orders"
 *   yield* call("SendMessage", { QueueUrl, MessageBody: "hello" })
 *   return yield* call("ReceiveMessage", { QueueUrl })
 * })
 * const answer = await Effect.runPromise(Effect.scoped(program))
 * JSON.stringify(answer).includes('"Body":"hello"') // => true
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Service, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const generator = yield* randomOf(options.seed)
  const run = yield* FiberSet.makeRuntime<never, void, never>()
  const random = () => generator.nextDoubleUnsafe()
  const faults = new injection.Injection(random)
  const counts = new Map<string, number>()
  const endpoint = options.endpoint ?? "http://127.0.0.1"
  const config: brokers.Config = {
    region: options.region ?? "us-east-1",
    account: options.account ?? "000000000000",
    inFlightMax: options.inFlightMax ?? limits.inFlightMax
  }
  const alarms = new WeakMap<Queue, Fiber.Fiber<void>>()

  const makeBroker = (): brokers.Broker => {
    const made = new brokers.Broker(config, {
      now: () => clock.currentTimeMillisUnsafe(),
      random,
      setAlarm: (queue, at) => {
        alarms.get(queue)?.interruptUnsafe()
        // At least a millisecond: a clock with parts of one can end a sleep a hair before its time.
        const left = Math.max(1, at - clock.currentTimeMillisUnsafe())
        const sleep = clock.sleep(Duration.millis(left))
        const ring = Effect.sync(() => {
          // It sets the next alarm, which must not end this one in the middle.
          alarms.delete(queue)
          brokers.ring(made, queue)
        })
        alarms.set(queue, run(Effect.andThen(sleep, ring)))
      }
    })
    return made
  }

  let broker = makeBroker()
  yield* Effect.addFinalizer(() => Effect.sync(() => closePolls(broker)))

  const runTask = (task: tasks.Task): void => {
    const current = broker
    const step = Effect.andThen(
      Effect.sync(() => tasks.step(current, task)),
      (again) => (again ? Effect.as(clock.sleep(Duration.seconds(1)), true) : Effect.succeed(false))
    )
    run(Effect.asVoid(Effect.repeat(step, { while: (again) => again })))
  }

  const perform = (
    action: actions.Name,
    input: Input,
    hit: injection.Hit,
    base: string
  ): Effect.Effect<Output, Failure> =>
    Effect.suspend(() => {
      const done = batch.attempt((): Effect.Effect<Output, Failure> => {
        if (action === "ReceiveMessage") return receive(broker, input, hit)
        const context = {
          broker,
          endpoint: base,
          sendTwist: { copies: hit.duplicate ? 2 : 1, reorder: hit.reorder },
          failEntry: hit.failEntry,
          runTask
        }
        return Effect.succeed(actions.actions[action](context, input))
      })
      return Result.isSuccess(done) ? done.success : Effect.fail(done.failure)
    })

  const call: Service["call"] = (action, input, { endpoint: base = endpoint } = {}) =>
    Effect.suspend(() => {
      if (!actions.isName(action)) {
        return Effect.fail(
          SqsError.make("InvalidAction", `The action ${action} is not valid for this endpoint.`)
        )
      }
      counts.set(action, (counts.get(action) ?? 0) + 1)
      const hit = faults.draw(action, input)
      const performed = perform(action, input, hit, base)
      return hit === injection.noHit ? performed : suffer(hit, clock, performed)
    })

  return {
    call,
    inject: (rule) =>
      Effect.acquireRelease(
        Effect.sync(() => faults.add(rule)),
        ({ remove }) => remove
      ),
    injectUnsafe: (rule) => faults.add(rule),
    inspect: (name) =>
      Effect.sync(() => {
        const queue = broker.queues.get(name)
        return queue === undefined
          ? undefined
          : brokers.turn(broker, queue, () => queueViewOf(queue))
      }),
    queues: Effect.sync(() => [...broker.queues.keys()]),
    calls: Effect.sync(() => Object.fromEntries(counts)),
    restart: ({ keepState }) =>
      Effect.sync(() => {
        closePolls(broker)
        if (!keepState) broker = makeBroker()
      }),
    region: config.region,
    account: config.account
  }
})

/**
 * A broker.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SqsBroker> =>
  Layer.effect(SqsBroker, make(options))
