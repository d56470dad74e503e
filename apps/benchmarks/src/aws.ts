/** SQS: ours beside the SDK by hand, sqs-consumer and sqs-producer, on one server in a process of its own. */
import type { SQSClient } from "@aws-sdk/client-sqs"
import * as Effect from "effect/Effect"
import { setTimeout } from "node:timers/promises"
import * as ours from "./aws/ours.ts"
import * as peers from "./aws/peers.ts"
import * as server from "./aws/server.ts"
import { collect } from "./collect.ts"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

const rounds = 9

/**
 * Rounds before, which are not counted: of everything that is compared as many. A service runs for hours,
 * and code that is not compiled yet takes three times as long, ours and theirs.
 */
const warm = 4

/** Of one sample. */
const messages = 2_000

const callers = 100

/** As many messages under way as a hundred callers have. */
const batchLoops = 10

/** Messages at work side by side in a worker. */
const concurrency = 100

interface World {
  readonly sdk: SQSClient
  readonly endpoint: string
  readonly runtime: ReturnType<typeof ours.runtime>
  /** The client alone. */
  readonly bare: ReturnType<typeof ours.bareRuntime>
}

/** On a queue of its own, filled first with `filled` messages. */
const onQueue = async (
  { sdk }: World,
  filled: number,
  work: (queue: server.Queue) => Promise<unknown>
): Promise<measure.Cost> => {
  const queue = await server.makeQueue(sdk, "bench")
  if (filled > 0) await server.sendBatches(sdk, queue.url, filled, batchLoops)
  try {
    return await measure.costOf(() => work(queue))
  } finally {
    await server.removeQueue(sdk, queue)
  }
}

const nothing = async () => {}

type Name =
  | "raw single"
  | "raw batch"
  | "our singles"
  | "our batch"
  | "our calls"
  | "producer"
  | "raw consume"
  | "consumer single"
  | "consumer batch"
  | "our consume"

const works = (world: World): Readonly<Record<Name, () => Promise<measure.Cost>>> => {
  const { bare, runtime, sdk } = world
  const sending = (work: (queue: server.Queue) => Promise<unknown>) => onQueue(world, 0, work)
  const taking = (work: (queue: server.Queue) => Promise<unknown>) => onQueue(world, messages, work)
  return {
    "raw single": () => sending(({ url }) => peers.sendSingles(sdk, url, messages, callers)),
    "our singles": () =>
      sending(({ name }) => runtime.runPromise(ours.sendSingles(name, messages, callers))),
    "raw batch": () => sending(({ url }) => server.sendBatches(sdk, url, messages, batchLoops)),
    "our calls": () =>
      sending(({ url }) => bare.runPromise(ours.useCalls(url, messages, batchLoops))),
    "our batch": () => sending(({ name }) => runtime.runPromise(ours.sendBatch(name, messages))),
    producer: () => sending(({ url }) => peers.produce(sdk, url, messages)),
    "consumer single": () => taking(({ url }) => peers.consumeSingles(sdk, url, messages, nothing)),
    "our consume": () =>
      taking(({ name }) =>
        runtime.runPromise(ours.timedConsume(name, messages, concurrency, Effect.void))
      ),
    "consumer batch": () => taking(({ url }) => peers.consumeBatches(sdk, url, messages, nothing)),
    "raw consume": () => taking(({ url }) => peers.receiveAndDelete(sdk, url, messages, 1))
  }
}

/** Each work once a round, all of them in turn. */
const measured = async (world: World) => {
  const costs = new Map<string, Array<measure.Cost>>()
  const tasks = Object.entries(works(world)).map(([name, work]): measure.Task => ({
    name,
    sample: async () => {
      const cost = await work()
      costs.set(name, [...(costs.get(name) ?? []), cost])
      return (cost.elapsed * 1e6) / messages
    }
  }))
  await measure.rounds(tasks, { rounds, samples: 1, warm })
  const series = (name: Name, value: (cost: measure.Cost) => number): ReadonlyArray<number> =>
    (costs.get(name) ?? []).slice(warm).map(value)
  return {
    rate: (name: Name) => series(name, ({ elapsed }) => (messages * 1_000) / elapsed),
    cpu: (name: Name) => series(name, ({ cpu }) => (cpu * 1_000) / messages)
  }
}

const slowEvery = 20
const slowMillis = 200
const quickMillis = 10
const slowConcurrency = 20
/** Fewer: who waits for a whole batch takes ten seconds for them. */
const slowMessages = 1_000

const handlerMillis = (index: number): number =>
  index % slowEvery === slowEvery - 1 ? slowMillis : quickMillis

/** When the last of them ends, if each takes the first place that gets free. */
const idealWindow = (): number => {
  const places = Array.from({ length: slowConcurrency }, () => 0)
  for (let index = 0; index < slowMessages; index++) {
    const free = Math.min(...places)
    places[places.indexOf(free)] = free + handlerMillis(index)
  }
  return Math.max(...places)
}

/** A twentieth of the handlers take twenty times as long; of all sides as many run side by side. */
const slowHandlers = async (world: World): Promise<ReadonlyArray<Report.Case>> => {
  const { runtime, sdk } = world
  let next = 0
  const sleep = () => setTimeout(handlerMillis(next++))
  const side = slowConcurrency / server.batch
  const sides = {
    ours: ({ name }: server.Queue) =>
      runtime.runPromise(
        ours.timedConsume(
          name,
          slowMessages,
          slowConcurrency,
          Effect.suspend(() => Effect.sleep(handlerMillis(next++)))
        )
      ),
    single: ({ url }: server.Queue) => peers.consumeSingles(sdk, url, slowMessages, sleep, side),
    batch: ({ url }: server.Queue) => peers.consumeBatches(sdk, url, slowMessages, sleep, side)
  }
  const tasks = Object.entries(sides).map(([name, work]): measure.Task => ({
    name,
    sample: async () => {
      next = 0
      return (await onQueue(world, slowMessages, work)).elapsed * 1e6
    }
  }))
  const found = await measure.rounds(tasks, { rounds: 3, samples: 1 })
  const millis = (name: keyof typeof sides) => (found.get(name) ?? []).map((one) => one / 1e6)
  const compare = (what: string, peer: ReadonlyArray<number>, target: number): Report.Case =>
    Report.ofRounds({
      case: `sqs consume with 5 % slow handlers: ms, ours / ${what}`,
      ours: millis("ours"),
      peer,
      target,
      better: "lower"
    })
  return [
    compare("an ideal sliding window", millis("ours").map(idealWindow), 1.2),
    compare("sqs-consumer, single", millis("single"), 1),
    compare("sqs-consumer, batch", millis("batch"), 1)
  ]
}

const heapMiB = (): number => {
  collect()
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

const memoryMessages = 200_000
const memoryWarm = 20_000

/** The heap after 200,000 messages sent, received and acknowledged, beside that after the first 20,000. */
const memory = async ({ runtime, sdk }: World): Promise<Report.Case> => {
  const queue = await server.makeQueue(sdk, "bench-memory")
  const chunk = async (count: number) => {
    await runtime.runPromise(
      Effect.all(
        [
          ours.sendSingles(queue.name, count, callers),
          ours.timedConsume(queue.name, count, concurrency, Effect.void)
        ],
        { concurrency: 2, discard: true }
      )
    )
  }
  await chunk(memoryWarm)
  const before = heapMiB()
  for (let sent = memoryWarm; sent < memoryMessages; sent += memoryWarm) await chunk(memoryWarm)
  const after = heapMiB()
  await server.removeQueue(sdk, queue)
  return Report.make({
    case: "sqs heap: MiB, after 200,000 messages / after 20,000",
    ours: after,
    peer: before,
    target: 1.1,
    better: "lower"
  })
}

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const { close, endpoint } = await server.start()
  const sdk = server.sdk(endpoint)
  const runtime = ours.runtime(endpoint)
  const bare = ours.bareRuntime(endpoint)
  const world: World = { sdk, endpoint, runtime, bare }
  try {
    const { cpu, rate } = await measured(world)
    const rates = (what: string, mine: Name, theirs: Name, target: number): Report.Case =>
      Report.ofRounds({
        case: `sqs ${what}: messages/s`,
        ours: rate(mine),
        peer: rate(theirs),
        target,
        better: "higher"
      })
    /** The same calls by the same SDK, as the provider's client sets it up. */
    const calls = (): Report.Case =>
      Report.ofRounds({
        case: "sqs calls of ten past the port: CPU µs a message, the SDK as it comes / AwsClient",
        ours: cpu("raw batch"),
        peer: cpu("our calls"),
        target: 1.3,
        better: "higher"
      })
    const cpus = (what: string, mine: Name, theirs: Name): Report.Case =>
      Report.ofRounds({
        case: `sqs ${what}: CPU µs a message`,
        ours: cpu(mine),
        peer: cpu(theirs),
        target: 1.1,
        better: "lower"
      })
    return [
      rates("single sends of 100 fibers / of the SDK", "our singles", "raw single", 3),
      rates("single sends of 100 fibers / batches by hand", "our singles", "raw batch", 0.9),
      rates("one batch of 2,000 / batches by hand", "our batch", "raw batch", 0.9),
      rates("one batch of 2,000 / sqs-producer", "our batch", "producer", 1),
      rates("consume / sqs-consumer, single", "our consume", "consumer single", 2.5),
      rates("consume / sqs-consumer, batch", "our consume", "consumer batch", 1),
      rates("consume / one loop by hand", "our consume", "raw consume", 0.9),
      calls(),
      cpus("one batch of 2,000 / batches by hand", "our batch", "raw batch"),
      cpus("single sends of 100 fibers / batches by hand", "our singles", "raw batch"),
      cpus("consume / one loop by hand", "our consume", "raw consume"),
      ...(await slowHandlers(world)),
      await memory(world)
    ]
  } finally {
    await runtime.dispose()
    await bare.dispose()
    sdk.destroy()
    await close()
  }
}
