import * as Effect from "effect/Effect"
import { Refused } from "../EmulatorError.ts"
import type * as ServiceBusEmulator from "../ServiceBusEmulator.ts"
import * as address from "./address.ts"
import { makeService } from "./brokerService.ts"
import * as inspecting from "./inspecting.ts"
import type { Queue } from "./queue.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Server } from "./server.ts"
import type { Service } from "./service.ts"
import { resolve } from "./settings.ts"

const keyName = "RootManageSharedAccessKey"
const keyWhenNone = "SAS_KEY_VALUE"

const connectionString = (
  options: ServiceBusEmulator.Options,
  host: string,
  port: number
): string => {
  const [name, key] = Object.entries(options.keys ?? {})[0] ?? [keyName, keyWhenNone]
  const flag = options.tls === undefined ? ";UseDevelopmentEmulator=true" : ""
  return `Endpoint=sb://${host}:${port};SharedAccessKeyName=${name};SharedAccessKey=${key}${flag}`
}

const detachForced = (options: ServiceBusEmulator.DetachOptions | undefined): Refusal =>
  new Refusal(
    options?.condition ?? condition.detachForced,
    options?.description ?? "The link was detached by the emulator."
  )

/** Links of a queue, its dead letters and its `$management`, those that wait for a session included. */
const linksOf = (service: Service, queue: Queue) => {
  const name = queue.settings.name.toLowerCase()
  return [...service.connections]
    .flatMap(({ sessions }) => Array.from(sessions.values()))
    .flatMap(({ links }) => Array.from(links.values()))
    .filter((link) => {
      const named = address.parse(link.address)
      return "entity" in named && named.entity === name && !link.isDetached
    })
}

const dropLinks = (
  service: Service,
  queue: Queue,
  options: ServiceBusEmulator.DetachOptions | undefined
): number => {
  const refusal = detachForced(options)
  const links = linksOf(service, queue)
  for (const link of links) link.detach(refusal)
  return links.length
}

const silence = (service: Service, queue: Queue) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const consumers = [...service.receivers]
        .map(({ consumer }) => consumer)
        .filter(({ sub }) => sub.queue === queue)
      for (const consumer of consumers) {
        consumer.isSilent = true
        queue.wake(consumer)
      }
      return consumers
    }),
    (consumers) =>
      Effect.sync(() => {
        const open = new Set([...service.receivers].map(({ consumer }) => consumer))
        for (const consumer of consumers) {
          if (!open.has(consumer)) continue
          consumer.isSilent = false
          queue.wake(consumer)
        }
      })
  ).pipe(Effect.map((consumers) => consumers.length))

const expireLocks = (service: Service, queue: Queue, messageId: string | undefined): number => {
  const entries = [...service.locks.entries.values()].filter(
    ({ content, session, sub }) =>
      sub.queue === queue &&
      session === undefined &&
      (messageId === undefined || content.messageId === messageId)
  )
  for (const entry of entries) queue.expireLock(entry)
  return entries.length
}

const expireSession = (queue: Queue, sessionId: string): boolean => {
  const hold = queue.sessions.get(sessionId)?.hold
  if (hold !== undefined) queue.expireSession(hold)
  return hold !== undefined
}

/** A running emulator as programs use it. */
export const makeEmulator = (
  options: ServiceBusEmulator.Options,
  service: Service,
  server: Server
): ServiceBusEmulator.Emulator => {
  const host = options.host ?? "127.0.0.1"
  const withQueue = <A>(name: string, f: (queue: Queue) => A): Effect.Effect<A, Refused> =>
    Effect.suspend(() => {
      const queue = service.queues.get(name.toLowerCase())
      if (queue !== undefined) return Effect.sync(() => f(queue))
      return Effect.fail(new Refused({ ...service.notFound(name) }))
    })
  const detachAll = (name: string) => {
    const queue = service.queues.get(name.toLowerCase())
    if (queue !== undefined) dropLinks(service, queue, undefined)
  }
  return {
    host,
    port: server.port,
    connectionString: connectionString(options, host, server.port),
    broker: makeService(service),
    addQueue: (name, queueOptions = {}) =>
      resolve(name, queueOptions, `queues.${name}`).pipe(
        Effect.map((settings) => {
          detachAll(name)
          service.addQueue(settings)
        })
      ),
    removeQueue: (name) =>
      Effect.sync(() => {
        detachAll(name)
        return service.removeQueue(name)
      }),
    inject: (rule) =>
      Effect.acquireRelease(
        Effect.sync(() => service.faults.add(rule)),
        (remove) => Effect.sync(remove)
      ).pipe(Effect.asVoid),
    dropConnections: Effect.sync(() => {
      const { size } = service.connections
      for (const connection of service.connections) connection.destroy()
      return size
    }),
    dropLinks: (name, detach) => withQueue(name, (queue) => dropLinks(service, queue, detach)),
    silence: (name) => Effect.flatten(withQueue(name, (queue) => silence(service, queue))),
    expireLocks: (name, messageId) =>
      withQueue(name, (queue) => expireLocks(service, queue, messageId)),
    expireSession: (name, sessionId) => withQueue(name, (queue) => expireSession(queue, sessionId)),
    stop: server.stop,
    start: server.start,
    restart: (how) =>
      server.stop.pipe(
        Effect.tap(
          Effect.sync(() => {
            if (how?.keepState === false) service.reset()
          })
        ),
        Effect.andThen(server.start)
      ),
    inspect: (name) => withQueue(name, inspecting.queue),
    connections: Effect.sync(() => inspecting.connections(service)),
    calls: Effect.sync(() => Object.fromEntries(service.calls)),
    settlements: Effect.sync(() => service.settlements.items)
  }
}
