import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import * as actions from "../src/internal/actions.ts"
import * as batch from "../src/internal/batch.ts"
import * as brokers from "../src/internal/broker.ts"
import * as receiving from "../src/internal/receiving.ts"

/** What is done to a FIFO queue; `of` counts handles back from the newest one. */
type Step =
  | { readonly _tag: "Send"; readonly group: string; readonly id: number }
  | { readonly _tag: "Receive"; readonly max: number; readonly seconds: number }
  | { readonly _tag: "Delete"; readonly of: number }
  | { readonly _tag: "Change"; readonly of: number; readonly seconds: number }
  | { readonly _tag: "Wait"; readonly seconds: number }

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Send"),
      group: fc.constantFrom("A", "B", "C"),
      id: fc.nat(30)
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Receive"),
      max: fc.integer({ min: 1, max: 5 }),
      seconds: fc.nat(4)
    })
  },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("Delete"), of: fc.nat(7) }) },
  {
    weight: 3,
    arbitrary: fc.record({ _tag: fc.constant("Change"), of: fc.nat(7), seconds: fc.nat(4) })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Wait"),
      seconds: fc.oneof(fc.nat(3), fc.constant(300))
    })
  }
)

/** A message in the model, which is one list searched from its beginning every time. */
interface Known {
  readonly group: string
  readonly body: string
  visibleAt: number
  receives: number
  handle: string
  gone: boolean
}

interface Handle {
  readonly text: string
  readonly of: Known
}

/** The queue as SQS.md's prefix rule and AWS's deduplication rule describe it, in the simplest way. */
class Model {
  now = 0
  sends = 0
  readonly messages: Array<Known> = []
  readonly handles: Array<Handle> = []
  readonly ids: Array<{ readonly id: string; readonly at: number; readonly messageId: string }> = []

  knownId(id: string): string | undefined {
    return this.ids.findLast((one) => one.id === id && one.at + 300_000 > this.now)?.messageId
  }

  /** A group's visible messages up to the first invisible one. */
  prefix(group: string): ReadonlyArray<Known> {
    const all = this.messages.filter((one) => one.group === group && !one.gone)
    const end = all.findIndex((one) => one.visibleAt > this.now)
    return end === -1 ? all : all.slice(0, end)
  }

  holds({ of, text }: Handle): boolean {
    return !of.gone && of.handle === text && of.visibleAt > this.now
  }
}

/** The broker with a clock of the test's own. */
const makeReal = (model: Model, scope: string) => {
  const broker = new brokers.Broker(
    { region: "r", account: "000000000000", inFlightMax: 1_000 },
    { now: () => model.now, random: () => 0.5, setAlarm: () => undefined }
  )
  const context: actions.Context = {
    broker,
    endpoint: "",
    sendTwist: { copies: 1, reorder: false },
    failEntry: undefined,
    runTask: () => undefined
  }
  const Attributes = { FifoQueue: "true", DeduplicationScope: scope }
  actions.actions.CreateQueue(context, { QueueName: "q.fifo", Attributes })
  const queue = brokers.queueOf(broker, { QueueUrl: "q.fifo" })
  const twist = { duplicate: false, reorder: false }
  return {
    queue,
    call: (name: keyof typeof actions.actions, input: object) =>
      batch.attempt(() => actions.actions[name](context, { QueueUrl: "q.fifo", ...input })),
    receive: (max: number, seconds: number) => {
      const input = {
        MaxNumberOfMessages: max,
        VisibilityTimeout: seconds,
        AttributeNames: ["ApproximateReceiveCount", "MessageGroupId"]
      }
      const order = receiving.read(queue, input, twist)
      return brokers.turn(broker, queue, (now) => receiving.take(broker, queue, order, now))
    }
  }
}

type Real = ReturnType<typeof makeReal>

const doSend = (model: Model, real: Real, scope: string, group: string, id: number): void => {
  model.sends++
  const body = `${group}${model.sends}`
  const sent = real.call("SendMessage", {
    MessageBody: body,
    MessageGroupId: group,
    MessageDeduplicationId: String(id)
  })
  const key = scope === "messageGroup" ? `${group} ${id}` : String(id)
  const known = model.knownId(key)
  const messageId =
    Result.isSuccess(sent) && "MessageId" in sent.success ? String(sent.success.MessageId) : ""
  if (known !== undefined) {
    assert.strictEqual(messageId, known)
    return
  }
  assert.notInclude(
    model.ids.map((one) => one.messageId),
    messageId
  )
  model.ids.push({ id: key, at: model.now, messageId })
  model.messages.push({ group, body, visibleAt: 0, receives: 0, handle: "", gone: false })
}

const doReceive = (model: Model, real: Real, max: number, seconds: number): void => {
  const received = real.receive(max, seconds)
  const groups = [...new Set(received.map((one) => one.Attributes?.["MessageGroupId"] ?? ""))]
  // Group after group, each from its first message on, and only the last one cut short by the limit.
  const expected = groups.flatMap((group) => model.prefix(group)).slice(0, max)
  assert.deepStrictEqual(
    received.map(({ Body }) => Body),
    expected.map(({ body }) => body)
  )
  const left = ["A", "B", "C"].filter((group) => !groups.includes(group))
  if (received.length < max) {
    assert.deepStrictEqual(
      left.flatMap((group) => model.prefix(group)),
      []
    )
  }
  for (const [index, one] of received.entries()) {
    const known = expected[index]
    if (known === undefined) throw new Error("as many as expected")
    known.receives++
    assert.strictEqual(one.Attributes?.["ApproximateReceiveCount"], String(known.receives))
    known.visibleAt = model.now + seconds * 1_000
    known.handle = one.ReceiptHandle
    model.handles.push({ text: one.ReceiptHandle, of: known })
  }
}

const doDelete = (model: Model, real: Real, of: number): void => {
  const handle = model.handles.at(-1 - of)
  if (handle === undefined) return
  const done = real.call("DeleteMessage", { ReceiptHandle: handle.text })
  assert.strictEqual(Result.isSuccess(done), handle.of.gone || model.holds(handle))
  if (model.holds(handle)) handle.of.gone = true
}

const doChange = (model: Model, real: Real, of: number, seconds: number): void => {
  const handle = model.handles.at(-1 - of)
  if (handle === undefined) return
  const done = real.call("ChangeMessageVisibility", {
    ReceiptHandle: handle.text,
    VisibilityTimeout: seconds
  })
  assert.strictEqual(Result.isSuccess(done), model.holds(handle))
  if (model.holds(handle)) handle.of.visibleAt = model.now + seconds * 1_000
}

const apply = (model: Model, real: Real, scope: string, step: Step): void => {
  switch (step._tag) {
    case "Send":
      return doSend(model, real, scope, step.group, step.id)
    case "Receive":
      return doReceive(model, real, step.max, step.seconds)
    case "Delete":
      return doDelete(model, real, step.of)
    case "Change":
      return doChange(model, real, step.of, step.seconds)
    case "Wait":
      model.now += step.seconds * 1_000
  }
}

const checkCounts = (model: Model, real: Real): void => {
  // Lets time pass in the broker as well.
  real.call("GetQueueAttributes", { AttributeNames: ["All"] })
  const alive = model.messages.filter(({ gone }) => !gone)
  const inFlight = alive.filter(({ visibleAt }) => visibleAt > model.now).length
  assert.deepStrictEqual(real.queue.counts, {
    Delayed: 0,
    Visible: alive.length - inFlight,
    InFlight: inFlight
  })
  assert.strictEqual(real.queue.groups.size, new Set(alive.map(({ group }) => group)).size)
}

describe("a FIFO queue against its model", () => {
  for (const scope of ["queue", "messageGroup"]) {
    it(`prefixes, handles, counts and deduplication by ${scope}`, () => {
      const result = fc.check(
        fc.property(fc.array(stepOf, { minLength: 10, maxLength: 80, size: "max" }), (steps) => {
          const model = new Model()
          const real = makeReal(model, scope)
          for (const step of steps) {
            apply(model, real, scope, step)
            checkCounts(model, real)
          }
        }),
        { numRuns: 400, seed: 7 }
      )
      assert.isFalse(result.failed, fc.defaultReportMessage(result) ?? "")
    })
  }
})
