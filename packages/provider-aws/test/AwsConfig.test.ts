import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { inspect } from "node:util"
import { Defaults, QueueError, QueueName } from "@queue-runtime/core"
import { isLocalHost } from "../src/internal/localHost.ts"
import { AwsConfig } from "../src/index.ts"

const orders = QueueName.makeUnsafe("orders")

const queue = (options: unknown) => ({ queues: { orders: options } })

const problems: ReadonlyArray<readonly [key: string, rule: string, options: unknown]> = [
  ["region", "length", { region: "" }],
  ["endpoint", "an http or https URL", { endpoint: "sqs.example.com" }],
  ["endpoint", "an http or https URL", { endpoint: "ftp://localhost" }],
  ["endpoint", "must be https", { endpoint: "http://sqs.example.com" }],
  ["endpoint", "a user or a password", { endpoint: "https://u:p@localhost" }],
  ["proxy", "an http or https URL", { proxy: "socks5://localhost" }],
  [
    "credentials.secretAccessKey",
    "must not be empty",
    { credentials: { _tag: "Keys", accessKeyId: "A", secretAccessKey: "" } }
  ],
  ["socketsMax", "between 1 and 10000", { socketsMax: 0 }],
  ["connectTimeout", "a finite duration above zero", { connectTimeout: 0 }],
  ["requestTimeout", "a duration", { requestTimeout: "soon" }],
  ["prefix", "ASCII letters", { prefix: "acme/" }],
  ["credentials.profile", "Missing key", { credentials: { _tag: "Profile" } }],
  ["credentials.roleArn", "Missing key", { credentials: { _tag: "AssumeRole" } }],
  ["queues.-orders", "1–260 characters", { queues: { "-orders": {} } }],
  ["queues.orders.visibilityTimeout", "whole seconds", queue({ visibilityTimeout: "1.5 seconds" })],
  ["queues.orders.visibilityTimeout", "to 12 hours", queue({ visibilityTimeout: "13 hours" })],
  ["queues.orders.visibilityTimeout", "from 1 second", queue({ visibilityTimeout: 0 })],
  ["queues.orders.deliveriesMax", "between 1 and 1000", queue({ deliveriesMax: 0 })],
  ["queues.orders.messageSizeMax", "between 1024", queue({ messageSizeMax: 2_000_000 })],
  ["queues.orders.sendOrder", '"strict"', queue({ sendOrder: "fast" })],
  ["queues.orders.bodyEncoding", '"auto"', queue({ bodyEncoding: "hex" })],
  [
    "queues.orders.url",
    "the URL of a queue",
    queue({ url: "https://sqs.eu-west-1.amazonaws.com/" })
  ],
  ["queues.orders.url", "must be https", queue({ url: "http://sqs.example.com/1/orders" })],
  ["queues.orders.arn", "must be an ARN of SQS", queue({ arn: "arn:aws:sns:eu-west-1:1:orders" })],
  ["queues.orders.name", "1–80 characters", queue({ name: "orders.v2" })],
  ["queues.orders.name", "1–80 characters", queue({ name: "x".repeat(81) })],
  ["queues.orders", "one of url, arn and name", queue({ name: "a", url: "https://h.test/1/a" })],
  ["queues.orders.fifo", "agree with the name", queue({ name: "orders", fifo: true })],
  ["queues.orders.fifo", "agree with the name", queue({ name: "orders.fifo", fifo: false })],
  ["queues.orders.deadLetter", "one of url, arn and name", queue({ deadLetter: {} })],
  [
    "queues.orders.deadLetter",
    "must end in .fifo as the queue's own name does",
    queue({ name: "orders.fifo", deadLetter: { name: "a-dlq" } })
  ],
  [
    "queues.orders.deadLetter",
    "SQS gives a FIFO queue no other dead letters; got a-dlq",
    queue({ fifo: true, deadLetter: { arn: "arn:aws:sqs:eu-west-1:111122223333:a-dlq" } })
  ],
  [
    "queues.orders.deadLetter",
    "must not end in .fifo since the queue is a standard one",
    queue({ deadLetter: { url: "https://h.test/1/a-dlq.fifo" } })
  ],
  ["queues.orders.visibilty", "excess property", queue({ visibilty: 1 })],
  ["others.name", "excess property", { others: { name: "orders" } }],
  ["regoin", "excess property", { regoin: "eu-west-1" }],
  ["options", "Expected object", "eu-west-1"]
]

describe("make", () => {
  it.effect.each(problems)("R10.1 %s is refused: %s", ([key, rule, options]) =>
    Effect.gen(function* () {
      // What JavaScript callers can do, and types cannot say.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the case under test
      const error = yield* Effect.flip(AwsConfig.make(options as AwsConfig.Options))
      assert(error.reason instanceof QueueError.ConfigurationInvalid)
      assert.strictEqual(error.reason.key, key)
      assert.include(error.reason.problem, rule)
    })
  )

  it.effect("R10.7 every default comes from Defaults", () =>
    Effect.gen(function* () {
      const settings = {
        visibilityTimeout: Defaults.sqsVisibilityTimeout,
        deliveriesMax: Defaults.deliveriesMax,
        messageSizeMax: Defaults.sqsMessageSizeMax,
        expired: "drop",
        sendOrder: "strict",
        bodyEncoding: "auto",
        deduplicationScope: "queue",
        strict: false,
        pollersMax: Defaults.sqsPollersMax,
        groupsMax: Defaults.sqsGroupsMax
      }
      assert.deepStrictEqual<unknown>(yield* AwsConfig.make({ queues: { orders: {} } }), {
        credentials: { _tag: "Default" },
        socketsMax: Defaults.sqsSocketsMax,
        connectTimeout: Defaults.sqsConnectTimeout,
        requestTimeout: Defaults.sqsRequestTimeout,
        prefix: "",
        queues: { orders: settings },
        others: settings
      })
      assert.deepStrictEqual((yield* AwsConfig.make()).queues, {})
    })
  )

  it.effect("R10.6 the figures of the specification", () =>
    Effect.gen(function* () {
      const config = yield* AwsConfig.make()
      assert.strictEqual(Duration.toSeconds(config.connectTimeout), 30)
      assert.strictEqual(Duration.toSeconds(config.requestTimeout), 10)
      assert.strictEqual(Duration.toMinutes(config.others.visibilityTimeout), 5)
    })
  )

  it.effect("R10.1 secrets may be given plain or redacted, and are shown nowhere", () =>
    Effect.gen(function* () {
      for (const secretAccessKey of ["s3cret", Redacted.make("s3cret")]) {
        const config = yield* AwsConfig.make({
          proxy: "http://user:s3cret@proxy.corp:3128",
          credentials: { _tag: "Keys", accessKeyId: "A", secretAccessKey, sessionToken: "s3cret" }
        })
        assert(config.credentials._tag === "Keys")
        assert.strictEqual(Redacted.value(config.credentials.secretAccessKey), "s3cret")
        assert.notInclude(inspect(config, { depth: 9 }) + JSON.stringify(config), "s3cret")
      }
      const bad = AwsConfig.make({ proxy: Redacted.make("socks5://user:s3cret@proxy.corp") })
      const error = yield* Effect.flip(bad)
      assert.notInclude(inspect(error, { depth: 9 }), "s3cret")
    })
  )
})

describe("queue", () => {
  const resolve = (options: AwsConfig.Options) =>
    Effect.map(AwsConfig.make(options), (config) => AwsConfig.queue(config, orders))

  it.effect("R1.2 without an entry the name itself, with prefix and suffix", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* resolve({}), { fifo: false, target: { name: "orders" } })
      const others = { fifo: true, deliveriesMax: 3 } as const
      const fifo = yield* resolve({ prefix: "acme-", others })
      assert.deepInclude(fifo, { fifo: true, deliveriesMax: 3 })
      assert.deepStrictEqual(fifo.target, { name: "acme-orders.fifo" })
    })
  )

  it.effect("R1.2 an entry's target is used as it is, and says whether it is FIFO", () =>
    Effect.gen(function* () {
      const arn = "arn:aws-cn:sqs:cn-north-1:111122223333:orders.fifo"
      const deadLetter = { name: "orders-dlq.fifo" }
      const found = yield* resolve({ prefix: "acme-", queues: { orders: { arn, deadLetter } } })
      assert.deepInclude(found, { fifo: true, target: { arn }, deadLetter })
      const named = yield* resolve({ queues: { orders: { name: "Bestellungen" } } })
      assert.deepInclude(named, { fifo: false, target: { name: "Bestellungen" } })
      const settings = yield* resolve({ prefix: "acme-", queues: { orders: { fifo: true } } })
      assert.deepStrictEqual(settings.target, { name: "acme-orders.fifo" })
    })
  )

  it.effect("R1.2 a queue called like something every object has is a queue like others", () =>
    Effect.gen(function* () {
      const config = yield* AwsConfig.make({ queues: { orders: {} } })
      const found = AwsConfig.queue(config, QueueName.makeUnsafe("constructor"))
      assert.deepStrictEqual(found.target, { name: "constructor" })
    })
  )
})

describe("isLocalHost", () => {
  it.each([
    "localhost",
    "127.0.0.1",
    "[::1]",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "localstack",
    "sqs.localhost",
    "host.docker.internal"
  ])("R10.3 %s is local", (host) => {
    assert.isTrue(isLocalHost(host))
  })

  it.each([
    "example.com",
    "172.32.0.1",
    "8.8.8.8",
    "[2001:db8::1]",
    "localhost.example.com",
    "10.evil.com"
  ])("R10.3 %s is not", (host) => {
    assert.isFalse(isLocalHost(host))
  })
})
