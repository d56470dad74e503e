import {
  Message,
  MessageId,
  Outcome,
  QueueError,
  QueueName,
  type QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionId,
  SessionStore
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Duration, Effect, Option, type Scope } from "effect"
import { SessionLeases } from "../../src/index.ts"

export const queue = QueueName.makeUnsafe("carts")

export const lockDuration = Duration.seconds(40)

/** A broker of its own: what another process would see of one that does not lock idle sessions. */
export const broker: Effect.Effect<QueueProvider.Service, QueueError.QueueError, Scope.Scope> =
  Effect.gen(function* () {
    const client = yield* MemoryClient.make({
      queues: { [queue]: { sessions: true, lockDuration } }
    })
    return yield* Effect.provideService(MemoryProvider.make, MemoryClient.MemoryClient, client)
  })

/** The same without session state, as SQS. */
export const withoutState = (self: QueueProvider.Service): QueueProvider.Service => {
  const unsupported = Effect.fail(
    QueueError.make(
      new QueueError.UnsupportedOperation({ what: "session state", provider: self.name })
    )
  )
  return {
    ...self,
    capabilities: (name) => ({ ...self.capabilities(name), sessionState: "unsupported" }),
    acceptSession: (name, options) =>
      Effect.map(
        self.acceptSession(name, options),
        Option.map((session) => ({ ...session, state: unsupported, setState: () => unsupported }))
      )
  }
}

/** A process: the provider behind leases over this store. */
export const leased = (
  provider: QueueProvider.Service,
  store: SessionStore.Service,
  options: SessionLeases.Options = {}
) => Effect.provideService(SessionLeases.make(provider, options), SessionStore.SessionStore, store)

export const send = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  session: string,
  ids: ReadonlyArray<string>
) {
  const messages = yield* Effect.forEach(ids, (id) =>
    Effect.map(Message.text(id), (made) =>
      Message.stamp(made, MessageId.makeUnsafe(id), SessionId.makeUnsafe(session))
    )
  )
  yield* Outcome.all(yield* provider.send(queue, messages))
})

export const accept = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  session?: string,
  wait: Duration.Input = 0
) {
  const accepted = yield* provider.acceptSession(queue, {
    ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }),
    wait: Duration.fromInputUnsafe(wait)
  })
  return accepted
})

/** One that must be granted. */
export const granted = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  session?: string,
  wait?: Duration.Input
) {
  const accepted = yield* accept(provider, session, wait)
  if (Option.isNone(accepted)) throw new Error(`${session ?? "no session"} was not granted`)
  return accepted.value
})

export const take = (
  session: QueueSession.QueueSession,
  max = 10
): Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError> =>
  session.receive({ max, wait: Duration.zero })
