import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ConfigurationInvalid } from "../EmulatorError.ts"
import type * as QueueOptions from "../QueueOptions.ts"
import type { Settings } from "./queue.ts"

const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute

const invalid = (path: string, detail: string) =>
  Effect.fail(new ConfigurationInvalid({ path, detail }))

const millisOf = Effect.fnUntraced(function* (
  path: string,
  value: Duration.Input | undefined,
  bounds: { readonly whenAbsent: number; readonly min: number; readonly max: number }
) {
  if (value === undefined) return bounds.whenAbsent
  const duration = Duration.fromInput(value)
  if (Option.isNone(duration)) return yield* invalid(path, "is not a duration")
  const millis = Duration.toMillis(duration.value)
  const isWithin = millis >= bounds.min && millis <= bounds.max
  if (isWithin) return millis
  const upTo = bounds.max === Infinity ? "" : ` and at most ${bounds.max / second} s`
  return yield* invalid(path, `must be at least ${bounds.min / second} s${upTo}`)
})

const numberOf = (
  path: string,
  value: number | undefined,
  bounds: { readonly whenAbsent: number; readonly min: number; readonly max: number }
) => {
  const number = value ?? bounds.whenAbsent
  return Number.isSafeInteger(number) && number >= bounds.min && number <= bounds.max
    ? Effect.succeed(number)
    : invalid(path, `must be a whole number from ${bounds.min} to ${bounds.max}`)
}

const bytesMax = Number.MAX_SAFE_INTEGER

/** Checks the options of a queue; fails with the path of the option that is wrong. */
export const resolve = Effect.fnUntraced(function* (
  name: string,
  options: QueueOptions.QueueOptions,
  path: string
) {
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,258}[A-Za-z0-9])?$/u.test(name)) {
    return yield* invalid(
      path,
      "a queue's name is 1 to 260 letters, digits, '.', '-', '_' and '/', letters or digits at both ends"
    )
  }
  const window = yield* millisOf(
    `${path}.duplicateDetectionHistoryTimeWindow`,
    options.duplicateDetectionHistoryTimeWindow,
    { whenAbsent: 10 * minute, min: 20 * second, max: 7 * day }
  )
  const settings: Settings = {
    name,
    requiresSession: options.requiresSession ?? false,
    maxDeliveryCount: yield* numberOf(`${path}.maxDeliveryCount`, options.maxDeliveryCount, {
      whenAbsent: 10,
      min: 1,
      max: 2000
    }),
    lockMillis: yield* millisOf(`${path}.lockDuration`, options.lockDuration, {
      whenAbsent: minute,
      min: 5 * second,
      max: 5 * minute
    }),
    timeToLiveMillis: yield* millisOf(
      `${path}.defaultMessageTimeToLive`,
      options.defaultMessageTimeToLive,
      { whenAbsent: Infinity, min: second, max: Infinity }
    ),
    deduplicationMillis: (options.requiresDuplicateDetection ?? false) ? window : 0,
    deadLettersExpired: options.deadLetteringOnMessageExpiration ?? false,
    messageBytesMax: yield* numberOf(`${path}.messageBytesMax`, options.messageBytesMax, {
      whenAbsent: 262_144,
      min: 1024,
      max: 104_857_600
    }),
    queueBytesMax: yield* numberOf(`${path}.queueBytesMax`, options.queueBytesMax, {
      whenAbsent: 1_073_741_824,
      min: 1024,
      max: bytesMax
    }),
    sessionStateBytesMax: yield* numberOf(
      `${path}.sessionStateBytesMax`,
      options.sessionStateBytesMax,
      { whenAbsent: 262_144, min: 0, max: 104_857_600 }
    )
  }
  return settings
})
