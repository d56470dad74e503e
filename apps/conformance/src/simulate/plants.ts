/**
 * Bugs that the simulation must find: each an error that somebody would make, as a change of one place of
 * a source file.
 */
import { fileURLToPath } from "node:url"

/** One of them. */
export interface Plant {
  /** Stable: `worker-settles-before-handling`. */
  readonly id: string
  readonly area:
    | "worker"
    | "session worker"
    | "batching"
    | "retry"
    | "sealing"
    | "dead letters"
    | "sqs router"
    | "service bus links"
  /** What the broken code does. */
  readonly title: string
  /** The world it is looked for in. */
  readonly world: string
  /** Below `packages`. */
  readonly file: string
  /** What stands there, once. */
  readonly find: string
  readonly replace: string
}

/** Where a plant's file is. */
export const rootOf = ({ file }: Plant): string =>
  fileURLToPath(new URL(`../../../../packages/${file}`, import.meta.url))

/** The source with the bug; throws when what it replaces is not there, or is there twice. */
export const sourceOf = ({ find, id, replace }: Plant, source: string): string => {
  const [before, after, ...more] = source.split(find)
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${id}: what it replaces stands there ${source.split(find).length - 1} times`)
  }
  return `${before}${replace}${after}`
}

/** All of them. */
export const plants: ReadonlyArray<Plant> = [
  {
    id: "worker-keeps-what-it-cannot-finish",
    area: "worker",
    title: "when the grace period is over nobody is told, and what is at work stays locked",
    world: "memory",
    file: "core/src/QueueWorker.ts",
    find: "      yield* Deferred.succeed(graceOver, undefined)\n",
    replace: ""
  },
  {
    id: "worker-asks-for-too-much",
    area: "worker",
    title: "each receive asks for as many as the worker has places, whoever sits in them",
    world: "memory",
    file: "core/src/QueueWorker.ts",
    find: "const max = Math.min(yield* restore(ready), room.left)",
    replace: "const max = Math.min(yield* restore(ready), concurrency)"
  },
  {
    id: "worker-gives-up-on-errors",
    area: "worker",
    title: "a connection that fails ends the worker",
    world: "memory",
    file: "core/src/QueueWorker.ts",
    find: "if (!QueueError.isTransient(error) && !isRefused) return yield* Effect.fail(error)",
    replace: 'if (error.reason._tag !== "Throttled" && !isRefused) return yield* Effect.fail(error)'
  },
  {
    id: "worker-does-not-watch-locks",
    area: "worker",
    title: "no alarm is set for the locks of what was received",
    world: "memory",
    file: "core/src/QueueWorker.ts",
    find: "        yield* locks.watch\n",
    replace: ""
  },
  {
    id: "locks-forget-the-later-ones",
    area: "worker",
    title: "an alarm that rang is not set again for locks that are due later",
    world: "memory",
    file: "core/src/internal/keptLocks.ts",
    find: "        else this.#dueAt = Math.min(this.#dueAt, lock.dueAt)\n",
    replace: ""
  },
  {
    id: "locks-are-renewed-too-late",
    area: "worker",
    title: "a lock is renewed when it is over",
    world: "memory",
    file: "core/src/LockKeeper.ts",
    find: "const pause = Math.max(pauseMin, (until - from) * Defaults.lockRenewalPart)",
    replace: "const pause = Math.max(pauseMin, (until - from) * 1.2)"
  },
  {
    id: "time-out-completes",
    area: "worker",
    title: "a handler that was stopped counts as done",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "    const delay = yield* backoff(counted)\n    const error = timedOut(timeout)\n",
    replace:
      "    if (isTimeUp) return completed\n    const delay = yield* backoff(counted)\n    const error = timedOut(timeout)\n"
  },
  {
    id: "defect-completes",
    area: "worker",
    title: "a handler that throws counts as done",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "  if (Exit.isSuccess(exit)) return completed\n",
    replace: "  if (Exit.isSuccess(exit) || Cause.hasDies(exit.cause)) return completed\n"
  },
  {
    id: "lock-lost-is-settled",
    area: "worker",
    title: "whose lock was lost is abandoned, by a receipt that may be dead",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: '    case "Released":\n      return Verdict.abandon()\n',
    replace: '    case "Released":\n      return Verdict.complete\n'
  },
  {
    id: "worker-settles-twice",
    area: "worker",
    title: "a settlement is made once more when it has gone well",
    world: "memory",
    file: "core/src/QueueWorker.ts",
    find: "return Effect.andThen(locks.stop(lock), settleOne(message, possible))",
    replace:
      "return Effect.andThen(locks.stop(lock), Effect.andThen(settleOne(message, possible), settleOne(message, possible)))"
  },
  {
    id: "buried-one-too-early",
    area: "dead letters",
    title: "a message is put aside one failure before its maximum",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "if (!isOver(message, counted, deliveriesMax)) return disposition",
    replace: "if (!isOver(message, counted, deliveriesMax - 1)) return disposition"
  },
  {
    id: "permanent-is-tried-again",
    area: "dead letters",
    title: "what no delivery can mend is delivered again",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "if (Option.isSome(error) && !isExcused && isPermanent(error.value)) {",
    replace: "if (Option.isSome(error) && isExcused && isPermanent(error.value)) {"
  },
  {
    id: "transient-is-buried",
    area: "dead letters",
    title: "what another delivery may mend is put aside at once",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "if (Option.isSome(error) && !isExcused && isPermanent(error.value)) {",
    replace: "if (Option.isSome(error) && !isExcused) {"
  },
  {
    id: "unburied-is-completed",
    area: "dead letters",
    title: "what cannot be put aside is completed",
    world: "memory",
    file: "core/src/MessageHandler.ts",
    find: "const failed = yield* settle(delivery, Verdict.abandon(delay))",
    replace: "const failed = yield* settle(delivery, Verdict.complete)"
  },
  {
    id: "route-completes-first",
    area: "dead letters",
    title: "the original is completed before its copy is sent",
    world: "routed",
    file: "core/src/QueueClient.ts",
    find: "    yield* Effect.catchIf(\n      send(message, verdict),\n",
    replace:
      "    yield* Effect.flatMap(settleCall([message.receipt], Verdict.complete), Outcome.single)\n    yield* Effect.catchIf(\n      send(message, verdict),\n"
  },
  {
    id: "route-ignores-a-failed-copy",
    area: "dead letters",
    title: "the original is completed whatever became of its copy",
    world: "routed",
    file: "core/src/QueueClient.ts",
    find: "        Effect.flatMap(provider.send(target, [copy]), Outcome.single)\n",
    replace: "        Effect.ignore(provider.send(target, [copy]))\n"
  },
  {
    id: "replay-removes-what-it-did-not-send",
    area: "dead letters",
    title: "a letter is removed though sending it again has failed",
    world: "operator",
    file: "core/src/internal/deadLetters/replaying.ts",
    find: "const sent = outcomes.flatMap(([held, outcome]) => (Result.isSuccess(outcome) ? held : []))",
    replace: "const sent = outcomes.map(([held]) => held)"
  },
  {
    id: "replay-never-removes",
    area: "dead letters",
    title: "a letter stays when it was sent again, and is said to be done",
    world: "operator",
    file: "core/src/internal/deadLetters/replaying.ts",
    find: "Arr.zip(sent, yield* hold.remove(sent))",
    replace: "Arr.zip(sent, sent.map(() => Result.void))"
  },
  {
    id: "replay-under-one-id",
    area: "dead letters",
    title: "every replay of a message has the same id, and the second is taken for the first",
    world: "operator",
    file: "core/src/internal/deadLetters/resending.ts",
    find: "const idOf = ({ id }: DeadLetters.DeadLetter)",
    replace: "const idOf = ({ messageId: id }: DeadLetters.DeadLetter)"
  },
  {
    id: "replay-begins-at-the-end",
    area: "dead letters",
    title:
      "the letters of a session are sent again in the order they are found, the last one first",
    world: "operator",
    file: "core/src/internal/deadLetters/planning.ts",
    find: "own.toSorted((one, other) => letters.compare(one.letter, other.letter))",
    replace: "own.toReversed()"
  },
  {
    id: "replay-goes-on-behind-a-failure",
    area: "dead letters",
    title: "a letter that could not be sent does not stop its session",
    world: "operator",
    file: "core/src/internal/deadLetters/replaying.ts",
    find: "const error = stopped?.of(held.letter) ?? lost",
    replace: "const error = lost"
  },
  {
    id: "replay-meets-itself",
    area: "dead letters",
    title: "what was sent again and fails at once is sent again by the same replay",
    world: "operator",
    file: "core/src/internal/deadLetters/selecting.ts",
    find: "      (replayId === undefined || letter.replayId !== replayId) &&\n",
    replace: ""
  },
  {
    id: "purge-does-not-look-at-age",
    area: "dead letters",
    title: "letters are removed that are younger than was said",
    world: "operator",
    file: "core/src/internal/deadLetters/replaying.ts",
    find: "DateTime.toEpochMillis(letter.time) < until)",
    replace: "DateTime.toEpochMillis(letter.time) < until + 60_000)"
  },
  {
    id: "listing-skips-one",
    area: "dead letters",
    title: "a page begins one place too late",
    world: "operator",
    file: "core/src/internal/deadLetters/seeing.ts",
    find: "last === undefined || last < from ? undefined : last + 1n",
    replace: "last === undefined || last < from ? undefined : last + 2n"
  },
  {
    id: "replay-keeps-what-it-did-not-want",
    area: "dead letters",
    title: "letters that were received and not sent again stay locked",
    world: "operator",
    file: "core/src/internal/deadLetters/hold.ts",
    find: "(part) => client.settle(part, Verdict.abandon())",
    replace: "() => Effect.void"
  },
  {
    id: "session-goes-on-after-a-failure",
    area: "session worker",
    title: "the next message of a session begins when the one before has failed",
    world: "memory",
    file: "sessions/src/SessionWorker.ts",
    find: '          return { _tag: "Parked", delay: disposition.delay } satisfies Parting\n',
    replace: "          continue\n"
  },
  {
    id: "session-is-never-given-back",
    area: "session worker",
    title: "a session that is parted from stays held",
    world: "memory",
    file: "sessions/src/SessionWorker.ts",
    find: '    yield* held.close\n    if (parting._tag === "Turn"',
    replace: '    if (parting._tag === "Turn"'
  },
  {
    id: "session-handles-two-at-once",
    area: "session worker",
    title: "the next message of a session begins while the one before is at work",
    world: "memory",
    file: "sessions/src/SessionWorker.ts",
    find: "      const disposition = yield* handleOne(held, message)\n",
    replace:
      '      yield* Effect.forkChild(handleOne(held, message))\n      const disposition = { _tag: "Completed" }\n'
  },
  {
    id: "drain-forgets-parked-sessions",
    area: "session worker",
    title: "sessions that back off are not given back when the worker ends",
    world: "memory",
    file: "sessions/src/internal/dispatch.ts",
    find: "const all = [...this.#ready.splice(0), ...this.#parked, ...this.#delivered.values()]",
    replace: "const all = [...this.#ready.splice(0), ...this.#delivered.values()]"
  },
  {
    id: "drain-forgets-ready-sessions",
    area: "session worker",
    title: "sessions that wait for a slot are not given back when the worker ends",
    world: "memory",
    file: "sessions/src/internal/dispatch.ts",
    find: "const all = [...this.#ready.splice(0), ...this.#parked, ...this.#delivered.values()]",
    replace: "const all = [...this.#parked, ...this.#delivered.values()]"
  },
  {
    id: "mailbox-loses-its-session",
    area: "session worker",
    title: "a session that came to a slot too late is dropped",
    world: "memory",
    file: "sessions/src/internal/dispatch.ts",
    find: "    this.#delivered.delete(mailbox)\n    this.deliver(held)\n",
    replace: "    this.#delivered.delete(mailbox)\n"
  },
  {
    id: "session-lock-is-not-kept",
    area: "session worker",
    title: "the lock of a session is never renewed",
    world: "memory",
    file: "sessions/src/internal/heldSession.ts",
    find: "lockedUntil, renew: session.renewLock, renewalMax",
    replace: "lockedUntil, renew: Effect.never, renewalMax"
  },
  {
    id: "session-parks-without-end",
    area: "session worker",
    title: "a session that backs off is never given to a slot again",
    world: "memory",
    file: "sessions/src/SessionWorker.ts",
    find: "return due ? Effect.sync(() => dispatch.deliver(held)) : held.close",
    replace: "return due ? Effect.void : held.close"
  },
  {
    id: "batch-answers-the-first",
    area: "batching",
    title: "every caller of a batch gets the outcome of the first",
    world: "batching",
    file: "core/src/internal/batching/lane.ts",
    find: "      from = to\n",
    replace: ""
  },
  {
    id: "batch-overtakes-in-a-session",
    area: "batching",
    title: "calls of one session are under way side by side",
    world: "batching",
    file: "core/src/Batching.ts",
    find: "const sessions = ordered ? messages.flatMap(({ sessionId }) => sessionId ?? []) : noSessions",
    replace: "const sessions = ordered ? messages.flatMap(() => []) : noSessions"
  },
  {
    id: "batch-mixes-verdicts",
    area: "batching",
    title: "settlements of different verdicts are one call",
    world: "batching",
    file: "core/src/Batching.ts",
    find: "receiptsRequest(receipts, kindOf(verdict), call)",
    replace: 'receiptsRequest(receipts, "settle", call)'
  },
  {
    id: "batch-never-lets-a-session-go",
    area: "batching",
    title: "what waits behind a call of its session is not told that it is over",
    world: "batching",
    file: "core/src/internal/batching/lane.ts",
    find: "this.#order.release(batch.entries)",
    replace: ""
  },
  {
    id: "batch-sleeps-for-ever",
    area: "batching",
    title: "a lane that was woken once is not woken again",
    world: "batching",
    file: "core/src/internal/batching/lane.ts",
    find: "this.#isAwake = false",
    replace: ""
  },
  {
    id: "batch-counts-a-call-for-ever",
    area: "batching",
    title: "a call that is over still takes a place",
    world: "batching",
    file: "core/src/internal/batching/lane.ts",
    find: "this.#calls--",
    replace: ""
  },
  {
    id: "retry-sends-all-again",
    area: "retry",
    title: "what was taken goes out again with what was not",
    world: "retry",
    file: "resilience/src/internal/batch.ts",
    find: "pending === undefined ? items : pending.flatMap((place) => items.slice(place, place + 1))",
    replace: "pending === undefined ? items : items"
  },
  {
    id: "retry-puts-outcomes-in-the-wrong-place",
    area: "retry",
    title: "outcomes of a second attempt are those of the first entries",
    world: "retry",
    file: "resilience/src/internal/batch.ts",
    find: "      this.#set(place, outcome)\n    }\n    return Effect.succeed(this.#next())",
    replace: "      this.#set(index, outcome)\n    }\n    return Effect.succeed(this.#next())"
  },
  {
    id: "retry-says-yes-when-it-gives-up",
    area: "retry",
    title: "an entry that failed in every attempt counts as taken",
    world: "retry",
    file: "resilience/src/internal/batch.ts",
    find: "outcomes.map((outcome, place) => (given.has(place) ? exhausted(outcome) : outcome))",
    replace:
      "outcomes.map((outcome, place) => (given.has(place) ? Result.succeed(undefined) : outcome))"
  },
  {
    id: "retry-answers-a-failed-call-with-nothing",
    area: "retry",
    title: "a call that failed in every attempt is a success for all",
    world: "retry",
    file: "resilience/src/internal/batch.ts",
    find: "giveUp: Effect.fail(QueueError.exhausted(whole))",
    replace: "giveUp: Effect.succeed(this.#options.items.map(() => Result.succeed(undefined)))"
  },
  {
    id: "seal-sends-plain-text",
    area: "sealing",
    title: "a body goes out as it is beside its envelope",
    world: "stack",
    file: "crypto/src/internal/sealer.ts",
    find: "      then({ ...message, body: envelope.join(bound, ciphertext, tag) })\n",
    replace: "      then(message)\n"
  },
  {
    id: "seal-buries-for-a-missing-key",
    area: "sealing",
    title: "a message whose key is away for a moment is put aside",
    world: "stack",
    file: "crypto/src/internal/sealer.ts",
    find: "return then(later(QueueError.make(failures.keyNotFound(header.key.id))))",
    replace: "return then(rejected(failures.keyNotFound(header.key.id)))"
  },
  {
    id: "seal-goes-on-behind-a-missing-key",
    area: "sealing",
    title: "what is behind a message that cannot be opened yet is handed out",
    world: "stack",
    file: "crypto/src/Sealing.ts",
    find: '            verdict._tag === "Abandon" ? "stop" : "go on"\n',
    replace: '            "go on"\n'
  },
  {
    id: "seal-measures-age-to-receipt",
    area: "sealing",
    title: "a backlog counts as age: freshness ends at the delivery",
    world: "stack",
    file: "crypto/src/internal/sealer.ts",
    find: 'const taken = from === "enqueued" ? message.enqueuedAt : receivedAt(message)',
    replace:
      'const taken = from === "enqueued" ? (message.deliveredAt ?? message.enqueuedAt) : receivedAt(message)'
  },
  {
    id: "seal-hands-out-what-it-did-not-open",
    area: "sealing",
    title: "what is put aside is settled, and nothing is said of a failure to do so",
    world: "stack",
    file: "core/src/PutAside.ts",
    find: "  Effect.forEach(all, (one) => Effect.ignore(settle(by, one)), {",
    replace:
      "  Effect.forEach(all, (one) => Effect.ignore(settle(by, { ...one, verdict: Verdict.complete })), {"
  },
  {
    id: "sqs-does-not-take-back",
    area: "sqs router",
    title: "what is in hand behind a failed message stays there",
    world: "sqs",
    file: "provider-aws/src/internal/router/settling.ts",
    find: "    for (const token of group.takeBackBehind(delivery)) line.shared.receipts.drop(token)\n",
    replace: ""
  },
  {
    id: "sqs-says-renewed",
    area: "sqs router",
    title: "a session's lock is said to be renewed, and no call is made",
    world: "sqs",
    file: "provider-aws/src/internal/router/router.ts",
    find: "      const outcomes = yield* settling.extend(this.line, group.needed, seconds)\n",
    replace: "      const outcomes = new Map()\n"
  },
  {
    id: "sqs-buries-without-a-copy",
    area: "sqs router",
    title: "a message is removed and no copy of it is among the dead letters",
    world: "sqs",
    file: "provider-aws/src/internal/router/settling.ts",
    find: "  const copied = yield* burying.copy(line, deliveries, verdict)\n",
    replace: "  const copied = deliveries.map(() => done)\n"
  },
  {
    id: "sqs-mixes-up-outcomes",
    area: "sqs router",
    title: "the outcomes of a merged call go to its entries in reverse",
    world: "sqs",
    file: "provider-aws/src/internal/router/merger.ts",
    find: "answer(entry, outcomes[index] ?? Result.fail(this.#options.closed))",
    replace:
      "answer(entry, outcomes[outcomes.length - 1 - index] ?? Result.fail(this.#options.closed))"
  },
  {
    id: "sqs-stops-polling-after-an-error",
    area: "sqs router",
    title: "a poll that failed counts as under way for ever",
    world: "sqs",
    file: "provider-aws/src/internal/router/poller.ts",
    find: "          this.#end(flight)\n          this.#options.failed(result.failure)\n",
    replace: "          flight.isOver = true\n          this.#options.failed(result.failure)\n"
  },
  {
    id: "sqs-hands-out-in-reverse",
    area: "sqs router",
    title: "messages of a group are kept in the order they came, the last one first",
    world: "sqs",
    file: "provider-aws/src/internal/router/group.ts",
    find: "this.deliveries = all.toSorted((one, other) => Number(sequenceOf(one) - sequenceOf(other)))",
    replace:
      "this.deliveries = all.toSorted((one, other) => Number(sequenceOf(other) - sequenceOf(one)))"
  },
  {
    id: "service-bus-mixes-settlements",
    area: "service bus links",
    title: "settlements of different outcomes leave in one tick",
    world: "service-bus",
    file: "provider-azure/src/internal/settlements.ts",
    find: "if (job === undefined || job.isComplete !== isComplete) break",
    replace: "if (job === undefined) break"
  },
  {
    id: "service-bus-does-not-take-back",
    area: "service bus links",
    title: "what is in hand behind a failed message stays there",
    world: "service-bus",
    file: "provider-azure/src/internal/session.ts",
    find: "      this.#takeBack(delivery)\n",
    replace: ""
  },
  {
    id: "service-bus-forgets-the-border",
    area: "service bus links",
    title: "what is behind a message whose delay is not over is handed out",
    world: "service-bus",
    file: "provider-azure/src/internal/session.ts",
    find: "const free = this.#delayed.size === 0 ? max : Math.min(max, this.#countBeforeDelayed())",
    replace: "const free = max"
  },
  {
    id: "service-bus-forgets-what-it-is-owed",
    area: "service bus links",
    title: "a message that was abandoned after its delay is not waited for",
    world: "service-bus",
    file: "provider-azure/src/internal/session.ts",
    find: "if (this.#delayed.delete(sequence)) this.#owed++",
    replace: "this.#delayed.delete(sequence)"
  },
  {
    id: "service-bus-says-renewed",
    area: "service bus links",
    title: "a session's lock is said to be renewed, and no call is made",
    world: "service-bus",
    file: "provider-azure/src/internal/session.ts",
    find: "        this.#receiver.renewSessionLock({ abortSignal })\n",
    replace:
      "        abortSignal.aborted\n          ? this.#receiver.renewSessionLock({ abortSignal })\n          : Promise.resolve(new Date(this.#context.now() + 30_000))\n"
  }
]
