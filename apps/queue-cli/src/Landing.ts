/**
 * Waiting for what was given back to have arrived.
 *
 * @since 0.1.0
 */
import { Capabilities, type QueueAddress, QueueClient } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** How long a poll that nobody waits for any more may still bring something, and looks after that. */
const patience = { poll: "1200 millis", pause: "500 millis", looks: 4 } as const

const landed = Effect.fnUntraced(function* (address: QueueAddress.QueueAddress) {
  const client = yield* QueueClient.QueueClient
  const { deadLetter, peek } = client.capabilities(address.queue)
  const isThere = address._tag === "Queue" || Capabilities.isSupported(deadLetter)
  if (Capabilities.isSupported(peek) || !isThere) return
  yield* Effect.sleep(patience.poll)
  const locked = Effect.map(
    client.depth(address),
    Option.match({ onNone: () => 0, onSome: (depth) => depth.locked })
  )
  // Others may hold some: then every look sees them, and it ends all the same.
  for (let look = 0; look < patience.looks && (yield* locked) > 0; look++) {
    yield* Effect.sleep(patience.pause)
  }
})

/**
 * Runs what receives in order to look, so that it leaves nothing hidden, Ctrl-C included.
 *
 * **Details**
 *
 * Where there is no peek (SQS) the last poll is still under way when messages are given back, and may be
 * handed one of them. Closing at once would cut it short and hide that message until its lock runs out;
 * what it brings while the provider is open is given back too.
 *
 * @category running
 * @since 0.1.0
 */
export const wait = <A, E, R>(
  address: QueueAddress.QueueAddress,
  command: Effect.Effect<A, E, R>
): Effect.Effect<A, E, QueueClient.QueueClient | R> =>
  Effect.ensuring(
    command,
    // Only a kindness: what the call came to is what counts.
    Effect.ignore(landed(address))
  )
