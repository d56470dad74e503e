import { assert, describe, it } from "@effect/vitest"
import * as actions from "../src/internal/actions.ts"
import * as brokers from "../src/internal/broker.ts"
import * as receiving from "../src/internal/receiving.ts"
import { Waiter } from "../src/internal/waiter.ts"

/** A broker on a clock of the test's own, whose alarms are noted and never ring. */
const make = () => {
  const clock = { now: 0 }
  const alarms: Array<number> = []
  const broker = new brokers.Broker(
    { region: "r", account: "000000000000", inFlightMax: 100 },
    { now: () => clock.now, random: () => 0.5, setAlarm: (_, at) => void alarms.push(at) }
  )
  const context: actions.Context = {
    broker,
    endpoint: "",
    sendTwist: { copies: 1, reorder: false },
    failEntry: undefined,
    runTask: () => undefined
  }
  actions.actions.CreateQueue(context, { QueueName: "q" })
  const queue = brokers.queueOf(broker, { QueueUrl: "q" })
  const order = receiving.read(queue, {}, { duplicate: false, reorder: false })
  const take = (now: number) => receiving.take(broker, queue, order, now)
  return {
    broker,
    queue,
    clock,
    alarms,
    send: (body: string, DelaySeconds: number) =>
      actions.actions.SendMessage(context, { QueueUrl: "q", MessageBody: body, DelaySeconds }),
    receive: () => brokers.turn(broker, queue, take).map(({ Body }) => Body),
    poll: (deadline: number) => {
      const seen: Array<string> = []
      const waiter = new Waiter(
        deadline,
        (now) => {
          const messages = take(now)
          for (const { Body } of messages) seen.push(Body)
          return messages.length > 0
        },
        (why) => seen.push(why)
      )
      brokers.turn(broker, queue, () => brokers.enter(queue, waiter))
      return seen
    }
  }
}

describe("turns", () => {
  it("those who wait are served before a call that comes later", () => {
    const q = make()
    q.send("x", 5)
    const seen = q.poll(10_000)
    q.clock.now = 5_000
    assert.deepStrictEqual(q.receive(), [])
    assert.deepStrictEqual(seen, ["x"])
  })

  it("what becomes due at the very end of a wait is still delivered", () => {
    const q = make()
    q.send("x", 5)
    const [one, two] = [q.poll(5_000), q.poll(5_000)]
    q.clock.now = 5_000
    brokers.ring(q.broker, q.queue)
    assert.deepStrictEqual([one, two], [["x"], ["Over"]])
  })

  it("an alarm is set for the next thing only while somebody waits, and only forward", () => {
    const q = make()
    q.send("x", 5)
    assert.deepStrictEqual(q.alarms, [])
    q.poll(10_000)
    q.poll(20_000)
    assert.deepStrictEqual(q.alarms, [5_000])
    q.send("y", 2)
    assert.deepStrictEqual(q.alarms, [5_000, 2_000])
    q.clock.now = 2_000
    brokers.ring(q.broker, q.queue)
    assert.deepStrictEqual(q.alarms, [5_000, 2_000, 5_000])
  })
})
