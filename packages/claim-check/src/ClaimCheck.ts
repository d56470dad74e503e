/**
 * Large messages: a body above what the queue takes is put into a blob store, and the message carries a
 * small claim to it. Whoever receives gets the body.
 *
 * **Details**
 *
 * It stands below sealing, so that blobs are sealed, and above batching and retry, so that a body is put
 * once however often its claim is sent. What it declares as `messageSizeMax` is what it takes, and all
 * above it goes by that.
 *
 * | what comes in | what becomes of it |
 * |---|---|
 * | a claim whose blob is there, and is what was put (length, SHA-256) | it is handed out with its body |
 * | one whose blob is gone, or changed; one that is none | it is dead-lettered: `BlobMissing`, `BlobChanged`, `ClaimInvalid`, `UnsupportedVersion` |
 * | one whose store cannot be asked now | it is abandoned, with a delay where the queue has one |
 * | anything else | it is handed out as it is |
 *
 * **A blob goes with its message**: completing one deletes its blob, and so do a purge of dead letters and
 * a replay, which puts the body again before it removes the letter. A dead letter keeps its blob.
 * Each message has its own: two that were sent do not share one, unless their broker deduplicates and they
 * have the same id and body, of which it keeps one.
 *
 * **Orphans**: a body that was put for a message which surely was not sent is deleted at once. Where nobody
 * can tell (a lost reply, a crash), and where the broker drops or expires a message, the blob stays until
 * {@link sweep} removes it by its age.
 *
 * **A peek brings the bodies**, 64 MiB of them a call at most: it then ends early, and the next begins
 * behind it. A body that is not there is shown as its claim, with an attribute `queue-runtime-unclaimed`
 * that says why; so is a dead letter's, which cannot be sent again.
 *
 * **Order**: a send waits for those of the same session that still put their bodies.
 *
 * **Gotchas**
 *
 * Bodies are held in memory. A worker needs room for as many of them as it asks for at once.
 *
 * Where nothing drops duplicates, a send that is repeated after a lost reply is in the queue twice, with
 * one claim: when one copy is completed the other is dead-lettered (`BlobMissing`). Where that must not
 * be, keep blobs with `delete: "never"` and let the store expire them.
 *
 * **Source** ADR 0020; `docs/large-messages.md`
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  BlobStore,
  Capabilities,
  Check,
  Defaults,
  HandlerFailure,
  Message,
  MessageId,
  type Outcome,
  PutAside,
  QueueAddress,
  QueueError,
  type QueueName,
  QueueProvider,
  QueueSession,
  type Receipt,
  type ReceivedMessage,
  SendCalls,
  type Verdict
} from "@queue-runtime/core"
import * as claims from "./internal/claim.ts"
import * as claimMetrics from "./internal/claimMetrics.ts"
import { Lanes } from "./internal/lanes.ts"
import * as resolving from "./internal/resolving.ts"

/**
 * What goes into the store, and for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Messages of more bytes, ids and attributes counted, have their bodies in the store, and so have those
   * that the queue may not take, whatever their bytes become on its wire. Default: these alone.
   */
  readonly threshold?: number
  /** The largest body, in bytes. Default: 25 MiB. Sealing and attributes have 64 KiB on top. */
  readonly bodySizeMax?: number
  /** What the keys of the blobs begin with. Default: `queue-runtime`. */
  readonly prefix?: string
  /** Whether completing a message deletes its blob. Default: on-complete. */
  readonly delete?: "on-complete" | "never"
}

const defaultPrefix = "queue-runtime"

/** Of one that is handed out as it lies in the queue: why its body is not there. */
const unclaimed = "queue-runtime-unclaimed"

const invalid = (key: string, problem: string): QueueError.QueueError =>
  QueueError.configurationInvalid(key, problem)

const checkPrefix = (prefix: string): Effect.Effect<string, QueueError.QueueError> =>
  BlobStore.isKey(prefix) && prefix.length <= Defaults.blobKeySegmentLengthMax
    ? Effect.succeed(prefix)
    : Effect.fail(
        invalid("prefix", `must be a key of at most ${Defaults.blobKeySegmentLengthMax} characters`)
      )

const read = Effect.fnUntraced(function* (store: BlobStore.Service, options: Options) {
  const bodySizeMax = yield* Check.wholeNumber(
    "bodySizeMax",
    options.bodySizeMax ?? Defaults.claimCheckBodySizeMax
  )
  const sizeMax = bodySizeMax + Defaults.claimCheckEnvelopeSizeMax
  if (sizeMax > store.sizeMax) {
    const most = store.sizeMax - Defaults.claimCheckEnvelopeSizeMax
    const problem = `must be at most ${most}: the store "${store.name}" takes no more`
    return yield* Effect.fail(invalid("bodySizeMax", problem))
  }
  const { threshold } = options
  return {
    sizeMax,
    threshold:
      threshold === undefined ? Infinity : yield* Check.wholeNumber("threshold", threshold, 0),
    prefix: yield* checkPrefix(options.prefix ?? defaultPrefix),
    isDeleted: (options.delete ?? "on-complete") === "on-complete"
  }
})

/** What a queue takes when bodies are elsewhere. It is asked for at every call, and mostly is the same. */
const makeLarger = (sizeMax: number) => {
  const known = new WeakMap<Capabilities.Capabilities, Capabilities.Capabilities>()
  return (below: Capabilities.Capabilities): Capabilities.Capabilities => {
    const found = known.get(below)
    if (found !== undefined) return found
    const messageSizeMax = Math.max(below.messageSizeMax, sizeMax)
    const made = {
      ...below,
      messageSizeMax,
      sendSizeMax: Math.max(below.sendSizeMax, messageSizeMax)
    }
    known.set(below, made)
    return made
  }
}

const isUnclaimed = ({ attributes }: Message.Stamped): boolean =>
  attributes[unclaimed] !== undefined

const unsendable = QueueError.validationFailed(
  "attributes",
  `the body of the message is not in the store ("${unclaimed}" says why): it cannot be sent again`
)

/** A blob, and the queue of its message. */
interface Place {
  readonly key: string
  readonly queue: QueueName.QueueName
}

/** A message of its claim, and the blob that is to be put for it. */
interface Claimed {
  readonly message: Message.Stamped
  readonly body: Uint8Array
  readonly key: string
  /** Whether no other message has this key, whoever sends it. */
  readonly isOwn: boolean
  /** Whether it is there already, for the same message with the same body. */
  readonly isThere: boolean
}

/**
 * What says that a message is in no queue, whatever went before: a try whose reply was lost would have been
 * answered the same.
 */
const surelyNotSent: ReadonlySet<QueueError.Reason["_tag"]> = new Set([
  "MessageTooLarge",
  "ValidationFailed",
  "UnsupportedOperation",
  "QueueNotFound",
  "ConfigurationInvalid"
])

const isSurelyNotSent = ({ reason }: QueueError.QueueError): boolean =>
  surelyNotSent.has(reason._tag)

const whyNot = (unresolved: resolving.Unresolved): string =>
  unresolved._tag === "Rejected" ? unresolved.reason : unresolved.error.reason._tag

type Messages = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/**
 * The claim check around a provider.
 *
 * **Errors** ValidationFailed and ConfigurationInvalid for an option out of its range, with its path · then,
 * of a send with a large body, those of the store; nothing is sent then
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  self: QueueProvider.Service,
  options: Options = {}
): Effect.fn.Return<QueueProvider.Service, QueueError.QueueError, BlobStore.BlobStore> {
  const store = yield* BlobStore.BlobStore
  const { isDeleted, prefix, sizeMax, threshold } = yield* read(store, options)
  const metricsOf = claimMetrics.make(self.name, store)
  const larger = makeLarger(sizeMax)
  const lanes = new Lanes()
  /** By the receipt itself: it is forgotten with it. */
  const keys = new WeakMap<Receipt.Receipt, string>()
  const concurrency = Defaults.claimCheckConcurrency

  const capabilities = (queue: QueueName.QueueName): Capabilities.Capabilities =>
    larger(self.capabilities(queue))

  const isLarge = (message: Message.Stamped, messageSizeMax: number): boolean => {
    if (claims.isMarked(message.body)) return true
    // Bytes that are no text may travel in base64.
    const most = Math.min(threshold, messageSizeMax - message.body.byteLength / 3)
    return Message.sizeAtMost(message) > most && Message.size(message) > most
  }

  /** Refused before anything is put or sent: what is larger than is declared. */
  const refusal = (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Stamped>
  ): QueueError.QueueError | undefined => {
    if (messages.some(isUnclaimed)) return unsendable
    const reason = SendCalls.refusal(messages, capabilities(queue))
    return reason === undefined ? undefined : QueueError.make(reason)
  }

  const remove = ({ key, queue }: Place): Effect.Effect<void> =>
    metricsOf(queue)
      .store.delete(key)
      .pipe(
        Effect.catch((error) =>
          Effect.logWarning(`the blob ${key} stays until it is swept: ${error.message}`)
        )
      )

  const removeAll = (some: ReadonlyArray<Place>): Effect.Effect<void> =>
    some.length === 0 ? Effect.void : Effect.forEach(some, remove, { concurrency, discard: true })

  /** A key that nobody has, or that of the same message with the same body. */
  const place = Effect.fnUntraced(function* (
    queue: QueueName.QueueName,
    { messageId }: Message.Stamped,
    digest: string
  ) {
    const folder = claims.folderOf(prefix, queue)
    const { deduplication, deduplicationWindow = Duration.infinity } = self.capabilities(queue)
    const own = Effect.map(MessageId.generate, (id) => ({
      key: claims.keyOf(folder, messageId, digest, `-${id}`),
      isOwn: true,
      isThere: false
    }))
    if (!Capabilities.isSupported(deduplication)) return yield* own
    const key = claims.keyOf(folder, messageId, digest)
    const { entries } = yield* metricsOf(queue).store.list({ prefix: key, max: 1 })
    const found = entries.find((entry) => entry.key === key)
    if (found === undefined) return { key, isOwn: false, isThere: false }
    const age = (yield* Clock.currentTimeMillis) - DateTime.toEpochMillis(found.putAt)
    // Later than that the broker takes it for another one, and each needs its own.
    return age < Duration.toMillis(deduplicationWindow)
      ? { key, isOwn: false, isThere: true }
      : yield* own
  })

  const claim = Effect.fnUntraced(function* (
    queue: QueueName.QueueName,
    message: Message.Stamped,
    index: number
  ): Effect.fn.Return<Claimed, QueueError.QueueError> {
    const { body } = message
    const digest = claims.digestOf(body)
    const { isOwn, isThere, key } = yield* place(queue, message, digest)
    const small = claims.encode({ key, digest, length: body.byteLength })
    const claimed: Message.Stamped = { ...message, body: small }
    const { messageSizeMax: maximumBytes } = self.capabilities(queue)
    const actualBytes = Message.size(claimed)
    return actualBytes > maximumBytes
      ? yield* Effect.fail(
          QueueError.make(new QueueError.MessageTooLarge({ actualBytes, maximumBytes, index }))
        )
      : { message: claimed, body, key, isOwn, isThere }
  })

  const put = (
    queue: QueueName.QueueName,
    { body, isThere, key, message: { messageId } }: Claimed
  ): Effect.Effect<void, QueueError.QueueError> =>
    isThere
      ? Effect.void
      : metricsOf(queue).store.put(key, body, {
          metadata: {
            queue: queue.slice(0, Defaults.blobMetadataLengthMax),
            messageid: messageId.trim() || "-"
          }
        })

  /** Puts the bodies, then sends; what is left of a failure is removed where that is safe. */
  const sendClaims = Effect.fnUntraced(function* (
    queue: QueueName.QueueName,
    messages: ReadonlyArray<Message.Stamped>
  ) {
    const { messageSizeMax } = self.capabilities(queue)
    const claimed = new Map<number, Claimed>()
    for (const [index, message] of messages.entries()) {
      if (isLarge(message, messageSizeMax)) claimed.set(index, yield* claim(queue, message, index))
    }
    const all = [...claimed.values()]
    const made = all
      .filter(({ isThere }) => !isThere)
      .map(({ isOwn, key }) => ({ key, queue, isOwn }))
    yield* Effect.forEach(all, (one) => put(queue, one), { concurrency, discard: true }).pipe(
      // Another sender of the same message may have the same key, and succeed.
      Effect.onError(() => Effect.forkDetach(removeAll(made.filter(({ isOwn }) => isOwn))))
    )
    const small = messages.map((message, index) => claimed.get(index)?.message ?? message)
    return yield* Effect.onExit(SendCalls.send(self, queue, small), (exit) => {
      if (Exit.isFailure(exit)) {
        const error = Exit.findErrorOption(exit)
        const isSure = Option.isSome(error) && isSurelyNotSent(error.value)
        return isSure ? removeAll(made) : Effect.void
      }
      const orphans = exit.value.flatMap((outcome, index) => {
        const one = claimed.get(index)
        const isOrphan =
          one !== undefined &&
          !one.isThere &&
          Result.isFailure(outcome) &&
          isSurelyNotSent(outcome.failure)
        return isOrphan ? [{ key: one.key, queue }] : []
      })
      return removeAll(orphans)
    })
  })

  const send: QueueProvider.Service["send"] = (queue, messages) =>
    Effect.suspend(() => {
      const refused = refusal(queue, messages)
      if (refused !== undefined) return Effect.fail(refused)
      const { messageSizeMax } = self.capabilities(queue)
      const puts = messages.some((message) => isLarge(message, messageSizeMax))
      const sessions = messages.flatMap(({ sessionId }) =>
        sessionId === undefined ? [] : [`${queue}\n${sessionId}`]
      )
      const call = puts ? sendClaims(queue, messages) : SendCalls.send(self, queue, messages)
      return lanes.run(sessions, puts, call)
    })

  const resolve = (
    { store: measured }: claimMetrics.ClaimMetrics,
    folder: string,
    message: ReceivedMessage.ReceivedMessage
  ): Effect.Effect<resolving.Resolved<ReceivedMessage.ReceivedMessage>> =>
    Effect.map(resolving.resolve(measured, folder, message), (resolved) => {
      // Proved by its digest alone: who sends a claim to a blob of others does not have it deleted.
      if (resolved._tag === "Opened" && resolved.key !== undefined) {
        keys.set(message.receipt, resolved.key)
      }
      return resolved
    })

  const resolveAll = (address: QueueAddress.QueueAddress, messages: Messages) => {
    const folder = resolving.folderFor(prefix, address)
    const metrics = metricsOf(address.queue)
    return Effect.forEach(messages, (message) => resolve(metrics, folder, message), { concurrency })
  }

  /** With its body, or as it lies there with why that is not here. */
  const shown = <M extends ReceivedMessage.PeekedMessage>(
    message: M,
    resolved: resolving.Resolved<M>
  ): M =>
    resolved._tag === "Opened"
      ? resolved.message
      : { ...message, attributes: { ...message.attributes, [unclaimed]: whyNot(resolved) } }

  /** What is to become of a message without its body, said in the log. */
  const verdictOn = (
    { messageId, receipt: { address } }: ReceivedMessage.ReceivedMessage,
    unresolved: resolving.Unresolved
  ): Effect.Effect<Verdict.Verdict> => {
    const { queue } = address
    const below = self.capabilities(queue)
    const delay = Defaults.claimCheckRetryDelay
    const annotated = Effect.annotateLogs({ queue, messageId })
    if (unresolved._tag === "Later") {
      const { message } = unresolved.error
      const log = Effect.logWarning(`the body of a message cannot be got yet: ${message}`)
      return Effect.as(annotated(log), PutAside.later(below, delay))
    }
    const { description, reason } = unresolved
    const log = Effect.logError(`a message was rejected: ${HandlerFailure.format(unresolved)}`)
    return Effect.andThen(metricsOf(queue).rejected(reason), annotated(log)).pipe(
      Effect.as(PutAside.rejected(below, { reason, description, delay }))
    )
  }

  const settleBelow: PutAside.Settle = (receipts, verdict) => self.settle(receipts, verdict)

  const receivePlain = Effect.fnUntraced(function* (
    address: QueueAddress.QueueAddress,
    messages: Messages
  ) {
    const found: Array<ReceivedMessage.ReceivedMessage> = []
    const aside: Array<PutAside.PutAside> = []
    const resolved = yield* resolveAll(address, messages)
    for (const [index, message] of messages.entries()) {
      const one = resolved[index]
      if (one?._tag === "Opened") found.push(one.message)
      else if (one !== undefined) aside.push({ message, verdict: yield* verdictOn(message, one) })
    }
    yield* PutAside.settleAll(settleBelow, aside)
    return found
  })

  const receiveDead = (address: QueueAddress.QueueAddress, messages: Messages) =>
    Effect.map(resolveAll(address, messages), (resolved) =>
      Arr.zipWith(messages, resolved, (message, one) => shown(message, one))
    )

  /** Mostly there is nothing to get. */
  const opening =
    (open: (messages: Messages) => Effect.Effect<Messages>) =>
    (messages: Messages): Effect.Effect<Messages> =>
      messages.some(({ body }) => claims.isMarked(body)) ? open(messages) : Effect.succeed(messages)

  const receive: QueueProvider.Service["receive"] = (address, asked) => {
    const open = address._tag === "DeadLetter" ? receiveDead : receivePlain
    return PutAside.handOver({
      take: self.receive(address, asked),
      open: opening((messages) => open(address, messages)),
      settle: settleBelow,
      settleCountMax: () => self.capabilities(address.queue).settleCountMax
    })
  }

  /** Bodies until there are enough of them; of what is there the first is always shown. */
  const peekFrom = Effect.fnUntraced(function* (
    address: QueueAddress.QueueAddress,
    messages: ReadonlyArray<ReceivedMessage.PeekedMessage>
  ) {
    const folder = resolving.folderFor(prefix, address)
    const { store: measured } = metricsOf(address.queue)
    const found: Array<ReceivedMessage.PeekedMessage> = []
    let bytes = 0
    for (const message of messages) {
      const decoded = claims.decode(message.body)
      const length = decoded._tag === "Claim" ? decoded.claim.length : 0
      const isEnough = length > 0 && bytes + length > Defaults.claimCheckPeekSizeMax
      if (isEnough && found.length > 0) break
      const one = shown(message, yield* resolving.resolve(measured, folder, message))
      bytes += one.body.byteLength
      found.push(one)
    }
    return found
  })

  const forgetting =
    (settle: PutAside.Settle): PutAside.Settle =>
    (receipts, verdict) =>
      isDeleted && verdict._tag === "Complete"
        ? Effect.tap(settle(receipts, verdict), (outcomes) =>
            removeAll(placesOf(receipts, outcomes))
          )
        : settle(receipts, verdict)

  /** The blobs of those that are completed; where nobody can tell, the sweeper's are left to it. */
  const placesOf = (
    receipts: ReadonlyArray<Receipt.Receipt>,
    outcomes: ReadonlyArray<Outcome.Outcome<void>>
  ): ReadonlyArray<Place> =>
    receipts.flatMap((receipt, index) => {
      const outcome = outcomes[index]
      const isDone = outcome !== undefined && Result.isSuccess(outcome)
      const key = isDone ? keys.get(receipt) : undefined
      return key === undefined ? [] : [{ key, queue: receipt.address.queue }]
    })

  const sessionOf = (session: QueueSession.QueueSession): QueueSession.QueueSession => {
    const settle: PutAside.Settle = (receipts, verdict) => session.settle(receipts, verdict)
    const debts = PutAside.makeDebts(settle)

    /** Up to the first that is to come again: what is behind it was taken back. */
    const inOrder = Effect.fnUntraced(function* (messages: Messages) {
      const found: Array<ReceivedMessage.ReceivedMessage> = []
      const resolved = yield* resolveAll(QueueAddress.queue(session.queue), messages)
      for (const [index, message] of messages.entries()) {
        const one = resolved[index]
        if (one === undefined) continue
        if (one._tag === "Opened") {
          found.push(one.message)
          continue
        }
        const verdict = yield* verdictOn(message, one)
        yield* debts.settle({ message, verdict })
        if (verdict._tag === "Abandon") break
      }
      return found
    })

    return {
      queue: session.queue,
      sessionId: session.sessionId,
      lockedUntil: session.lockedUntil,
      settle: forgetting(settle),
      ...QueueSession.lostOf(session),
      renewLock: session.renewLock,
      state: session.state,
      setState: (state) => session.setState(state),
      receive: (asked) =>
        Effect.andThen(
          debts.pay,
          PutAside.handOver({
            take: session.receive(asked),
            open: opening(inOrder),
            settle,
            settleCountMax: () => self.capabilities(session.queue).settleCountMax
          })
        )
    }
  }

  const service: QueueProvider.Service = {
    name: self.name,
    stack: ["claim-check", ...self.stack],
    capabilities,
    send,
    receive,
    settle: forgetting(settleBelow),
    renewLock: (receipts) => self.renewLock(receipts),
    peek: (address, asked) =>
      Effect.flatMap(self.peek(address, asked), (messages) => peekFrom(address, messages)),
    ...QueueProvider.mapDepth(self, (call) => call),
    acceptSession: (queue, asked) =>
      Effect.map(self.acceptSession(queue, asked), Option.map(sessionOf))
  }
  return service
})

/**
 * The claim check as a layer around the provider below it.
 *
 * **Errors** as {@link make}
 *
 * **Example** (Five million bytes through a queue that takes one)
 *
 * ```ts
 * import { ClaimCheck, MemoryBlobStore } from "@queue-runtime/claim-check"
 * import { Message, QueueClient, QueueName } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(ClaimCheck.layer()),
 *   Layer.provide([MemoryProvider.layer({ queues: { orders: {} } }), MemoryBlobStore.layer()])
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const orders = yield* QueueName.make("orders")
 *   yield* client.send(orders, yield* Message.bytes(new Uint8Array(5_000_000)))
 *   const [received] = yield* client.receive(orders, { wait: 0 })
 *   return received?.body.byteLength
 * })
 * await Effect.runPromise(Effect.provide(program, live)) // => 5000000
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider | BlobStore.BlobStore
> =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.flatMap(QueueProvider.QueueProvider, (self) => make(self, options))
  )

/**
 * What to sweep.
 *
 * @category options
 * @since 0.1.0
 */
export interface SweepOptions {
  /** As for {@link Options}. */
  readonly prefix?: string
  /** Only the blobs of this queue. Default: of all. */
  readonly queue?: QueueName.QueueName
  /** Only blobs put longer ago than this. Default: `retention`. */
  readonly olderThan?: Duration.Input
  /**
   * How long a message may be in a queue and then among its dead letters, and so its blob be needed.
   * Default: 44 days.
   */
  readonly retention?: Duration.Input
  /** Sweeps what is younger than `retention` too: messages may lose their bodies. Default: false. */
  readonly force?: boolean
  /** Says what would be removed, and changes nothing. Default: false. */
  readonly dryRun?: boolean
}

/**
 * What was swept.
 *
 * @category models
 * @since 0.1.0
 */
export interface Swept {
  /** Blobs that are old enough. */
  readonly found: number
  /** Their bytes. */
  readonly bytes: number
  readonly deleted: number
  /** Could not be deleted; the next sweep finds them again. */
  readonly failed: number
}

/**
 * Deletes blobs by their age: those whose messages are in no queue any more. Never done by itself.
 *
 * **Gotchas** Age is all it goes by. `retention` must be longer than any message lives: its time to live or
 * the queue's retention, and then as long as dead letters are kept.
 *
 * **Errors** ValidationFailed for an age below `retention`, unless `force` is set · those of the store's
 * listing
 *
 * **Example** (What is there a day after a crash)
 *
 * ```ts
 * import { ClaimCheck, MemoryBlobStore } from "@queue-runtime/claim-check"
 * import { Effect } from "effect"
 *
 * const program = ClaimCheck.sweep({ olderThan: "1 day", force: true, dryRun: true })
 * await Effect.runPromise(Effect.provide(program, MemoryBlobStore.layer()))
 * // => { found: 0, bytes: 0, deleted: 0, failed: 0 }
 * ```
 *
 * @category clean-up
 * @since 0.1.0
 */
export const sweep = Effect.fnUntraced(function* (
  options: SweepOptions = {}
): Effect.fn.Return<Swept, QueueError.QueueError, BlobStore.BlobStore> {
  const store = yield* BlobStore.BlobStore
  const own = yield* checkPrefix(options.prefix ?? defaultPrefix)
  const retention = yield* Check.duration(
    "retention",
    options.retention ?? Defaults.claimCheckRetention
  )
  const olderThan = yield* Check.duration("olderThan", options.olderThan ?? retention)
  if (Duration.isLessThan(olderThan, retention) && options.force !== true) {
    const problem =
      `must be at least the retention of ${Duration.format(retention)}: ` +
      "younger blobs may still be needed (force sweeps them all the same)"
    return yield* Effect.fail(QueueError.validationFailed("olderThan", problem))
  }
  const prefix = options.queue === undefined ? `${own}/` : claims.folderOf(own, options.queue)
  const before = DateTime.subtractDuration(yield* DateTime.now, olderThan)
  const swept = { found: 0, bytes: 0, deleted: 0, failed: 0 }
  const removed = (entry: BlobStore.Entry): Effect.Effect<void> =>
    Effect.matchEffect(store.delete(entry.key), {
      onSuccess: () =>
        Effect.suspend(() => {
          swept.deleted++
          return claimMetrics.swept()
        }),
      onFailure: (error) =>
        Effect.suspend(() => {
          swept.failed++
          return Effect.andThen(
            claimMetrics.swept(error),
            Effect.logWarning(`the blob ${entry.key} could not be swept: ${error.message}`)
          )
        })
    })
  let cursor: string | undefined
  do {
    const page: BlobStore.Page = yield* store.list({
      prefix,
      before,
      ...(cursor !== undefined && { cursor })
    })
    for (const { size } of page.entries) {
      swept.found++
      swept.bytes += size
    }
    if (options.dryRun !== true) {
      yield* Effect.forEach(page.entries, removed, {
        concurrency: Defaults.claimCheckConcurrency,
        discard: true
      })
    }
    cursor = page.next
  } while (cursor !== undefined)
  return swept
})
