import {
  HandlerFailure,
  Message,
  QueueClient,
  QueueError,
  QueueName,
  QueueProvider,
  SessionId
} from "@queue-runtime/core"
import type { Capabilities, MessageHandler, Operation, ReceivedMessage } from "@queue-runtime/core"
import { type MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

export const queue = QueueName.makeUnsafe("events")

/** Decides what becomes of a call before it is made; nothing lets it pass. */
export type Fault = (
  operation: Operation.Operation<never>["_tag"],
  sessionId: string | undefined
) => QueueError.QueueError | undefined

/** A stack over the memory provider whose calls are counted and may be made to fail. */
export const world = (
  options: {
    readonly lockDuration?: Duration.Input
    readonly deliveriesMax?: number
    readonly sessions?: boolean
    readonly fault?: Fault
    /** What the broker can do less. */
    readonly capabilities?: Partial<Capabilities.Capabilities>
    /** What tells of a session's loss, asked for with each one accepted. */
    readonly lost?: () => Effect.Effect<QueueError.QueueError> | undefined
    /** A broker that ends its waits at once. */
    readonly isImpatient?: boolean
  } = {}
): {
  readonly calls: ReadonlyArray<string>
  readonly layer: Layer.Layer<
    QueueClient.QueueClient | QueueProvider.QueueProvider | MemoryClient.MemoryClient,
    QueueError.QueueError
  >
} => {
  const calls: Array<string> = []
  const { fault, lockDuration = "30 seconds", deliveriesMax = 10, sessions = true } = options
  const watched = QueueProvider.layerTransform(
    "watched",
    Effect.succeed((call, operation) =>
      Effect.suspend(() => {
        calls.push(operation._tag)
        const error = fault?.(operation._tag, operation.sessionId)
        return error === undefined ? call : Effect.fail(error)
      })
    )
  )
  const memory = MemoryProvider.layer({
    queues: { events: { sessions, lockDuration, deliveriesMax } }
  })
  const limited = Layer.effect(
    QueueProvider.QueueProvider,
    Effect.map(QueueProvider.QueueProvider, (provider) => ({
      ...provider,
      capabilities: (name: QueueName.QueueName) => ({
        ...provider.capabilities(name),
        ...options.capabilities
      }),
      acceptSession: (name: QueueName.QueueName, accept: QueueProvider.AcceptOptions) =>
        Effect.map(
          provider.acceptSession(
            name,
            options.isImpatient === true ? { ...accept, wait: Duration.zero } : accept
          ),
          Option.map((session) => {
            const lost = options.lost?.()
            return lost === undefined ? session : Object.assign(session, { lost })
          })
        )
    }))
  )
  const provider = Layer.provide(limited, memory)
  const layer = QueueClient.layer().pipe(
    Layer.provide(Layer.provide(watched, provider)),
    Layer.provideMerge(memory)
  )
  return { calls, layer }
}

export const connectionFailed = QueueError.make(new QueueError.ConnectionFailed({}))

/** Sends texts to a session, in order. */
export const send = Effect.fnUntraced(function* (session: string, ...texts: ReadonlyArray<string>) {
  const client = yield* QueueClient.QueueClient
  const sessionId = yield* SessionId.make(session)
  const messages = yield* Effect.forEach(texts, (text) => Message.text(text, { sessionId }))
  yield* client.sendBatch(queue, messages)
})

/** What handlers saw: `A:1#2` is text 1 of session A, delivered for the second time. */
export class Journal {
  readonly seen: Array<string> = []
  readonly done: Array<string> = []
  readonly at: Array<number> = []
  readonly running = new Map<string, number>()
  mostAtOnce = 0
  overlaps = 0

  /** A handler that takes `duration`, and fails where it is told to. */
  handler(
    behaviour: (
      text: string,
      deliveryCount: number
    ) => {
      readonly duration?: Duration.Input
      readonly error?: unknown
    } = () => ({})
  ): MessageHandler.MessageHandler<unknown> {
    return (message) =>
      Effect.gen({ self: this }, function* () {
        const session = message.sessionId ?? ""
        const text = textOf(message)
        this.seen.push(`${session}:${text}#${message.deliveryCount}`)
        this.at.push(yield* Clock.currentTimeMillis)
        const running = (this.running.get(session) ?? 0) + 1
        this.running.set(session, running)
        if (running > 1) this.overlaps++
        const atOnce = [...this.running.values()].reduce((sum, one) => sum + one, 0)
        this.mostAtOnce = Math.max(this.mostAtOnce, atOnce)
        const { duration, error } = behaviour(text, message.deliveryCount)
        if (duration !== undefined) yield* Effect.sleep(duration)
        if (error !== undefined) return yield* Effect.fail(error)
        this.done.push(`${session}:${text}`)
      }).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            const session = message.sessionId ?? ""
            this.running.set(session, (this.running.get(session) ?? 0) - 1)
          })
        )
      )
  }

  /** Texts of one session, in the order in which handlers were done with them. */
  doneOf(session: string): ReadonlyArray<string> {
    return this.done
      .filter((one) => one.startsWith(`${session}:`))
      .map((one) => one.slice(session.length + 1))
  }
}

export const textOf = (message: ReceivedMessage.ReceivedMessage): string =>
  new TextDecoder().decode(message.body)

export const permanent = new HandlerFailure.Permanent({ reason: "Unreadable" })
