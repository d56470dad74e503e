import { writeFileSync } from "node:fs"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ConfigFile } from "../src/index.ts"

/** The queue of the file that Microsoft's emulator comes with. */
const official = {
  Name: "queue.1",
  Properties: {
    DeadLetteringOnMessageExpiration: true,
    DefaultMessageTimeToLive: "PT1H",
    DuplicateDetectionHistoryTimeWindow: "PT20S",
    ForwardDeadLetteredMessagesTo: "",
    ForwardTo: "",
    LockDuration: "PT1M",
    MaxDeliveryCount: 3,
    RequiresDuplicateDetection: true,
    RequiresSession: false
  }
}

const fileOf = (queue: object, namespace: object = {}) =>
  JSON.stringify({
    UserConfig: {
      Namespaces: [{ Name: "sbemulatorns", Queues: [queue], ...namespace }],
      Logging: { Type: "File" }
    }
  })

const withProperties = (properties: object) => fileOf({ Name: "q", Properties: properties })

const messageOf = (text: string) =>
  Effect.map(Effect.flip(ConfigFile.parse(text)), ({ message }) => message)

const place = "UserConfig.Namespaces[0].Queues[0]"

describe("ConfigFile", () => {
  it.effect("the official file's queue is understood, ISO durations and all", () =>
    Effect.gen(function* () {
      const { "queue.1": queue } = yield* ConfigFile.parse(fileOf(official, { Topics: [] }))
      assert.isDefined(queue)
      assert.strictEqual(queue?.requiresSession, false)
      assert.strictEqual(queue?.maxDeliveryCount, 3)
      assert.strictEqual(queue?.deadLetteringOnMessageExpiration, true)
      assert.strictEqual(queue?.requiresDuplicateDetection, true)
      const millis = [
        queue?.lockDuration,
        queue?.defaultMessageTimeToLive,
        queue?.duplicateDetectionHistoryTimeWindow
      ].map((duration) => Duration.toMillis(Duration.fromInputUnsafe(duration ?? 0)))
      assert.deepStrictEqual(millis, [60_000, 3_600_000, 20_000])
    })
  )

  it.effect("sizes are in kilobytes and megabytes, and .NET's longest time means no limit", () =>
    Effect.gen(function* () {
      const { q } = yield* ConfigFile.parse(
        withProperties({
          DefaultMessageTimeToLive: "P10675199DT2H48M5.4775807S",
          MaxMessageSizeInKilobytes: 1024,
          MaxSizeInMegabytes: 5
        })
      )
      assert.isUndefined(q?.defaultMessageTimeToLive)
      assert.deepStrictEqual([q?.messageBytesMax, q?.queueBytesMax], [1_048_576, 5_242_880])
    })
  )

  it.effect("a queue needs no properties, and a byte order mark is no mistake", () =>
    Effect.gen(function* () {
      assert.hasAllKeys(yield* ConfigFile.parse(`\uFEFF${fileOf({ Name: "q" })}`), ["q"])
      assert.isEmpty(yield* ConfigFile.parse(`{"UserConfig":{"Namespaces":[]}}`))
    })
  )

  it.effect.each([
    ["not JSON", "{", /^config: .*JSON/u],
    ["nothing of it", "{}", /^UserConfig: /u],
    ["no name", fileOf({}), /\.Queues\[0\]\.Name: /u],
    [
      "a bad duration",
      withProperties({ LockDuration: "1 minute" }),
      /LockDuration: expected an ISO 8601 duration/u
    ],
    [
      "a negative duration",
      withProperties({ LockDuration: "-PT1M" }),
      /LockDuration: expected an ISO 8601 duration/u
    ],
    [
      "a lock that is too long",
      withProperties({ LockDuration: "PT6M" }),
      /LockDuration: must be at least 5 s and at most 300 s/u
    ],
    [
      "too many deliveries",
      withProperties({ MaxDeliveryCount: 2001 }),
      /MaxDeliveryCount: must be a whole number from 1 to 2000/u
    ],
    [
      "a size that is too small",
      withProperties({ MaxMessageSizeInKilobytes: 0 }),
      /MaxMessageSizeInKilobytes: /u
    ],
    [
      "a misspelt property",
      withProperties({ RequireSession: true }),
      /\.Properties\.RequireSession: /u
    ],
    [
      "forwarding",
      withProperties({ ForwardTo: "other" }),
      /ForwardTo: forwarding is out of scope/u
    ],
    ["a bad name", fileOf({ Name: "-q" }), /\.Queues\[0\]\.Name: a queue's name is/u],
    ["topics", fileOf(official, { Topics: [{ Name: "t" }] }), /Topics: topics are out of scope/u],
    [
      "a queue twice",
      fileOf({}, { Queues: [official, official] }),
      /Queues\[1\]\.Name: "queue.1" is there twice/u
    ]
  ] as const)("R10.1 %s is an error with its path", ([, text, pattern]) =>
    Effect.gen(function* () {
      assert.match(yield* messageOf(text), pattern)
    })
  )

  it.effect("an error's path is the one inside the file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ConfigFile.parse(withProperties({ MaxDeliveryCount: 0 })))
      assert.strictEqual(error.path, `${place}.Properties.MaxDeliveryCount`)
      assert.strictEqual(error._tag, "ConfigurationInvalid")
    })
  )

  it.effect("a file is read, and one that is not there is named", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "config-file-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const path = join(folder, "config.json")
      writeFileSync(path, fileOf(official))
      assert.hasAllKeys(yield* ConfigFile.read(path), ["queue.1"])
      const error = yield* Effect.flip(ConfigFile.read(join(folder, "other.json")))
      assert.strictEqual(error.path, join(folder, "other.json"))
    })
  )
})
