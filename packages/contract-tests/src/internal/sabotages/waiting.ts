import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { QueueError, QueueProvider } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

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

export const waiting: ReadonlyArray<Sabotage.Sabotage> = [
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
    id: "calls-one-by-one",
    title: "all calls of a connection wait for each other, a receive's wait included",
    source: "one channel, one request at a time",
    caughtBy: ["CONCUR-12"],
    make: wrap.plain((provider) => {
      const turn = Semaphore.makeUnsafe(1)
      return QueueProvider.transform(provider, "one by one", (call) => turn.withPermit(call))
    })
  }
]
