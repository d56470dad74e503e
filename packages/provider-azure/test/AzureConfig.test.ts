import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { QueueName, SdkVersion } from "@queue-runtime/core"
import { AzureConfig } from "../src/index.ts"
import { installed } from "../src/internal/installed.ts"

const namespace = "acme.servicebus.windows.net"

const secret = "c2VjcmV0LWtleQ=="

const connectionString = `Endpoint=sb://${namespace}/;SharedAccessKeyName=n;SharedAccessKey=${secret}`

const problem = (options: object): string => {
  const made = AzureConfig.make(options)
  return Effect.runSync(Effect.flip(made)).reason.message
}

describe("AzureConfig", () => {
  it("R10.6 everything but the place has a default", () => {
    const config = Effect.runSync(AzureConfig.make({ namespace }))
    assert.strictEqual(Duration.toSeconds(config.connectTimeout), 30)
    assert.strictEqual(Duration.toSeconds(config.requestTimeout), 10)
    assert.strictEqual(config.connections, 1)
    const queue = AzureConfig.queue(config, QueueName.makeUnsafe("orders"))
    assert.strictEqual(queue.path, "orders")
    assert.isFalse(queue.sessions)
    assert.strictEqual(queue.deliveriesMax, 5)
    assert.strictEqual(queue.messageSizeMax, 262_144)
  })

  it.each([
    [{}, "connectionString: must be given, or a namespace"],
    [{ namespace, connectionString }, "namespace: must not stand together with connectionString"],
    [
      { namespace: "acme" },
      "namespace: must be the whole host name: acme.servicebus.windows.net in Azure's public cloud"
    ],
    [{ namespace: "https://acme" }, "namespace: must be a host name: acme.servicebus.windows.net"],
    [
      { connectionString: "Endpoint=acme" },
      "connectionString: must have an Endpoint: Endpoint=sb://acme.servicebus.windows.net/"
    ],
    [
      { connectionString: `Endpoint=sb://${namespace}/` },
      "connectionString: must have SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature"
    ],
    [{ namespace, connections: 17 }, "connections: Expected a value between 1 and 16"],
    [
      { namespace, proxy: "http://proxy" },
      "proxy: needs the transport websockets: AMQP itself goes through none"
    ],
    [
      { namespace, transport: "websockets", proxy: "socks://proxy" },
      "proxy: must be an http or https URL"
    ],
    [
      { namespace, queues: { "-a": {} } },
      "queues.-a: a queue's name must have 1–260 characters of ASCII letters, digits, - and _, with no leading, trailing or doubled -"
    ],
    [
      { namespace, queues: { a: { path: "a/" } } },
      "queues.a.path: a Service Bus name must not begin or end with / or ."
    ],
    [
      { namespace, queues: { a: { lockDuration: "4 seconds" } } },
      "queues.a.lockDuration: must be from 5 seconds to 5 minutes"
    ],
    [
      { namespace, tier: "basic", queues: { a: { sessions: true } } },
      "queues.a.sessions: the Basic tier has no sessions"
    ],
    [
      { namespace, tier: "basic", others: { deduplicationWindow: "1 minute" } },
      "others.deduplicationWindow: the Basic tier detects no duplicates"
    ],
    [
      { namespace, queues: { a: { messageSizeMax: 300_000 } } },
      "queues.a.messageSizeMax: must be at most 262144 below the Premium tier"
    ],
    [
      { namespace, queues: { a: { sendSizeMax: 2_000_000 } } },
      "queues.a.sendSizeMax: Expected a value between 1024 and 1048576"
    ]
  ])("R10.8 %o is refused, naming the path", (options, expected) => {
    assert.strictEqual(problem(options), expected)
  })

  it("R10.8 a misspelt option is refused", () => {
    assert.match(problem({ namespace, queues: { a: { session: true } } }), /^queues\.a\.session: /u)
  })

  it("R2.3 a connection string and a proxy are never shown", () => {
    const options = {
      connectionString,
      transport: "websockets",
      proxy: `http://u:${secret}@p`
    } as const
    const config = Effect.runSync(AzureConfig.make(options))
    assert.notInclude(JSON.stringify(config), secret)
    assert.notInclude(problem({ ...options, tier: "x" }), secret)
    assert.notInclude(problem({ connectionString: secret }), secret)
    const { connectionString: kept } = config
    assert.strictEqual(kept === undefined ? "" : Redacted.value(kept), connectionString)
  })

  it("R1.2 a name leads to a path, or to itself with the prefix", () => {
    const options = {
      namespace,
      prefix: "acme/",
      tier: "premium",
      queues: { orders: { path: "team/orders.v2", sessions: true } },
      others: { lockDuration: "2 minutes" }
    } as const
    const config = Effect.runSync(AzureConfig.make(options))
    const orders = AzureConfig.queue(config, QueueName.makeUnsafe("orders"))
    assert.strictEqual(orders.path, "team/orders.v2")
    assert.isTrue(orders.sessions)
    assert.strictEqual(orders.messageSizeMax, 1_048_576)
    const other = AzureConfig.queue(config, QueueName.makeUnsafe("constructor"))
    assert.strictEqual(other.path, "acme/constructor")
    assert.strictEqual(Duration.toMinutes(other.lockDuration), 2)
  })

  it("credentials of every kind are taken", () => {
    const token = { getToken: () => Promise.resolve(null) }
    const all: ReadonlyArray<AzureConfig.Options["credentials"]> = [
      { _tag: "Default" },
      { _tag: "ManagedIdentity", clientId: "c" },
      { _tag: "ClientSecret", tenantId: "t", clientId: "c", clientSecret: secret },
      { _tag: "WorkloadIdentity" },
      { _tag: "Token", credential: token }
    ]
    for (const credentials of all) {
      if (credentials === undefined) continue
      const config = Effect.runSync(AzureConfig.make({ namespace, credentials }))
      assert.strictEqual(config.credentials._tag, credentials._tag)
      assert.notInclude(JSON.stringify(config), secret)
    }
    const bad = { _tag: "Token", credential: {} }
    assert.match(problem({ namespace, credentials: bad }), /^credentials/u)
  })

  it("R10.8 a version of the SDK outside the range is refused, naming package and range", () => {
    Effect.runSync(SdkVersion.check(installed))
    for (const version of ["7.9.4", "8.0.0", "6.0.0"]) {
      const error = Effect.runSync(Effect.flip(SdkVersion.check({ ...installed, version })))
      assert.strictEqual(
        error.reason.message,
        `@azure/service-bus: must be >=7.9.5 <8.0.0; got ${version}`
      )
    }
  })
})
