/** Keys of a service, asked for seldom: each is held for a while, and wiped when it is dropped. */
import * as Cache from "effect/Cache"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Check, Defaults, type KeyProvider, QueueError } from "@queue-runtime/core"
import * as failures from "./failures.ts"

type Key = KeyProvider.Key

/** The service: every call of it costs a round trip. The keys it answers are its caller's own. */
export interface Source {
  readonly current: Effect.Effect<Key, QueueError.QueueError>
  readonly byId: (
    reference: KeyProvider.KeyReference
  ) => Effect.Effect<Option.Option<Key>, QueueError.QueueError>
  readonly ids: (
    held: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<string>, QueueError.QueueError>
  readonly wrappedSizeMax: number
  /** How long the current key is used before it is asked for again. */
  readonly currentFor: Duration.Duration
}

/** How long and how many. */
export interface Options {
  /** How long a key is used before it is asked for again. Default: 5 minutes. */
  readonly refresh?: Duration.Input
  /** Keys held at once. Default: 1,000. */
  readonly keysMax?: number
}

const bytesOf = ({ material }: Key): Uint8Array => Redacted.value(material)

/** The keys that are held, the one that came longest ago first. */
class Held {
  readonly #keys = new Map<string, Key>()
  readonly #max: number
  isClosed = false

  constructor(max: number) {
    this.#max = max
  }

  /** The key as it is held: the bytes of before where they are the same, since a call may use them. */
  hold(key: Key): Key {
    const before = this.#keys.get(key.id)
    const isSame = before !== undefined && Buffer.compare(bytesOf(before), bytesOf(key)) === 0
    if (before !== undefined) bytesOf(isSame ? key : before).fill(0)
    const own = isSame ? { ...key, material: before.material } : key
    this.#keys.delete(key.id)
    this.#keys.set(key.id, own)
    for (const oldest of this.#keys.values()) {
      if (this.#keys.size <= this.#max && !this.isClosed) break
      this.#drop(oldest)
    }
    return own
  }

  isHeld({ id, material }: Key): boolean {
    return this.#keys.get(id)?.material === material
  }

  get ids(): ReadonlyArray<string> {
    return [...this.#keys.keys()]
  }

  #drop(key: Key): void {
    bytesOf(key).fill(0)
    this.#keys.delete(key.id)
  }

  /** What a call under way still brings is dropped too. */
  close(): void {
    this.isClosed = true
    for (const key of this.#keys.values()) this.#drop(key)
  }
}

/** A body is anybody's: a reference as text, which no other reference has. */
const textOf = ({ id, wrapped }: KeyProvider.KeyReference): string =>
  `${wrapped === undefined ? "" : Base64.encode(wrapped)} ${id}`

const referenceOf = (text: string): KeyProvider.KeyReference => {
  const space = text.indexOf(" ")
  const id = text.slice(space + 1)
  return space === 0
    ? { id }
    : { id, wrapped: Result.getOrThrow(Base64.decode(text.slice(0, space))) }
}

interface Current {
  readonly key: Key
  readonly isStale: boolean
}

const second = Duration.seconds(1)

/** A time that a key is used for. */
export const duration = (field: string, input: Duration.Input) =>
  Effect.mapError(Check.duration(field, input, second), () =>
    QueueError.configurationInvalid(field, "must be a finite duration of 1 second or more")
  )

/** How long keys are used, and how many are held. */
export const read = Effect.fnUntraced(function* (options: Options) {
  const refresh = yield* duration("refresh", options.refresh ?? Defaults.cryptoKeyRefresh)
  const given = options.keysMax ?? Defaults.cryptoKeysMax
  const keysMax = yield* Effect.mapError(Check.wholeNumber("keysMax", given), () =>
    QueueError.configurationInvalid("keysMax", "must be a whole number of at least 1")
  )
  return { refresh, keysMax }
})

/** The provider of a service's keys, until the scope ends. */
export const make = Effect.fnUntraced(function* (
  source: Source,
  { keysMax, refresh }: { readonly refresh: Duration.Duration; readonly keysMax: number }
): Effect.fn.Return<KeyProvider.Service, never, Scope.Scope> {
  const held = yield* Effect.acquireRelease(
    Effect.sync(() => new Held(keysMax)),
    (self) => Effect.sync(() => self.close())
  )
  let last: Key | undefined

  const byId = yield* Cache.makeWith(
    (text: string) =>
      Effect.map(
        source.byId(referenceOf(text)),
        Option.map((key) => held.hold(key))
      ),
    {
      capacity: keysMax,
      timeToLive: (exit) => {
        if (Exit.isFailure(exit)) return Duration.zero
        return Option.isSome(exit.value) ? refresh : Defaults.cryptoKeyPause
      }
    }
  )

  const asked = Effect.flatMap(source.current, (key) => {
    const own = held.hold(key)
    last = own
    // What it seals can be opened without asking.
    return Effect.as(Cache.set(byId, textOf(own), Option.some(own)), { key: own, isStale: false })
  })
  /** A service that is down stops nobody who has a key. */
  const lookUp: Effect.Effect<Current, QueueError.QueueError> = asked.pipe(
    Effect.catch((error) =>
      last === undefined || !held.isHeld(last)
        ? Effect.fail(error)
        : Effect.as(
            Effect.logWarning(`the current key is used on: asking for it failed: ${error.message}`),
            { key: last, isStale: true }
          )
    )
  )
  const current = yield* Cache.makeWith(() => lookUp, {
    capacity: 1,
    timeToLive: (exit) => {
      if (Exit.isFailure(exit)) return Duration.zero
      return exit.value.isStale ? Defaults.cryptoKeyPause : source.currentFor
    }
  })

  const ifOpen = <A>(call: Effect.Effect<A, QueueError.QueueError>) =>
    Effect.suspend(() => (held.isClosed ? Effect.fail(failures.closed()) : call))

  const currentHeld = Effect.flatMap(Cache.get(current, "current"), ({ key }) =>
    held.isHeld(key)
      ? Effect.succeed(key)
      : Effect.andThen(
          Cache.invalidate(current, "current"),
          Effect.map(Cache.get(current, "current"), (again) => again.key)
        )
  )

  const byIdHeld = (text: string) =>
    Effect.flatMap(Cache.get(byId, text), (found) =>
      Option.isNone(found) || held.isHeld(found.value)
        ? Effect.succeed(found)
        : Effect.andThen(Cache.invalidate(byId, text), Cache.get(byId, text))
    )

  return {
    wrappedSizeMax: source.wrappedSizeMax,
    current: () => ifOpen(currentHeld),
    byId: (_, reference) => ifOpen(byIdHeld(textOf(reference))),
    ids: () => ifOpen(Effect.suspend(() => source.ids(held.ids)))
  }
})
