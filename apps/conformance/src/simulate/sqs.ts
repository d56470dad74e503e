/** SQS in virtual time: the provider with its SDK, over a broker of the emulator in place of the network. */
import { QueueError, QueueProvider } from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { Backend, type Fault, type Simulation } from "@queue-runtime/simulation"
import { SqsBroker, type SqsFaults, SqsHttp } from "@queue-runtime/sqs-emulator"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const failed = (cause: unknown): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: String(cause) }))

/** What goes wrong with a request, by the name it has elsewhere. */
const onTheWire = {
  "lost reply": () => ({ _tag: "LoseReply" }),
  throttled: () => ({ _tag: "Fail", kind: "RequestThrottled" }),
  disconnected: () => ({ _tag: "Reset" }),
  delay: (part) => ({ _tag: "Slow", duration: part < 0.5 ? "300 millis" : "4 seconds" }),
  "partial failure": (part) => ({
    _tag: "FailEntries",
    entries: (_, index) => (index + 1) % (part < 0.5 ? 2 : 3) === 0,
    kind: "InternalError"
  })
} satisfies Partial<Record<Fault.Name, (part: number) => SqsFaults.Fault>>

const isOnTheWire = (name: Fault.Name): name is keyof typeof onTheWire =>
  Object.hasOwn(onTheWire, name)

const kinds: ReadonlyArray<Fault.Name> = [
  "lost reply",
  "throttled",
  "disconnected",
  "delay",
  "partial failure"
]

type Handle = SqsHttp.RequestHandler["handle"]

const aborted = Object.assign(new Error("Request aborted"), { name: "AbortError" })

/** The requests of one process: they can go wrong, and their answers come in its own turn. */
const connectionOf = (
  broker: SqsBroker.Service,
  handler: SqsHttp.RequestHandler,
  process: Context.Service.Shape<typeof Backend.Process>
) => {
  const controllers = new Set<AbortController>()
  const struck = (action: string): SqsFaults.Injected | undefined => {
    const strike = process.strikes(action, kinds)
    if (strike === undefined || !isOnTheWire(strike.name)) return undefined
    return broker.injectUnsafe({ action, times: 1, fault: onTheWire[strike.name](strike.part) })
  }
  const handle: Handle = (request, options = {}) => {
    const action = String(request.headers["x-amz-target"] ?? request.headers["X-Amz-Target"])
    const injected = struck(action.replace(/^AmazonSQS\./u, ""))
    const controller = new AbortController()
    controllers.add(controller)
    const answered = handler.handle(request, { abortSignal: controller.signal })
    return new Promise((resolve, reject) => {
      const { abortSignal } = options
      if (abortSignal instanceof AbortSignal) {
        // On AWS a poll that is cut off stays for a while, and takes what comes.
        abortSignal.addEventListener("abort", () => reject(aborted), { once: true })
      }
      const over = (then: () => void) => () => {
        controllers.delete(controller)
        if (injected !== undefined) Effect.runFork(injected.remove)
        process.later(then)
      }
      answered.then(
        (answer) => over(() => resolve(answer))(),
        (error: unknown) => over(() => reject(error))()
      )
    })
  }
  const hangUp = Effect.sync(() => {
    for (const controller of controllers) controller.abort()
    controllers.clear()
  })
  return { requestHandler: { ...handler, handle }, hangUp }
}

const create = Effect.fnUntraced(function* (broker: SqsBroker.Service, name: string) {
  const Attributes = name.endsWith(".fifo") ? { FifoQueue: "true" } : {}
  yield* Effect.mapError(broker.call("CreateQueue", { QueueName: name, Attributes }), failed)
})

const keys = { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" } as const

const backend: Backend.Make = Effect.fnUntraced(function* (spec: Backend.QueueSpec) {
  const { deliveriesMax, lockDuration, queue, seed, sessions } = spec
  const broker = yield* SqsBroker.make({ seed })
  const suffix = sessions ? ".fifo" : ""
  const name = `${queue}${suffix}`
  const dead = `${queue}-dlq${suffix}`
  yield* create(broker, name)
  yield* create(broker, dead)
  const handler = yield* SqsHttp.requestHandler(SqsHttp.make(broker))
  const look = (of: string, place: Backend.Left["place"]) =>
    Effect.map(broker.inspect(of), (view) =>
      (view?.messages ?? []).map(
        // The body is the id, as the simulation's own messages have it.
        ({ body, receiveCount }): Backend.Left => ({ id: body, place, count: receiveCount })
      )
    )
  const connect = Effect.gen(function* () {
    const { hangUp, requestHandler } = connectionOf(broker, handler, yield* Backend.Process)
    const layer = AwsProvider.layer(
      {
        region: "us-east-1",
        credentials: keys,
        queues: {
          [queue]: {
            name,
            deadLetter: { name: dead },
            deliveriesMax,
            visibilityTimeout: Duration.seconds(Math.ceil(Duration.toSeconds(lockDuration)))
          }
        }
      },
      { requestHandler }
    )
    const built = yield* Layer.build(Layer.fresh(layer))
    const provider = Context.get(built, QueueProvider.QueueProvider)
    return { provider, abandon: hangUp }
  })
  return {
    connect,
    isEmpty: Effect.map(
      broker.inspect(name),
      (view) => view === undefined || view.messages.length === 0
    ),
    left: Effect.zipWith(look(name, "queue"), look(dead, "deadLetters"), (queued, buried) => [
      ...queued,
      ...buried
    ])
  }
})

/** The SDK is loaded with the first client. */
export const ready: Effect.Effect<void> = AwsProvider.layer({
  region: "us-east-1",
  credentials: keys
}).pipe(Layer.build, Effect.orDie, Effect.scoped, Effect.asVoid)

/** SQS, its SDK and all. */
export const options: Simulation.Options = {
  backend,
  isAsync: true,
  exclusive: false,
  // Neither is to be had on a FIFO queue.
  timed: false,
  messagesMax: 30,
  toleranceMillis: 1_000
}
