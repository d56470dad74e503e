import {
  Message,
  MessageId,
  QueueName,
  type QueueProvider,
  SessionId,
  type KeyProvider,
  type QueueError
} from "@queue-runtime/core"
import { Effect, Redacted } from "effect"
import { type KeyProviderMemory, NodeCrypto } from "../src/index.ts"
import * as sealer from "../src/internal/sealer.ts"
import * as policies from "../src/internal/policy.ts"

export const queue = QueueName.makeUnsafe("orders")

/** 32 bytes that are the same in every run. */
export const bytesOf = (seed: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, index) => (seed * 31 + index * 7 + 1) % 256)

export const keyOf = (
  id: string,
  options: Partial<KeyProviderMemory.KeyOptions> = {}
): KeyProviderMemory.KeyOptions => ({
  id,
  material: Redacted.make(bytesOf(id.length + (id.codePointAt(0) ?? 0))),
  ...options
})

export const keys = (...ids: ReadonlyArray<string>): KeyProviderMemory.Options => ({
  keys: ids.map((id) => keyOf(id)),
  current: ids.at(-1) ?? ""
})

export const message = (
  text: string,
  options: Message.Options & { readonly id?: string } = {}
): Message.Stamped => {
  const { id = "m-1", ...rest } = options
  const made = Effect.runSync(Message.text(text, rest))
  return Message.stamp(made, MessageId.makeUnsafe(id))
}

export const session = SessionId.makeUnsafe("s-1")

/** Sealing without a queue. */
export const makeTools = (provider: KeyProvider.Service): sealer.Tools => ({
  keys: provider,
  cipher: Effect.runSync(NodeCrypto.make),
  nonces: undefined
})

export const policy = (options: policies.PolicyOptions = {}): policies.Policy =>
  Effect.runSync(policies.make("", options))

/** Seals at a time. */
export const seal = Effect.fnUntraced(function* (
  provider: KeyProvider.Service,
  mode: "encrypt" | "sign",
  of: Message.Stamped,
  at = 0
): Effect.fn.Return<Message.Stamped, QueueError.QueueError> {
  const key = yield* provider.current(queue)
  return yield* sealer.seal(makeTools(provider), mode, key, of, at, Effect.succeed)
})

/** Opens one that was just delivered. */
export const open = <M extends sealer.Taken>(
  tools: sealer.Tools,
  by: policies.Policy,
  of: M
): Effect.Effect<sealer.Opened<M>> => sealer.opener<M>(tools, queue, by, false)(of, Effect.succeed)

/** The queue's side of a message, without a broker. */
export const taken = (of: Message.Stamped, enqueuedAt: sealer.Taken["enqueuedAt"]): sealer.Taken =>
  Object.assign(of, { deliveryCount: 1, enqueuedAt })

export const text = (body: Uint8Array): string => new TextDecoder().decode(body)

export type Service = QueueProvider.Service
