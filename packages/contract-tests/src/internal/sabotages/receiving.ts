import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { QueueAddress, QueueError, QueueProvider, Verdict } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

const none: ReadonlyArray<wrap.Received> = []

/** A poll that nobody can stop: it ends when it ends, and what it brings is dropped. */
const unstoppable = <A>(call: wrap.Failing<A>, scope: Scope.Scope): wrap.Failing<A> =>
  Effect.flatMap(Effect.forkIn(call, scope, { startImmediately: true }), Fiber.join)

/** Asks until there are as many as can be had within the wait. */
const filling = Effect.fnUntraced(function* (
  receive: wrap.Receive,
  { max, wait }: QueueProvider.ReceiveOptions
): Effect.fn.Return<ReadonlyArray<wrap.Received>, QueueError.QueueError> {
  const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(wait)
  const all: Array<wrap.Received> = []
  let left = wait
  do {
    all.push(...(yield* receive({ max: max - all.length, wait: left })))
    left = Duration.millis(end - (yield* Clock.currentTimeMillis))
  } while (all.length < max && Duration.isPositive(left))
  return all
})

/** Asks at the beginning and at the end of its wait, and sleeps in between. */
const askedTwice = <A, R>(
  ask: (wait: Duration.Duration) => wrap.Failing<A, R>,
  isNothing: (answer: A) => boolean,
  wait: Duration.Duration
): wrap.Failing<A, R> =>
  Effect.flatMap(ask(Duration.zero), (answer) =>
    isNothing(answer) && Duration.isPositive(wait)
      ? Effect.andThen(Effect.sleep(wait), ask(Duration.zero))
      : Effect.succeed(answer)
  )

export const receiving: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "receive-whole-batch",
    title: "a receive hands out the service's whole batch, whatever was asked for",
    source: "SQS: MaxNumberOfMessages left at ten",
    caughtBy: ["RECEIVE-4"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) => receive({ ...options, max: Math.max(options.max, 10) })
      )
    )
  },
  {
    id: "receive-drops-surplus",
    title: "a receive takes a whole batch and drops what was not asked for",
    source: "a batch of the service cut to size with slice",
    caughtBy: ["RECEIVE-4"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) =>
          Effect.map(receive({ ...options, max: options.max + 10 }), (messages) =>
            messages.slice(0, options.max)
          )
      )
    )
  },
  {
    id: "receive-prefetches",
    title: "a receive takes more than was asked for and keeps it for the next, locks running",
    source: "azure-sdk-for-js #15114; a prefetch that others wait for",
    caughtBy: ["LIFE-10"],
    make: wrap.plain((provider) => {
      const buffers = new Map<string, Array<wrap.Received>>()
      return wrap.change(provider, {
        receive: (address, options) =>
          Effect.suspend(() => {
            const key = QueueAddress.format(address)
            const buffer = buffers.get(key) ?? []
            buffers.set(key, buffer)
            if (buffer.length > 0) return Effect.succeed(buffer.splice(0, options.max))
            const more = { ...options, max: options.max + 10 }
            return Effect.map(provider.receive(address, more), (messages) => {
              buffer.push(...messages.slice(options.max))
              return messages.slice(0, options.max)
            })
          })
      })
    })
  },
  {
    id: "receive-never-waits",
    title: "a receive answers at once, whatever its wait",
    source: "SQS: WaitTimeSeconds not passed on; a worker then spins",
    caughtBy: ["RECEIVE-1", "SESSION-19"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) => receive({ ...options, wait: Duration.zero })
      )
    )
  },
  {
    id: "receive-zero-is-default",
    title: "a wait of zero is taken for no wait given, and the default is waited",
    source: "wait || defaultWait",
    caughtBy: ["RECEIVE-2"],
    make: wrap.plain((provider) =>
      wrap.withReceives(provider, (receive) => (options) => {
        const wait = Duration.isZero(options.wait) ? Duration.seconds(20) : options.wait
        return receive({ ...options, wait })
      })
    )
  },
  {
    id: "receive-waits-to-fill",
    title: "a receive waits until it has as many as it may take, or its wait is over",
    source: "SQS long polls (probe P15); azure-sdk-for-js #35928",
    caughtBy: ["RECEIVE-3"],
    make: wrap.plain((provider) =>
      wrap.withReceives(provider, (receive) => (options) => filling(receive, options))
    )
  },
  {
    id: "receive-asks-twice",
    title: "a wait asks at its beginning and at its end, and sleeps in between",
    source: "short polling dressed as a long poll",
    caughtBy: ["RECEIVE-3", "RECEIVE-18", "RECEIVE-19", "DEAD-10", "SESSION-18"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) =>
          askedTwice(
            (wait) => receive({ ...options, wait }),
            ({ length }) => length === 0,
            options.wait
          )
      )
    )
  },
  {
    id: "accept-asks-twice",
    title: "an accept asks at the beginning and at the end of its wait, and sleeps in between",
    source: "short polling dressed as a long poll",
    caughtBy: ["SESSION-44", "SESSION-45", "SESSION-46"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          askedTwice(
            (wait) => provider.acceptSession(queue, { ...options, wait }),
            Option.isNone,
            options.wait
          )
      })
    )
  },
  {
    id: "receive-empty-is-timeout",
    title: "a wait that ends with nothing fails with Timeout",
    source: "Service Bus: com.microsoft:timeout; DESIGN §5",
    caughtBy: ["RECEIVE-1", "SESSION-30"],
    make: wrap.plain((provider) => {
      const timeout = (after: Duration.Duration) =>
        Effect.fail(QueueError.make(new QueueError.Timeout({ after })))
      const impatient = wrap.withReceives(
        provider,
        (receive) => (options) =>
          Effect.filterOrElse(
            receive(options),
            ({ length }) => length > 0 || Duration.isZero(options.wait),
            () => timeout(options.wait)
          )
      )
      return wrap.change(impatient, {
        acceptSession: (queue, options) =>
          Effect.filterOrElse(
            impatient.acceptSession(queue, options),
            (session) => Option.isSome(session) || Duration.isZero(options.wait),
            () => timeout(options.wait)
          )
      })
    })
  },
  {
    id: "receive-wait-refused",
    title: "a wait over the service's longest is passed on, and refused",
    source: "SQS: WaitTimeSeconds above 20 is InvalidParameterValue",
    caughtBy: ["RECEIVE-11"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          Duration.isGreaterThan(options.wait, provider.capabilities(address.queue).receiveWaitMax)
            ? Effect.fail(wrap.untranslated(provider, "InvalidParameterValue"))
            : provider.receive(address, options)
      })
    )
  },
  {
    id: "receive-uninterruptible",
    title: "an interrupted receive ends when its poll does",
    source: "@azure/service-bus 7.9.5 ignores an abort signal for 6 s (SERVICEBUS.md §5.4)",
    caughtBy: ["RECEIVE-6"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) => (options) => Effect.uninterruptible(receive(options))
      )
    )
  },
  {
    id: "accept-uninterruptible",
    title: "an interrupted accept ends when its wait does",
    source: "acceptNextSession of @azure/service-bus 7.9.5 (SERVICEBUS.md §5.4)",
    caughtBy: ["SESSION-47"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          Effect.uninterruptible(provider.acceptSession(queue, options))
      })
    )
  },
  {
    id: "receive-outlives-interruption",
    title: "the poll of an interrupted receive goes on, and what it brings stays locked",
    source: "an aborted SQS poll still takes what arrives (SQS.md §3); azure-sdk-for-js #15606",
    caughtBy: ["RECEIVE-7", "RECEIVE-8", "RECEIVE-9", "SESSION-20"],
    make: wrap.background((provider, scope) =>
      wrap.withReceives(provider, (receive) => (options) => unstoppable(receive(options), scope))
    )
  },
  {
    id: "accept-outlives-interruption",
    title: "the session that an interrupted accept is granted stays locked",
    source: "ADR 0001; a grant that arrives when its caller has gone",
    caughtBy: ["SESSION-47", "SESSION-48"],
    make: wrap.background((provider, scope) =>
      wrap.change(provider, {
        acceptSession: (queue, options) =>
          Effect.gen(function* () {
            const own = yield* Scope.fork(scope)
            const accept = Scope.provide(provider.acceptSession(queue, options), own)
            const session = yield* unstoppable(accept, scope)
            yield* Effect.addFinalizer((exit) => Scope.close(own, exit))
            return session
          })
      })
    )
  },
  {
    id: "receive-collapsed",
    title: "receives that wait at once share one poll and its answer",
    source: "request collapsing, right for reads and wrong for a queue",
    caughtBy: ["RECEIVE-10"],
    kind: "duplication",
    beyondModel: "the model makes one call at a time",
    make: wrap.background((provider, scope) => {
      const polls = new Map<
        string,
        Fiber.Fiber<ReadonlyArray<wrap.Received>, QueueError.QueueError>
      >()
      return wrap.change(provider, {
        receive: (address, options) => {
          const key = QueueAddress.format(address)
          const poll = provider
            .receive(address, options)
            .pipe(Effect.ensuring(Effect.sync(() => polls.delete(key))))
          return Effect.suspend(() => {
            const running = polls.get(key)
            if (running !== undefined) return Fiber.join(running)
            return Effect.flatMap(Effect.forkIn(poll, scope), (fiber) => {
              polls.set(key, fiber)
              // The last one to ask is the one who stops it.
              return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
            })
          })
        }
      })
    })
  },
  {
    id: "receive-locks-late",
    title: "a message is handed out a second time before it is locked",
    source: "a read and a lock in two statements, without a transaction",
    caughtBy: ["MODEL-1", "RECEIVE-5"],
    kind: "duplication",
    make: wrap.remembering(
      () => new Map<string, Array<wrap.Received>>(),
      (provider, handed) =>
        wrap.change(provider, {
          receive: (address, options) => {
            const key = QueueAddress.format(address)
            return Effect.flatMap(provider.receive(address, options), (messages) =>
              Effect.sync(() => {
                const again = messages.length > 0 ? [] : (handed.get(key) ?? none)
                handed.set(key, [...messages])
                return messages.length > 0 ? messages : again.slice(0, options.max)
              })
            )
          }
        })
    )
  },
  {
    id: "receive-acknowledges",
    title: "a message is removed when it is received, and settling it only looks as if it did",
    source: "Service Bus: receiveAndDelete; AMQP: noAck",
    caughtBy: ["MODEL-1", "REDELIVER-1", "REDELIVER-2"],
    kind: "loss",
    make: wrap.recorded((provider, deliveries) => {
      const settling = wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.suspend(() => {
            const known = receipts.map(({ token }) => deliveries.delete(token))
            return Effect.map(settle(receipts, verdict), (outcomes) =>
              outcomes.map((one, index) => (known[index] === true ? wrap.ok : one))
            )
          })
      )
      return wrap.change(settling, {
        receive: (address, options) =>
          Effect.tap(settling.receive(address, options), (messages) =>
            provider.settle(
              messages.map(({ receipt }) => receipt),
              Verdict.complete
            )
          )
      })
    })
  },
  {
    id: "calls-one-by-one",
    title: "all calls of a connection wait for each other, a receive's wait included",
    source: "one channel, one request at a time",
    caughtBy: ["RECEIVE-3", "RECEIVE-9", "RECEIVE-10"],
    make: wrap.plain((provider) => {
      const turn = Semaphore.makeUnsafe(1)
      return QueueProvider.transform(provider, "one by one", (call) => turn.withPermit(call))
    })
  },
  {
    id: "peek-receives",
    title: "a peek receives and gives back, which counts",
    source: "SQS has no peek; consoles show messages by receiving them",
    caughtBy: ["RECEIVE-15"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        peek: (address, options) =>
          provider.capabilities(address.queue).ordered && address._tag === "Queue"
            ? provider.peek(address, options)
            : Effect.tap(
                provider.receive(address, { max: options.max, wait: Duration.zero }),
                (messages) =>
                  provider.settle(
                    messages.map(({ receipt }) => receipt),
                    Verdict.abandon()
                  )
              )
      })
    )
  },
  {
    id: "peek-from-beginning",
    title: "a peek begins at the beginning, wherever it was told to",
    source: "Service Bus peek-message: from-sequence-number left out",
    caughtBy: ["RECEIVE-16"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        peek: (address, { max }) => provider.peek(address, { max })
      })
    )
  },
  {
    id: "enqueued-at-delivery",
    title: "the time of a redelivery is told as that of the sending",
    source: "the client's clock at the receive taken for the broker's",
    caughtBy: ["RECEIVE-12", "RECEIVE-13"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({ ...message, enqueuedAt: message.deliveredAt }))
    )
  },
  {
    id: "first-delivery-forgotten",
    title: "the first delivery is told as this one",
    source: "SQS: ApproximateFirstReceiveTimestamp not asked for",
    caughtBy: ["RECEIVE-13"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        firstDeliveredAt: message.deliveredAt
      }))
    )
  },
  {
    id: "locked-until-of-long-poll",
    title: "the lock is told as long as the longest poll longer than it is",
    source: "SQS.md §4: a long poll's start says nothing of its answer's time",
    caughtBy: ["RECEIVE-12"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        lockedUntil: DateTime.addDuration(message.lockedUntil, Duration.seconds(20))
      }))
    )
  }
]
