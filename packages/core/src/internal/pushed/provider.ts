import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Capabilities from "../../Capabilities.ts"
import * as MessageId from "../../MessageId.ts"
import type * as Outcome from "../../Outcome.ts"
import type * as PushedBatch from "../../PushedBatch.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import * as QueueError from "../../QueueError.ts"
import * as QueueProvider from "../../QueueProvider.ts"
import type * as QueueSession from "../../QueueSession.ts"
import type * as Receipt from "../../Receipt.ts"
import type * as SessionId from "../../SessionId.ts"
import type * as Verdict from "../../Verdict.ts"
import { type Batch, Current } from "./batch.ts"
import { expired, Held } from "./held.ts"

/** One that was pushed, by its receipt. */
interface Found {
  readonly batch: Batch
  readonly held: Held
  readonly index: number
}

const isSame = (one: QueueAddress.QueueAddress, other: QueueAddress.QueueAddress): boolean =>
  QueueAddress.format(one) === QueueAddress.format(other)

/** Settles what is in hand of one batch; one outcome each. */
export const settleIn = Effect.fnUntraced(function* (
  held: Held,
  indexes: ReadonlyArray<number>,
  verdict: Verdict.Verdict
) {
  const due = indexes.filter((index) => held.isInHand(index))
  if (due.length === 0) return indexes.map(expired)
  const behind = verdict._tag === "Abandon" ? due.flatMap((index) => held.behind(index)) : []
  const taken = new Set(behind.filter((index) => !due.includes(index)))
  const answers = yield* Effect.result(held.opened.settle(due, verdict, [...taken]))
  const outcomes = new Map<number, Outcome.Outcome<void>>()
  for (const [at, index] of due.entries()) {
    const outcome = Result.isFailure(answers) ? Result.fail(answers.failure) : answers.success[at]
    outcomes.set(index, outcome ?? expired())
    if (outcome === undefined || Result.isFailure(outcome)) continue
    held.end([index], verdict._tag === "Abandon" ? "left" : "settled")
    // They come again behind it.
    if (verdict._tag === "Abandon") held.end(held.behind(index), "left")
  }
  return indexes.map((index) => outcomes.get(index) ?? expired())
})

/** What is left of a session, or of all, goes back. */
const leave = (held: Held, sessionId?: SessionId.SessionId): Effect.Effect<void> => {
  const left = held.leave(sessionId)
  return left.length === 0 ? Effect.void : held.opened.release(left)
}

/** A provider that hands out what a host pushed before it asks the one below. */
export const make = Effect.fnUntraced(function* (
  self: QueueProvider.Service,
  name: string,
  { capabilities, open }: PushedBatch.Host
): Effect.fn.Return<QueueProvider.Service> {
  const prefix = `${name}/${yield* MessageId.generate}/`
  const batches = new Map<string, { readonly batch: Batch; readonly held: Held }>()
  let opened = 0

  // Asked for at every call, and mostly the same object.
  const known = new WeakMap<Capabilities.Capabilities, Capabilities.Capabilities>()
  const capabilitiesOf = (below: Capabilities.Capabilities): Capabilities.Capabilities => {
    const found = known.get(below) ?? capabilities(below)
    known.set(below, found)
    return found
  }

  const read = Effect.fnUntraced(function* (batch: Batch) {
    if (batch.held !== undefined) return batch.held
    const { address, endsAt, event } = batch
    const token = `${prefix}${opened++}`
    const isOrdered = address._tag === "Queue" && self.capabilities(address.queue).ordered
    const held = new Held(address, yield* open({ address, event, endsAt }), token, isOrdered)
    batch.held = held
    batches.set(token, { batch, held })
    // What is left is nobody's any more, and its receipts lead nowhere.
    batch.leave = () => {
      batches.delete(token)
      return leave(held)
    }
    // Read when it was over: nobody else gives it back.
    if (batch.isOver) yield* batch.leave()
    Deferred.doneUnsafe(batch.wasRead, Exit.succeed(held))
    return held
  })

  /** The batch that the caller receives from, if it does so from one. */
  const pushedTo = (address: QueueAddress.QueueAddress) =>
    Effect.flatMap(Current, (batch) =>
      batch === undefined || !isSame(batch.address, address)
        ? Effect.undefined
        : Effect.map(batch.reading.withPermit(read(batch)), (held) => ({ batch, held }))
    )

  const find = ({ token }: Receipt.Receipt): Found | undefined => {
    const at = token.lastIndexOf(":")
    const found = batches.get(token.slice(0, at))
    return found === undefined ? undefined : { ...found, index: Number(token.slice(at + 1)) }
  }

  const isPushed = ({ token }: Receipt.Receipt): boolean => token.startsWith(prefix)

  /** Those of each batch together, those of the service below by it; one outcome each, in their order. */
  const split = <A>(
    receipts: ReadonlyArray<Receipt.Receipt>,
    ours: (held: Held, batch: Batch, indexes: ReadonlyArray<number>) => Effect.Effect<Outcomes<A>>,
    others: (
      receipts: ReadonlyArray<Receipt.Receipt>
    ) => Effect.Effect<Outcomes<A>, QueueError.QueueError>
  ): Effect.Effect<Outcomes<A>, QueueError.QueueError> => {
    if (!receipts.some(isPushed)) return others(receipts)
    const groups = new Map<Held, { batch: Batch; places: Array<number>; indexes: Array<number> }>()
    const below: Array<number> = []
    const rest: Array<Receipt.Receipt> = []
    for (const [place, receipt] of receipts.entries()) {
      const found = find(receipt)
      if (found === undefined) {
        if (!isPushed(receipt)) {
          below.push(place)
          rest.push(receipt)
        }
        continue
      }
      const { batch, held, index } = found
      const group = groups.get(held)
      if (group === undefined) groups.set(held, { batch, places: [place], indexes: [index] })
      else {
        group.places.push(place)
        group.indexes.push(index)
      }
    }
    const outcomes = new Map<number, Outcome.Outcome<A>>()
    const put = (places: ReadonlyArray<number>) => (answers: Outcomes<A>) => {
      for (const [at, place] of places.entries()) outcomes.set(place, answers[at] ?? expired())
    }
    const calls = [...groups].map(([held, { batch, indexes, places }]) =>
      Effect.map(ours(held, batch, indexes), put(places))
    )
    const failed = (error: QueueError.QueueError): Outcomes<A> => rest.map(() => Result.fail(error))
    if (rest.length > 0) {
      const call = Effect.match(others(rest), { onFailure: failed, onSuccess: (all) => all })
      calls.push(Effect.map(call, put(below)))
    }
    const [only] = calls
    const all =
      only !== undefined && calls.length === 1
        ? only
        : Effect.all(calls, { concurrency: "unbounded" })
    return Effect.map(all, () => receipts.map((_, place) => outcomes.get(place) ?? expired()))
  }

  const sessionOf = (
    batch: Batch,
    held: Held,
    { sessionId, isReleased }: Accepted
  ): QueueSession.QueueSession => {
    const { queue } = batch.address
    const lockedUntil = DateTime.makeUnsafe(batch.endsAt)
    const lockLost = QueueError.make(new QueueError.SessionLockLost({ sessionId }), {
      provider: self.name,
      queue
    })
    /** Who comes after the host was answered, or the session given back, is not its holder any more. */
    const whileHeld = <A>(call: () => Effect.Effect<A>): Effect.Effect<A, QueueError.QueueError> =>
      Effect.suspend((): Effect.Effect<A, QueueError.QueueError> =>
        batch.isOver || isReleased() ? Effect.fail(lockLost) : call()
      )
    const what = "session state of a pushed batch"
    const stateless = Effect.suspend(() =>
      Effect.fail(
        QueueError.make(new QueueError.UnsupportedOperation({ what, provider: self.name }), {
          queue
        })
      )
    )
    return {
      queue,
      sessionId,
      lockedUntil: Effect.succeed(lockedUntil),
      receive: ({ max, wait }) =>
        whileHeld(() => {
          const taken = held.take(max, sessionId)
          // Nothing more is pushed; a caller that asks again must not spin.
          return taken.length > 0 ? Effect.succeed(taken) : Effect.as(Effect.sleep(wait), taken)
        }),
      settle: (receipts, verdict) =>
        Effect.suspend(() =>
          settleIn(
            held,
            receipts.map((receipt) => {
              const found = find(receipt)
              return found?.held === held ? found.index : -1
            }),
            verdict
          )
        ),
      lost: Effect.as(Deferred.await(batch.over), lockLost),
      renewLock: whileHeld(() => Effect.succeed(lockedUntil)),
      state: stateless,
      setState: () => stateless
    }
  }

  return {
    name: self.name,
    stack: [name, ...self.stack],
    capabilities: (queue) => capabilitiesOf(self.capabilities(queue)),
    send: self.send,
    receive: (address, options) =>
      Effect.flatMap(pushedTo(address), (pushed) => {
        if (pushed === undefined) return self.receive(address, options)
        const taken = pushed.held.take(options.max)
        return taken.length > 0
          ? Effect.succeed(taken)
          : Effect.as(Effect.sleep(options.wait), taken)
      }),
    settle: (receipts, verdict) =>
      split(
        receipts,
        (held, _, indexes) => settleIn(held, indexes, verdict),
        (below) => self.settle(below, verdict)
      ),
    renewLock: (receipts) =>
      split(
        receipts,
        (held, { endsAt }, indexes) =>
          Effect.sync(() =>
            indexes.map((index) =>
              held.isInHand(index) ? Result.succeed(DateTime.makeUnsafe(endsAt)) : expired()
            )
          ),
        self.renewLock
      ),
    peek: self.peek,
    ...QueueProvider.mapDepth(self, (call) => call),
    acceptSession: (queue, options) =>
      Effect.flatMap(pushedTo(QueueAddress.queue(queue)), (pushed) => {
        if (pushed === undefined) return self.acceptSession(queue, options)
        const { batch, held } = pushed
        let isReleased = false
        return Effect.acquireRelease(
          Effect.sync(() => held.next(options.sessionId)),
          (sessionId) =>
            Effect.suspend(() => {
              isReleased = true
              return sessionId === undefined ? Effect.void : leave(held, sessionId)
            })
        ).pipe(
          Effect.flatMap((sessionId) =>
            sessionId === undefined
              ? Effect.as(Effect.sleep(options.wait), Option.none())
              : Effect.succeedSome(
                  sessionOf(batch, held, { sessionId, isReleased: () => isReleased })
                )
          )
        )
      })
  }
})

/** A session that somebody accepted, until its scope closes. */
interface Accepted {
  readonly sessionId: SessionId.SessionId
  readonly isReleased: () => boolean
}

type Outcomes<A> = ReadonlyArray<Outcome.Outcome<A>>
