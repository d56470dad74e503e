import { assert, describe, it } from "@effect/vitest"
import {
  DeadLetters,
  HandlerFailure,
  IdempotencyStore,
  type MessageHandler,
  QueueClient,
  type ReceivedMessage
} from "@queue-runtime/core"
import { hash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Backend from "../src/demo/Backend.ts"
import * as Bots from "../src/Bots.ts"
import * as BotConfig from "../src/BotConfig.ts"
import * as Http from "../src/Http.ts"
import * as QueueStack from "../src/QueueStack.ts"
import * as Webhook from "../src/Webhook.ts"
import * as WebhookServer from "../src/WebhookServer.ts"
import { bytes, environment, example, headers, secret } from "./fixtures.ts"
import * as Redacted from "effect/Redacted"

/** A pull request whose text fills the largest payload that GitHub sends, to the byte. */
const largest = (): Uint8Array => {
  const payload = example("pull_request")
  const pullRequest = Object(payload["pull_request"])
  const withText = (text: string): Uint8Array =>
    bytes(JSON.stringify({ ...payload, pull_request: { ...pullRequest, body: text } }))
  const line = "- [x] every step of a very long checklist, with its emoji 🚀\n"
  const room = Webhook.bodyBytesMax - withText("").byteLength
  // A line feed is two bytes in JSON.
  const lines = Math.floor(room / (bytes(line).byteLength + 1))
  const most = withText(line.repeat(lines))
  const rest = Webhook.bodyBytesMax - most.byteLength
  return withText(`${line.repeat(lines)}${".".repeat(rest)}`)
}

const digest = (of: Uint8Array): string => hash("sha256", of)

const body = largest()

const bodyDigest = digest(body)

/** A folder for blobs, and what lies there. */
const blobs = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "large-payload-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  ),
  (directory) => ({
    directory,
    files: (): ReadonlyArray<Buffer> =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => readFileSync(join(parentPath, name)))
  })
)

/** Whatever a stored body is, these bytes of the payload are not in it. */
const isReadable = (stored: Buffer): boolean => stored.includes("a very long checklist")

const providers = ["memory", "aws-sqs", "azure-service-bus"] as const

const endToEnd = Effect.fnUntraced(function* (provider: (typeof providers)[number]) {
  const { directory, files } = yield* blobs
  const variables = {
    QUEUE_PROVIDER: provider,
    WEBHOOK_SECRET: Redacted.value(secret),
    PORT: "0",
    QUEUE_RECEIVE_TIMEOUT_SECONDS: "1",
    QUEUE_CRYPTO_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`,
    QUEUE_CRYPTO_MODE: "encrypt",
    CLAIM_CHECK_STORE: "file",
    CLAIM_CHECK_DIRECTORY: directory
  }
  const config = yield* Effect.provide(BotConfig.read, environment(variables))
  const backend = yield* Effect.provide(Backend.start(config), environment(variables))
  const wire: Array<Uint8Array> = []
  const stack = QueueStack.layer({
    ...config,
    around: (self) => ({
      ...self,
      send: (queue, messages) => {
        for (const sent of messages) wire.push(sent.body)
        return self.send(queue, messages)
      }
    })
  })
  assert.strictEqual(body.byteLength, Webhook.bodyBytesMax)

  const putAside = yield* Deferred.make<ReceivedMessage.ReceivedMessage>()
  const handled = yield* Deferred.make<ReceivedMessage.ReceivedMessage>()
  let isBroken = true
  const handler: MessageHandler.MessageHandler<Bots.Failure> = () =>
    Effect.suspend(() =>
      isBroken
        ? Effect.fail(new HandlerFailure.Permanent({ reason: "TooMuchForToday" }))
        : Effect.void
    )

  yield* Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    const letters = yield* DeadLetters.DeadLetters
    yield* Effect.forkScoped(
      Bots.run(handler, {
        ...config,
        onHandled: ({ disposition, message }) =>
          Deferred.succeed(disposition._tag === "DeadLettered" ? putAside : handled, message)
      })
    )
    const url = yield* WebhookServer.serve(config)
    const http = yield* Http.Client
    const { status } = yield* http.post({
      url,
      body,
      headers: headers(body, "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
      timeout: "20 seconds"
    })
    assert.strictEqual(status, 202)

    const first = yield* Deferred.await(putAside)
    assert.strictEqual(digest(first.body), bodyDigest)
    const [letter] = yield* Stream.runCollect(letters.list(config.queue))
    assert.strictEqual(letter?.reason, "TooMuchForToday")
    assert.strictEqual(digest(letter?.message.body ?? new Uint8Array()), bodyDigest)
    assert.deepStrictEqual(files().map(isReadable), [false])

    isBroken = false
    const replay = yield* Stream.runCollect(letters.replay(config.queue, DeadLetters.all))
    assert.strictEqual(replay.at(-1)?.done, 1)
    assert.strictEqual(replay.at(-1)?.failed, 0)
    const second = yield* Deferred.await(handled)
    assert.strictEqual(digest(second.body), bodyDigest)
    assert.strictEqual(second.messageId, first.messageId)
    assert.strictEqual(second.sessionId, first.sessionId)

    // What the broker had were claims, of 55 bytes more than was posted; with the message its blob is gone.
    assert.strictEqual(wire.length, 2)
    for (const claim of wire) assert.match(Buffer.from(claim).toString(), /^QRC1 1 26214455 /u)
    const isEmpty = Effect.sync(() => files().length === 0)
    yield* Effect.repeat(Effect.delay(isEmpty, "20 millis"), { until: (empty) => empty })
    assert.deepStrictEqual(client.stack.slice(0, 4), [
      "create",
      "sealing",
      "claim-check",
      "batching"
    ])
  }).pipe(
    Effect.provide(
      Layer.mergeAll(
        Layer.provideMerge(DeadLetters.layer(), stack),
        IdempotencyStore.layerMemory(),
        Http.layerClient
      ).pipe(Layer.provide(environment({ ...variables, ...backend })))
    )
  )
}, Effect.scoped)

describe("A payload of 25 MB", () => {
  it.live.each(providers)(
    "R1.7 R7.1 R8.1 is posted, put aside, replayed and handled, sealed all the while: %s",
    (provider) =>
      endToEnd(provider).pipe(
        Effect.timeout(Duration.seconds(50)),
        Effect.provideService(References.MinimumLogLevel, "None")
      ),
    60_000
  )
})
