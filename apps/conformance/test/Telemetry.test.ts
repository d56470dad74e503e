import { assert, describe, it } from "@effect/vitest"
import type { Harness } from "@queue-runtime/contract-tests"
import {
  Backoff,
  Batching,
  Message,
  QueueClient,
  type QueueError,
  QueueName,
  type QueueProvider,
  QueueWorker,
  Telemetry
} from "@queue-runtime/core"
import { Retry } from "@queue-runtime/resilience"
import { Data, Deferred, Duration, Effect, Fiber, Layer, Metric, References } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"
import * as providers from "../src/providers.ts"
import * as servicebus from "../src/servicebus.ts"
import * as sqs from "../src/sqs.ts"
import * as otlpReceiver from "./support/otlpReceiver.ts"

class NotYet extends Data.TaggedError("NotYet")<{ readonly message: string }> {}

const secrets = {
  body: "the body of the message",
  attribute: "the value of the attribute",
  key: "dGhlIGtleSBvZiB0aGUgbmFtZXNwYWNl"
}

const spec: Harness.QueueSpec = {
  queue: QueueName.makeUnsafe("telemetry"),
  sessions: false,
  deliveriesMax: 10,
  lockDuration: Duration.seconds(30),
  deduplication: false
}

const stack = (provider: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>) =>
  QueueClient.layer().pipe(
    Layer.provide(Telemetry.layerCreate()),
    Layer.provide(Batching.layer()),
    Layer.provide(Retry.layer()),
    Layer.provide(Telemetry.layer()),
    Layer.provide(provider)
  )

/** One message: sent in a request, handled in vain, handled again. */
const deliveredTwice = Effect.fnUntraced(function* (
  harness: Harness.Harness<QueueError.QueueError>
) {
  const { layer } = yield* harness.open(spec)
  yield* Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    const done = yield* Deferred.make<void>()
    let deliveries = 0
    const worker = yield* QueueWorker.run({
      queue: spec.queue,
      wait: "1 second",
      backoff: Backoff.fixed({ initial: 0, jitter: 0 }),
      handler: () =>
        Effect.suspend(() =>
          ++deliveries === 1
            ? Effect.fail(
                new NotYet({ message: `Endpoint=sb://a/;SharedAccessKey=${secrets.key}` })
              )
            : Effect.void
        ),
      onHandled: ({ disposition }) =>
        disposition._tag === "Completed" ? Deferred.succeed(done, undefined) : Effect.void
    }).pipe(Effect.forkChild)
    yield* Effect.flatMap(
      Message.text(secrets.body, {
        attributes: { password: secrets.attribute },
        correlationId: "correlation-1"
      }),
      (message) => client.send(spec.queue, message)
    ).pipe(Effect.withSpan("request"))
    yield* Deferred.await(done)
    yield* Fiber.interrupt(worker)
  }).pipe(Effect.provide(stack(layer)))
})

const harnesses = [providers.memory, providers.sqlite, sqs.aws, servicebus.azure]

describe.each(harnesses.map((harness) => [harness.name, harness] as const))(
  "telemetry of %s over OTLP",
  (_, harness) => {
    it.live("R9.1 one trace over producer, queue, two deliveries and settlement; no secret", () =>
      Effect.gen(function* () {
        const receiver = yield* otlpReceiver.make
        const { queue } = spec
        const exporting = Layer.merge(
          Otlp.layerJson({
            baseUrl: receiver.baseUrl,
            resource: { serviceName: "telemetry-test" },
            loggerMergeWithExisting: false
          }).pipe(Layer.provide(FetchHttpClient.layer)),
          Layer.succeed(References.MinimumLogLevel, "Debug")
        ).pipe(Layer.provideMerge(Layer.succeed(Metric.MetricRegistry, new Map())))
        yield* Effect.scoped(deliveredTwice(harness)).pipe(Effect.provide(exporting))

        const spans = receiver.spans()
        const named = (name: string) => spans.filter((span) => span.name === name)
        const [request] = named("request")
        assert(request !== undefined)
        const trace = spans.filter(({ traceId }) => traceId === request.traceId)
        const ours = trace.filter(({ name }) => name === "request" || name.endsWith(` ${queue}`))
        assert.sameMembers(
          ours.map(({ name }) => name),
          [
            "request",
            `create ${queue}`,
            `send ${queue}`,
            `process ${queue}`,
            `settle ${queue}`,
            `process ${queue}`,
            `settle ${queue}`
          ]
        )
        // Nothing of ours hangs in the air: every parent was exported too.
        const ids = new Set(spans.map(({ spanId }) => spanId))
        for (const { name, parentSpanId } of ours) {
          if (name !== "request") assert.isTrue(ids.has(parentSpanId ?? ""), name)
        }
        const [create] = named(`create ${queue}`)
        assert.strictEqual(create?.parentSpanId, request.spanId)
        const processes = named(`process ${queue}`)
        const links = (span: otlpReceiver.Span) => span.links.map(({ spanId }) => spanId)
        assert.deepStrictEqual(processes.map(links), [[create?.spanId], [create?.spanId]])
        // 2 is an error, 1 is none.
        assert.sameMembers(
          processes.map(({ status }) => status.code),
          [2, 1]
        )
        const receives = named(`receive ${queue}`)
        assert.deepStrictEqual(receives.map(links), [[create?.spanId], [create?.spanId]])

        assert.includeMembers(receiver.metricNames(), [
          "messaging.client.operation.duration",
          "messaging.client.sent.messages",
          "messaging.client.consumed.messages",
          "messaging.process.duration",
          "queue_runtime.settled.messages",
          "queue_runtime.failed.messages"
        ])
        const correlated = receiver
          .logs()
          .filter(({ attributes }) =>
            attributes.some(
              ({ key, value }) =>
                key === "correlationId" && value["stringValue"] === "correlation-1"
            )
          )
        assert.isAbove(correlated.length, 3)
        assert.isTrue(correlated.some(({ traceId }) => traceId === request.traceId))
        const all = receiver.all()
        assert.include(all, "SharedAccessKey")
        for (const secret of Object.values(secrets)) assert.notInclude(all, secret)
      })
    )
  }
)
