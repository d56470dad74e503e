/**
 * Every provider of the repository, as its harness.
 *
 * @since 0.1.0
 */
import { ClaimCheck, MemoryBlobStore } from "@queue-runtime/claim-check"
import { Harness, type Rule, Time, type World } from "@queue-runtime/contract-tests"
import {
  Batching,
  BlobStore,
  Message,
  MessageId,
  QueueAddress,
  type QueueError,
  QueueName,
  type QueueProvider,
  ReceivedMessage,
  SessionId,
  SessionStore,
  Telemetry,
  Verdict
} from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { SqliteClient, SqliteProvider } from "@queue-runtime/example-provider"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { SessionLeases } from "@queue-runtime/session-store"
import { SessionStoreDynamoDb } from "@queue-runtime/session-store/aws-dynamodb"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import { mkdtempDisposableSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sharedDynamo, storeAt } from "./dynamo.ts"
import { azure } from "./servicebus.ts"
import { aws, awsBinary, awsFauxqs } from "./sqs.ts"

const openMemory = ({ deduplication, queue, ...options }: Harness.QueueSpec) =>
  MemoryClient.make({
    queues: { [queue]: { ...options, deduplicationWindow: deduplication ? "5 minutes" : 0 } },
    // Little enough for the rule on the bytes of one call to try.
    bytesMax: 8 * 1024 * 1024
  })

const layerOf = (client: MemoryClient.MemoryClient["Service"]) =>
  Layer.provide(MemoryProvider.layerWithClient, Layer.succeed(MemoryClient.MemoryClient, client))

/**
 * Queues in memory: a broker of its own for each rule.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const memory: Harness.Harness<QueueError.QueueError> = {
  name: "memory",
  time: Time.virtual,
  open: (spec) => Effect.map(openMemory(spec), (client) => ({ layer: layerOf(client) }))
}

const keys = KeyProviderMemory.layer({
  keys: [{ id: "k1", material: Redacted.make(new Uint8Array(32).fill(7)) }],
  current: "k1"
})

/** Somebody who listens, or telemetry would step aside; spans are made, and kept by nobody. */
const listening = Layer.merge(
  Layer.succeed(Tracer.Tracer, Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })),
  Layer.succeed(Metric.MetricRegistry, new Map())
)

/** One for all: every connection of a run is to the same. What is sealed has a body of its own each time. */
const blobs = Layer.succeed(BlobStore.BlobStore, Effect.runSync(MemoryBlobStore.make()))

/** Whatever has a body of some length goes through the store. */
const claims = ClaimCheck.layer({ threshold: 128, bodySizeMax: 1_100_000 })

/** The decorators there are, in the order of DESIGN §3. */
const decorators = Telemetry.layerCreate().pipe(
  Layer.provide(Sealing.layer().pipe(Layer.provide(Layer.merge(keys, NodeCrypto.layer)))),
  Layer.provide(claims.pipe(Layer.provide(blobs))),
  Layer.provide(Batching.layer()),
  // A rule gives a call on a closed connection one second.
  Layer.provide(ResilienceConfig.layer({ retry: { initial: "50 millis" } })),
  Layer.provide(Telemetry.layer()),
  Layer.provide(listening)
)

/** A program without the library reads no sealed body, and what it sends is rejected as plaintext. */
const withoutForeign = <E, R>(self: Harness.Harness<E, R>): Harness.Harness<E, R> => ({
  ...self,
  open: (spec) => Effect.map(self.open(spec), ({ layer }) => ({ layer }))
})

const stacked = (self: Harness.Harness<QueueError.QueueError>, name: string) =>
  Harness.behind(withoutForeign(self), name, decorators)

/**
 * The same behind the full stack.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const memoryStack: Harness.Harness<QueueError.QueueError> = stacked(memory, "memory-stack")

/**
 * SQS behind the full stack, over a socket.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const awsStack: Harness.Harness<QueueError.QueueError> = stacked(awsBinary, "aws-stack")

/**
 * Service Bus behind the full stack, over a socket.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const azureStack: Harness.Harness<QueueError.QueueError> = stacked(azure, "azure-stack")

/**
 * The first call of a client connects, and takes a hundred times as long as the others: longer than SQS
 * keeps groups that came along and that nobody asks for meanwhile.
 */
const warmUp = Effect.fnUntraced(function* (context: Context.Context<SessionStore.SessionStore>) {
  const store = Context.get(context, SessionStore.SessionStore)
  const answer = yield* store.acquire({
    queue: QueueName.makeUnsafe("warm-up"),
    sessionId: SessionId.makeUnsafe("warm-up"),
    holder: "warm-up",
    duration: Duration.seconds(1)
  })
  if (answer._tag === "Granted") yield* store.release(answer.lease)
})

/**
 * SQS behind leases in DynamoDB: sessions that stay their holder's, with state. Each connection has a
 * client of its own to both, as a process has.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const awsSessions: Harness.Harness<QueueError.QueueError> = {
  ...aws,
  name: "aws-sessions",
  open: (spec) =>
    Effect.gen(function* () {
      const { layer, ...opened } = yield* aws.open(spec)
      // A queue without sessions has nothing to keep there.
      if (!spec.sessions) return { layer, ...opened }
      const store = Layer.tap(SessionStoreDynamoDb.layer(storeAt(yield* sharedDynamo)), warmUp)
      const leases = SessionLeases.layer({ lease: spec.lockDuration })
      return { ...opened, layer: leases.pipe(Layer.provide([layer, store])) }
    })
}

const folder = Effect.sync(() => mkdtempDisposableSync(join(tmpdir(), "queues-")))

/**
 * An outsider's provider: queues in a file of SQLite, one file for each rule.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const sqlite: Harness.Harness<QueueError.QueueError> = {
  name: "sqlite",
  time: Time.virtual,
  open: ({ queue, ...options }) =>
    Effect.gen(function* () {
      const path = join((yield* Effect.acquireDisposable(folder)).path, "queues.db")
      const client = yield* SqliteClient.make({ path })
      yield* client.createQueue(queue, options)
      return { layer: SqliteProvider.layer({ path }) }
    })
}

/** A program on the same broker that nothing stands before: what it sees is what was really sent. */
const foreignOf = (
  client: MemoryClient.MemoryClient["Service"],
  queue: QueueName.QueueName
): World.Foreign => {
  const using = <A>(
    f: (provider: QueueProvider.Service) => Effect.Effect<A, QueueError.QueueError>
  ): Effect.Effect<A, Rule.Failure> =>
    Effect.flatMap(MemoryProvider.make, f).pipe(
      Effect.provideService(MemoryClient.MemoryClient, client),
      Effect.scoped
    )
  return {
    send: (text, attributes) =>
      using((provider) =>
        Effect.flatMap(Message.text(text, { attributes }), (message) =>
          provider.send(queue, [Message.stamp(message, MessageId.makeUnsafe("foreign"))])
        )
      ),
    receive: using((provider) =>
      Effect.gen(function* () {
        const options = { max: 1, wait: Duration.zero }
        const [message] = yield* provider.receive(QueueAddress.queue(queue), options)
        if (message === undefined) return Option.none()
        yield* provider.settle([message.receipt], Verdict.complete)
        return Option.some(yield* ReceivedMessage.text(message))
      })
    )
  }
}

/**
 * What sabotages are put into: queues in memory, which keep every rule there is.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const healthy: Harness.Harness<QueueError.QueueError> = {
  name: "memory",
  time: Time.virtual,
  open: (spec) =>
    Effect.map(openMemory(spec), (client) => ({
      layer: layerOf(client),
      foreign: foreignOf(client, spec.queue)
    }))
}

/**
 * All of them. One more provider is one more line.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const providers: ReadonlyArray<Harness.Harness<QueueError.QueueError>> = [
  memory,
  memoryStack,
  sqlite,
  aws,
  awsStack,
  awsSessions,
  awsFauxqs,
  azure,
  azureStack
]

/**
 * Those that a name stands for: one of that name, and those whose names begin with it: `aws` is `aws`,
 * `aws-stack` and `aws-fauxqs`.
 *
 * @category harnesses
 * @since 0.1.0
 */
export const named = (name: string): ReadonlyArray<Harness.Harness<QueueError.QueueError>> =>
  providers.filter((one) => one.name === name || one.name.startsWith(`${name}-`))
