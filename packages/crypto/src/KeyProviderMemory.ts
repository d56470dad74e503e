/**
 * Keys that the application hands in, and may change while it runs.
 *
 * **Gotchas**
 *
 * The keys are copied, and the copies are overwritten with zeros when the scope ends. What the runtime
 * copied meanwhile, and the array that was handed in, are out of reach.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { KeyProvider, QueueError, QueueName } from "@queue-runtime/core"
import * as failures from "./internal/failures.ts"
import { isKeyId, keyIdRule } from "./internal/keyId.ts"

/**
 * A key as it is handed in.
 *
 * @category options
 * @since 0.1.0
 */
export interface KeyOptions {
  /** 1 to 64 bytes of UTF-8, unique. */
  readonly id: string
  /** 32 bytes. */
  readonly material: Redacted.Redacted<Uint8Array>
  readonly createdAt?: DateTime.Utc
  /** Seals nothing from then on, and still opens. */
  readonly notAfter?: DateTime.Utc
}

/**
 * The keys of one queue that has its own.
 *
 * @category options
 * @since 0.1.0
 */
export interface QueueKeys {
  /** The id of the key that seals. */
  readonly current: string
  /** The ids that open. Default: all. */
  readonly ids?: ReadonlyArray<string>
}

/**
 * The keys, and which of them seals.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends QueueKeys {
  readonly keys: ReadonlyArray<KeyOptions>
  /** Queues with keys of their own, by name. */
  readonly queues?: Readonly<Record<string, QueueKeys>>
}

/**
 * A key provider whose keys can be changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service extends KeyProvider.Service {
  /**
   * Other keys in place of the ones there are; those that left are overwritten at once. Rotation: the
   * old keys and a new one, which is the current one; calls under way go on.
   *
   * **Errors** ConfigurationInvalid, and then nothing changes
   */
  readonly replace: (options: Options) => Effect.Effect<void, QueueError.QueueError>
}

const invalid = (key: string, problem: string) =>
  Effect.fail(QueueError.configurationInvalid(key, problem))

const checked = Effect.fnUntraced(function* ({ keys, queues = {}, ...rest }: Options) {
  const ids = new Set<string>()
  for (const [index, { id, material }] of keys.entries()) {
    if (!isKeyId(id)) return yield* invalid(`keys.${index}.id`, keyIdRule)
    if (ids.has(id)) return yield* invalid(`keys.${index}.id`, `"${id}" stands there twice`)
    const bytes = Redacted.value(material)
    if (bytes.byteLength !== 32 || bytes.every((byte) => byte === 0)) {
      return yield* invalid(`keys.${index}.material`, "must have 32 bytes that are not all zero")
    }
    ids.add(id)
  }
  const stranger = Object.keys(queues).find((name) => !QueueName.is(name))
  if (stranger !== undefined) {
    return yield* invalid(`queues.${stranger}`, "must be the name of a queue")
  }
  const sets: ReadonlyArray<readonly [string, QueueKeys]> = [
    ["", rest],
    ...Object.entries(queues).map(([name, set]) => [`queues.${name}.`, set] as const)
  ]
  for (const [path, { current, ids: own = [...ids] }] of sets) {
    const unknown = own.find((id) => !ids.has(id))
    if (unknown !== undefined) return yield* invalid(`${path}ids`, `no key "${unknown}" is given`)
    if (!own.includes(current))
      return yield* invalid(`${path}current`, `no key "${current}" is given`)
  }
})

interface Keys {
  readonly byId: ReadonlyMap<string, KeyProvider.Key>
  readonly common: QueueKeys
  readonly queues: ReadonlyMap<string, QueueKeys>
}

type Material = KeyProvider.Key["material"]

const isSame = (a: Material, b: Material): boolean =>
  Buffer.compare(Redacted.value(a), Redacted.value(b)) === 0

/** Our own copy; that of before where it is the same key, since a call may be using it. */
const loaded = ({ keys, queues, ...common }: Options, before: Keys["byId"]): Keys => {
  const byId = keys.map(({ material, ...key }) => {
    const known = before.get(key.id)?.material
    const own =
      known !== undefined && isSame(known, material)
        ? known
        : Redacted.make(Uint8Array.from(Redacted.value(material)), { label: "key" })
    return [key.id, { ...key, material: own }] as const
  })
  return { byId: new Map(byId), common, queues: new Map(Object.entries(queues ?? {})) }
}

const wipe = (keys: Keys["byId"], kept: Keys["byId"]): void => {
  for (const [id, { material }] of keys) {
    if (kept.get(id)?.material !== material) Redacted.value(material).fill(0)
  }
}

const noKeys: Keys["byId"] = new Map()

/**
 * A key provider of these keys, until the scope ends.
 *
 * **Errors** ConfigurationInvalid, naming the key: an id or a length out of its range, an id twice, a
 * current key that is not there
 *
 * **Example** (A rotation)
 *
 * ```ts
 * import { QueueName } from "@queue-runtime/core"
 * import { KeyProviderMemory } from "@queue-runtime/crypto"
 * import { Effect, Redacted } from "effect"
 *
 * const key = (id: string) => ({ id, material: Redacted.make(crypto.getRandomValues(new Uint8Array(32))) })
 * const [may, june] = [key("may"), key("june")]
 * const program = Effect.gen(function* () {
 *   const keys = yield* KeyProviderMemory.make({ keys: [may], current: "may" })
 *   yield* keys.replace({ keys: [may, june], current: "june" })
 *   const queue = yield* QueueName.make("orders")
 *   return [(yield* keys.current(queue)).id, yield* keys.ids(queue)]
 * })
 * Effect.runSync(Effect.scoped(program)) // => ["june", ["may", "june"]]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Service, QueueError.QueueError, Scope.Scope> {
  yield* checked(options)
  let keys = loaded(options, noKeys)
  const become = (next: Keys): void => {
    const before = keys
    keys = next
    wipe(before.byId, next.byId)
  }
  // There is always one, until the scope ends.
  yield* Effect.addFinalizer(() => Effect.sync(() => become({ ...keys, byId: noKeys })))

  const setOf = (queue: QueueName.QueueName): QueueKeys => keys.queues.get(queue) ?? keys.common
  const opens = (queue: QueueName.QueueName, id: string): boolean =>
    setOf(queue).ids?.includes(id) !== false

  return {
    wrappedSizeMax: 0,
    current: (queue) =>
      Effect.suspend(() => {
        const key = keys.byId.get(setOf(queue).current)
        return key === undefined ? Effect.fail(failures.closed()) : Effect.succeed(key)
      }),
    byId: (queue, { id }) =>
      Effect.suspend(() => {
        if (keys.byId === noKeys) return Effect.fail(failures.closed())
        return Effect.succeed(
          opens(queue, id) ? Option.fromUndefinedOr(keys.byId.get(id)) : Option.none()
        )
      }),
    ids: (queue) => Effect.sync(() => [...keys.byId.keys()].filter((id) => opens(queue, id))),
    replace: (next) => Effect.map(checked(next), () => become(loaded(next, keys.byId)))
  }
})

/**
 * The keys as a layer.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<KeyProvider.KeyProvider, QueueError.QueueError> =>
  Layer.effect(KeyProvider.KeyProvider, make(options))
