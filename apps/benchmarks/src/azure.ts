/** Service Bus: ours beside the SDK by hand, on one server in a process of its own. */
import * as ours from "./azure/ours.ts"
import * as peers from "./azure/peers.ts"
import * as server from "./azure/server.ts"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

const rounds = 21

/** Uncounted, of both sides: what compiles in them is compiled by threads of this process. */
const warm = 4

/** Sent and consumed in one turn. */
const messages = 5_000

/** Of one sample: a turn of sending takes the processor less than 100 ms. */
const turns = 4

const inEach = 100

const sessionCount = 20

/** In each session: whole batches both ways, so that a sample leaves none for the next one. */
const sessionMessages = 300

const sessionInEach = 20

interface World {
  readonly peer: peers.Peer
  readonly runtime: ReturnType<typeof ours.runtime>
}

type Side = "ours" | "peer"

/** What one sample costs: it leaves both queues empty, as it found them. */
interface Sample {
  readonly send: measure.Cost
  readonly consume: measure.Cost
  readonly sessions: measure.Cost
}

const sample = async (world: World, side: Side): Promise<Sample> => {
  const there: Array<measure.Cost> = []
  const back: Array<measure.Cost> = []
  for (let turn = 0; turn < turns; turn++) {
    there.push(await sent(world, side))
    back.push(await consumed(world, side))
  }
  return {
    send: measure.sum(there),
    consume: measure.sum(back),
    sessions: await inSessions(world, side)
  }
}

const sent = ({ peer, runtime }: World, side: Side): Promise<measure.Cost> => {
  const batches = ours.batchesOf(messages, inEach)
  return measure.costOf(() =>
    side === "ours"
      ? runtime.runPromise(ours.send(batches))
      : peers.send(peer.sender, messages, inEach)
  )
}

const consumed = ({ peer, runtime }: World, side: Side): Promise<measure.Cost> =>
  measure.costOf(() =>
    side === "ours"
      ? runtime.runPromise(ours.consume(messages, inEach))
      : peers.consume(peer.receiver, messages, inEach)
  )

const inSessions = async ({ peer, runtime }: World, side: Side): Promise<measure.Cost> => {
  const names = Array.from({ length: sessionCount }, (_, index) => `s${index}`)
  for (const name of names) await peers.send(peer.orderedSender, sessionMessages, inEach, name)
  return measure.costOf(() =>
    side === "ours"
      ? runtime.runPromise(ours.sessions(names, sessionMessages, sessionInEach))
      : peers.sessions(peer, names, sessionMessages, sessionInEach)
  )
}

type Series = (
  side: Side,
  work: keyof Sample,
  value: (cost: measure.Cost) => number
) => Array<number>

/** Both sides once a round, in turn. */
const measured = async (world: World): Promise<Series> => {
  const found: Readonly<Record<Side, Array<Sample>>> = { ours: [], peer: [] }
  const tasks = (["peer", "ours"] as const).map((side): measure.Task => ({
    name: side,
    sample: async () => {
      const one = await sample(world, side)
      found[side].push(one)
      return (one.consume.elapsed * 1e6) / (turns * messages)
    }
  }))
  await measure.rounds(tasks, { rounds, samples: 1, warm })
  return (side, work, value) => found[side].slice(warm).map((one) => value(one[work]))
}

const counts: Readonly<Record<keyof Sample, number>> = {
  send: turns * messages,
  consume: turns * messages,
  sessions: sessionCount * sessionMessages
}

const titles: Readonly<Record<keyof Sample, string>> = {
  send: "batched sends / the SDK by hand",
  consume: "receive and complete batches / the SDK by hand",
  sessions: `${sessionCount} sessions at once / ${sessionCount} receivers by hand`
}

const casesOf = (series: Series, work: keyof Sample): ReadonlyArray<Report.Case> => {
  const count = counts[work]
  const rate = ({ elapsed }: measure.Cost): number => (count * 1_000) / elapsed
  const cpu = (cost: measure.Cost): number => (cost.cpu * 1_000) / count
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
