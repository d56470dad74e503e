import {
  ListQueuesCommand,
  SendMessageBatchCommand,
  type SendMessageBatchCommandInput,
  SQSClient
} from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { createHash, createHmac } from "node:crypto"
import { QueueAddress, QueueName } from "@queue-runtime/core"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import { operation } from "../src/internal/sdk.ts"
import * as sqs from "../src/internal/sqs.ts"
import * as Server from "./support/server.ts"

const credentials = {
  _tag: "Keys",
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "a token"
} as const

const region = "eu-west-1"

const md5 = (text: string): string => createHash("md5").update(text).digest("hex")

const parsed = (text: string): { QueueUrl?: string; Entries?: Array<Record<string, string>> } =>
  JSON.parse(text)

/** As SQS answers a batch. */
const taken = ({ body }: Server.Asked): Server.Answer => ({
  body: {
    Successful: (parsed(body).Entries ?? []).map(({ Id, MessageBody = "" }) => ({
      Id,
      MessageId: `m-${Id}`,
      MD5OfMessageBody: md5(MessageBody)
    }))
  }
})

const queueAt = (url: string): sqs.Queue => {
  const queue = QueueName.makeUnsafe("orders")
  return { address: QueueAddress.queue(queue), queue, url, isFifo: false }
}

const entry = (body: string): sqs.SendEntry => ({ body, attributes: {} })

const make = (options: AwsConfig.Options) =>
  Effect.map(AwsClient.make({ region, credentials, ...options }), (client) => ({
    client,
    plane: sqs.make(client)
  }))

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest()

/** The signature that AWS would find, by the rules of Signature Version 4. */
const signatureOf = ({ body, headers }: Server.Asked, signed: string, scope: string): string => {
  const canonical = signed.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`)
  const request = ["POST", "/", "", canonical.join(""), signed, sha256(body)].join("\n")
  const date = String(headers["x-amz-date"])
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(request)].join("\n")
  const key = scope
    .split("/")
    .reduce<string | Buffer>((last, part) => hmac(last, part), `AWS4${credentials.secretAccessKey}`)
  return hmac(key, text).toString("hex")
}

const isSigned = (asked: Server.Asked): boolean => {
  const pattern =
    /Credential=AKIDEXAMPLE\/([^,]+), SignedHeaders=([^,]+), Signature=([\da-f]{64})$/u
  const [, scope = "", names = "", signature] =
    pattern.exec(asked.headers.authorization ?? "") ?? []
  const mustBe = ["host", "x-amz-date", "x-amz-security-token", "x-amz-target"]
  return (
    mustBe.every((name) => names.split(";").includes(name)) &&
    signature === signatureOf(asked, names, scope)
  )
}

describe("calls of the data plane", () => {
  it.live("R10.3 each is signed as AWS checks it, whatever is kept between them", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(taken)
      const { client, plane } = yield* make({ endpoint: server.url })
      const queue = queueAt(`${server.url}/000000000000/orders`)
      const bodies = Array.from({ length: 30 }, (_, index) => `größe ${"x".repeat(index * 50)}`)
      yield* Effect.forEach(bodies, (body) => plane.send(queue, [entry(body)]), { concurrency: 10 })
      yield* plane.remove(queue, ["handle"])
      yield* client.use((sdk, abortSignal) => sdk.send(new ListQueuesCommand({}), { abortSignal }))
      assert.lengthOf(server.asked, 32)
      assert.isTrue(server.asked.every(isSigned))
      // The test's own rule can tell.
      const [one] = server.asked
      assert.isTrue(one !== undefined && !isSigned({ ...one, body: `${one.body} ` }))
    })
  )

  it.live("they say of themselves what the SDK says, and that they are the only attempt", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(taken)
      const { plane } = yield* make({ endpoint: server.url })
      const keys = { accessKeyId: "A", secretAccessKey: "s", sessionToken: "t" }
      const plain = yield* Effect.acquireRelease(
        Effect.sync(
          () => new SQSClient({ region, endpoint: server.url, credentials: keys, maxAttempts: 1 })
        ),
        (sdk) => Effect.sync(() => sdk.destroy())
      )
      const queue = queueAt(`${server.url}/000000000000/orders`)
      yield* plane.send(queue, [entry("a")])
      yield* plane.send(queue, [entry("b")])
      yield* Effect.promise(() => plain.send(new ListQueuesCommand({})))
      const [first, second, theirs] = server.asked.map(({ headers }) => headers)
      assert.deepStrictEqual(
        Object.keys(first ?? {}).toSorted(),
        Object.keys(theirs ?? {}).toSorted()
      )
      for (const name of ["user-agent", "x-amz-user-agent", "amz-sdk-request", "content-type"]) {
        assert.strictEqual(first?.[name], theirs?.[name])
        assert.strictEqual(second?.[name], theirs?.[name])
      }
      const id = "amz-sdk-invocation-id"
      assert.match(String(first?.[id]), /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/u)
      assert.notStrictEqual(first?.[id], second?.[id])
    })
  )

  it.live("R1.2 queues at two places, side by side: each call goes to its own", () =>
    Effect.gen(function* () {
      const servers = [yield* Server.make(taken), yield* Server.make(taken)]
      // No endpoint: the URL of the queue says where.
      const { plane } = yield* make({})
      const queues = servers.map(({ url }) => queueAt(`${url}/000000000000/orders`))
      const all = Array.from({ length: 60 }, (_, index) => queues[index % 2] ?? queueAt(""))
      const answers = yield* Effect.forEach(all, (queue) => plane.send(queue, [entry("a")]), {
        concurrency: "unbounded"
      })
      assert.isTrue(answers.flat().every(Result.isSuccess))
      for (const [index, { asked }] of servers.entries()) {
        const urls = new Set(asked.map(({ body }) => parsed(body).QueueUrl))
        assert.deepStrictEqual([...urls], [queues[index]?.url])
        assert.lengthOf(asked, 30)
        assert.isTrue(asked.every(isSigned))
      }
    })
  )

  it.live("R10.4 two clients in turns: each keeps its own, made once", () =>
    Effect.gen(function* () {
      const servers = [yield* Server.make(taken), yield* Server.make(taken)]
      let made = 0
      const counted = operation(
        (input: SendMessageBatchCommandInput) => {
          made++
          return new SendMessageBatchCommand(input)
        },
        { QueueUrl: undefined, Entries: [] }
      )
      const clients = yield* Effect.forEach(servers, ({ url }) =>
        Effect.map(AwsClient.make({ region, credentials, endpoint: url }), (client) => ({
          client,
          url: `${url}/000000000000/orders`
        }))
      )
      for (let turn = 0; turn < 20; turn++) {
        for (const [index, { client, url }] of clients.entries()) {
          const Entries = [{ Id: "0", MessageBody: `${index}` }]
          yield* client.use((one, signal) => counted(one, { QueueUrl: url, Entries }, signal))
        }
      }
      assert.strictEqual(made, 2)
      for (const [index, { asked }] of servers.entries()) {
        assert.lengthOf(asked, 20)
        assert.isTrue(asked.every(isSigned))
        assert.isTrue(asked.every(({ body }) => body.includes(`"MessageBody":"${index}"`)))
      }
    })
  )

  it.live("R10.6 an interrupted one is cut, and those beside it are not", () =>
    Effect.gen(function* () {
      const server = yield* Server.make((asked) =>
        asked.body.includes("never") ? "hang" : taken(asked)
      )
      const { plane } = yield* make({ endpoint: server.url, socketsMax: 1 })
      const queue = queueAt(`${server.url}/000000000000/orders`)
      const fiber = yield* Effect.forkChild(plane.send(queue, [entry("never")]))
      while (server.asked.length === 0) yield* Effect.sleep("5 millis")
      // It waits for the only socket, which the first one has.
      const other = yield* Effect.forkChild(plane.send(queue, [entry("a")]))
      yield* Fiber.interrupt(fiber)
      assert.isTrue((yield* Fiber.join(other)).every(Result.isSuccess))
      const [first, second] = server.asked
      assert.notStrictEqual(first?.clientPort, second?.clientPort)
    })
  )
})
