/**
 * The machine under a simulation: virtual time, and processes that take turns by a seed.
 *
 * Each process (`Node`) has a scheduler, a clock and random numbers of its own. Inside a process tasks
 * run first come, first served, as they do in Node.js; which process goes on next is drawn. Time stands
 * still while anybody can go on, and then jumps to the next timer.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scheduler from "effect/Scheduler"
import { Dice } from "./dice.ts"
import { type Owner, type Timer, Timers } from "./timers.ts"

/** When every simulation begins: a date that stands out in a story. */
export const epoch = 1_893_456_000_000

const nanosPerMilli = 1_000_000n

type Task = () => void

/** Tasks run in one process between two looks at the bound of an instant. */
const orderOf = (priority: number): number => (priority < 0 ? 0 : 1)

/** One process. */
export class Node implements Owner {
  readonly name: string
  readonly kernel: Kernel
  readonly dice: Dice
  /** Milliseconds its clock is ahead. */
  readonly skewMillis: number
  readonly scheduler: Scheduler.Scheduler
  readonly clock: Clock.Clock
  /** Whether the kernel has it among those that can go on. */
  isReady = false
  readonly #urgent: Array<Task> = []
  /** From `#from` up to `#to`: its room is used again and again. */
  #tasks: Array<Task | undefined> = []
  #from = 0
  #to = 0
  #isDead = false
  #pausedUntil = 0
  #timers = 0

  constructor(kernel: Kernel, name: string, skewMillis: number) {
    this.kernel = kernel
    this.name = name
    this.skewMillis = skewMillis
    this.dice = new Dice(`${kernel.seed}/${name}`)
    const dispatcher: Scheduler.SchedulerDispatcher = {
      scheduleTask: (task, priority) => this.enqueue(task, priority),
      flush: () => {
        while (this.hasTask) this.step()
      }
    }
    this.scheduler = {
      executionMode: "async",
      shouldYield: (fiber) => fiber.currentOpCount >= opsBeforeYield,
      makeDispatcher: () => dispatcher
    }
    this.clock = this.#makeClock()
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** Whether it stands still, as a process does whose machine is busy elsewhere. */
  get isPaused(): boolean {
    return this.#pausedUntil > this.kernel.now
  }

  get hasTask(): boolean {
    return this.#from < this.#to || this.#urgent.length > 0
  }

  /** Timers set and not yet due: what a process that ended should have none of. */
  get timers(): number {
    return this.#timers
  }

  /** What fibers of this process run with. */
  get context(): Context.Context<never> {
    return Context.empty().pipe(
      Context.add(Scheduler.Scheduler, this.scheduler),
      Context.add(Clock.Clock, this.clock),
      Context.add(Random.Random, this.dice),
      Context.add(References.MinimumLogLevel, "None")
    )
  }

  enqueue(task: Task, priority = 0): void {
    if (this.#isDead) return
    if (orderOf(priority) === 0) this.#urgent.push(task)
    else {
      this.#tasks[this.#to] = task
      this.#to++
    }
    if (!this.isReady) this.kernel.wake(this)
  }

  /** Runs one task; there must be one. */
  step(): void {
    if (this.#urgent.length > 0) return this.#urgent.shift()?.()
    const task = this.#tasks[this.#from]
    this.#tasks[this.#from] = undefined
    this.#from++
    if (this.#from === this.#to) {
      this.#from = 0
      this.#to = 0
    }
    return task?.()
  }

  /** Ends without a word: nothing of it goes on. */
  kill(): void {
    this.#isDead = true
    this.#tasks = []
    this.#from = 0
    this.#to = 0
    this.#urgent.length = 0
    this.kernel.timers.cancelOf(this)
    this.#timers = 0
  }

  /** Stands still for so long; what happens meanwhile is seen afterwards. */
  pause(millis: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.kernel.now + millis)
    this.kernel.timers.set(this.#pausedUntil, () => {
      if (this.hasTask) this.kernel.wake(this)
    })
  }

  /** Runs a task after so many whole milliseconds, unless it is cancelled or the process ends. */
  after(millis: number, task: Task): Timer | undefined {
    if (this.#isDead) return undefined
    this.#timers++
    return this.kernel.timers.set(this.kernel.now + Math.ceil(millis), task, this)
  }

  cancel(timer: Timer | undefined): void {
    if (timer === undefined || !timer.isLive) return
    this.#timers--
    this.kernel.timers.cancel(timer)
  }

  /** One of its timers is due: what that does is done in its turn. */
  due(task: Task): void {
    this.#timers--
    this.enqueue(task)
  }

  #makeClock(): Clock.Clock {
    const { kernel, skewMillis } = this
    const millis = (): number => kernel.now + skewMillis
    const nanos = (): bigint => BigInt(Math.floor(millis() * 1_000)) * (nanosPerMilli / 1_000n)
    const monotonic = (): bigint =>
      BigInt(Math.floor((kernel.now - epoch) * 1_000)) * (nanosPerMilli / 1_000n)
    return {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => {
        const wait = Duration.toMillis(duration)
        if (wait <= 0) return Effect.yieldNow
        if (!Number.isFinite(wait)) return Effect.never
        return Effect.callback<void>((resume) => {
          const timer = this.after(wait, () => resume(Effect.void))
          return Effect.sync(() => this.cancel(timer))
        })
      }
    }
  }
}

/** As Effect's own scheduler has it. */
const opsBeforeYield = 2_048

/** All processes, and the time they share. */
export class Kernel {
  readonly seed: string
  readonly timers = new Timers()
  readonly #dice: Dice
  readonly #ready: Array<Node> = []
  /** Tasks that one instant may take: beyond it somebody spins. */
  readonly #instantMax: number
  #now = epoch
  #inInstant = 0
  #steps = 0

  constructor(seed: string, instantMax: number) {
    this.seed = seed
    this.#dice = new Dice(`${seed}/kernel`)
    this.#instantMax = instantMax
  }

  /** Milliseconds since 1970, by nobody's clock in particular. */
  get now(): number {
    return this.#now
  }

  /** Tasks run so far. */
  get steps(): number {
    return this.#steps
  }

  node(name: string, skewMillis = 0): Node {
    return new Node(this, name, skewMillis)
  }

  /** A process has something to do. */
  wake(node: Node): void {
    if (node.isReady) return
    node.isReady = true
    this.#ready.push(node)
  }

  get isIdle(): boolean {
    return this.#ready.length === 0
  }

  /** Runs until nobody can go on at this instant; false when they never stop. */
  settle(): boolean {
    while (this.#ready.length > 0) {
      if (this.#inInstant > this.#instantMax) return false
      const place =
        this.#ready.length === 1
          ? 0
          : Math.floor(this.#dice.nextDoubleUnsafe() * this.#ready.length)
      const node = this.#ready[place]
      if (node === undefined) return true
      if (node.isPaused || node.isDead || !node.hasTask) {
        this.#rest(node, place)
        continue
      }
      this.#inInstant++
      this.#steps++
      node.step()
      if (!node.hasTask) this.#rest(node, this.#ready[place] === node ? place : -1)
    }
    return true
  }

  /** Goes on to the next time at which anything happens, up to `end`; false when nothing does. */
  advance(end: number): boolean {
    const at = this.timers.next()
    if (at === undefined || at > end) return false
    if (at > this.#now) {
      this.#now = at
      this.#inInstant = 0
    }
    for (let timer = this.timers.due(at); timer !== undefined; timer = this.timers.due(at)) {
      if (timer.owner === undefined) timer.run()
      else timer.owner.due(timer.run)
    }
    return true
  }

  #rest(node: Node, known: number): void {
    const place = known < 0 ? this.#ready.indexOf(node) : known
    const last = this.#ready.pop()
    if (last !== undefined && place < this.#ready.length) this.#ready[place] = last
    node.isReady = false
  }
}
