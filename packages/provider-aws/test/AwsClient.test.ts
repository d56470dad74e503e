import { ListQueuesCommand } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { QueueAddress, QueueError, QueueName, SdkVersion } from "@queue-runtime/core"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import { installed } from "../src/internal/installed.ts"
import * as Server from "./support/server.ts"

const orders = QueueAddress.queue(QueueName.makeUnsafe("orders"))
const dead = QueueAddress.deadLetter(QueueName.makeUnsafe("orders"))

const keys: NonNullable<AwsConfig.Options["credentials"]> = {
  _tag: "Keys",
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "secret"
}

const unreached = { region: "eu-west-1", credentials: keys }

const options = (server: Server.Server, more: AwsConfig.Options = {}): AwsConfig.Options => ({
  region: "eu-west-1",
  endpoint: server.url,
  credentials: keys,
  ...more
})

const list = (client: AwsClient.Service, call?: AwsClient.Call) =>
  client.use((sqs, abortSignal) => sqs.send(new ListQueuesCommand({}), { abortSignal }), call)

const queueUrl = (server: Server.Server, name: string) => `${server.url}/000000000000/${name}`

describe("use", () => {
  it.live("R10.4 clients of one process do not touch each other", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ body: { QueueUrls: [] } }))
      const first = yield* Scope.make()
      const one = yield* Scope.provide(AwsClient.make(options(server)), first)
      const other = yield* AwsClient.make(options(server, { region: "us-east-2" }))
      yield* list(one)
      yield* Scope.close(first, Exit.void)
      yield* list(other)
      assert.match(server.asked[0]?.headers.authorization ?? "", /\/eu-west-1\/sqs\//u)
      assert.match(server.asked[1]?.headers.authorization ?? "", /\/us-east-2\/sqs\//u)
      const closed = yield* Effect.flip(list(one))
      assert.strictEqual(closed.reason._tag, "ConnectionFailed")
      assert.include(closed.message, "the client is closed")
      assert.strictEqual(server.asked.length, 2)
    })
  )

  it.live("R6.1 one attempt a call: the SDK retries nothing", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ status: 503, body: { __type: "InternalError" } }))
      const client = yield* AwsClient.make(options(server))
      const error = yield* Effect.flip(list(client))
      assert.strictEqual(error.retry, "Transient")
      assert.strictEqual(server.asked.length, 1)
    })
  )

  it.live("R10.4 sockets are kept and bounded", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ body: {} }))
      const client = yield* AwsClient.make(options(server, { socketsMax: 2 }))
      const calls = Array.from({ length: 20 }, () => list(client))
      yield* Effect.all(calls, { concurrency: "unbounded" })
      yield* list(client)
      assert.strictEqual(server.asked.length, 21)
      assert.isAtMost(new Set(server.asked.map(({ clientPort }) => clientPort)).size, 2)
    })
  )

  it.effect("R10.6 a call that gets no answer ends with Timeout, and is aborted", () =>
    Effect.gen(function* () {
      let aborted = false
      const client = yield* AwsClient.make({ credentials: keys, region: "eu-west-1" })
      const call = client.use(
        (_, signal) =>
          new Promise<never>((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              aborted = true
              reject(new Error("aborted"))
            })
          }),
        { operation: "send", queue: "orders" }
      )
      const fiber = yield* Effect.forkChild(Effect.flip(call))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error.reason, { _tag: "Timeout", after: Duration.seconds(10) })
      assert.deepInclude(error, { operation: "send", queue: "orders", provider: "aws-sqs" })
      assert.strictEqual(error.retry, "Transient")
      assert.isTrue(aborted)
    })
  )

  it.live("R10.6 an interrupted call ends at once and its connection with it", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => "hang")
      const client = yield* AwsClient.make(options(server))
      const fiber = yield* Effect.forkChild(list(client))
      while (server.asked.length === 0) yield* Effect.sleep("5 millis")
      const [spent] = yield* Effect.timed(Fiber.interrupt(fiber))
      assert.isTrue(Duration.isLessThan(spent, Duration.seconds(1)))
    })
  )

  it.live("R10.4 closing the scope ends what is under way", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => "hang")
      const scope = yield* Scope.make()
      const client = yield* Scope.provide(AwsClient.make(options(server)), scope)
      const fiber = yield* Effect.forkChild(Effect.flip(list(client)))
      while (server.asked.length === 0) yield* Effect.sleep("5 millis")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )

  const inEnvironment = <A, E, R>(
    variables: Readonly<Record<string, string>>,
    effect: Effect.Effect<A, E, R>
  ) =>
    Effect.acquireUseRelease(
      Effect.sync(() => Object.assign(process.env, variables)),
      () => effect,
      () =>
        Effect.sync(() => {
          for (const name of Object.keys(variables)) delete process.env[name]
        })
    )

  const made = Effect.scoped(AwsClient.make({ region: "eu-west-1", credentials: keys }))

  it.effect.each([
    ["AWS_ENDPOINT_URL_SQS", "notaurl", "must be an http or https URL"],
    ["AWS_ENDPOINT_URL", "ftp://localhost", "must be an http or https URL"],
    ["AWS_ENDPOINT_URL_SQS", "http://sqs.example.com", "must be https, unless the host is local"],
    ["AWS_ENDPOINT_URL", "http://u:s3cret@localhost", "must not hold a user or a password"]
  ] as const)("R10.3 %s=%s is refused by its name", ([key, value, problem]) =>
    Effect.gen(function* () {
      const error = yield* inEnvironment({ [key]: value }, Effect.flip(made))
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key, problem })
    })
  )

  it.effect("R10.3 an endpoint that the SDK does not look at is not judged", () =>
    Effect.gen(function* () {
      const good = { AWS_ENDPOINT_URL_SQS: "http://localhost:1", AWS_ENDPOINT_URL: "notaurl" }
      yield* inEnvironment(good, made)
      const empty = { AWS_ENDPOINT_URL_SQS: "", AWS_ENDPOINT_URL: "notaurl" }
      const error = yield* inEnvironment(empty, Effect.flip(made))
      assert.deepInclude(error.reason, { key: "AWS_ENDPOINT_URL" })
      const given = { region: "eu-west-1", endpoint: "http://localhost:1", credentials: keys }
      yield* inEnvironment(
        { AWS_ENDPOINT_URL_SQS: "notaurl" },
        Effect.scoped(AwsClient.make(given))
      )
    })
  )

  it.live.each([
    [
      "http://sqs.example.com",
      "must be https, unless the host is local; got http to sqs.example.com"
    ],
    ["notaurl", "must be an http or https URL; the one that the SDK found is none"]
  ] as const)("R10.3 the endpoint %s of the shared files is refused", ([url, problem]) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "queue-runtime-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const file = join(folder, "config")
      writeFileSync(file, `[profile far]\nendpoint_url = ${url}\n`)
      const failed = Effect.flatMap(
        AwsClient.make({ region: "eu-west-1", credentials: keys }),
        (client) => Effect.flip(list(client))
      )
      const error = yield* inEnvironment({ AWS_CONFIG_FILE: file, AWS_PROFILE: "far" }, failed)
      assert(error.reason instanceof QueueError.ConfigurationInvalid)
      assert.strictEqual(error.reason.key, "endpoint")
      assert.include(error.reason.problem, problem)
    })
  )

  it.live("R2.1 a connection that nobody accepts says to whom", () =>
    Effect.gen(function* () {
      const refused = yield* AwsClient.make({ ...unreached, endpoint: "http://127.0.0.1:1" })
      const error = yield* Effect.flip(list(refused))
      assert.deepInclude(error.reason, { detail: "ECONNREFUSED 127.0.0.1:1" })
      const unknown = yield* AwsClient.make({ ...unreached, endpoint: "https://nope.invalid" })
      const { reason } = yield* Effect.flip(list(unknown))
      assert(reason instanceof QueueError.ConnectionFailed)
      assert.match(reason.detail ?? "", /^(?:ENOTFOUND|EAI_AGAIN) nope\.invalid$/u)
    })
  )

  it.effect("R10.8 a version of the SDK outside its range is named", () =>
    Effect.gen(function* () {
      yield* SdkVersion.check(installed)
      yield* SdkVersion.check({ ...installed, version: "3.2000.1" })
      for (const version of ["3.1168.9", "2.9000.0", "4.0.0"]) {
        const error = yield* Effect.flip(SdkVersion.check({ ...installed, version }))
        assert.deepInclude(error.reason, {
          key: "@aws-sdk/client-sqs",
          problem: `must be >=3.1169.0 <4.0.0; got ${version}`
        })
      }
    })
  )

  it.effect("R10.1 a layer with a bad option fails before anything is built", () =>
    Effect.gen(function* () {
      const layer = AwsClient.layer({ requestTimeout: 0 })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.deepInclude(error.reason, { key: "requestTimeout" })
    })
  )

  it.live("R10.3 calls go through the proxy, whose password is shown nowhere", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ body: {} }))
      const proxy = "http://user:pr0xy-passw0rd@127.0.0.1:1"
      const client = yield* AwsClient.make(options(server, { proxy }))
      const error = yield* Effect.flip(list(client))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(server.asked.length, 0)
      assert.notInclude(JSON.stringify(client.config), "pr0xy-passw0rd")
      assert.notInclude(String(error), "pr0xy-passw0rd")
    })
  )
})

describe("queueOf", () => {
  const answering = (server: Server.Server, asked: Server.Asked): Server.Answer => {
    const { QueueName: name, QueueUrl: url }: { QueueName?: string; QueueUrl?: string } =
      JSON.parse(asked.body)
    if (Server.operationOf(asked) === "GetQueueAttributes") {
      const redrive = url?.endsWith("orders")
        ? {
            deadLetterTargetArn: "arn:aws:sqs:eu-west-1:000000000000:orders-dlq",
            maxReceiveCount: 100
          }
        : undefined
      return {
        body: {
          Attributes: redrive === undefined ? {} : { RedrivePolicy: JSON.stringify(redrive) }
        }
      }
    }
    return name === "gone"
      ? { status: 400, body: { __type: "com.amazonaws.sqs#QueueDoesNotExist", message: "no" } }
      : { body: { QueueUrl: queueUrl(server, name ?? "") } }
  }

  const world = (more: AwsConfig.Options = {}) =>
    Effect.gen(function* () {
      const server: Server.Server = yield* Server.make((asked): Server.Answer =>
        answering(server, asked)
      )
      return { server, client: yield* AwsClient.make(options(server, more)) }
    })

  it.live("R1.2 a name without an entry is looked up, once however many ask", () =>
    Effect.gen(function* () {
      const { client, server } = yield* world()
      const found = yield* Effect.all(
        Array.from({ length: 20 }, () => client.queueOf(orders)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(found[19], {
        address: orders,
        queue: orders.queue,
        url: queueUrl(server, "orders"),
        isFifo: false
      })
      yield* client.queueOf(orders)
      assert.strictEqual(server.asked.length, 1)
      yield* client.forget(orders)
      yield* client.queueOf(orders)
      assert.strictEqual(server.asked.length, 2)
    })
  )

  it.live("R1.2 a prefix and the settings of others apply to a name without an entry", () =>
    Effect.gen(function* () {
      const { client, server } = yield* world({ prefix: "acme-", others: { fifo: true } })
      const found = yield* client.queueOf(orders)
      assert.strictEqual(found.url, queueUrl(server, "acme-orders.fifo"))
      assert.isTrue(found.isFifo)
    })
  )

  it.live("R1.2 a URL is used as it is, an ARN is looked up in its account", () =>
    Effect.gen(function* () {
      const url = "https://sqs.eu-west-1.amazonaws.com/111122223333/orders.fifo"
      const arn = "arn:aws:sqs:eu-west-1:444455556666:dead.fifo"
      const { client, server } = yield* world({ queues: { orders: { url, deadLetter: { arn } } } })
      assert.deepInclude(yield* client.queueOf(orders), { url, isFifo: true })
      assert.strictEqual(server.asked.length, 0)
      const found = yield* client.queueOf(dead)
      assert.deepInclude(found, { address: dead, url: queueUrl(server, "dead.fifo"), isFifo: true })
      assert.deepStrictEqual(JSON.parse(server.asked[0]?.body ?? ""), {
        QueueName: "dead.fifo",
        QueueOwnerAWSAccountId: "444455556666"
      })
    })
  )

  it.live("R1.2 an ARN of another region is refused, not taken for its namesake", () =>
    Effect.gen(function* () {
      const arn = "arn:aws:sqs:us-east-1:444455556666:orders"
      const { client, server } = yield* world({ queues: { orders: { arn } } })
      const error = yield* Effect.flip(client.queueOf(orders))
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key: "queues.orders.arn" })
      assert.strictEqual(server.asked.length, 0)
    })
  )

  it.live("R3.6 the dead-letter queue is the one of the redrive policy, asked for once", () =>
    Effect.gen(function* () {
      const { client, server } = yield* world()
      const found = yield* client.queueOf(dead)
      assert.strictEqual(found.url, queueUrl(server, "orders-dlq"))
      yield* client.queueOf(dead)
      yield* client.queueOf(orders)
      assert.deepStrictEqual(server.asked.map(Server.operationOf), [
        "GetQueueUrl",
        "GetQueueAttributes",
        "GetQueueUrl"
      ])
    })
  )

  it.live("R3.6 a queue with no dead-letter queue says how to name one", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ prefix: "p-", queues: { orders: { name: "other" } } })
      const error = yield* Effect.flip(client.queueOf(dead))
      assert.deepInclude(error.reason, { key: "queues.orders.deadLetter" })
    })
  )

  it.live("R3.12 a missing queue is QueueNotFound with its name, and is asked for again", () =>
    Effect.gen(function* () {
      const { client, server } = yield* world()
      const gone = QueueAddress.queue(QueueName.makeUnsafe("gone"))
      for (const count of [1, 2]) {
        const error = yield* Effect.flip(client.queueOf(gone))
        assert(error.reason instanceof QueueError.QueueNotFound)
        assert.strictEqual(error.reason.queue, "gone")
        assert.strictEqual(server.asked.length, count)
      }
    })
  )

  it.live("R1.8 a name that SQS cannot have is refused before a call", () =>
    Effect.gen(function* () {
      const { client, server } = yield* world()
      const long = QueueAddress.queue(QueueName.makeUnsafe("x".repeat(81)))
      const error = yield* Effect.flip(client.queueOf(long))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
      assert.include(error.message, "1–80 characters")
      assert.strictEqual(server.asked.length, 0)
    })
  )
})
