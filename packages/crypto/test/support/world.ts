import {
  CryptoProvider,
  KeyProvider,
  NonceStore,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage
} from "@queue-runtime/core"
import { type MemoryConfig, MemoryProvider } from "@queue-runtime/provider-memory"
import { Context, Duration, Effect, Layer, Option, type Scope } from "effect"
import { KeyProviderMemory, NodeCrypto, NonceStoreMemory, Sealing } from "../../src/index.ts"
import { keys as keysOf, session, text } from "../support.ts"

export const orders = QueueName.makeUnsafe("orders")
export const ordered = QueueName.makeUnsafe("ordered")
export const address = QueueAddress.queue(orders)
export const dead = QueueAddress.deadLetter(orders)
export const all = { max: 10, wait: Duration.zero }

export interface Options extends Sealing.Options {
  readonly queue?: MemoryConfig.Options["queues"][string]
  readonly memory?: Partial<MemoryConfig.Options>
  readonly keys?: KeyProviderMemory.Options
  /** Whether there is a store of nonces. Default: false. */
  readonly hasNonces?: boolean
  /** What stands between sealing and the broker. */
  readonly between?: (provider: QueueProvider.Service) => QueueProvider.Service
}

export interface World {
  /** As the broker has it. */
  readonly raw: QueueProvider.Service
  readonly sealed: QueueProvider.Service
  readonly keys: KeyProviderMemory.Service
}

/** A broker, and sealing around it. */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<World, QueueError.QueueError, Scope.Scope> {
  const {
    between = (provider) => provider,
    hasNonces,
    keys: given,
    memory,
    queue,
    ...sealing
  } = options
  const built = yield* Effect.orDie(
    Layer.build(
      MemoryProvider.layer({
        // A copy of a message under its old id is what some tests are about.
        queues: {
          orders: { deduplicationWindow: 0, ...queue },
          ordered: { sessions: true, deduplicationWindow: 0, ...queue }
        },
        ...memory
      })
    )
  )
  const raw = Context.get(built, QueueProvider.QueueProvider)
  const keys = yield* KeyProviderMemory.make(given ?? keysOf("k1"))
  const making = Sealing.make(between(raw), sealing).pipe(
    Effect.provideService(KeyProvider.KeyProvider, keys),
    Effect.provideServiceEffect(CryptoProvider.CryptoProvider, NodeCrypto.make)
  )
  const sealed =
    hasNonces === true
      ? yield* Effect.provideServiceEffect(making, NonceStore.NonceStore, NonceStoreMemory.make())
      : yield* making
  return { raw, sealed, keys }
})

export const textsOf = (messages: ReadonlyArray<ReceivedMessage.PeekedMessage>) =>
  messages.map(({ body }) => text(body))

/** Reason and description of what was put aside. */
export const putAside = ({ raw }: Pick<World, "raw">, queue = orders) =>
  Effect.map(raw.peek(QueueAddress.deadLetter(queue), { max: 1_000 }), (messages) =>
    messages.map(({ deadLetter }) => deadLetter?.reason ?? "")
  )

/** The one session there is. */
export const accept = (
  provider: QueueProvider.Service
): Effect.Effect<QueueSession.QueueSession, QueueError.QueueError, Scope.Scope> =>
  Effect.map(
    provider.acceptSession(ordered, { sessionId: session, wait: Duration.zero }),
    Option.getOrThrow
  )

/** Sealing with a key provider of one's own, and the broker below it. */
export const makeWith = Effect.fnUntraced(function* (
  keys: KeyProvider.Service
): Effect.fn.Return<
  QueueProvider.Service & Pick<World, "raw">,
  QueueError.QueueError,
  Scope.Scope
> {
  const { raw } = yield* make()
  const sealed = yield* Sealing.make(raw).pipe(
    Effect.provideService(KeyProvider.KeyProvider, keys),
    Effect.provideServiceEffect(CryptoProvider.CryptoProvider, NodeCrypto.make)
  )
  return { ...sealed, raw }
})
