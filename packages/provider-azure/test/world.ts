import type { ServiceBusClient } from "@azure/service-bus"
import type * as Scope from "effect/Scope"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  Message,
  MessageId,
  type Outcome,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import {
  type EmulatorError,
  type QueueOptions,
  ServiceBusEmulator
} from "@queue-runtime/servicebus-emulator"
import { AzureClient, type AzureConfig, AzureProvider } from "../src/index.ts"

/** The plain queue and the one with sessions that every world has. */
export const plain = QueueName.makeUnsafe("plain")

export const ordered = QueueName.makeUnsafe("ordered")

export const address = QueueAddress.queue(plain)

export const deadLetters = QueueAddress.deadLetter(plain)

export const seconds = Duration.seconds

export interface Connected {
  readonly provider: QueueProvider.Service
  readonly client: AzureClient.Service
}

/** One more connection to an emulator. */
export const connect = (
  emulator: ServiceBusEmulator.Emulator,
  options: Partial<AzureConfig.Options> = {}
): Effect.Effect<Connected, QueueError.QueueError, Scope.Scope> =>
  Effect.map(
    Layer.build(
      Layer.fresh(
        AzureProvider.layer({
          connectionString: emulator.connectionString,
          queues: {
            plain: { lockDuration: "5 seconds" },
            ordered: { sessions: true, lockDuration: "5 seconds" }
          },
          ...options
        })
      )
    ),
    (context): Connected => ({
      provider: Context.get(context, QueueProvider.QueueProvider),
      client: Context.get(context, AzureClient.AzureClient)
    })
  )

export interface Opened extends Connected {
  readonly emulator: ServiceBusEmulator.Emulator
}

export interface Settings {
  readonly queue?: QueueOptions.QueueOptions
  readonly emulator?: Partial<ServiceBusEmulator.Options>
  readonly provider?: Partial<AzureConfig.Options>
}

/** An emulator of its own, and a provider connected to it. */
export const open: (
  settings?: Settings
) => Effect.Effect<
  Opened,
  QueueError.QueueError | EmulatorError.ConfigurationInvalid | EmulatorError.ListenFailed,
  Scope.Scope
> = Effect.fnUntraced(function* (settings: Settings = {}) {
  const lockDuration = "5 seconds"
  const emulator = yield* ServiceBusEmulator.make({
    queues: {
      plain: { lockDuration, maxDeliveryCount: 5, ...settings.queue },
      ordered: { lockDuration, maxDeliveryCount: 5, requiresSession: true, ...settings.queue }
    },
    ...settings.emulator
  })
  return { emulator, ...(yield* connect(emulator, settings.provider)) }
})

/** A message whose text is its id. */
export const message = (id: string, options: Message.Options = {}): Message.Stamped =>
  Message.stamp(Effect.runSync(Message.text(id, options)), MessageId.makeUnsafe(id))

export const numbered = (count: number, prefix = "m"): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Sends messages of these ids, in calls as large as the queue takes. */
export const send = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  ids: ReadonlyArray<string>,
  options: Message.Options = {}
): Effect.fn.Return<void, QueueError.QueueError> {
  const queue = options.sessionId === undefined ? plain : ordered
  const { sendCountMax } = provider.capabilities(queue)
  for (let from = 0; from < ids.length; from += sendCountMax) {
    const part = ids.slice(from, from + sendCountMax)
    const outcomes = yield* provider.send(
      queue,
      part.map((id) => message(id, options))
    )
    assert.deepStrictEqual(tags(outcomes), Array(part.length).fill("ok"))
  }
})

export const inSession = (id: string): Message.Options => ({
  sessionId: SessionId.makeUnsafe(id)
})

/** `ok`, or the tag of the reason. */
export const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((one) => (Result.isSuccess(one) ? "ok" : one.failure.reason._tag))

export const ids = (
  messages: ReadonlyArray<{ readonly messageId: string }>
): ReadonlyArray<string> => messages.map((one) => one.messageId)

/** Messages until there are `count`, or none for five seconds. */
export const receive = Effect.fnUntraced(function* (
  provider: Pick<QueueProvider.Service, "receive">,
  count: number,
  from: QueueAddress.QueueAddress = address
): Effect.fn.Return<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError> {
  const all: Array<ReceivedMessage.ReceivedMessage> = []
  while (all.length < count) {
    const some = yield* provider.receive(from, { max: count - all.length, wait: seconds(5) })
    if (some.length === 0) break
    all.push(...some)
  }
  return all
})

/** Settles one delivery in a call of its own: `ok`, or the tag of the reason. */
export const settle = (
  settler: Pick<QueueSession.QueueSession, "settle">,
  one: ReceivedMessage.ReceivedMessage,
  verdict: Verdict.Verdict = Verdict.complete
): Effect.Effect<string | undefined, QueueError.QueueError> =>
  Effect.map(settler.settle([one.receipt], verdict), (outcomes) => tags(outcomes)[0])

/** The session of this id, which must be free. */
export const accept = (
  provider: QueueProvider.Service,
  id: string
): Effect.Effect<QueueSession.QueueSession, QueueError.QueueError, Scope.Scope> =>
  Effect.map(
    provider.acceptSession(ordered, { sessionId: SessionId.makeUnsafe(id), wait: seconds(5) }),
    Option.getOrThrow
  )

/** The SDK's client, for what the port does not show. */
export const sdk = (client: AzureClient.Service): ServiceBusClient => client.connections[0].client
