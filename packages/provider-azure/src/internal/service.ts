import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import {
  Defaults,
  QueueAddress,
  type QueueError,
  type QueueName,
  type QueueProvider,
  type QueueSession,
  type SessionId
} from "@queue-runtime/core"
import type { Service as Client } from "../AzureClient.ts"
import * as AzureConfig from "../AzureConfig.ts"
import { Accepting } from "./accepting.ts"
import { Cache } from "./cache.ts"
import * as capabilities from "./capabilities.ts"
import { Context, type Shared } from "./context.ts"
import * as errors from "./errors.ts"
import { Holds } from "./holds.ts"
import * as peeking from "./peeking.ts"
import { Sender } from "./sender.ts"
import * as sending from "./sending.ts"
import { Session } from "./session.ts"
import * as settling from "./settling.ts"
import { Source } from "./source.ts"
import * as wire from "./wire.ts"

/** The port's methods, and the end of what they hold. */
export interface Made {
  readonly service: QueueProvider.Service
  /** Gives back everything; afterwards every call fails with ConnectionFailed. */
  readonly release: Effect.Effect<void>
}

/** A number for a name, the same in every process: which of the connections serves the queue. */
const numberOf = (name: string): number => {
  let hash = 0
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0
  return hash
}

const needsSession = {
  what: "receiving from an ordered queue without a session",
  remedy: "accept one, or use a session worker"
} as const

const withoutSessions = {
  what: "accepting a session",
  remedy: "set sessions: true in its options if it has them in Azure"
} as const

/** The provider's inside, over a client. */
export const make = (client: Client, shared: Shared): Made => {
  const { config } = client
  const contexts = client.connections.map((connection) => new Context(shared, connection))
  const [firstContext] = contexts
  const holds = new Holds(shared)
  const senders = new Cache<Sender>()
  const acceptors = new Cache<Accepting>()
  const sources = new Cache<Source>()
  const sessions = new Set<Session>()

  const resolve = (name: QueueName.QueueName) => AzureConfig.queue(config, name)
  const capabilitiesOf = (name: QueueName.QueueName) => capabilities.make(resolve(name))
  const contextOf = (name: QueueName.QueueName): Context =>
    contexts[numberOf(name) % contexts.length] ??
    firstContext ??
    new Context(shared, client.connections[0])

  const acceptorOf = (name: QueueName.QueueName): Accepting =>
    acceptors.get(name, () => new Accepting(contextOf(name), name, resolve(name).path))

  const sourceOf = (address: QueueAddress.QueueAddress): Source =>
    sources.get(
      QueueAddress.format(address),
      () => new Source(contextOf(address.queue), address, resolve(address.queue).path)
    )

  /** Refused, unless it is the queue itself that is missing. */
  const refuse = (
    { remedy, what }: { readonly what: string; readonly remedy: string },
    place: errors.Place,
    name: QueueName.QueueName
  ) => Effect.andThen(acceptorOf(name).exists, Effect.fail(errors.unsupported(what, place, remedy)))

  const open = <A>(
    place: errors.Place,
    start: () => Effect.Effect<A, QueueError.QueueError>
  ): Effect.Effect<A, QueueError.QueueError> =>
    Effect.suspend(() =>
      shared.isClosed || client.connections[0].isClosed
        ? Effect.fail(errors.closed(place))
        : start()
    )

  const hold = (
    name: QueueName.QueueName,
    granted: ConstructorParameters<typeof Session>[2]
  ): Session => {
    const session = new Session(contextOf(name), name, granted)
    sessions.add(session)
    return session
  }

  const letGo = (session: Session): Effect.Effect<void> =>
    Effect.andThen(
      session.release,
      Effect.sync(() => sessions.delete(session))
    )

  const handleOf = (session: Session): QueueSession.QueueSession =>
    session.handle((receipts, verdict) =>
      Effect.suspend(() => {
        const lost = session.lockLost("settle")
        return lost === undefined
          ? settling.settle(shared, holds, receipts, verdict, session)
          : Effect.fail(lost)
      })
    )

  const acquire = (
    name: QueueName.QueueName,
    options: QueueProvider.AcceptOptions
  ): Effect.Effect<Option.Option<Session>, QueueError.QueueError> => {
    const acceptor = acceptorOf(name)
    const granted =
      options.sessionId === undefined
        ? acceptor.next(options.wait)
        : Effect.asSome(acceptor.byId(options.sessionId))
    return Effect.map(
      granted,
      Option.map((receiver) => hold(name, receiver))
    )
  }

  const accept = (
    name: QueueName.QueueName,
    options: QueueProvider.AcceptOptions,
    place: errors.Place
  ): Effect.Effect<Option.Option<Session>, QueueError.QueueError, Scope.Scope> =>
    Effect.acquireRelease(
      open(place, () => acquire(name, options)),
      Option.match({ onNone: () => Effect.void, onSome: letGo }),
      { interruptible: true }
    )

  const service: QueueProvider.Service = {
    name: errors.provider,
    stack: [errors.provider],
    capabilities: capabilitiesOf,
    send: (name, messages) => {
      const place = { operation: "send", queue: name }
      return open(place, () => {
        if (messages.length === 0) return Effect.succeed([])
        const now = shared.clock.currentTimeMillisUnsafe()
        const wires = messages.map((one) => wire.toWire(one, now))
        const problem = sending.problemOf(messages, wires, capabilitiesOf(name), place)
        if (problem !== undefined) return Effect.fail(problem)
        const sender = senders.get(name, () => new Sender(contextOf(name), resolve(name)))
        return sender.send(messages, wires, place)
      })
    },
    receive: (address, options) => {
      const place = { operation: "receive", queue: address.queue }
      return open(place, () => {
        const problem = errors.problemOfReceive(options, place)
        if (problem !== undefined) return Effect.fail(problem)
        return address._tag === "Queue" && resolve(address.queue).sessions
          ? refuse(needsSession, place, address.queue)
          : sourceOf(address).receive(options)
      })
    },
    settle: (receipts, verdict) =>
      open({ operation: "settle", ...queueOf(receipts) }, () =>
        settling.settle(shared, holds, receipts, verdict)
      ),
    renewLock: (receipts) =>
      open({ operation: "renewLock", ...queueOf(receipts) }, () =>
        settling.renew(shared, receipts)
      ),
    peek: (address, options) => {
      const place = { operation: "peek", queue: address.queue }
      return open(place, () => {
        const problem = errors.problemOfReceive(options, place)
        return problem === undefined
          ? peeking.peek(
              contextOf(address.queue),
              resolve(address.queue).path,
              address,
              options,
              place
            )
          : Effect.fail(problem)
      })
    },
    acceptSession: (name, options) => {
      const place = placeOf(name, options.sessionId)
      const problem = errors.problemOfReceive({ max: 1, wait: options.wait }, place)
      if (problem !== undefined) return Effect.fail(problem)
      if (!resolve(name).sessions) {
        return open(place, () => refuse(withoutSessions, place, name))
      }
      return Effect.map(accept(name, options, place), Option.map(handleOf))
    }
  }

  const release = Effect.suspend(() => {
    shared.isClosed = true
    for (const acceptor of acceptors.values()) acceptor.release()
    const all = [
      ...sources.values().map((source) => source.release),
      ...[...sessions].map(letGo),
      holds.release
    ]
    return Effect.forEach(all, (one) => one, { concurrency: "unbounded", discard: true }).pipe(
      // What is closed in it has the same limit, and tells the connection when that is over.
      Effect.timeoutOption(Duration.sum(Defaults.serviceBusCloseWait, Defaults.idlePause)),
      Effect.asVoid
    )
  })

  return { service, release }
}

const queueOf = (
  receipts: Parameters<QueueProvider.Service["renewLock"]>[0]
): Pick<errors.Place, "queue"> => {
  const [first] = receipts
  return first === undefined ? {} : { queue: first.address.queue }
}

const placeOf = (queue: QueueName.QueueName, sessionId?: SessionId.SessionId): errors.Place => ({
  operation: "acceptSession",
  queue,
  ...(sessionId === undefined ? {} : { sessionId })
})
