/** Service Bus: ours beside the SDK by hand, on one server in a process of its own. */
import * as ours from "./azure/ours.ts"
import * as peers from "./azure/peers.ts"
import * as server from "./azure/server.ts"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

const rounds = 21

/** Uncounted, of both sides: what compiles in them is compiled by threads of this process. */
const warm = 4

/** Of one sample. */
const messages = 5_000

const inEach = 100

const sessionCount = 20

/** In each session. */
const sessionMessages = 250

const sessionInEach = 20

/** Milliseconds, of the clock and of the processor. */
interface Cost {
  readonly elapsed: number
  readonly cpu: number
}

const costOf = async (work: () => Promise<unknown>): Promise<Cost> => {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const elapsed = performance.now() - start
  const { system, user } = process.cpuUsage(cpu)
  return { elapsed, cpu: (user + system) / 1_000 }
}

interface World {
  readonly peer: peers.Peer
  readonly runtime: ReturnType<typeof ours.runtime>
}

type Side = "ours" | "peer"

/** What one sample costs: it leaves both queues empty, as it found them. */
interface Sample {
  readonly send: Cost
  readonly consume: Cost
  readonly sessions: Cost
}

const sample = async ({ peer, runtime }: World, side: Side): Promise<Sample> => {
  const isOurs = side === "ours"
  const batches = ours.batchesOf(messages, inEach)
  const send = await costOf(() =>
    isOurs ? runtime.runPromise(ours.send(batches)) : peers.send(peer.sender, messages, inEach)
  )
  const consume = await costOf(() =>
    isOurs
      ? runtime.runPromise(ours.consume(messages, inEach))
      : peers.consume(peer.receiver, messages, inEach)
  )
  const names = Array.from({ length: sessionCount }, (_, index) => `s${index}`)
  for (const name of names) await peers.send(peer.orderedSender, sessionMessages, inEach, name)
  const sessions = await costOf(() =>
    isOurs
      ? runtime.runPromise(ours.sessions(names, sessionMessages, sessionInEach))
      : peers.sessions(peer, names, sessionMessages, sessionInEach)
  )
  return { send, consume, sessions }
}

type Series = (side: Side, work: keyof Sample, value: (cost: Cost) => number) => Array<number>

/** Both sides once a round, in turn. */
const measured = async (world: World): Promise<Series> => {
  const found: Readonly<Record<Side, Array<Sample>>> = { ours: [], peer: [] }
  const tasks = (["peer", "ours"] as const).map((side): measure.Task => ({
    name: side,
    sample: async () => {
      const one = await sample(world, side)
      found[side].push(one)
      return (one.consume.elapsed * 1e6) / messages
    }
  }))
  await measure.rounds(tasks, { rounds, samples: 1, warm })
  return (side, work, value) => found[side].slice(warm).map((one) => value(one[work]))
}

const counts: Readonly<Record<keyof Sample, number>> = {
  send: messages,
  consume: messages,
  sessions: sessionCount * sessionMessages
}

const titles: Readonly<Record<keyof Sample, string>> = {
  send: "batched sends / the SDK by hand",
  consume: "receive and complete batches / the SDK by hand",
  sessions: `${sessionCount} sessions at once / ${sessionCount} receivers by hand`
}

const casesOf = (series: Series, work: keyof Sample): ReadonlyArray<Report.Case> => {
  const count = counts[work]
  const rate = ({ elapsed }: Cost): number => (count * 1_000) / elapsed
  const cpu = (cost: Cost): number => (cost.cpu * 1_000) / count
  return [
    Report.ofRounds({
      case: `azure ${titles[work]}: messages/s`,
      ours: series("ours", work, rate),
      peer: series("peer", work, rate),
      target: 0.9,
      better: "higher"
    }),
    Report.ofRounds({
      case: `azure ${titles[work]}: CPU µs a message`,
      ours: series("ours", work, cpu),
      peer: series("peer", work, cpu),
      target: 1.2,
      better: "lower"
    })
  ]
}

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const { close, connectionString } = await server.start()
  const runtime = ours.runtime(connectionString)
  const peer = peers.make(connectionString)
  try {
    await peers.send(peer.sender, 1, 1)
    peers.noDelay(peer)
    await peers.consume(peer.receiver, 1, 1)
    const series = await measured({ peer, runtime })
    return (["send", "consume", "sessions"] as const).flatMap((work) => casesOf(series, work))
  } finally {
    await runtime.dispose()
    await peer.client.close()
    await close()
  }
}
