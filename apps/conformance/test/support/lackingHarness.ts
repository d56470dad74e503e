import { Harness } from "@queue-runtime/contract-tests"
import {
  type Capabilities,
  QueueError,
  type QueueProvider,
  type QueueSession
} from "@queue-runtime/core"
import { Duration, Effect, Option } from "effect"
import { memory } from "./memoryHarness.ts"

const lacking = {
  acceptSpecific: "unsupported",
  locksEmptySession: false,
  sessionState: "unsupported",
  scheduling: "unsupported",
  abandonDelay: "unsupported",
  timeToLive: "unsupported",
  deadLetter: "unsupported",
  peek: "unsupported"
} as const satisfies Partial<Capabilities.Capabilities>

const refuse = (what: string) =>
  Effect.fail(QueueError.make(new QueueError.UnsupportedOperation({ what, provider: "memory" })))

type Settle = QueueProvider.Service["settle"]

const settling =
  (settle: Settle): Settle =>
  (receipts, verdict) => {
    if (verdict._tag === "DeadLetter") return refuse("dead-lettering")
    return verdict._tag === "Abandon" && !Duration.isZero(verdict.delay)
      ? refuse("a delay of an abandon")
      : settle(receipts, verdict)
  }

const sessionOf = (session: QueueSession.QueueSession): QueueSession.QueueSession => ({
  ...session,
  settle: settling(session.settle),
  state: refuse("session state"),
  setState: () => refuse("session state")
})

/** Where there are no dead letters there is no end to deliveries. */
const endless: typeof memory = {
  ...memory,
  open: (spec) => memory.open({ ...spec, deliveriesMax: 1_000_000 })
}

/** A provider that can do what every queue can, and says so. */
export const bare = Harness.transformed(endless, "memory without extras", (provider) =>
  Effect.succeed({
    ...provider,
    capabilities: (queue) => ({ ...provider.capabilities(queue), ...lacking }),
    send: (queue, messages) => {
      const asks = messages.find(
        ({ delay, scheduledAt, timeToLive }) => delay ?? scheduledAt ?? timeToLive
      )
      return asks === undefined ? provider.send(queue, messages) : refuse("a time of a message")
    },
    receive: (address, options) =>
      address._tag === "DeadLetter" ? refuse("dead letters") : provider.receive(address, options),
    settle: settling(provider.settle),
    peek: () => refuse("a peek"),
    acceptSession: (queue, options) =>
      options.sessionId === undefined
        ? Effect.map(provider.acceptSession(queue, options), Option.map(sessionOf))
        : refuse("accepting a session by its id")
  })
)

const delayMax = Duration.minutes(15)

const abandonDelayMax = Duration.hours(12)

/** A provider with the longest delays of SQS. */
export const limited = Harness.transformed(memory, "memory with limits", (provider) =>
  Effect.succeed({
    ...provider,
    capabilities: (queue) => ({ ...provider.capabilities(queue), delayMax, abandonDelayMax }),
    send: (queue, messages) =>
      messages.some(({ delay }) => delay !== undefined && Duration.isGreaterThan(delay, delayMax))
        ? refuse("a delay above 15 minutes")
        : provider.send(queue, messages),
    settle: (receipts, verdict) =>
      verdict._tag === "Abandon" && Duration.isGreaterThan(verdict.delay, abandonDelayMax)
        ? refuse("a delay above 12 hours")
        : provider.settle(receipts, verdict)
  })
)
