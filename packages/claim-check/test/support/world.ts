import { hash } from "node:crypto"
import {
  BlobStore,
  Message,
  MessageId,
  QueueAddress,
  QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type Receipt,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { type MemoryConfig, MemoryProvider } from "@queue-runtime/provider-memory"
import { Context, Duration, Effect, Layer, Option, Result, type Scope } from "effect"
import { ClaimCheck, MemoryBlobStore } from "../../src/index.ts"

export const orders = QueueName.makeUnsafe("orders")
export const ordered = QueueName.makeUnsafe("ordered")
export const address = QueueAddress.queue(orders)
export const dead = QueueAddress.deadLetter(orders)
export const all = { max: 10, wait: Duration.zero }
export const session = SessionId.makeUnsafe("s-1")

/** Bodies above this go into the store, unless a test says otherwise. */
export const threshold = 1_000

export interface Options extends ClaimCheck.Options {
  readonly queue?: MemoryConfig.Options["queues"][string]
  readonly memory?: Partial<MemoryConfig.Options>
  /** Whether the threshold is what the broker takes. Default: false. */
  readonly byLimit?: boolean
  /** What stands between the claim check and the broker. */
  readonly between?: (provider: QueueProvider.Service) => QueueProvider.Service
  /** What stands before the store. */
  readonly before?: (store: BlobStore.Service) => BlobStore.Service
}

export interface World {
  /** As the broker has it. */
  readonly raw: QueueProvider.Service
  readonly claimed: QueueProvider.Service
  /** As it is, without what stands before it. */
  readonly store: BlobStore.Service
  /** The keys that were put, in order. */
  readonly puts: ReadonlyArray<string>
}

/** A broker and a store, and the claim check over both. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<World, QueueError.QueueError, Scope.Scope> {
  const {
    before = (one) => one,
    between = (one) => one,
    byLimit = false,
    memory,
    queue,
    ...own
  } = options
  const built = yield* Effect.orDie(
    Layer.build(
      MemoryProvider.layer({
        queues: { orders: { ...queue }, ordered: { sessions: true, ...queue } },
        ...memory
      })
    )
  )
  const raw = Context.get(built, QueueProvider.QueueProvider)
  const store = yield* MemoryBlobStore.make()
  const puts: Array<string> = []
  const counted: BlobStore.Service = {
    ...store,
    put: (key, body, put) => {
      puts.push(key)
      return store.put(key, body, put)
    }
  }
  const claimed = yield* Effect.provideService(
    ClaimCheck.make(between(raw), { ...(byLimit ? {} : { threshold }), ...own }),
    BlobStore.BlobStore,
    before(counted)
  )
  return { raw, claimed, store, puts }
})

/** Of so many bytes, each of them this one. */
export const message = (
  size: number,
  id = "m-1",
  options: Message.Options & { readonly fill?: number } = {}
): Message.Stamped => {
  const { fill = 7, ...rest } = options
  const body = new Uint8Array(size).fill(fill)
  return Message.stamp(Effect.runSync(Message.bytes(body, rest)), MessageId.makeUnsafe(id))
}

/** One of the session. */
export const inSession = (size: number, id: string): Message.Stamped =>
  message(size, id, { sessionId: session })

export const large = 5_000

/** What is in the store. */
export const stored = ({ store }: Pick<World, "store">, prefix = "") =>
  Effect.map(store.list({ prefix }), ({ entries }) => entries.map(({ key }) => key))

export const textOf = ({ body }: { readonly body: Uint8Array }): string =>
  new TextDecoder().decode(body)

/** Ids and sizes of what was received. */
export const sizesOf = (messages: ReadonlyArray<ReceivedMessage.PeekedMessage>) =>
  messages.map(({ body, messageId }) => `${messageId} ${body.byteLength}`)

/** Why messages were put aside. */
export const putAside = ({ raw }: Pick<World, "raw">, queue = orders) =>
  Effect.map(raw.peek(QueueAddress.deadLetter(queue), { max: 100 }), (messages) =>
    messages.map(({ deadLetter, messageId }) => `${messageId} ${deadLetter?.reason ?? ""}`)
  )

/** The one session there is. */
export const accept = (
  provider: QueueProvider.Service
): Effect.Effect<QueueSession.QueueSession, QueueError.QueueError, Scope.Scope> =>
  Effect.map(
    provider.acceptSession(ordered, { sessionId: session, wait: Duration.zero }),
    Option.getOrThrow
  )

export const receiptsOf = (messages: ReadonlyArray<{ readonly receipt: Receipt.Receipt }>) =>
  messages.map(({ receipt }) => receipt)

export const reasonOf = <A>(effect: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason._tag)

/** Sends and says how each ended. */
export const endings = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  ...messages: ReadonlyArray<Message.Stamped>
) =>
  Effect.map(provider.send(queue, messages), (outcomes) =>
    outcomes.map((outcome) => (Result.isSuccess(outcome) ? "sent" : outcome.failure.reason._tag))
  )

export const turns = Effect.repeat(Effect.yieldNow, { times: 50 })

export const down = QueueError.make(new QueueError.ConnectionFailed({ detail: "ECONNREFUSED" }))

/** The text of a claim, as anybody could send it. */
export const claimOf = (key: string, body: Uint8Array, length = body.byteLength): string =>
  `QRC1 1 ${length} ${hash("sha256", body)} ${key}`

export const textMessage = (
  text: string,
  id = "m-1",
  sessionId?: SessionId.SessionId
): Message.Stamped =>
  Message.stamp(Effect.runSync(Message.text(text)), MessageId.makeUnsafe(id), sessionId)

/** The store fails as long as the switch is on. */
export const failing =
  (isDown: { now: boolean }, ...methods: ReadonlyArray<"get" | "put" | "delete">) =>
  (store: BlobStore.Service): BlobStore.Service => {
    const guarded = <A>(
      method: (typeof methods)[number],
      call: Effect.Effect<A, QueueError.QueueError>
    ) => Effect.suspend(() => (isDown.now && methods.includes(method) ? Effect.fail(down) : call))
    return {
      ...store,
      get: (key) => guarded("get", store.get(key)),
      put: (key, body, options) => guarded("put", store.put(key, body, options)),
      delete: (key) => guarded("delete", store.delete(key))
    }
  }
