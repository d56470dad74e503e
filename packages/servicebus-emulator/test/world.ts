import { ServiceBusClient, type ServiceBusClientOptions } from "@azure/service-bus"
import * as Effect from "effect/Effect"
import { ServiceBusEmulator } from "../src/index.ts"

/** What the SDK's errors say: a code of their own, or of the socket. */
const codeOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return String(error)
  if ("code" in error && typeof error.code === "string") return error.code
  return error instanceof Error ? error.message : "none"
}

/** Runs a call of the SDK; what it rejects with is a defect. */
export const call = <A>(run: () => Promise<A>): Effect.Effect<A> => Effect.promise(run)

/** The code that a call of the SDK is rejected with. */
export const codeFrom = <A>(run: () => Promise<A>): Effect.Effect<string> =>
  Effect.tryPromise({ try: run, catch: codeOf }).pipe(
    Effect.flip,
    Effect.catch(() => Effect.die(new Error("the call did not fail")))
  )

/** A client that gives up at once, closed with the scope. */
export const connect = (connectionString: string, options: ServiceBusClientOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new ServiceBusClient(connectionString, {
          retryOptions: { maxRetries: 0, timeoutInMs: 5000 },
          ...options
        })
    ),
    (client) => Effect.promise(() => client.close())
  )

/** An emulator and a client of it. */
export const world = Effect.fnUntraced(function* (options: ServiceBusEmulator.Options = {}) {
  const emulator = yield* ServiceBusEmulator.make(options)
  const client = yield* connect(emulator.connectionString)
  return { emulator, client }
})

/** Waits until something is so, looking again every few milliseconds. */
export const until = <E, R>(isSo: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  isSo.pipe(
    Effect.tap((so) =>
      so ? Effect.void : Effect.promise(() => new Promise((r) => setTimeout(r, 5)))
    ),
    Effect.repeat({ until: (so) => so }),
    Effect.asVoid
  )

/** How many links of a kind an address has; one counts until both ends have detached. */
export const linkCount = (
  emulator: ServiceBusEmulator.Emulator,
  address: string,
  role: "sender" | "receiver"
): Effect.Effect<number> =>
  Effect.map(
    emulator.connections,
    (connections) =>
      connections
        .flatMap(({ links }) => links)
        .filter((link) => link.address === address && link.role === role).length
  )
