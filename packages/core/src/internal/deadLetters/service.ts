import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Check from "../../Check.ts"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import type * as QueueClient from "../../QueueClient.ts"
import type * as QueueName from "../../QueueName.ts"
import * as ndjson from "./ndjson.ts"
import * as reading from "./reading.ts"
import * as replaying from "./replaying.ts"
import * as resending from "./resending.ts"
import * as statistics from "./statistics.ts"

/** The methods over a client. */
export const make = Effect.fnUntraced(function* (
  client: QueueClient.Service,
  options: DeadLetters.Options = {}
) {
  const { heldMax = Defaults.deadLettersHeldMax } = options
  const { heldSizeMax = Defaults.deadLettersHeldSizeMax } = options
  const bounds = {
    heldMax: yield* Check.wholeNumber("heldMax", heldMax),
    heldSizeMax: yield* Check.wholeNumber("heldSizeMax", heldSizeMax)
  }
  const at = (queue: QueueName.QueueName): reading.Place => ({ client, queue, ...bounds })
  const service: DeadLetters.Service = {
    list: (queue, list = {}) => reading.list(at(queue), list),
    page: (queue, page = {}) => reading.page(at(queue), page),
    count: (queue) => reading.count(at(queue)),
    get: (queue, id) =>
      Stream.runHead(reading.list(at(queue), { filter: (letter) => letter.id === id })),
    replay: (queue, selection, replay = {}) => replaying.replay(at(queue), selection, replay),
    purge: (queue, selection, purge = {}) => replaying.purge(at(queue), selection, purge),
    cleanUp: (queue, { retention = Defaults.deadLetterRetention } = {}) =>
      replaying.purge(at(queue), { _tag: "All" }, { olderThan: retention }),
    exportNdjson: (queue, list = {}) =>
      Stream.mapEffect(reading.list(at(queue), list), ndjson.toLine),
    importNdjson: (queue, lines, replay = {}) =>
      Stream.unwrap(
        Effect.gen(function* () {
          // Where a file comes from says nothing of where it goes: the queue that was named.
          const settings = yield* resending.settings({ to: queue, ...replay })
          return replaying.resend(client, yield* ndjson.fromText(lines, bounds), settings)
        })
      ),
    statistics: (queue) => statistics.make(at(queue))
  }
  return service
})
