import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { QueueError } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

type Stamped = Parameters<typeof wrap.edit>[0]

/** Messages whose time is changed on their way; with the time now. */
const withTimes = (
  f: (message: Stamped, now: number, all: ReadonlyArray<Stamped>) => Stamped
): Sabotage.Sabotage["make"] =>
  wrap.plain((provider) =>
    wrap.change(provider, {
      send: (queue, messages) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          provider.send(
            queue,
            messages.map((one) => f(one, now, messages))
          )
        )
    })
  )

const dueIn = ({ delay, scheduledAt }: Stamped, now: number): Duration.Duration | undefined =>
  delay ??
  (scheduledAt === undefined
    ? undefined
    : Duration.millis(Math.max(DateTime.toEpochMillis(scheduledAt) - now, 0)))

const dueAfter = (message: Stamped, delay: Duration.Duration | undefined): Stamped =>
  wrap.edit(message, { delay, scheduledAt: undefined })

export const time: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "schedule-ignored",
    title: "a scheduled message is delivered at once",
    source: "SQS FIFO has no delay of a message (probe P16), and the library sends anyway",
    caughtBy: ["SCHEDULE-1", "SCHEDULE-2", "SCHEDULE-4"],
    make: withTimes((message) => dueAfter(message, undefined))
  },
  {
    id: "schedule-time-ignored",
    title: "a delay is kept, and a time is not",
    source: "SQS takes a delay alone",
    caughtBy: ["SCHEDULE-2"],
    make: withTimes((message) => wrap.edit(message, { scheduledAt: undefined }))
  },
  {
    id: "schedule-half-second-early",
    title: "a delay is cut to whole seconds, and over early",
    source: "SQS counts whole seconds",
    caughtBy: ["LIMIT-12"],
    make: withTimes((message, now) => {
      const due = dueIn(message, now)
      return due === undefined
        ? message
        : dueAfter(message, Duration.seconds(Math.floor(Duration.toSeconds(due))))
    })
  },
  {
    id: "schedule-of-first",
    title: "all messages of a call get the time of its first",
    source: "Service Bus copies the first message's properties to the batch (SERVICEBUS.md §1.3)",
    caughtBy: ["BATCH-7"],
    make: withTimes((message, now, [first]) =>
      first === undefined ? message : dueAfter(message, dueIn(first, now))
    )
  },
  {
    id: "schedule-holds-up",
    title: "a scheduled message holds up those sent after it",
    source: "a delay of the queue instead of the message",
    caughtBy: ["SCHEDULE-4"],
    make: wrap.remembering(
      () => ({ until: 0 }),
      (provider, last) =>
        wrap.change(provider, {
          send: (queue, messages) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              provider.send(
                queue,
                messages.map((message) => {
                  const due = Duration.toMillis(dueIn(message, now) ?? Duration.zero)
                  last.until = Math.max(last.until, now + due)
                  return last.until > now
                    ? dueAfter(message, Duration.millis(last.until - now))
                    : message
                })
              )
            )
        })
    )
  },
  {
    id: "schedule-past-refused",
    title: "a time that is over is refused",
    source: "a negative delay, which the service does not take",
    caughtBy: ["SCHEDULE-3"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            messages.some(
              ({ scheduledAt }) =>
                scheduledAt !== undefined && DateTime.toEpochMillis(scheduledAt) < now
            )
              ? Effect.fail(wrap.untranslated(provider, "InvalidParameterValue"))
              : provider.send(queue, messages)
          )
      })
    )
  },
  {
    id: "schedule-seen-by-next-call",
    title: "who waits is not served when a message is due, the next one who asks is",
    source: "due messages looked for when a call comes",
    caughtBy: ["SCHEDULE-5"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          Effect.flatMap(
            provider.receive(address, { ...options, wait: Duration.zero }),
            (messages) => {
              if (messages.length > 0 || Duration.isZero(options.wait)) {
                return Effect.succeed(messages)
              }
              const before = Effect.flatMap(DateTime.now, (now) =>
                Effect.map(provider.receive(address, options), (late) => ({ late, now }))
              )
              return Effect.flatMap(before, ({ late, now }) => {
                const wasScheduled = late.some(
                  ({ scheduledAt }) =>
                    scheduledAt !== undefined && DateTime.isGreaterThan(scheduledAt, now)
                )
                return wasScheduled
                  ? Effect.as(Effect.sleep(options.wait), late)
                  : Effect.succeed(late)
              })
            }
          )
      })
    )
  },
  {
    id: "time-to-live-ignored",
    title: "a message is delivered after its time to live",
    source: "SQS has none per message, and the library does not look",
    caughtBy: ["SCHEDULE-9", "SCHEDULE-10", "SCHEDULE-13"],
    make: wrap.remembering(
      () => new Map<string, Duration.Duration>(),
      (provider, lives) => {
        const sent = wrap.withSent(provider, (message) => {
          if (message.timeToLive === undefined) return message
          lives.set(message.messageId, message.timeToLive)
          return wrap.edit(message, { timeToLive: undefined })
        })
        return wrap.withMessages(sent, (message) => {
          const timeToLive = lives.get(message.messageId)
          return timeToLive === undefined ? message : Object.assign(message, { timeToLive })
        })
      }
    )
  },
  {
    id: "time-to-live-of-schedule",
    title: "the time to live of a scheduled message begins when it is sent",
    source: "one timestamp for two times",
    caughtBy: ["MODEL-1", "SCHEDULE-11"],
    kind: "loss",
    make: withTimes((message, now) => {
      const due = dueIn(message, now)
      const { timeToLive } = message
      if (due === undefined || timeToLive === undefined) return message
      const left = Duration.subtract(timeToLive, due)
      return wrap.edit(message, {
        timeToLive: Duration.isPositive(left) ? left : Duration.millis(1)
      })
    })
  },
  {
    id: "time-to-live-ends-delivery",
    title: "a delivery cannot be settled once its message has expired",
    source: "expiry looked at in every call",
    caughtBy: ["SCHEDULE-12"],
    make: wrap.recorded((provider, deliveries) =>
      wrap.withSettles(
        provider,
        (settle) => (receipts, verdict) =>
          Effect.flatMap(DateTime.now, (now) => {
            const isOver = receipts.some(({ token }) => {
              const message = deliveries.get(token)?.message
              return (
                message?.timeToLive !== undefined &&
                DateTime.isLessThan(
                  DateTime.addDuration(message.enqueuedAt, message.timeToLive),
                  now
                )
              )
            })
            return isOver
              ? Effect.fail(QueueError.make(new QueueError.ReceiptExpired()))
              : settle(receipts, verdict)
          })
      )
    )
  },
  {
    id: "time-to-live-blocks-session",
    title: "an expired message blocks its session",
    source: "expired messages skipped where they are counted, and not where they are taken",
    caughtBy: ["SCHEDULE-13"],
    make: wrap.remembering(
      () => new Map<string, number>(),
      (provider, ends) => {
        const sent = wrap.change(provider, {
          send: (queue, messages) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) => {
              for (const { sessionId, timeToLive } of messages) {
                if (sessionId === undefined || timeToLive === undefined) continue
                ends.set(sessionId, now + Duration.toMillis(timeToLive))
              }
              return provider.send(queue, messages)
            })
        })
        return wrap.withSessions(sent, (session) => ({
          receive: (options) =>
            Effect.flatMap(Clock.currentTimeMillis, (now) =>
              now > (ends.get(session.sessionId) ?? Infinity)
                ? Effect.as(Effect.sleep(options.wait), [])
                : session.receive(options)
            )
        }))
      }
    )
  }
]
