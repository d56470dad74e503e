/**
 * Service Bus with the real SDK over a real socket: our emulator, or the namespace that
 * `CONTRACT_SERVICEBUS_CONNECTION_STRING` names.
 *
 * @since 0.1.0
 */
import { ServiceBusAdministrationClient, ServiceBusClient } from "@azure/service-bus"
import { type Harness, Time, type World } from "@queue-runtime/contract-tests"
import { QueueError } from "@queue-runtime/core"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

const failed = (cause: unknown): QueueError.QueueError =>
  QueueError.make(
    new QueueError.ConnectionFailed({ detail: QueueError.OriginalError.from(cause).message }),
    { cause }
  )

const attempt = <A>(call: () => Promise<A>): Effect.Effect<A, QueueError.QueueError> =>
  Effect.tryPromise({ try: call, catch: failed })

/** The shortest that the service takes. */
const window = Duration.seconds(20)

/** ISO 8601, as the service writes durations. */
const iso = (duration: Duration.Duration): string => `PT${Math.ceil(Duration.toSeconds(duration))}S`

const foreignOf = (connectionString: string, queue: string): World.Foreign => {
  const use = <A>(call: (client: ServiceBusClient) => Promise<A>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => new ServiceBusClient(connectionString)),
      (client) => attempt(() => call(client)),
      (client) => Effect.promise(() => client.close())
    )
  return {
    // Text as the SDKs of other languages send it: its bytes, not its JSON.
    send: (text, applicationProperties) =>
      use((client) =>
        client.createSender(queue).sendMessages({ body: Buffer.from(text), applicationProperties })
      ),
    receive: use(async (client) => {
      const receiver = client.createReceiver(queue)
      const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 })
      if (message === undefined) return Option.none()
      await receiver.completeMessage(message)
      return Option.some(String(message.body))
    })
  }
}

const opened = (
  connectionString: string,
  { deduplication, deliveriesMax, lockDuration, queue, sessions }: Harness.QueueSpec
): Harness.Opened<QueueError.QueueError> => {
  const settings = {
    sessions,
    deliveriesMax,
    lockDuration,
    ...(deduplication ? { deduplicationWindow: window } : {})
  }
  return {
    layer: AzureProvider.layer({ connectionString, queues: { [queue]: settings } }),
    foreign: foreignOf(connectionString, queue)
  }
}

const openEmulated = (
  spec: Harness.QueueSpec
): Effect.Effect<Harness.Opened<QueueError.QueueError>, QueueError.QueueError, Scope.Scope> =>
  Effect.gen(function* () {
    const { connectionString } = yield* Effect.mapError(
      ServiceBusEmulator.make({
        queues: {
          [spec.queue]: {
            requiresSession: spec.sessions,
            maxDeliveryCount: spec.deliveriesMax,
            lockDuration: spec.lockDuration,
            requiresDuplicateDetection: spec.deduplication,
            duplicateDetectionHistoryTimeWindow: window
          }
        }
      }),
      failed
    )
    return opened(connectionString, spec)
  })

/** The official emulator, or Azure itself: a queue is made for the rule and removed after it. */
const openGiven =
  (connectionString: string) =>
  (
    spec: Harness.QueueSpec
  ): Effect.Effect<Harness.Opened<QueueError.QueueError>, QueueError.QueueError, Scope.Scope> =>
    Effect.gen(function* () {
      const admin = new ServiceBusAdministrationClient(connectionString)
      yield* Effect.acquireRelease(
        attempt(() =>
          admin.createQueue(spec.queue, {
            requiresSession: spec.sessions,
            maxDeliveryCount: spec.deliveriesMax,
            lockDuration: iso(spec.lockDuration),
            requiresDuplicateDetection: spec.deduplication,
            duplicateDetectionHistoryTimeWindow: iso(window)
          })
        ),
        () => Effect.ignore(attempt(() => admin.deleteQueue(spec.queue)))
      )
      return opened(connectionString, spec)
    })

const { CONTRACT_SERVICEBUS_CONNECTION_STRING: given = "" } = process.env

/**
 * Queues on Service Bus: in the namespace of `CONTRACT_SERVICEBUS_CONNECTION_STRING`, or else on an
 * emulator of its own for each rule.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const azure: Harness.Harness<QueueError.QueueError> = {
  name: "azure",
  time: Time.live,
  open: given === "" ? openEmulated : openGiven(given)
}
