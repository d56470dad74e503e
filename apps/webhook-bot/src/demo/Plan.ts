/**
 * What the demo posts, and what must come of it: the same for the same seed.
 *
 * @since 0.1.0
 */
import { MessageId, type QueueError, type SessionId } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as SessionKeys from "../SessionKeys.ts"
import * as Webhook from "../Webhook.ts"
import * as Corpus from "./Corpus.ts"

/**
 * What is wrong with a delivery, if anything.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = "none" | "wrong signature" | "too large" | "no delivery id" | "no JSON"

/**
 * One post.
 *
 * @category models
 * @since 0.1.0
 */
export interface Planned {
  readonly id: MessageId.MessageId
  readonly event: string
  readonly session: SessionId.SessionId
  readonly fault: Fault
  /** Whether this id was posted before. */
  readonly isRepeated: boolean
  readonly status: number
  /** Made when it is posted: all of them at once would be a lot of memory. */
  readonly body: () => Uint8Array
}

/**
 * How much, and from what.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly seed: string
  readonly deliveries: number
  readonly examples: ReadonlyArray<Corpus.Example>
}

/**
 * The kind that always fails: the downstream answers 500 to it for ever.
 *
 * @category models
 * @since 0.1.0
 */
export const failingEvent = "page_build"

/**
 * The kind that the downstream refuses for good, with 422.
 *
 * @category models
 * @since 0.1.0
 */
export const refusedEvent = "marketplace_purchase"

/**
 * Why a delivery of this kind ends among the dead letters; undefined for one that does not.
 *
 * @category models
 * @since 0.1.0
 */
export const deadLetterReason = (event: string): string | undefined => {
  if (event === failingEvent) return "MaxDeliveryCountExceeded"
  return event === refusedEvent ? "DownstreamRefused" : undefined
}

/** Of a hundred deliveries. */
const repeatedPercent = 3

const wrongSignaturePercent = 2

const tooLargeBytes = 26 * 1024 * 1024

const owners = ["acme", "globex", "initech", "umbrella", "hooli"]

const pullsPerRepository = 4

const issuesPerRepository = 2

/** The second one is longer than a session id may be, and not ASCII. */
const branches = ["main", `feature/größere-Änderung-${"🚀-".repeat(20)}ende`]

const encoder = new TextEncoder()

const repositoryCount = (deliveries: number): number => Math.max(20, Math.ceil(deliveries / 100))

const place = (repository: number, subject: number): Corpus.Place => ({
  owner: owners[repository % owners.length] ?? "acme",
  repository: `service-${String(repository + 1).padStart(2, "0")}`,
  pull: 1 + (subject % pullsPerRepository),
  issue: 101 + (subject % issuesPerRepository),
  branch: branches[subject % branches.length] ?? "main"
})

/** One of each type comes first, so that a short run has them all. */
const firstRound = Effect.fnUntraced(function* (examples: ReadonlyArray<Corpus.Example>) {
  const seen = new Set<string>()
  const [first, rest]: [Array<Corpus.Example>, Array<Corpus.Example>] = [[], []]
  for (const example of yield* Random.shuffle(examples)) {
    const round = seen.has(example.event) ? rest : first
    seen.add(example.event)
    round.push(example)
  }
  return [...first, ...rest]
})

const chosen = Effect.fnUntraced(function* ({ deliveries, examples }: Options) {
  const all = yield* firstRound(examples)
  while (all.length < deliveries) all.push(...(yield* Random.shuffle(examples)))
  return all.slice(0, deliveries)
})

const bodyOf = (payload: Corpus.Payload, spaces: number): (() => Uint8Array) => {
  const text = JSON.stringify(payload, undefined, spaces)
  return () => encoder.encode(text)
}

const posted = Effect.fnUntraced(function* (
  { event, payload }: Corpus.Example,
  index: number,
  repository: number
) {
  const subject = yield* Random.nextIntBetween(0, 100)
  const moved = Corpus.moved(payload, place(repository, subject))
  return {
    id: yield* MessageId.generate,
    event,
    session: yield* SessionKeys.of(event, moved),
    fault: "none",
    isRepeated: false,
    status: 202,
    // Some with white space: what is signed is bytes, not JSON.
    body: bodyOf(moved, index % 7 === 0 ? 2 : 0)
  } satisfies Planned
})

const refused = (like: Planned, fault: Fault, status: number): Effect.Effect<Planned> =>
  Effect.map(MessageId.generate, (id) => ({ ...like, id, fault, status }))

const again = (one: Planned): Planned => ({ ...one, isRepeated: true })

const extras = Effect.fnUntraced(function* (posts: ReadonlyArray<Planned>) {
  const some = Effect.fnUntraced(function* (percent: number) {
    return (yield* Random.shuffle(posts)).slice(0, Math.ceil((posts.length * percent) / 100))
  })
  const repeated = (yield* some(repeatedPercent)).map(again)
  const unsigned = yield* Effect.forEach(yield* some(wrongSignaturePercent), (one) =>
    refused(one, "wrong signature", 401)
  )
  const others: Array<Planned> = []
  for (const one of posts.slice(0, 1)) {
    const large = yield* refused(one, "too large", 413)
    others.push({ ...large, body: () => new Uint8Array(tooLargeBytes) })
    others.push(yield* refused(one, "no delivery id", 400))
    const noJson = yield* refused(one, "no JSON", 400)
    others.push({ ...noJson, body: () => encoder.encode('{ "action": ') })
  }
  return [...repeated, ...unsigned, ...others]
})

/** A repetition goes somewhere behind its first post, everything else anywhere. */
const interleaved = Effect.fnUntraced(function* (
  posts: ReadonlyArray<Planned>,
  added: ReadonlyArray<Planned>
) {
  const after = new Map<number, Array<Planned>>()
  const indexes = new Map(posts.map(({ id }, index) => [id, index]))
  for (const one of added) {
    const earliest = one.isRepeated ? (indexes.get(one.id) ?? 0) : 0
    const index = yield* Random.nextIntBetween(earliest, posts.length)
    after.set(index, [...(after.get(index) ?? []), one])
  }
  return posts.flatMap((one, index) => [one, ...(after.get(index) ?? [])])
})

/**
 * The plan of a seed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<ReadonlyArray<Planned>, QueueError.QueueError> =>
  Effect.gen(function* () {
    const repositories = repositoryCount(options.deliveries)
    const posts: Array<Planned> = []
    let failing = 0
    for (const [index, example] of (yield* chosen(options)).entries()) {
      // One after the other: a session waits for its failing message, and no session for many.
      const repository =
        example.event === failingEvent
          ? failing++ % repositories
          : yield* Random.nextIntBetween(0, repositories)
      posts.push(yield* posted(example, index, repository))
    }
    return yield* interleaved(posts, yield* extras(posts))
  }).pipe(Random.withSeed(options.seed))

/**
 * The headers of a post.
 *
 * @category conversions
 * @since 0.1.0
 */
export const headers = ({ event, fault, id }: Planned): Readonly<Record<string, string>> => ({
  [Webhook.headers.contentType]: "application/json",
  [Webhook.headers.event]: event,
  ...(fault === "no delivery id" ? {} : { [Webhook.headers.delivery]: id })
})
