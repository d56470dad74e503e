/**
 * Sessions that are their holder's across processes and between their messages, with fencing tokens, and
 * session state where the broker has none: a lease in a store that all processes share, around any
 * provider.
 *
 * **Details**
 *
 * | call | what it does |
 * |---|---|
 * | accept | takes the broker's session, then its lease; one that is held elsewhere goes back in order: by its id it is `SessionLocked`, of any the wait goes on |
 * | renew | renews the lease, and the broker's lock when the lease would outlive it |
 * | receive, settle | as the broker does it, while the lease is held; then `SessionLockLost` |
 * | state | the broker's where it has one, else the store's, written under the lease's token |
 * | release | gives up the lease, then the broker's session |
 *
 * A lease that runs out, or that another was granted, ends the session: `lost` says so, its messages go
 * back to the broker, and their receipts settle nothing any more.
 *
 * **Gotchas**
 *
 * A process that stands still can be late with anything: only what checks the fencing token is safe from
 * it. {@link fencingToken} is that of a delivery.
 *
 * It stands directly around the provider, below retry: a store that fails transiently is asked again.
 *
 * **Source** SPEC R4.3, R4.4; ADR 0018; `docs/session-store.md`
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  Capabilities,
  Check,
  Configuration,
  Defaults,
  MessageId,
  QueueError,
  type QueueName,
  QueueProvider,
  type QueueSession,
  type ReceivedMessage,
  SessionStore
} from "@queue-runtime/core"
import { accept, type Accepting } from "./internal/accepting.ts"
import { Aside } from "./internal/aside.ts"
import { Deliveries } from "./internal/deliveries.ts"
import { type Granted, HeldLease } from "./internal/heldLease.ts"
import { keyOf } from "./internal/keyOf.ts"
import * as leaseMetrics from "./internal/leaseMetrics.ts"
import * as settings from "./internal/settings.ts"

/**
 * How long a lease lasts, and whose it is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long a lease outlives the last renewal: after that a killed process's sessions are free. A session
   * worker renews it at half of it. At least 1 second. Default: 30 seconds.
   */
  readonly lease?: Duration.Input
  /** What people see in the store. Default: a random id. */
  readonly holder?: string
}

/**
 * The methods of the leases of one provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  /**
   * The fencing number of the lease that a message was handed out under: higher than that of every holder
   * of its session before. A store that refuses a smaller one than it has seen refuses a late holder.
   *
   * **Errors** SessionLockLost when the session is lost, or its message settled · UnsupportedOperation for
   * a message without a session
   */
  readonly fencingToken: (
    message: Pick<ReceivedMessage.ReceivedMessage, "receipt" | "sessionId">
  ) => Effect.Effect<number, QueueError.QueueError>
}

/**
 * The tag of the leases.
 *
 * @category services
 * @since 0.1.0
 */
export class SessionLeases extends Context.Service<SessionLeases, Service>()(
  "@queue-runtime/session-store/SessionLeases"
) {}

/**
 * {@link Service.fencingToken} of the leases there are: for handlers.
 *
 * **Example** (A write that a late holder cannot overwrite)
 *
 * ```ts
 * import { MessageHandler } from "@queue-runtime/core"
 * import { SessionLeases } from "@queue-runtime/session-store"
 * import { Effect } from "effect"
 *
 * declare const database: {
 *   readonly run: (sql: string, values: ReadonlyArray<unknown>) => Effect.Effect<void>
 * }
 *
 * const handler: MessageHandler.MessageHandler<never, SessionLeases.SessionLeases> = (message) =>
 *   Effect.gen(function* () {
 *     const token = yield* SessionLeases.fencingToken(message)
 *     yield* database.run("UPDATE carts SET body = ?, fence = ? WHERE id = ? AND fence <= ?", [
 *       message.body,
 *       token,
 *       message.sessionId,
 *       token
 *     ])
 *   }).pipe(Effect.orDie)
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const fencingToken = (
  message: Pick<ReceivedMessage.ReceivedMessage, "receipt" | "sessionId">
): Effect.Effect<number, QueueError.QueueError, SessionLeases> =>
  SessionLeases.use((leases) => leases.fencingToken(message))

/** It is asked for at every call, and mostly is the same object. */
const makeDeclared = (lease: Duration.Duration) => {
  const known = new WeakMap<Capabilities.Capabilities, Capabilities.Capabilities>()
  return (below: Capabilities.Capabilities): Capabilities.Capabilities => {
    if (!Capabilities.isSupported(below.sessions)) return below
    const found = known.get(below)
    if (found !== undefined) return found
    const made = {
      ...below,
      lockDuration: Duration.min(below.lockDuration, lease),
      locksIdleSession: true,
      sessionState: below.sessionState === "unsupported" ? "emulated" : below.sessionState
    } as const
    known.set(below, made)
    return made
  }
}

/** A session with its lease as the port has it. */
const leased = (
  held: HeldLease,
  store: SessionStore.Service,
  deliveries: Deliveries,
  hasOwnState: boolean
): QueueSession.QueueSession => {
  const { session } = held
  const { queue, sessionId } = session
  const keeps = hasOwnState ? "broker" : "store"
  return {
    queue,
    sessionId,
    lockedUntil: held.lockedUntil,
    receive: (options) =>
      Effect.map(held.waiting("receive", session.receive(options)), (messages) => {
        deliveries.add(
          held,
          messages.map(({ receipt }) => receipt)
        )
        return messages
      }),
    settle: (receipts, verdict) =>
      Effect.map(held.guarded("settle", session.settle(receipts, verdict)), (outcomes) => {
        deliveries.settled(held, receipts, outcomes)
        return outcomes
      }),
    lost: held.lost,
    renewLock: Effect.suspend(() => held.renewed),
    state: Effect.suspend(() =>
      held.guarded("state", hasOwnState ? session.state : store.readState(held.lease), keeps)
    ),
    setState: (state) =>
      Effect.suspend(() =>
        held.guarded(
          "setState",
          hasOwnState ? session.setState(state) : store.writeState(held.lease, state),
          keeps
        )
      )
  }
}

/**
 * Leases around a provider: the provider, and who tells the tokens.
 *
 * **Errors** ValidationFailed for an option
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  self: QueueProvider.Service,
  options: Options = {}
): Effect.fn.Return<
  { readonly provider: QueueProvider.Service; readonly leases: Service },
  QueueError.QueueError,
  SessionStore.SessionStore | Scope.Scope
> {
  const store = yield* SessionStore.SessionStore
  const scope = yield* Effect.scope
  const duration = yield* Check.duration(
    "lease",
    options.lease ?? Defaults.sessionLeaseDuration,
    Duration.seconds(1)
  )
  const holder = options.holder ?? (yield* MessageId.generate)
  const declared = makeDeclared(duration)
  const deliveries = new Deliveries()
  const aside = new Aside(scope)
  const metricsOf = leaseMetrics.make(self.name, store)
  const accepting: Omit<Accepting, "metrics" | "restore"> = {
    self,
    duration,
    holder,
    scope,
    aside,
    provider: self.name
  }

  const open = new Set<HeldLease>()
  // A connection that closes gives its sessions up, whoever still has them.
  yield* Effect.addFinalizer(() =>
    Effect.forEach(open, ({ end }) => end, { concurrency: "unbounded", discard: true })
  )

  const hold = Effect.fnUntraced(function* (granted: Granted) {
    const { queue } = granted.session
    aside.forget(keyOf(granted.lease))
    const metrics = metricsOf(queue)
    const held = new HeldLease({ ...accepting, metrics }, granted)
    yield* held.begin
    open.add(held)
    deliveries.open(held)
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        open.delete(held)
        deliveries.remove(held)
        return held.end
      })
    )
    yield* Effect.forkScoped(held.watch)
    const hasOwnState = Capabilities.isSupported(self.capabilities(queue).sessionState)
    return leased(held, metrics.store, deliveries, hasOwnState)
  })

  const acceptSession: QueueProvider.Service["acceptSession"] = (queue, asked) =>
    Capabilities.isSupported(self.capabilities(queue).sessions)
      ? Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            accept({ ...accepting, metrics: metricsOf(queue), restore }, queue, asked),
            Option.match({
              onNone: () => Effect.succeedNone,
              onSome: (granted) => Effect.asSome(hold(granted))
            })
          )
        )
      : self.acceptSession(queue, asked)

  const leases: Service = {
    fencingToken: ({ receipt, sessionId }) =>
      Effect.suspend(() => {
        const { queue } = receipt.address
        const place = { provider: self.name, operation: "fencingToken", queue }
        if (sessionId === undefined) {
          const what = "a fencing token of a message without a session"
          const reason = new QueueError.UnsupportedOperation({ what, provider: self.name })
          return Effect.fail(QueueError.make(reason, place))
        }
        const held = deliveries.find(receipt)
        return held === undefined
          ? Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId }), place))
          : Effect.as(held.check("fencingToken"), held.token)
      })
  }

  return {
    provider: {
      name: self.name,
      stack: ["session-leases", ...self.stack],
      capabilities: (queue: QueueName.QueueName) => declared(self.capabilities(queue)),
      send: self.send,
      receive: self.receive,
      settle: self.settle,
      renewLock: self.renewLock,
      peek: self.peek,
      ...QueueProvider.mapDepth(self, (call) => call),
      acceptSession
    },
    leases
  }
})

/**
 * Leases as a layer around the provider below it.
 *
 * **Errors** as {@link make}
 *
 * **Example** (State on a broker that has it, through the store on one that has not)
 *
 * ```ts
 * import { Message, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { SessionLeases, SessionStoreMemory } from "@queue-runtime/session-store"
 * import { Effect, Layer, Option } from "effect"
 *
 * const live = QueueClient.layer().pipe(
 *   Layer.provideMerge(SessionLeases.layer({ lease: "20 seconds" })),
 *   Layer.provide([
 *     MemoryProvider.layer({ queues: { carts: { sessions: true } } }),
 *     SessionStoreMemory.layer()
 *   ])
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const queue = yield* QueueName.make("carts")
 *   const sessionId = yield* SessionId.make("cart-7")
 *   yield* client.send(queue, yield* Message.text("2 apples", { sessionId }))
 *   const accepted = yield* client.acceptSession(queue, { wait: 0 })
 *   if (Option.isNone(accepted)) return 0
 *   const [message] = yield* accepted.value.receive({ wait: 0 })
 *   return message === undefined ? 0 : yield* SessionLeases.fencingToken(message)
 * })
 * await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(live))) // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  QueueProvider.QueueProvider | SessionLeases,
  QueueError.QueueError,
  QueueProvider.QueueProvider | SessionStore.SessionStore
> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { leases, provider } = yield* make(yield* QueueProvider.QueueProvider, options)
      return Context.make(QueueProvider.QueueProvider, provider).pipe(
        Context.add(SessionLeases, leases)
      )
    })
  )

const schema = Schema.Struct(settings.leases)

/**
 * The settings as a section of a file: `sessionLeases` stands at its top.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<typeof schema.Type> = { root: settings.root, schema }

/**
 * {@link layer} with its settings from the environment (Effect's `ConfigProvider`); what code says wins.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_SESSION_LEASE_SECONDS` | `lease` | 30 |
 * | `QUEUE_SESSION_HOLDER` | `holder` | a random id |
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  overrides: Options = {}
): Layer.Layer<
  QueueProvider.QueueProvider | SessionLeases,
  QueueError.QueueError,
  QueueProvider.QueueProvider | SessionStore.SessionStore
> => Layer.unwrap(Effect.map(Configuration.read(section, overrides), layer))
