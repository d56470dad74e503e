import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import {
  type Capabilities,
  Defaults,
  type Outcome,
  type PushedBatch,
  QueueAddress,
  QueueError,
  type QueueName,
  type Verdict
} from "@queue-runtime/core"
import * as attributes from "../attributes.ts"
import * as errors from "../errors.ts"
import * as wire from "../wire.ts"
import type { Actions, Item } from "./input.ts"
import * as inputs from "./input.ts"

/** How a function is asked to settle, and what it needs for that. */
export interface Options {
  /** By returning and throwing, or by the actions of an SDK binding. */
  readonly settlement: "return" | "actions"
  /** Whether the actions take properties as they are; else they are given none. */
  readonly writesProperties: boolean
  /** Whether the queue has sessions, which are given back as a whole. */
  readonly isOrdered: (queue: QueueName.QueueName) => boolean
}

/** Whether a function was called by a trigger with an SDK binding. */
export const hasActions = (input: unknown): boolean =>
  inputs.read(input, undefined).actions !== undefined

/** What a function was called with, together. */
export interface Call {
  readonly input: unknown
  readonly triggerMetadata: unknown
}

const done: Outcome.Outcome<void> = Result.succeed(undefined)

const sideBySide = { concurrency: "unbounded" } as const

const isoOf = (millis: number): string => DateTime.formatIso(DateTime.makeUnsafe(millis))

/** One call of the host; its promise has no way to be aborted, so it is given up. */
const asked = (
  place: errors.Place,
  ask: () => Promise<unknown>
): Effect.Effect<void, QueueError.QueueError> => {
  const limit = Defaults.serviceBusRequestTimeout
  return Effect.tryPromise({ try: ask, catch: (thrown) => errors.fromThrown(thrown, place) }).pipe(
    Effect.timeoutOrElse({
      duration: limit,
      orElse: () => Effect.fail(errors.timedOut(limit, place))
    }),
    Effect.asVoid
  )
}

/** Settles one message by the actions of its binding. */
const settleBy = (
  actions: Actions,
  item: Item,
  firstDeliveredAt: number,
  { writesProperties }: Options
) => {
  const { source } = item
  const written = (properties: Record<string, string>): Record<string, string> | undefined =>
    writesProperties ? properties : undefined
  const facts = { [attributes.firstDeliveredAt]: isoOf(firstDeliveredAt) }
  const lengthMax = Defaults.deadLetterDescriptionLengthMax
  return (verdict: Verdict.Verdict, now: number): Promise<unknown> => {
    switch (verdict._tag) {
      case "Complete":
        return actions.complete(source)
      case "Abandon":
        return actions.abandon(source, written(facts))
      case "DeadLetter": {
        const properties = {
          ...facts,
          [attributes.deliveryCount]: String(item.deliveryCount),
          [attributes.deadLetteredAt]: isoOf(now),
          ...wire.toDetails(item.message, verdict)
        }
        const { description = "", reason } = verdict
        return actions.deadletter(
          source,
          written(properties),
          wire.cut(reason, lengthMax),
          wire.cut(description, lengthMax)
        )
      }
    }
  }
}

/** The id of a session as the service has it, which may not be one of ours. */
const sessionOf = ({ message }: Item): string => message.sessionId ?? ""

const invalid = (address: QueueAddress.QueueAddress, problem: string) =>
  errors.error(new QueueError.ConfigurationInvalid({ key: "settlement", problem }), {
    operation: "open",
    queue: QueueAddress.format(address)
  })

const receivedOf = (
  item: Item,
  address: QueueAddress.QueueAddress,
  now: number,
  endsAt: number
): { readonly message: PushedBatch.Pushed["message"]; readonly firstDeliveredAt: number } => {
  const source: ServiceBusReceivedMessage = item.message
  const peeked = wire.toPeeked(source, address, item.deliveryCount)
  if (item.sequenceNumber === undefined) delete peeked.sequenceNumber
  else peeked.sequenceNumber = item.sequenceNumber
  const deliveredAt = DateTime.makeUnsafe(now)
  const firstDeliveredAt = wire.firstDeliveredAtOf(source) ?? now
  const facts = {
    firstDeliveredAt: DateTime.makeUnsafe(firstDeliveredAt),
    deliveredAt,
    lockedUntil: DateTime.makeUnsafe(endsAt)
  }
  return { message: Object.assign(peeked, facts), firstDeliveredAt }
}

/** What can be done with a message that was pushed. */
const capabilitiesOf =
  ({ settlement }: Options): PushedBatch.Host["capabilities"] =>
  (below): Capabilities.Capabilities => ({
    ...below,
    abandonDelay: "unsupported",
    sessionState: "unsupported",
    // Only the queue's own maximum of deliveries puts aside what is thrown at.
    ...(settlement === "return" ? { deadLetter: "unsupported" as const } : {})
  })

const abandon: Verdict.Verdict = { _tag: "Abandon", delay: Duration.zero }

/** What the host cannot do must not pass for done: it would complete the message. */
const unfeasible = ({ settlement }: Options, verdict: Verdict.Verdict): string | undefined => {
  if (verdict._tag === "DeadLetter" && settlement === "return") {
    return 'dead-lettering with the settlement "return"'
  }
  return verdict._tag === "Abandon" && !Duration.isZero(verdict.delay)
    ? "abandoning a pushed message with a delay"
    : undefined
}

const isCall = (event: unknown): event is Call => Predicate.hasProperty(event, "input")

/** The host that is Azure Functions. */
export const make = (options: Options): PushedBatch.Host => {
  const open: PushedBatch.Host["open"] = Effect.fnUntraced(function* ({ address, endsAt, event }) {
    const call = isCall(event) ? event : { input: event, triggerMetadata: undefined }
    const { actions, items } = inputs.read(call.input, call.triggerMetadata)
    if ((actions === undefined) !== (options.settlement === "return")) {
      const problem =
        actions === undefined
          ? 'is "actions", and the trigger has none: set its sdkBinding'
          : 'is "return", and the trigger has an sdkBinding: make it "actions"'
      return yield* Effect.fail(invalid(address, problem))
    }
    const now = yield* Clock.currentTimeMillis
    const read = items.map((item) => receivedOf(item, address, now, endsAt))
    const place: errors.Place = { operation: "settle", queue: QueueAddress.format(address) }

    const settleOne = (index: number, verdict: Verdict.Verdict) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const item = items[index]
        if (actions === undefined || item === undefined) return Effect.succeed(done)
        const settle = settleBy(actions, item, read[index]?.firstDeliveredAt ?? now, options)
        return Effect.result(asked(place, () => settle(verdict, at)))
      })

    const settle: PushedBatch.Opened["settle"] = (which, verdict, behind) => {
      const what = unfeasible(options, verdict)
      return what === undefined
        ? Effect.tap(
            Effect.forEach(which, (index) => settleOne(index, verdict), sideBySide),
            () => (behind.length === 0 ? Effect.void : release(behind))
          )
        : Effect.fail(errors.unsupported(what, place))
    }

    /**
     * Those behind a failed one stay locked until the host lets go of the session, and are not counted.
     * What cannot be given back keeps none of the others.
     */
    const release: PushedBatch.Opened["release"] = (which) => {
      if (actions === undefined) return Effect.void
      const isOrdered = address._tag === "Queue" && options.isOrdered(address.queue)
      const idOf = (index: number): string => {
        const item = items[index]
        return isOrdered && item !== undefined ? sessionOf(item) : ""
      }
      const sessions = new Set(which.map(idOf).filter((id) => id !== ""))
      const others = which.filter((index) => idOf(index) === "")
      const letGo = (id: string) => Effect.ignore(asked(place, () => actions.releaseSession(id)))
      return Effect.andThen(
        Effect.forEach(sessions, letGo, sideBySide),
        Effect.asVoid(Effect.forEach(others, (index) => settleOne(index, abandon), sideBySide))
      )
    }

    const opened: PushedBatch.Opened = {
      messages: read.map(({ message }) => ({ message })),
      settle,
      release
    }
    return opened
  })

  return { capabilities: capabilitiesOf(options), open }
}
