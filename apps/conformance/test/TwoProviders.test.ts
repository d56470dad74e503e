/** A program may talk to two services of one kind: an account each, a namespace each. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type QueueError, QueueName, QueueProvider } from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { MemoryProvider } from "@queue-runtime/provider-memory"

type Stack = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

class One extends Context.Service<One, QueueProvider.Service>()(
  "@queue-runtime/conformance/test/TwoProviders.test/One"
) {}
class Other extends Context.Service<Other, QueueProvider.Service>()(
  "@queue-runtime/conformance/test/TwoProviders.test/Other"
) {}

const events = QueueName.makeUnsafe("events")

const aws = (name: string): Stack =>
  AwsProvider.layer({
    region: "eu-central-1",
    credentials: { _tag: "Keys", accessKeyId: "one", secretAccessKey: "two" },
    queues: { events: { name } }
  })

const azure = (sessions: boolean): Stack =>
  AzureProvider.layer({
    connectionString:
      "Endpoint=sb://localhost;SharedAccessKeyName=name;SharedAccessKey=key;UseDevelopmentEmulator=true",
    queues: { events: { sessions } }
  })

const kinds: ReadonlyArray<readonly [name: string, ordered: Stack, plain: Stack]> = [
  [
    "memory",
    MemoryProvider.layer({ queues: { events: { sessions: true } } }),
    MemoryProvider.layer({ queues: { events: {} } })
  ],
  ["aws-sqs", aws("events.fifo"), aws("events")],
  ["azure-service-bus", azure(true), azure(false)]
]

describe("two providers in one program", () => {
  it.live.each(kinds)("R10.4 %s: each is set up as it was asked for", ([, ordered, plain]) =>
    Effect.gen(function* () {
      const both = Layer.mergeAll(
        Layer.provide(Layer.effect(One, QueueProvider.QueueProvider), ordered),
        Layer.provide(Layer.effect(Other, QueueProvider.QueueProvider), plain)
      )
      const context = yield* Layer.build(both)
      assert.isTrue(Context.get(context, One).capabilities(events).ordered)
      assert.isFalse(Context.get(context, Other).capabilities(events).ordered)
    }).pipe(Effect.scoped)
  )
})
