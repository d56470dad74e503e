/**
 * A small, honest broker in memory behind the port, for core's own tests: virtual time, locks that run
 * out, dead letters, sessions, a record of every call, and faults a test puts in.
 *
 * It holds the client to the port: a call over the declared limits, or with receipts of two addresses,
 * is a defect.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Capabilities from "../../src/Capabilities.ts"
import * as Message from "../../src/Message.ts"
import type * as Outcome from "../../src/Outcome.ts"
import * as QueueAddress from "../../src/QueueAddress.ts"
import * as QueueError from "../../src/QueueError.ts"
import type * as QueueName from "../../src/QueueName.ts"
import type * as QueueProvider from "../../src/QueueProvider.ts"
import type * as QueueSession from "../../src/QueueSession.ts"
import * as Receipt from "../../src/Receipt.ts"
import type * as ReceivedMessage from "../../src/ReceivedMessage.ts"
import type * as SessionId from "../../src/SessionId.ts"
import type * as Verdict from "../../src/Verdict.ts"

type Method =
  | "depth"
  | "send"
  | "receive"
  | "settle"
  | "renewLock"
  | "peek"
  | "acceptSession"
  | "renewSession"
  | "getState"
  | "setState"

/** One call as the provider saw it. */
export interface Call {
  readonly method: Method
  /** Which call of this method, from 1. */
  readonly nth: number
  /** Milliseconds of the test's clock. */
  readonly at: number
  /** The address as people write it. */
  readonly queue: string
  readonly ids: ReadonlyArray<string>
  readonly verdict?: Verdict.Verdict
  readonly max?: number
  readonly waitMillis?: number
}

/** What goes wrong. Absent: nothing. */
export interface Faults {
  /** Runs before the call takes effect. */
  before?: (call: Call) => Effect.Effect<void, QueueError.QueueError>
  /** Runs after it took effect: a failure here is a lost reply. */
  after?: (call: Call) => Effect.Effect<void, QueueError.QueueError>
  /** Fails one message of a send or of a settlement. */
  each?: (call: Call, id: string) => QueueError.QueueError | undefined
  /** Polls end at once, whatever their wait. */
  endsEarly?: boolean
  /** Answers this many outcomes too few: a provider that breaks the port. */
  outcomesMissing?: number
}

export interface Options {
  /** The queues that exist, and how each differs from the defaults. */
  readonly queues?: Readonly<Record<string, Partial<Capabilities.Capabilities>>>
  readonly faults?: Faults
  /** Whether it says how many messages there are. */
  readonly tellsDepth?: boolean
  /** Whether its messages have numbers. Default: yes. */
  readonly isNumbered?: boolean
}

/** A settlement that took effect. */
export interface Settled {
  readonly id: string
  readonly verdict: Verdict.Verdict["_tag"]
  readonly at: number
}

export interface ScriptedProvider {
  readonly service: QueueProvider.Service
  readonly faults: Faults
  readonly calls: (method: Method) => ReadonlyArray<Call>
  readonly settled: ReadonlyArray<Settled>
  /** Puts a message there, as if somebody else had. */
  readonly put: (
    address: QueueAddress.QueueAddress,
    message: Message.Stamped,
    facts?: {
      readonly deadLetter?: ReceivedMessage.DeadLetterInfo
      readonly enqueuedAt?: number
      /** Until when somebody else holds it. */
      readonly heldUntil?: number
    }
  ) => void
  /** What is still in a queue, in order. */
  readonly messages: (address: QueueAddress.QueueAddress) => ReadonlyArray<Message.Stamped>
  /** Ids of the messages somebody holds now. */
  readonly locked: Effect.Effect<ReadonlyArray<string>>
}

interface Lock {
  readonly token: string
  until: number
}

interface Entry {
  readonly message: Message.Stamped
  readonly sequenceNumber: bigint
  readonly enqueuedAt: number
  readonly deadLetter?: ReceivedMessage.DeadLetterInfo
  availableAt: number
  deliveryCount: number
  firstDeliveredAt?: number
  lock?: Lock | undefined
}

const native = {
  ordered: false,
  sessions: "unsupported",
  acceptSpecific: "unsupported",
  locksEmptySession: false,
  sessionState: "unsupported",
  messageSizeMax: 1_000,
  sendCountMax: 10,
  sendSizeMax: 10_000,
  receiveCountMax: 10,
  settleCountMax: 10,
  receiveWaitMax: Duration.seconds(60),
  lockDuration: Duration.seconds(30),
  scheduling: "native",
  abandonDelay: "native",
  timeToLive: "native",
  deduplication: "unsupported",
  deadLetter: "native",
  peek: "native",
  deliveryCount: "exact"
} satisfies Capabilities.Capabilities

/** What an ordered queue adds to the defaults. */
export const ordered = {
  ordered: true,
  sessions: "native",
  acceptSpecific: "native",
  sessionState: "native"
} satisfies Partial<Capabilities.Capabilities>

const toPeeked = (entry: Entry, isNumbered: boolean): ReceivedMessage.PeekedMessage => ({
  ...entry.message,
  ...(entry.deadLetter === undefined ? {} : { deadLetter: entry.deadLetter }),
  ...(isNumbered ? { sequenceNumber: entry.sequenceNumber } : {}),
  deliveryCount: entry.deliveryCount,
  enqueuedAt: DateTime.makeUnsafe(entry.enqueuedAt)
})

const expired = () => QueueError.make(new QueueError.ReceiptExpired())

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const queues = options.queues ?? { orders: {} }
  const faults = options.faults ?? {}
  const isNumbered = options.isNumbered ?? true
  const calls: Array<Call> = []
  const settled: Array<Settled> = []
  const stores = new Map<string, Array<Entry>>()
  const sent = new Set<string>()
  const sessionLocks = new Map<string, Lock>()
  const sessionStates = new Map<string, Uint8Array>()
  let changed = yield* Deferred.make<void>()
  let counter = 0

  const next = (): string => `token-${++counter}`
  const store = (address: QueueAddress.QueueAddress): Array<Entry> => {
    const key = QueueAddress.format(address)
    const entries = stores.get(key) ?? []
    stores.set(key, entries)
    return entries
  }
  const capabilities = (queue: QueueName.QueueName): Capabilities.Capabilities => ({
    ...native,
    ...queues[queue]
  })
  const signal = Effect.suspend(() => {
    const before = changed
    changed = Deferred.makeUnsafe()
    return Deferred.succeed(before, undefined)
  })
  const isLocked = (entry: Entry, now: number): boolean =>
    entry.lock !== undefined && entry.lock.until > now

  /** Records a call, and runs it between the faults of the test. */
  const call = <A, R>(
    method: Method,
    address: QueueAddress.QueueAddress,
    facts: Omit<Call, "method" | "nth" | "at" | "queue">,
    run: (call: Call) => Effect.Effect<A, QueueError.QueueError, R>
  ): Effect.Effect<A, QueueError.QueueError, R> =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const nth = calls.filter((one) => one.method === method).length + 1
      const made: Call = { method, nth, at, queue: QueueAddress.format(address), ...facts }
      calls.push(made)
      if (queues[address.queue] === undefined) {
        const reason = new QueueError.QueueNotFound({ queue: address.queue })
        return Effect.fail(QueueError.make(reason))
      }
      return Effect.suspend(() => faults.before?.(made) ?? Effect.void).pipe(
        Effect.andThen(Effect.suspend(() => run(made))),
        Effect.tap(() => faults.after?.(made) ?? Effect.void)
      )
    })

  const answered = <A>(outcomes: ReadonlyArray<A>): ReadonlyArray<A> =>
    outcomes.slice(0, outcomes.length - (faults.outcomesMissing ?? 0))

  const holdTo = (isKept: boolean, what: string): Effect.Effect<void> =>
    isKept ? Effect.void : Effect.die(new Error(`the client broke the port: ${what}`))

  const send: QueueProvider.Service["send"] = (queue, messages) => {
    const { deduplication, sendCountMax, sendSizeMax } = capabilities(queue)
    const address = QueueAddress.queue(queue)
    const bytes = messages.reduce((total, message) => total + Message.size(message), 0)
    const ids = messages.map(({ messageId }) => messageId)
    return call("send", address, { ids }, (made) =>
      Effect.gen(function* () {
        yield* holdTo(messages.length > 0, "an empty send")
        yield* holdTo(messages.length <= sendCountMax, "more messages than sendCountMax")
        yield* holdTo(messages.length === 1 || bytes <= sendSizeMax, "more than sendSizeMax")
        const now = yield* Clock.currentTimeMillis
        const failed = new Map<SessionId.SessionId, QueueError.QueueError>()
        const outcomes = messages.map((message): Outcome.Outcome<QueueProvider.Sent> => {
          const { delay, messageId, scheduledAt, sessionId } = message
          const behind = sessionId === undefined ? undefined : failed.get(sessionId)
          const error = behind ?? faults.each?.(made, messageId)
          if (error !== undefined) {
            if (sessionId !== undefined) failed.set(sessionId, error)
            return Result.fail(error)
          }
          const isDuplicate =
            Capabilities.isSupported(deduplication) && sent.has(`${queue}/${messageId}`)
          if (isDuplicate) return Result.succeed({ messageId })
          sent.add(`${queue}/${messageId}`)
          const sequenceNumber = BigInt(++counter)
          const wait = delay === undefined ? 0 : Duration.toMillis(delay)
          const availableAt =
            scheduledAt === undefined ? now + wait : DateTime.toEpochMillis(scheduledAt)
          store(address).push({
            message,
            sequenceNumber,
            enqueuedAt: now,
            availableAt,
            deliveryCount: 0
          })
          return Result.succeed({ messageId, sequenceNumber })
        })
        yield* signal
        return answered(outcomes)
      })
    )
  }

  const deliver = (
    entry: Entry,
    address: QueueAddress.QueueAddress,
    now: number,
    until: number
  ): ReceivedMessage.ReceivedMessage => {
    entry.deliveryCount += 1
    entry.firstDeliveredAt ??= now
    entry.lock = { token: next(), until }
    const { deadLetter, deliveryCount, enqueuedAt, firstDeliveredAt, message, sequenceNumber } =
      entry
    return {
      ...message,
      ...(deadLetter === undefined ? {} : { deadLetter }),
      receipt: Receipt.make(address, entry.lock.token),
      ...(isNumbered ? { sequenceNumber } : {}),
      deliveryCount,
      enqueuedAt: DateTime.makeUnsafe(enqueuedAt),
      firstDeliveredAt: DateTime.makeUnsafe(firstDeliveredAt),
      deliveredAt: DateTime.makeUnsafe(now),
      lockedUntil: DateTime.makeUnsafe(until)
    }
  }

  /** Asks until there is an answer or the wait is over; woken by what is sent, settled or runs out. */
  const poll = <A>(
    address: QueueAddress.QueueAddress,
    wait: Duration.Duration,
    ask: (now: number) => Option.Option<A>
  ): Effect.Effect<Option.Option<A>> =>
    Effect.gen(function* () {
      const { receiveWaitMax } = capabilities(address.queue)
      const start = yield* Clock.currentTimeMillis
      const end = start + Duration.toMillis(Duration.min(wait, receiveWaitMax))
      while (true) {
        const now = yield* Clock.currentTimeMillis
        const answer = ask(now)
        if (Option.isSome(answer) || now >= end || faults.endsEarly === true) return answer
        const events = [
          ...store(address).flatMap(({ availableAt, lock }) => [availableAt, lock?.until ?? 0]),
          ...Array.from(sessionLocks.values(), ({ until }) => until)
        ].filter((at) => at > now)
        yield* Effect.raceFirst(
          Effect.sleep(Math.min(end, ...events) - now),
          Deferred.await(changed)
        )
      }
    })

  const lockEnd = (queue: QueueName.QueueName, now: number): number =>
    now + Duration.toMillis(capabilities(queue).lockDuration)

  const receive: QueueProvider.Service["receive"] = (address, { max, wait }) =>
    call("receive", address, { ids: [], max, waitMillis: Duration.toMillis(wait) }, () =>
      Effect.gen(function* () {
        yield* holdTo(Number.isInteger(max) && max >= 1, "a receive of less than one")
        const { ordered: isOrdered, receiveCountMax } = capabilities(address.queue)
        if (isOrdered && address._tag === "Queue") {
          const what = "receiving from an ordered queue"
          return yield* Effect.fail(
            QueueError.make(new QueueError.UnsupportedOperation({ what, provider: "scripted" }))
          )
        }
        const received = yield* poll(address, wait, (now) => {
          const free = store(address).filter(
            (entry) => entry.availableAt <= now && !isLocked(entry, now)
          )
          const taken = free
            .slice(0, Math.min(max, receiveCountMax))
            .map((entry) => deliver(entry, address, now, lockEnd(address.queue, now)))
          return taken.length === 0 ? Option.none() : Option.some(taken)
        })
        return Option.getOrElse(received, () => [])
      })
    )

  const byToken = (receipt: Receipt.Receipt, now: number): Entry | undefined =>
    store(receipt.address).find(
      (entry) => entry.lock?.token === receipt.token && isLocked(entry, now)
    )

  const idOf = (receipt: Receipt.Receipt): string =>
    store(receipt.address).find((entry) => entry.lock?.token === receipt.token)?.message
      .messageId ?? "unknown"

  const remove = (address: QueueAddress.QueueAddress, entry: Entry): void => {
    const entries = store(address)
    entries.splice(entries.indexOf(entry), 1)
  }

  const apply = (
    address: QueueAddress.QueueAddress,
    entry: Entry,
    verdict: Verdict.Verdict,
    now: number
  ): void => {
    settled.push({ id: entry.message.messageId, verdict: verdict._tag, at: now })
    if (verdict._tag === "Abandon") {
      entry.lock = undefined
      entry.availableAt = now + Duration.toMillis(verdict.delay)
      return
    }
    remove(address, entry)
    if (verdict._tag === "Complete") return
    const { description, details, reason } = verdict
    store(QueueAddress.deadLetter(address.queue)).push({
      message: entry.message,
      sequenceNumber: BigInt(++counter),
      enqueuedAt: now,
      availableAt: now,
      deliveryCount: 0,
      deadLetter: {
        reason,
        ...(description === undefined ? {} : { description }),
        ...(details === undefined ? {} : { details }),
        source: address.queue,
        time: DateTime.makeUnsafe(now),
        deliveryCount: entry.deliveryCount
      }
    })
  }

  const settle: QueueProvider.Service["settle"] = (receipts, verdict) => {
    const [first] = receipts
    if (first === undefined) return Effect.die(new Error("the client broke the port: no receipts"))
    const { address } = first
    return call("settle", address, { ids: receipts.map(idOf), verdict }, (made) =>
      Effect.gen(function* () {
        const { settleCountMax } = capabilities(address.queue)
        const key = QueueAddress.format(address)
        yield* holdTo(receipts.length <= settleCountMax, "more receipts than settleCountMax")
        yield* holdTo(
          receipts.every((receipt) => QueueAddress.format(receipt.address) === key),
          "receipts of two addresses"
        )
        const now = yield* Clock.currentTimeMillis
        const outcomes = receipts.map((receipt): Outcome.Outcome<void> => {
          const entry = byToken(receipt, now)
          if (entry === undefined) return Result.fail(expired())
          const error = faults.each?.(made, entry.message.messageId)
          if (error !== undefined) return Result.fail(error)
          apply(address, entry, verdict, now)
          return Result.succeed(undefined)
        })
        yield* signal
        return answered(outcomes)
      })
    )
  }

  const renewLock: QueueProvider.Service["renewLock"] = (receipts) => {
    const [first] = receipts
    if (first === undefined) return Effect.die(new Error("the client broke the port: no receipts"))
    return call("renewLock", first.address, { ids: receipts.map(idOf) }, () =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        receipts.map((receipt): Outcome.Outcome<DateTime.Utc> => {
          const lock = byToken(receipt, now)?.lock
          if (lock === undefined) return Result.fail(expired())
          lock.until = lockEnd(receipt.address.queue, now)
          return Result.succeed(DateTime.makeUnsafe(lock.until))
        })
      )
    )
  }

  const peek: QueueProvider.Service["peek"] = (address, { fromSequenceNumber = 0n, max }) =>
    call("peek", address, { ids: [], max }, () =>
      Effect.sync(() =>
        store(address)
          .filter(({ sequenceNumber }) => sequenceNumber >= fromSequenceNumber)
          .slice(0, max)
          .map((entry) => toPeeked(entry, isNumbered))
      )
    )

  const depth = (address: QueueAddress.QueueAddress) =>
    call("depth", address, { ids: [] }, () =>
      Effect.map(Clock.currentTimeMillis, (now): QueueProvider.Depth => {
        const entries = store(address)
        const locked = entries.filter((entry) => isLocked(entry, now)).length
        const delayed = entries.filter(({ availableAt }) => availableAt > now).length
        return { available: entries.length - locked - delayed, locked, delayed }
      })
    )

  const openSession = (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId,
    lock: Lock
  ): QueueSession.QueueSession => {
    const address = QueueAddress.queue(queue)
    const key = `${queue}\n${sessionId}`
    const own = () => store(address).filter(({ message }) => message.sessionId === sessionId)
    const held = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sessionLocks.get(key) === lock && lock.until > now
        ? Effect.succeed(now)
        : Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId })))
    )
    return {
      queue,
      sessionId,
      lockedUntil: Effect.sync(() => DateTime.makeUnsafe(lock.until)),
      receive: ({ max, wait }) =>
        call("receive", address, { ids: [], max, waitMillis: Duration.toMillis(wait) }, () =>
          Effect.andThen(
            held,
            Effect.map(
              poll(address, wait, (now) => {
                const open = own().filter((entry) => !isLocked(entry, now))
                const late = open.findIndex((entry) => entry.availableAt > now)
                const taken = (late === -1 ? open : open.slice(0, late))
                  .slice(0, max)
                  .map((entry) => deliver(entry, address, now, lock.until))
                return taken.length === 0 ? Option.none() : Option.some(taken)
              }),
              Option.getOrElse(() => [])
            )
          )
        ),
      settle: (receipts, verdict) => Effect.andThen(held, settle(receipts, verdict)),
      renewLock: call("renewSession", address, { ids: [] }, () =>
        Effect.map(held, (now) => {
          lock.until = lockEnd(queue, now)
          for (const entry of own()) if (isLocked(entry, now)) entry.lock = { ...lock }
          return DateTime.makeUnsafe(lock.until)
        })
      ),
      state: call("getState", address, { ids: [] }, () =>
        Effect.map(held, () => Option.fromNullishOr(sessionStates.get(key)))
      ),
      setState: (state) =>
        call("setState", address, { ids: [] }, () =>
          Effect.map(held, () => {
            if (Option.isSome(state)) sessionStates.set(key, state.value)
            else sessionStates.delete(key)
          })
        )
    }
  }

  const acceptSession: QueueProvider.Service["acceptSession"] = (queue, { sessionId, wait }) => {
    const address = QueueAddress.queue(queue)
    const facts = { ids: [], waitMillis: Duration.toMillis(wait) }
    return call("acceptSession", address, facts, () =>
      Effect.gen(function* () {
        if (capabilities(queue).sessions === "unsupported") {
          const what = "accepting a session"
          const reason = new QueueError.UnsupportedOperation({ what, provider: "scripted" })
          return yield* Effect.fail(QueueError.make(reason))
        }
        const isHeld = (id: SessionId.SessionId, now: number): boolean =>
          (sessionLocks.get(`${queue}\n${id}`)?.until ?? 0) > now
        if (sessionId !== undefined && isHeld(sessionId, yield* Clock.currentTimeMillis)) {
          return yield* Effect.fail(QueueError.make(new QueueError.SessionLocked({ sessionId })))
        }
        const found = yield* poll(address, wait, (now) => {
          const ids = store(address).flatMap(({ message }) => message.sessionId ?? [])
          const isGranted = sessionId !== undefined && capabilities(queue).locksEmptySession
          const free = isGranted
            ? sessionId
            : ids.find((id) => !isHeld(id, now) && (sessionId === undefined || sessionId === id))
          return Option.fromNullishOr(free)
        })
        if (Option.isNone(found)) return Option.none()
        const id = found.value
        const lock: Lock = {
          token: next(),
          until: lockEnd(queue, yield* Clock.currentTimeMillis)
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => sessionLocks.set(`${queue}\n${id}`, lock)),
          () =>
            Effect.suspend(() => {
              if (sessionLocks.get(`${queue}\n${id}`) === lock) {
                sessionLocks.delete(`${queue}\n${id}`)
                for (const entry of store(address)) {
                  if (entry.message.sessionId === id && entry.lock !== undefined) {
                    entry.lock = undefined
                    entry.deliveryCount -= 1
                  }
                }
              }
              return signal
            })
        )
        return Option.some(openSession(queue, id, lock))
      })
    )
  }

  const provider: ScriptedProvider = {
    service: {
      name: "scripted",
      stack: ["scripted"],
      capabilities,
      send,
      receive,
      settle,
      renewLock,
      peek,
      ...(options.tellsDepth === true ? { depth } : {}),
      acceptSession
    },
    faults,
    calls: (method) => calls.filter((one) => one.method === method),
    settled,
    put: (address, message, { deadLetter, enqueuedAt = 0, heldUntil } = {}) => {
      store(address).push({
        message,
        sequenceNumber: BigInt(++counter),
        enqueuedAt,
        availableAt: 0,
        deliveryCount: 0,
        ...(deadLetter === undefined ? {} : { deadLetter }),
        ...(heldUntil === undefined ? {} : { lock: { token: next(), until: heldUntil } })
      })
    },
    messages: (address) => store(address).map(({ message }) => message),
    locked: Effect.map(Clock.currentTimeMillis, (now) =>
      [...stores.values()]
        .flat()
        .filter((entry) => isLocked(entry, now))
        .map(({ message }) => message.messageId)
    )
  }
  return provider
})
