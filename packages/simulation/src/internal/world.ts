/** A run: the processes of a plan on a backend, from the first send until all is over. */
import {
  DeadLetters,
  Defaults,
  HandlerFailure,
  Idempotency,
  IdempotencyStore,
  Message,
  MessageId,
  type Outcome,
  QueueClient,
  type QueueError,
  QueueName,
  QueueProvider,
  QueueWorker,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { SessionLifecycle, SessionWorker } from "@queue-runtime/sessions"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Process, type Backend, type Connection } from "../Backend.ts"
import { Effects } from "../Effects.ts"
import type * as Fault from "../Fault.ts"
import * as History from "../History.ts"
import type * as Plan from "../Plan.ts"
import * as Tap from "../Tap.ts"
import { Chaos, type Hit } from "./chaos.ts"
import { digest } from "./digest.ts"
import * as faulty from "./faulty.ts"
import { epoch, Kernel, type Node } from "./kernel.ts"
import type * as Subject from "./subject.ts"

/** The queues of a run. */
export const simulated = "simulated"
export const aside = "simulated-aside"

/** After the last send and its retries nothing goes wrong any more. */
const quietAfter = Duration.toMillis(Duration.minutes(5))

/** By then a world that is left alone must have come to rest. */
const restAfter = Duration.toMillis(Duration.hours(6))

const sendPause = 500

const handlerKinds: ReadonlyArray<Fault.Name> = [
  "slow handler",
  "failing handler",
  "rejecting handler",
  "throwing handler",
  "stubborn handler",
  "crash",
  "paused"
]

/** What a run needs to know and to share. */
interface World {
  readonly plan: Plan.Plan
  readonly subject: Subject.Subject
  readonly kernel: Kernel
  readonly recorder: History.Recorder
  readonly chaos: Chaos
  readonly names: Tap.Names
  readonly queue: QueueName.QueueName
  readonly backend: Backend
  readonly made: Subject.Made
  readonly store: IdempotencyStore.Service
  /** By message: whether every handler of it fails. */
  readonly poisoned: Map<string, boolean>
}

/** One life of a process. */
interface Life {
  readonly node: Node
  readonly process: string
  readonly connection: { current: Connection | undefined }
  readonly crashed: Deferred.Deferred<void>
}

const skewOf = ({ chaos, plan }: World, process: string): number => {
  const hit = chaos.draw(`${process}/clock`, ["clock skew"])
  if (hit === undefined) return 0
  const skew = Math.round(plan.lockMillis * hit.dice.oneOf([-0.3, -0.1, 0.1, 0.3]))
  hit.tell(process, `the clock of ${process} is ${skew} ms ahead`)
  return skew
}

const crash = ({ recorder }: World, { crashed, node }: Life): void => {
  if (node.isDead) return
  recorder.add({ _tag: "Crashed", node: node.name })
  node.kill()
  Deferred.doneUnsafe(crashed, Effect.void)
}

/** The stack of one process, from its connection up. */
const connect = Effect.fnUntraced(function* (world: World, life: Life) {
  const { backend, chaos, names, plan, recorder, subject } = world
  const { node, process } = life
  const strikes: Fault.Strikes = (chance, kinds) => {
    const hit = chaos.draw(`${process}/${chance}`, kinds)
    hit?.tell(node.name, chance)
    return hit === undefined ? undefined : { name: hit.name, part: hit.dice.nextDoubleUnsafe() }
  }
  const own = { name: node.name, later: (task: () => void) => node.enqueue(task), strikes }
  const connection = yield* Effect.provideService(backend.connect, Process, own)
  life.connection.current = connection
  const watched = Tap.provider(connection.provider, { recorder, names, node: node.name })
  const { cut } = connection
  const provider = faulty.make({
    provider: watched,
    chaos,
    node,
    process,
    names,
    lockMillis: plan.lockMillis,
    latencyMillis: plan.latencyMillis,
    callsFail: subject.callsFail,
    lose: connection.lose,
    cut:
      cut === undefined
        ? undefined
        : Effect.andThen(
            Effect.sync(() => recorder.add({ _tag: "Cut", node: node.name })),
            cut
          ),
    crash: () => crash(world, life)
  })
  const bottom = Layer.succeed(QueueProvider.QueueProvider, provider)
  const stack = subject.stack({
    connection: bottom,
    process,
    now: Effect.sync(() => world.kernel.now),
    strikes
  })
  const client = Layer.provide(QueueClient.layer(subject.client), stack)
  return yield* Effect.map(Layer.build(client), Context.get(QueueClient.QueueClient))
})

type Client = QueueClient.Service

/** All that this library does with dead letters, as an operator does it. */
const operate = Effect.fnUntraced(function* (
  world: World,
  life: Life,
  done: { operations: number }
) {
  const { kernel, plan } = world
  const client = yield* connect(world, life)
  const letters = yield* DeadLetters.make(client)
  for (;;) {
    const operation = plan.operations[done.operations]
    if (operation === undefined) return
    const wait = epoch + operation.atMillis - kernel.now
    if (wait > 0) yield* Effect.sleep(wait)
    for (let attempt = 0; attempt < Defaults.simulationTriesMax; attempt++) {
      if (attempt > 0) yield* Effect.sleep(sendPause)
      if (yield* operateOnce(world, life, letters, operation)) break
    }
    done.operations++
  }
})

const toldOf = (
  { recorder }: World,
  { node }: Life,
  letter: DeadLetters.Item | DeadLetters.DeadLetter
): void => {
  const { id, messageId } = letter
  const sessionId = "message" in letter ? letter.message.sessionId : letter.sessionId
  recorder.add({
    _tag: "Told",
    node: node.name,
    id: messageId,
    letter: id,
    outcome: "outcome" in letter ? letter.outcome : "listed",
    ...(sessionId === undefined ? {} : { session: sessionId })
  })
}

const selectionOf = ({ only }: Plan.PlannedOperation): DeadLetters.Selection =>
  only === undefined
    ? DeadLetters.all
    : DeadLetters.where(({ messageId }) => only.includes(messageId))

/** Page after page. */
const listed = Effect.fnUntraced(function* (
  { queue }: World,
  letters: DeadLetters.Service,
  size: number,
  tell: (letter: DeadLetters.DeadLetter) => void
) {
  let cursor: string | undefined
  do {
    const page: DeadLetters.Page = yield* letters.page(queue, {
      size,
      ...(cursor === undefined ? {} : { cursor })
    })
    for (const letter of page.letters) tell(letter)
    cursor = page.next
  } while (cursor !== undefined)
})

/** One operation, from the first letter to the last; whether it came that far. */
const operateOnce = Effect.fnUntraced(function* (
  world: World,
  life: Life,
  letters: DeadLetters.Service,
  operation: Plan.PlannedOperation
) {
  const { queue, recorder } = world
  const { name } = life.node
  const { olderThanMillis, only, together, what } = operation
  const age = olderThanMillis === undefined ? {} : { olderThanMillis }
  recorder.add({
    _tag: "Operating",
    node: name,
    what,
    ...age,
    ...(only === undefined ? {} : { only })
  })
  const tell = (letter: DeadLetters.Item | DeadLetters.DeadLetter): void =>
    toldOf(world, life, letter)
  const selection = selectionOf(operation)
  const told = ({ last }: DeadLetters.Progress) =>
    Effect.sync(() => {
      if (last !== undefined) tell(last)
    })
  const work = {
    replay: () =>
      Stream.runForEach(letters.replay(queue, selection, { concurrency: together }), told),
    purge: () =>
      Stream.runForEach(
        letters.purge(
          queue,
          selection,
          olderThanMillis === undefined ? {} : { olderThan: olderThanMillis }
        ),
        told
      ),
    list: () => listed(world, letters, together, tell)
  }
  const result = yield* Effect.result(work[what]())
  const isFailed = Result.isFailure(result)
  const reason = isFailed ? { reason: result.failure.reason._tag } : {}
  recorder.add({ _tag: "Operated", node: name, what, ...reason })
  return !isFailed
})

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return HandlerFailure.describe(error).reason
}

/** Whether it leaves to the plan what is the plan's. */
const isUntimed = ({ delay, scheduledAt, sessionId, timeToLive }: Message.Message): boolean =>
  [delay, scheduledAt, sessionId, timeToLive].every((given) => given === undefined)

/** What the subject wrote, under the plan's ids; valid is what both are made of. */
const messageOf = (
  { subject }: World,
  planned: Plan.PlannedMessage
): Effect.Effect<Message.Message, QueueError.QueueError> =>
  Effect.map(subject.message(planned), (made) => {
    const { delayMillis, id, session, timeToLiveMillis } = planned
    if (delayMillis === undefined && timeToLiveMillis === undefined && isUntimed(made)) {
      const sessionId = session === undefined ? undefined : SessionId.makeUnsafe(session)
      return Message.stamp(made, MessageId.makeUnsafe(id), sessionId)
    }
    const { attributes, body, contentType, correlationId } = made
    return new Message.Message(
      {
        body,
        attributes,
        messageId: MessageId.makeUnsafe(id),
        ...(contentType === undefined ? {} : { contentType }),
        ...(correlationId === undefined ? {} : { correlationId }),
        ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }),
        ...(delayMillis === undefined ? {} : { delay: Duration.millis(delayMillis) }),
        ...(timeToLiveMillis === undefined ? {} : { timeToLive: Duration.millis(timeToLiveMillis) })
      },
      { disableChecks: true }
    )
  })

interface Sending {
  readonly planned: Plan.PlannedMessage
  readonly message: Message.Message
}

/** Sends what is due together, again and again until all of it is taken. */
const sendAll = Effect.fnUntraced(function* (
  world: World,
  life: Life,
  client: Client,
  all: ReadonlyArray<Sending>,
  numbers: { next: number }
) {
  const { plan, queue, recorder } = world
  const { name } = life.node
  let due = all
  const told = (one: Sending, failure: string | undefined): boolean => {
    const { id } = one.planned
    if (failure === undefined) recorder.write({ _tag: "Sent", at: recorder.now, node: name, id })
    else recorder.add({ _tag: "SendFailed", node: name, id, reason: failure })
    return failure === undefined
  }
  for (let attempt = 0; due.length > 0 && attempt < Defaults.simulationTriesMax; attempt++) {
    if (attempt > 0) yield* Effect.sleep(sendPause)
    for (const { message, planned } of due) {
      const { delayMillis, id, session, timeToLiveMillis } = planned
      numbers.next++
      const event: { -readonly [Key in keyof History.Submitted]: History.Submitted[Key] } = {
        _tag: "Submitted",
        at: recorder.now,
        node: name,
        id,
        order: numbers.next,
        digest: digest(message.body)
      }
      if (session !== undefined) event.session = session
      if (delayMillis !== undefined) event.delayMillis = delayMillis
      if (timeToLiveMillis !== undefined) event.timeToLiveMillis = timeToLiveMillis
      recorder.write(event)
    }
    const failed: Array<Sending> = []
    if (plan.sendsSingly) {
      yield* Effect.forEach(
        due,
        (one) =>
          Effect.map(Effect.result(client.send(queue, one.message)), (result) => {
            const failure = Result.isSuccess(result) ? undefined : result.failure.reason._tag
            if (!told(one, failure)) failed.push(one)
          }),
        { concurrency: "unbounded", discard: true }
      )
    } else {
      const messages = due.map(({ message }) => message)
      const result = yield* Effect.result(client.sendOutcomes(queue, messages))
      for (const [index, one] of due.entries()) {
        const outcome: Outcome.Outcome<unknown> | undefined = Result.isSuccess(result)
          ? result.success[index]
          : Result.fail(result.failure)
        const failure =
          outcome !== undefined && Result.isFailure(outcome)
            ? outcome.failure.reason._tag
            : undefined
        if (!told(one, failure)) failed.push(one)
      }
    }
    due = failed.length === 0 ? failed : all.filter((one) => failed.includes(one))
  }
})

const produce = Effect.fnUntraced(function* (world: World, life: Life, own: number) {
  const client = yield* connect(world, life)
  const messages = world.plan.messages.filter(({ producer }) => producer === own)
  const numbers = { next: 0 }
  const underWay: Array<Fiber.Fiber<void>> = []
  for (let from = 0; from < messages.length;) {
    const first = messages[from]
    if (first === undefined) break
    let to = from
    while (messages[to]?.atMillis === first.atMillis) to++
    const wait = epoch + first.atMillis - world.kernel.now
    if (wait > 0) yield* Effect.sleep(wait)
    const batch = yield* Effect.forEach(messages.slice(from, to), (planned) =>
      Effect.map(messageOf(world, planned), (message) => ({ planned, message }))
    )
    const sending = sendAll(world, life, client, batch, numbers)
    // Who sends singly does not wait either: what keeps the order then is the stack.
    if (world.plan.sendsSingly) underWay.push(yield* Effect.forkChild(sending))
    else yield* sending
    from = to
  }
  yield* Effect.forEach(underWay, Fiber.join, { discard: true })
})

/** A handler that was made to fail; another delivery may do better. */
class Failing extends Schema.TaggedError<Failing>()("Failing", { what: Schema.String }) {
  override get message(): string {
    return this.what
  }
}

/** Decided once a message. */
const isPoison = ({ chaos, poisoned }: World, node: Node, id: string): boolean => {
  const known = poisoned.get(id)
  if (known !== undefined) return known
  const hit = chaos.draw(`poison ${id}`, ["poison"])
  hit?.tell(node.name, `every handler of ${id} fails`, [id])
  poisoned.set(id, hit !== undefined)
  return hit !== undefined
}

/** What befalls a handler, before it does anything; nothing most of the time. */
const befalling = (
  world: World,
  life: Life,
  { messageId, receipt }: ReceivedMessage.ReceivedMessage
): Effect.Effect<unknown, object> | undefined => {
  const { node } = life
  if (isPoison(world, node, messageId)) {
    return Effect.fail(new Failing({ what: `${messageId} is poison` }))
  }
  const hit = world.chaos.draw(`handle ${messageId}`, handlerKinds)
  if (hit === undefined) return undefined
  return befall(world, life, world.names.find(receipt.token)?.id ?? messageId, hit)
}

/** Befalls the handler of this message. */
const befall = Effect.fnUntraced(function* (world: World, life: Life, id: string, hit: Hit) {
  const { plan } = world
  const { node } = life
  switch (hit.name) {
    case "slow handler": {
      const millis = hit.dice.oneOf([
        1_000,
        plan.lockMillis * 1.5,
        plan.handlerTimeoutMillis + 5_000
      ])
      hit.tell(node.name, `the handler of ${id} takes ${millis} ms`, [id])
      return yield* Effect.sleep(millis)
    }
    case "stubborn handler": {
      hit.tell(node.name, `the handler of ${id} takes ${plan.lockMillis} ms and hears nothing`, [
        id
      ])
      return yield* Effect.uninterruptible(Effect.sleep(plan.lockMillis))
    }
    case "failing handler": {
      const isLate = hit.dice.chance(0.5)
      hit.tell(node.name, `the handler of ${id} fails`, [id])
      if (isLate) yield* Effect.sleep(200)
      return yield* Effect.fail(new Failing({ what: `${id} failed` }))
    }
    case "rejecting handler":
      hit.tell(node.name, `the handler of ${id} fails for good`, [id])
      return yield* Effect.fail(
        new HandlerFailure.Permanent({ reason: "Rejected", description: `${id} is rejected` })
      )
    case "throwing handler":
      hit.tell(node.name, `the handler of ${id} throws`, [id])
      return yield* Effect.die(new Error(`${id} threw`))
    case "paused": {
      const millis = Math.round(plan.lockMillis * hit.dice.oneOf([0.4, 1.1, 2]))
      hit.tell(node.name, `${node.name} stands still in its handler for ${millis} ms`, [id])
      node.pause(millis)
      return yield* Effect.yieldNow
    }
    default:
      hit.tell(node.name, `${node.name} crashes in the handler of ${id}`, [id])
      return yield* Effect.callback<never>(() => crash(world, life))
  }
})

/** The handler of one process: what befalls it, some time, and then the one on trial. */
const handlerOf = Effect.fnUntraced(function* (world: World, life: Life) {
  const { made, names, plan, recorder, store } = world
  const { node } = life
  const { name } = node
  const handled = (message: ReceivedMessage.ReceivedMessage): Effect.Effect<unknown, object> => {
    const millis = plan.handlerMillis === 0 ? 0 : node.dice.between(0, plan.handlerMillis)
    const done = made.handler(message)
    return millis === 0 ? done : Effect.delay(done, millis)
  }
  const isCalm = !world.chaos.isPossible(["poison", ...handlerKinds])
  const inner = isCalm
    ? handled
    : (message: ReceivedMessage.ReceivedMessage): Effect.Effect<unknown, object> =>
        Effect.suspend(() => {
          const befallen = befalling(world, life, message)
          return befallen === undefined
            ? handled(message)
            : Effect.flatMap(befallen, () => handled(message))
        })
  const once =
    plan.idempotent && world.subject.once
      ? yield* Idempotency.handler((message) =>
          Effect.tap(inner(message), () =>
            Effect.sync(() => {
              const key = `the effect of ${message.messageId}`
              recorder.add({ _tag: "Applied", node: name, key })
            })
          )
        ).pipe(Effect.provideService(IdempotencyStore.IdempotencyStore, store))
      : inner
  return Tap.handler(once, { names, node: name, recorder })
})

/** Who follows the sessions of a worker, and takes his time to hear of each. */
const follower = (millis: number) =>
  Effect.map(SessionLifecycle.make(), (followed): SessionLifecycle.Service => ({
    ...followed,
    opened: (queue, sessionId, close) =>
      Effect.delay(followed.opened(queue, sessionId, close), millis)
  }))

const work = Effect.fnUntraced(function* (world: World, life: Life) {
  const { plan, queue } = world
  const client = yield* connect(world, life)
  const common = {
    queue,
    handler: yield* handlerOf(world, life),
    concurrency: plan.concurrency,
    deliveriesMax: plan.deliveriesMax,
    handlerTimeout: Duration.millis(plan.handlerTimeoutMillis),
    gracePeriod: Duration.millis(plan.gracePeriodMillis)
  }
  const worker = plan.sessions
    ? SessionWorker.run({
        ...common,
        prefetch: plan.prefetch,
        sessionIdle: Duration.millis(plan.sessionIdleMillis),
        sessionMessagesMax: plan.sessionMessagesMax,
        parkedMax: plan.parkedMax
      })
    : QueueWorker.run(common)
  const working = Effect.provideService(worker, QueueClient.QueueClient, client)
  if (plan.openingMillis === 0) return yield* working
  const followed = yield* follower(plan.openingMillis)
  return yield* Effect.provideService(working, SessionLifecycle.SessionLifecycle, followed)
})

/** Starts a process; its fiber runs in its own time and its own turn. */
const launch = <A, E>(
  world: World,
  process: string,
  name: string,
  role: History.Launched["role"],
  program: (life: Life) => Effect.Effect<A, E, Scope.Scope>
) =>
  Effect.sync(() => {
    const { kernel, recorder } = world
    const skewMillis = role === "worker" ? skewOf(world, process) : 0
    const node = kernel.node(name, skewMillis)
    recorder.add({ _tag: "Launched", node: name, role, skewMillis })
    const life: Life = {
      node,
      process,
      connection: { current: undefined },
      crashed: Deferred.makeUnsafe<void>()
    }
    const write = (key: string): void => recorder.add({ _tag: "Applied", node: name, key })
    const context = Context.add(node.context, Effects, write)
    const fiber = Effect.runForkWith(context)(Effect.scoped(program(life)))
    return { life, fiber }
  })

const finished = ({ recorder }: World, node: string, exit: Exit.Exit<unknown, unknown>): void => {
  const isFailed = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
  recorder.add({
    _tag: "Finished",
    node,
    ...(isFailed ? { reason: reasonOf(exit.cause) } : {})
  })
}

/** The broker notices, some time after it happened. */
const noticed = Effect.fnUntraced(function* (world: World, life: Life, afterMillis: number) {
  yield* Effect.sleep(afterMillis)
  world.recorder.add({ _tag: "Cut", node: life.node.name })
  if (life.connection.current !== undefined) yield* life.connection.current.abandon
})

/** A worker over its lives, until it is to stop. */
const worker = Effect.fnUntraced(function* (
  world: World,
  own: number,
  stop: Deferred.Deferred<void>,
  ended: Array<Node>
) {
  const { chaos, kernel, recorder } = world
  const process = `w${own}`
  const director = kernel.node(`${process}/fate`)
  for (let lives = 1; ; lives++) {
    const { fiber, life } = yield* launch(world, process, `${process}.${lives}`, "worker", (made) =>
      work(world, made)
    )
    const { name } = life.node
    const restart = chaos.draw(`${process}/restart`, ["restart"])
    const after = restart?.dice.oneOf([10, 700, 6_000, 60_000])
    const what = yield* Effect.raceAllFirst<
      Effect.Effect<"crashed" | "ended" | "restart" | "stop">
    >([
      Effect.as(Deferred.await(life.crashed), "crashed"),
      Effect.as(Fiber.await(fiber), "ended"),
      Effect.as(Deferred.await(stop), "stop"),
      after === undefined ? Effect.never : Effect.as(Effect.sleep(after), "restart")
    ])
    if (what === "restart") restart?.tell(name, `${name} is asked to end`)
    if (what === "restart" || what === "stop") {
      recorder.add({ _tag: "Draining", node: name })
      life.node.enqueue(() => fiber.interruptUnsafe())
    }
    const exit =
      what === "crashed"
        ? undefined
        : yield* Effect.raceFirst(
            Fiber.await(fiber),
            Effect.as(Deferred.await(life.crashed), undefined)
          )
    if (exit === undefined) {
      const downtime = director.dice.oneOf([1, 500, 4_000])
      yield* Effect.forkChild(noticed(world, life, director.dice.oneOf([0, 1_000, 10_000])))
      if (yield* Deferred.isDone(stop)) return
      yield* Effect.sleep(downtime)
      continue
    }
    finished(world, name, exit)
    ended.push(life.node)
    if (what === "restart") continue
    // One that ended though nobody had asked it to is not there any more, and the checkers see it.
    return
  }
})

const restPauseMax = 30_000

/** An operator over its lives, until all is done that it is to do. */
const operator = Effect.fnUntraced(function* (world: World, ended: Array<Node>) {
  if (world.plan.operations.length === 0) return
  const process = "op"
  const director = world.kernel.node(`${process}/fate`)
  const done = { operations: 0 }
  for (let lives = 1; ; lives++) {
    const { fiber, life } = yield* launch(
      world,
      process,
      `${process}.${lives}`,
      "operator",
      (made) => operate(world, made, done)
    )
    const exit = yield* Effect.raceFirst(
      Fiber.await(fiber),
      Effect.as(Deferred.await(life.crashed), undefined)
    )
    if (exit !== undefined) {
      finished(world, life.node.name, exit)
      ended.push(life.node)
      return
    }
    yield* Effect.forkChild(noticed(world, life, director.dice.oneOf([0, 1_000, 10_000])))
    yield* Effect.sleep(director.dice.oneOf([1, 500, 4_000]))
  }
})

/** Until nothing is left to do, or the time is over. */
const rest = Effect.fnUntraced(function* (world: World) {
  const start = world.kernel.now
  let pause = 100
  while (!(yield* world.backend.isEmpty) && world.kernel.now - start < restAfter) {
    yield* Effect.sleep(pause)
    pause = Math.min(pause * 2, restPauseMax)
  }
})

/** The whole run, from outside. */
const direct = Effect.fnUntraced(function* (
  base: Omit<World, "backend" | "made" | "store">,
  ended: Array<Node>
) {
  const { plan, queue, recorder, subject } = base
  const backend = yield* subject.backend({
    queue,
    sessions: plan.sessions,
    deliveriesMax: plan.deliveriesMax,
    lockDuration: Duration.millis(plan.lockMillis),
    deduplicates: plan.deduplicates,
    aside: QueueName.makeUnsafe(aside),
    seed: plan.seed
  })
  const stores = yield* Layer.build(IdempotencyStore.layerMemory())
  const store = Context.get(stores, IdempotencyStore.IdempotencyStore)
  const world: World = { ...base, backend, made: yield* subject.make, store }
  const stop = yield* Deferred.make<void>()
  const workers = yield* Effect.forEach(
    Array.from({ length: plan.workers }, (_, index) => index + 1),
    (own) => Effect.forkChild(worker(world, own, stop, ended))
  )
  const operated = yield* Effect.forkChild(operator(world, ended))
  yield* Effect.forEach(
    Array.from({ length: plan.producers }, (_, index) => index),
    (own) =>
      Effect.flatMap(
        launch(world, `p${own + 1}`, `p${own + 1}`, "producer", (life) =>
          produce(world, life, own)
        ),
        ({ fiber, life }) =>
          Effect.map(Fiber.await(fiber), (exit) => finished(world, life.node.name, exit))
      ),
    { concurrency: "unbounded", discard: true }
  )
  yield* Fiber.await(operated)
  yield* rest(world)
  yield* Deferred.succeed(stop, undefined)
  yield* Effect.forEach(workers, Fiber.await, { discard: true })
  for (const one of yield* backend.left) {
    recorder.add({ _tag: "Left", node: "world", ...one, id: base.names.shown(one.id) })
  }
  return yield* world.made.verify
})

/** What came of a run. */
export interface Run {
  readonly history: History.History
  /** The keys of the faults that happened. */
  readonly fired: ReadonlyArray<string>
  readonly steps: number
  readonly virtualMillis: number
  /** What the subject itself found wrong. */
  readonly problems: ReadonlyArray<string>
}

export interface Options {
  /** Of the faults drawn these alone. */
  readonly only?: ReadonlySet<string>
  /** Whether promises are under way in it: time stands still until they are settled. */
  readonly isAsync?: boolean
}

const promisesOf = (subject: Subject.Subject, plan: Plan.Plan): History.Promises => {
  const { client, complete, exclusive, sealed, toleranceMillis } = subject
  const { concurrency, deliveriesMax, idempotent, lockMillis, parkedMax, prefetch, sessions } = plan
  // A settlement takes no handler's place; a session in hand has what was received of it together.
  const inHandMax = sessions ? (2 * concurrency + parkedMax) * prefetch : 2 * concurrency
  return History.promises({
    ordered: sessions,
    deliveriesMax,
    complete,
    exclusive,
    inHandMax,
    handlersMax: concurrency,
    inspected: true,
    idempotent,
    routed: client.deadLetterQueues !== undefined,
    sealed,
    toleranceMillis,
    lockMillis
  })
}

/** A world that has begun. */
class Running {
  readonly #kernel: Kernel
  readonly #recorder: History.Recorder
  readonly #chaos: Chaos
  readonly #plan: Plan.Plan
  readonly #subject: Subject.Subject
  readonly #fiber: Fiber.Fiber<ReadonlyArray<string>, QueueError.QueueError>
  readonly #ended: Array<Node> = []
  readonly #end: number

  constructor(subject: Subject.Subject, plan: Plan.Plan, options: Options) {
    const kernel = new Kernel(plan.seed, Defaults.simulationInstantMax)
    const recorder = new History.Recorder(() => kernel.now)
    const lastAt = plan.messages.reduce((last, { atMillis }) => Math.max(last, atMillis), 0)
    const chaos = new Chaos({
      seed: plan.seed,
      profile: plan.profile,
      kernel,
      recorder,
      quietAt: epoch + lastAt + quietAfter,
      max: plan.faultsMax,
      only: options.only
    })
    const base = {
      plan,
      subject,
      kernel,
      recorder,
      chaos,
      names: new Tap.Names(),
      queue: QueueName.makeUnsafe(simulated),
      poisoned: new Map<string, boolean>()
    }
    this.#kernel = kernel
    this.#recorder = recorder
    this.#chaos = chaos
    this.#plan = plan
    this.#subject = subject
    this.#end = epoch + lastAt + quietAfter + 2 * restAfter
    this.#fiber = Effect.runForkWith(kernel.node("world").context)(
      Effect.scoped(direct(base, this.#ended))
    )
  }

  get isIdle(): boolean {
    return this.#kernel.isIdle
  }

  /** Whether it goes on by itself: somebody can, somebody will, or all is over. */
  get isStirring(): boolean {
    return !this.isIdle || this.hasNext || this.#fiber.pollUnsafe() !== undefined
  }

  /** Whether there is another instant. */
  get hasNext(): boolean {
    return this.#kernel.timers.next() !== undefined
  }

  /** Runs one instant; whether that was the last one. */
  settle(): boolean {
    if (!this.#kernel.settle()) return this.#stuck("spinning")
    return this.#fiber.pollUnsafe() !== undefined
  }

  /** Goes to the next instant; whether there is none. */
  advance(): boolean {
    // A promise may have been the last thing it waited for.
    if (this.#fiber.pollUnsafe() !== undefined) return true
    if (this.#kernel.advance(this.#end)) return false
    return this.#stuck(this.#kernel.timers.live > 0 ? "overtime" : "waiting")
  }

  #stuck(why: History.Stuck["why"]): true {
    this.#recorder.add({ _tag: "Stuck", node: "world", why })
    return true
  }

  finish(): Run {
    const exit = this.#fiber.pollUnsafe()
    if (exit !== undefined) this.#leaks()
    const problems =
      exit === undefined || Exit.isSuccess(exit)
        ? (exit?.value ?? [])
        : [`the world itself failed: ${Cause.pretty(exit.cause)}`]
    return {
      history: { promises: promisesOf(this.#subject, this.#plan), events: this.#recorder.events },
      fired: this.#chaos.fired,
      steps: this.#kernel.steps,
      virtualMillis: this.#kernel.now - epoch,
      problems
    }
  }

  /** What ended processes still have to do when all that may take its time has taken it. */
  #leaks(): void {
    const until = this.#kernel.now + restAfter
    while (this.#kernel.settle() && this.#kernel.advance(until));
    for (const { name, timers } of this.#ended) {
      if (timers === 0) continue
      this.#recorder.add({
        _tag: "Gauge",
        node: name,
        name: "timers hours after its end",
        value: timers,
        max: 0
      })
    }
  }
}

/** Whatever promises do, they do it in a few turns of the loop. */
const settled = Effect.andThen(
  Effect.andThen(Effect.yieldNow, Effect.yieldNow),
  Effect.andThen(Effect.andThen(Effect.yieldNow, Effect.yieldNow), Effect.yieldNow)
)

/** What loads a module for the first time takes longer. */
const patience = 2_000

/** Waits for as long as that for anything at all to come: there is no time to go to before it does. */
const stirred = (running: Running, turns = patience): Effect.Effect<void> =>
  Effect.suspend(() =>
    turns === 0 || running.isStirring
      ? settled
      : Effect.andThen(Effect.yieldNow, stirred(running, turns - 1))
  )

/** Runs a plan to its end. */
export const run = (
  subject: Subject.Subject,
  plan: Plan.Plan,
  options: Options = {}
): Effect.Effect<Run> =>
  Effect.suspend(() => {
    const running = new Running(subject, plan, options)
    if (options.isAsync !== true) {
      while (!running.settle() && !running.advance());
      return Effect.succeed(running.finish())
    }
    const instant: Effect.Effect<Run> = Effect.suspend(() => {
      if (running.settle()) return Effect.succeed(running.finish())
      const waited = running.hasNext ? settled : stirred(running)
      return Effect.flatMap(waited, () => {
        if (running.isIdle && running.advance()) return Effect.succeed(running.finish())
        return instant
      })
    })
    return instant
  })
