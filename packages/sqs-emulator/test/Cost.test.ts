import { assert, describe, it } from "@effect/vitest"
import * as actions from "../src/internal/actions.ts"
import * as brokers from "../src/internal/broker.ts"
import * as receiving from "../src/internal/receiving.ts"

/** Calls of one kind are measured so many at a time, and the quickest time of several counts. */
const calls = 200
const rounds = 15

const filled = (name: string, held: number) => {
  const fifo = name.endsWith(".fifo")
  const broker = new brokers.Broker(
    { region: "r", account: "000000000000", inFlightMax: 1_000_000 },
    { now: () => 0, random: () => 0.5, setAlarm: () => undefined }
  )
  const context: actions.Context = {
    broker,
    endpoint: "",
    sendTwist: { copies: 1, reorder: false },
    failEntry: undefined,
    runTask: () => undefined
  }
  const Attributes: Record<string, string> = fifo ? { FifoQueue: "true" } : {}
  actions.actions.CreateQueue(context, { QueueName: name, Attributes })
  const queue = brokers.queueOf(broker, { QueueUrl: name })
  let sent = 0
  const send = (): void => {
    sent++
    const ids = fifo
      ? { MessageGroupId: `g${sent}`, MessageDeduplicationId: `d${sent}` }
      : { MessageGroupId: `g${sent}` }
    actions.actions.SendMessage(context, { QueueUrl: name, MessageBody: "x", ...ids })
  }
  const order = receiving.read(
    queue,
    { VisibilityTimeout: 60 },
    { duplicate: false, reorder: false }
  )
  const cycle = (): void => {
    send()
    const [one] = brokers.turn(broker, queue, (now) => receiving.take(broker, queue, order, now))
    const input = { QueueUrl: name, ReceiptHandle: one?.ReceiptHandle }
    actions.actions.ChangeMessageVisibility(context, { ...input, VisibilityTimeout: 90 })
    actions.actions.DeleteMessage(context, input)
  }
  for (let index = 0; index < held; index++) {
    send()
    brokers.turn(broker, queue, (now) => receiving.take(broker, queue, order, now))
  }
  // Visible ones behind them.
  for (let index = 0; index < held; index++) send()
  return { cycle, queue }
}

const quickest = (f: () => void): number => {
  let best = Infinity
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    for (let index = 0; index < calls; index++) f()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

describe("cost", () => {
  for (const name of ["standard", "groups.fifo"]) {
    it(`a message of ${name} costs about the same whatever is in flight and waiting`, () => {
      const few = filled(name, 100)
      const many = filled(name, 20_000)
      assert.strictEqual(many.queue.counts.InFlight, 20_000)
      quickest(few.cycle)
      const ratio = quickest(many.cycle) / quickest(few.cycle)
      // A search through what is held would show as 200.
      assert.isBelow(ratio, 12)
    })
  }
})
