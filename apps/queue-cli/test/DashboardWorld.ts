/** A dashboard over each provider, and ways to ask it. */
import { type IncomingHttpHeaders, request } from "node:http"
import { assert } from "@effect/vitest"
import {
  DeadLetters,
  Message,
  QueueClient,
  QueueError,
  QueueName,
  type QueueProvider,
  SessionId
} from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { Effect, Layer, Redacted } from "effect"
import * as Dashboard from "../src/dashboard/Dashboard.ts"

export const mails = QueueName.makeUnsafe("mails")
export const orders = QueueName.makeUnsafe("orders")
export const token = "a-token-for-the-tests"

export type Services = DeadLetters.DeadLetters | QueueClient.QueueClient
export type World = Layer.Layer<Services, QueueError.QueueError>

const stack = (provider: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>): World =>
  DeadLetters.layer().pipe(
    Layer.provideMerge(QueueClient.layer({ wait: "5 seconds" })),
    Layer.provide(provider)
  )

const notStarted = (error: { readonly message: string }) =>
  QueueError.configurationInvalid("emulator", error.message)

export const memory: World = stack(
  MemoryProvider.layer({ queues: { mails: {}, orders: { sessions: true } } })
)

const policy = (letters: string) =>
  JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${letters}`,
    maxReceiveCount: 1_000
  })

const sqs: World = Layer.unwrap(
  Effect.map(
    SqsEmulator.make({
      account: "000000000000",
      region: "us-east-1",
      queues: {
        "mails-dlq": {},
        mails: { RedrivePolicy: policy("mails-dlq") },
        "orders-dlq.fifo": {},
        "orders.fifo": { RedrivePolicy: policy("orders-dlq.fifo") }
      }
    }).pipe(Effect.mapError(notStarted)),
    ({ endpoint }) =>
      stack(
        AwsProvider.layer({
          region: "us-east-1",
          endpoint,
          credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
          queues: { mails: {}, orders: { fifo: true } }
        })
      )
  )
)

const serviceBus: World = Layer.unwrap(
  Effect.map(
    ServiceBusEmulator.make({
      queues: {
        mails: { maxDeliveryCount: 1_000 },
        orders: { requiresSession: true, maxDeliveryCount: 1_000 }
      }
    }).pipe(Effect.mapError(notStarted)),
    ({ connectionString }) =>
      stack(
        AzureProvider.layer({ connectionString, queues: { mails: {}, orders: { sessions: true } } })
      )
  )
)

/** Every provider, and whether it lets one look without receiving. */
export const worlds: ReadonlyArray<readonly [string, World, { readonly canPeek: boolean }]> = [
  ["memory", memory, { canPeek: true }],
  ["SQS", sqs, { canPeek: false }],
  ["Service Bus", serviceBus, { canPeek: true }]
]

/** A dashboard over what is below, which the test may use too. */
export const open = (options: Partial<Dashboard.Options> = {}) =>
  Dashboard.serve({
    queues: [mails, orders],
    token: Redacted.make(token),
    every: "200 millis",
    ...options
  })

/** Sends messages to a queue without sessions and puts them aside, one for each reason. */
export const putAside = Effect.fnUntraced(function* (
  reasons: ReadonlyArray<string>,
  options: Message.Options = {}
) {
  const client = yield* QueueClient.QueueClient
  for (const [index, reason] of reasons.entries()) {
    yield* client.send(mails, yield* Message.json({ index, note: "<b>&amp;</b>" }, options))
    const [received] = yield* client.receive(mails)
    assert(received !== undefined, "what was sent is there")
    yield* client.deadLetter(received, { reason, description: `no. ${index}` })
  }
})

export const sendSession = Effect.fnUntraced(function* (session: string, text: string) {
  const client = yield* QueueClient.QueueClient
  const sessionId = SessionId.makeUnsafe(session)
  yield* client.send(orders, yield* Message.text(text, { sessionId }))
})

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** One request as any program may make it: `fetch` would not let a test lie about the host. */
export const ask = (
  base: string,
  path: string,
  { body, headers = {}, method = "GET" }: Asked = {}
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const sent = request(new URL(path, base), { method, headers, agent: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString("utf8")
          })
        )
      )
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

/** The cookie for the token. */
export const signIn = (base: string) =>
  Effect.map(ask(base, `/?token=${token}`), ({ headers, status }) => {
    assert.strictEqual(status, 303)
    const [cookie] = headers["set-cookie"] ?? []
    assert(cookie !== undefined)
    return cookie.split(";")[0] ?? ""
  })

/** Asks as the page does: with the cookie, and what a change needs. */
export const asPage = Effect.fnUntraced(function* (base: string) {
  const cookie = yield* signIn(base)
  const get = (path: string) =>
    Effect.map(ask(base, path, { headers: { cookie } }), ({ status, text }) => {
      const json: unknown = JSON.parse(text)
      return { status, json }
    })
  const post = (path: string, body: unknown) =>
    Effect.map(
      ask(base, path, {
        method: "POST",
        headers: {
          cookie,
          origin: base,
          "x-queue-runtime": "1",
          "content-type": "application/json"
        },
        body: typeof body === "string" ? body : JSON.stringify(body)
      }),
      ({ status, text }) => {
        const json: unknown = JSON.parse(text)
        return { status, json }
      }
    )
  return { cookie, get, post }
})

/** Asks again until it holds; the test's own limit ends what never does. */
export const until = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (value) =>
    holds(value)
      ? Effect.succeed(value)
      : Effect.delay(
          Effect.suspend(() => until(effect, holds)),
          "50 millis"
        )
  )
