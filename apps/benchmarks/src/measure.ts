/** Medians of interleaved rounds: what is compared is measured in turn, so that a slow moment of the machine meets both. */
import { Bench } from "tinybench"

export interface Task {
  readonly name: string
  /** Does the work of one sample; answers the nanoseconds of one operation in it. */
  readonly sample: () => Promise<number>
}

/** The middle one, or of two the higher. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export interface Options {
  readonly rounds: number
  readonly samples: number
  /** Rounds before, which are not counted: code is compiled while it runs. Default: 1. */
  readonly warm?: number
}

/** The median of each task in each round, in nanoseconds an operation. */
export const rounds = async (
  tasks: ReadonlyArray<Task>,
  options: Options
): Promise<ReadonlyMap<string, ReadonlyArray<number>>> => {
  const found = new Map(tasks.map(({ name }): [string, Array<number>] => [name, []]))
  const warm = options.warm ?? 1
  for (let round = 0; round < warm + options.rounds; round++) {
    // What a sample times is a part of it, so the number of samples ends a task and not their time.
    const bench = new Bench({ time: 0, iterations: options.samples, warmup: false, throws: true })
    for (const { name, sample } of tasks) {
      bench.add(name, async () => ({ overriddenDuration: (await sample()) / 1e6 }))
    }
    // Rounds that ran at once would measure each other.
    await bench.run()
    for (const { name, result } of bench.tasks) {
      if (result.state !== "completed") throw new Error(`benchmark "${name}" ${result.state}`)
      if (round >= warm) found.get(name)?.push(result.latency.p50 * 1e6)
    }
  }
  return found
}

/** The median over the rounds of each task's median, in nanoseconds an operation. */
export const interleaved = async (
  tasks: ReadonlyArray<Task>,
  options: Options
): Promise<ReadonlyMap<string, number>> =>
  new Map([...(await rounds(tasks, options))].map(([name, medians]) => [name, median(medians)]))

/**
 * Microseconds of the processor that this thread has had. The kernel tells that of a thread as of its last
 * tick, four milliseconds ago at worst, and that of a process as of now; asked for the second, it knows
 * the first (a loop of 7 ms is told as 4 to 8, and as 7.00 behind that question; Linux, 250 ticks a second).
 */
export const threadCpu = (): number => {
  process.cpuUsage()
  const { system, user } = process.threadCpuUsage()
  return user + system
}

/**
 * A sample in nanoseconds of the processor an operation: what else the machine does, and what the work
 * only waits for, is not in it. Of the thread that does the work: those that compile and collect beside it
 * go on into the next sample, which may be another task's.
 */
export const cpu =
  (operations: number, work: () => Promise<void> | void): Task["sample"] =>
  async () => {
    const before = threadCpu()
    await work()
    return ((threadCpu() - before) * 1_000) / operations
  }

/** Milliseconds, of the clock and of the processor: all threads of this process. */
export interface Cost {
  readonly elapsed: number
  readonly cpu: number
}

/** What a work costs. One that knows itself how long it took answers that. */
export const costOf = async (work: () => Promise<unknown>): Promise<Cost> => {
  const before = process.cpuUsage()
  const start = performance.now()
  const result = await work()
  const elapsed = typeof result === "number" ? result : performance.now() - start
  const { system, user } = process.cpuUsage(before)
  return { elapsed, cpu: (user + system) / 1_000 }
}

/** Of several works together. */
export const sum = (costs: ReadonlyArray<Cost>): Cost => ({
  elapsed: costs.reduce((total, one) => total + one.elapsed, 0),
  cpu: costs.reduce((total, one) => total + one.cpu, 0)
})
