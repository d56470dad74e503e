import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ProviderSelection from "../src/ProviderSelection.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as RecordingProvider from "./support/RecordingProvider.ts"
import { originalError } from "./support/originalError.ts"

/** A provider's layer that says its name, and counts how often it was loaded and built. */
const counted = (name: string) => {
  const counts = { loaded: 0, built: 0 }
  const layer = Layer.effect(
    QueueProvider.QueueProvider,
    Effect.sync(() => {
      counts.built++
      return { ...RecordingProvider.make({}).provider, name }
    })
  )
  const load = () => {
    counts.loaded++
    return Promise.resolve(layer)
  }
  return { counts, load }
}

const environment = (env: { readonly [name: string]: string }) =>
  ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

const nameOf = QueueProvider.QueueProvider.useSync((self) => self.name)

const chosen = (
  layer: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>,
  value: string | undefined
) =>
  Effect.provide(
    nameOf,
    Layer.provide(layer, environment(value === undefined ? {} : { QUEUE_PROVIDER: value }))
  )

const problemOf = Effect.fnUntraced(function* (
  layer: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>,
  value: string | undefined
) {
  const error = yield* Effect.flip(chosen(layer, value))
  if (error.reason._tag !== "ConfigurationInvalid") return assert.fail(error.message)
  assert.strictEqual(error.reason.key, "QUEUE_PROVIDER")
  assert.strictEqual(error.retry, "Never")
  return { problem: error.reason.problem, error }
})

describe("ProviderSelection", () => {
  it("R10.2 azure and aws are short names, everything else is itself", () => {
    assert.strictEqual(ProviderSelection.variable, "QUEUE_PROVIDER")
    assert.strictEqual(ProviderSelection.canonicalName("azure"), "azure-service-bus")
    assert.strictEqual(ProviderSelection.canonicalName("aws"), "aws-sqs")
    for (const name of ["azure-service-bus", "aws-sqs", "memory", "rabbit", "", "Azure"]) {
      assert.strictEqual(ProviderSelection.canonicalName(name), name)
    }
  })

  it.effect.each([
    ["memory", "memory"],
    ["aws-sqs", "aws-sqs"],
    ["aws", "aws-sqs"],
    ["azure", "azure-service-bus"],
    ["azure-service-bus", "azure-service-bus"],
    [" azure ", "azure-service-bus"],
    ["rabbit", "rabbit"]
  ] as const)(
    "R10.2 QUEUE_PROVIDER=%s chooses %s, and loads no other",
    Effect.fnUntraced(function* ([value, expected]) {
      const all = {
        memory: counted("memory"),
        "aws-sqs": counted("aws-sqs"),
        "azure-service-bus": counted("azure-service-bus"),
        rabbit: counted("rabbit")
      }
      const layer = ProviderSelection.layer({
        memory: all.memory.load,
        // Registered by its short name, found by either.
        aws: all["aws-sqs"].load,
        "azure-service-bus": all["azure-service-bus"].load,
        rabbit: all.rabbit.load
      })
      assert.strictEqual(yield* chosen(layer, value), expected)
      for (const [name, { counts }] of Object.entries(all)) {
        const times = name === expected ? 1 : 0
        assert.deepStrictEqual(counts, { loaded: times, built: times }, name)
      }
    })
  )

  it.effect("R10.2 nothing set takes orElse, by its short name too; something set wins", () =>
    Effect.gen(function* () {
      const providers = { memory: counted("memory").load, aws: counted("aws-sqs").load }
      const memory = ProviderSelection.layer(providers, { orElse: "memory" })
      assert.strictEqual(yield* chosen(memory, undefined), "memory")
      assert.strictEqual(yield* chosen(memory, ""), "memory")
      assert.strictEqual(yield* chosen(memory, "aws"), "aws-sqs")
      const aws = ProviderSelection.layer(providers, { orElse: "aws" })
      assert.strictEqual(yield* chosen(aws, undefined), "aws-sqs")
    })
  )

  it.effect("R10.2 nothing set and no orElse lists what may be set", () =>
    Effect.gen(function* () {
      const { counts, load } = counted("memory")
      const layer = ProviderSelection.layer({ memory: load, azure: load })
      const { problem } = yield* problemOf(layer, undefined)
      assert.strictEqual(problem, "must be set to one of: azure-service-bus, memory")
      assert.deepStrictEqual(counts, { loaded: 0, built: 0 })
    })
  )

  it.effect("R10.2 an unknown name lists the known ones, in order", () =>
    Effect.gen(function* () {
      const { load } = counted("x")
      const layer = ProviderSelection.layer({ rabbit: load, memory: load, aws: load })
      const { problem } = yield* problemOf(layer, "kafka")
      assert.strictEqual(problem, 'no provider "kafka"; known: aws-sqs, memory, rabbit')
      const inherited = yield* problemOf(layer, "constructor")
      assert.include(inherited.problem, 'no provider "constructor"')
    })
  )

  it.effect.each([
    ["azure", "azure-service-bus", "@queue-runtime/provider-azure"],
    ["aws-sqs", "aws-sqs", "@queue-runtime/provider-aws"],
    ["memory", "memory", "@queue-runtime/provider-memory"]
  ] as const)(
    "R10.2 one of ours that the application does not list is named with its package: %s",
    Effect.fnUntraced(function* ([value, name, of]) {
      const layer = ProviderSelection.layer({ rabbit: counted("rabbit").load })
      const { problem } = yield* problemOf(layer, value)
      assert.strictEqual(
        problem,
        `this application does not list "${name}"; install ${of} and add it; known: rabbit`
      )
    })
  )

  it.effect("R10.2 a package that is not installed is named, by a real import() that fails", () =>
    Effect.gen(function* () {
      const specifier = ["@queue-runtime", "no-such-provider"].join("/")
      const layer = ProviderSelection.layer({
        rabbit: () => import(specifier).then(() => assert.fail("there is such a package after all"))
      })
      const { error, problem } = yield* problemOf(layer, "rabbit")
      assert.strictEqual(
        problem,
        `provider "rabbit" needs ${specifier}, which is not installed: npm install ${specifier}`
      )
      assert.include(originalError(error).message, specifier)
    })
  )

  const missing = (code: string, message: string) => Object.assign(new Error(message), { code })
  const unnamed = "needs its package, which is not installed: npm install its package"

  it.effect.each([
    [
      "aws",
      missing("ERR_MODULE_NOT_FOUND", "no such thing"),
      "provider-aws, which is not installed"
    ],
    ["rabbit", missing("ERR_MODULE_NOT_FOUND", "no such thing"), unnamed],
    [
      "rabbit",
      missing("MODULE_NOT_FOUND", "Cannot find module 'amqplib'"),
      "needs amqplib, which is not installed: npm install amqplib"
    ],
    [
      "rabbit",
      missing(
        "ERR_MODULE_NOT_FOUND",
        "Cannot find module '/app/rabbit.js' imported from /app/main.js"
      ),
      "could not be loaded: Cannot find module '/app/rabbit.js'"
    ],
    [
      "rabbit",
      missing("ERR_MODULE_NOT_FOUND", "Cannot find module 'file:///a.js'"),
      "could not be loaded"
    ],
    ["rabbit", missing("MODULE_NOT_FOUND", "Cannot find module './a.js'"), "could not be loaded"],
    [
      "rabbit",
      missing("MODULE_NOT_FOUND", String.raw`Cannot find module 'C:\a.js'`),
      "could not be loaded"
    ],
    ["rabbit", missing("ENOENT", "no file"), 'provider "rabbit" could not be loaded: no file'],
    ["rabbit", new TypeError("boom"), 'provider "rabbit" could not be loaded: boom'],
    ["rabbit", { code: "ERR_MODULE_NOT_FOUND" }, "could not be loaded: [object Object]"],
    ["rabbit", "a string", 'provider "rabbit" could not be loaded: a string']
  ] as const)(
    "R10.2 R2.3 a loader of %s that fails with %s is ConfigurationInvalid",
    Effect.fnUntraced(function* ([name, failure, expected]) {
      const rejecting = ProviderSelection.layer({ [name]: () => Promise.reject(failure) })
      const throwing = ProviderSelection.layer({
        [name]: () => {
          throw failure
        }
      })
      for (const layer of [rejecting, throwing]) {
        const { error, problem } = yield* problemOf(layer, name)
        assert.include(problem, expected)
        assert.strictEqual(originalError(error).unwrap(), failure)
      }
    })
  )

  it.effect("R2.3 no secret of a loader's failure is shown", () =>
    Effect.gen(function* () {
      const layer = ProviderSelection.layer({
        azure: () => Promise.reject(new Error("bad SharedAccessKey=c2VjcmV0"))
      })
      const { error } = yield* problemOf(layer, "azure")
      assert.include(error.message, "SharedAccessKey=<redacted>")
      assert.notInclude(error.message, "c2VjcmV0")
    })
  )

  it.effect("R10.2 the chosen layer's own error is passed on as it is", () =>
    Effect.gen(function* () {
      const failure = QueueError.configurationInvalid("region", "must be set")
      const layer = ProviderSelection.layer({
        aws: () => Promise.resolve(Layer.effect(QueueProvider.QueueProvider, Effect.fail(failure)))
      })
      assert.strictEqual(yield* Effect.flip(chosen(layer, "aws")), failure)
    })
  )

  it.effect("R10.2 a source that cannot be read is ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const broken = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "the disk is gone" }))
      )
      const error = yield* nameOf.pipe(
        Effect.provide(
          Layer.provide(
            ProviderSelection.layer({ memory: counted("memory").load }),
            ConfigProvider.layer(broken)
          )
        ),
        Effect.flip
      )
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
      assert.include(error.message, "the disk is gone")
    })
  )

  it.effect("R10.4 used in several places, it is loaded and built once", () =>
    Effect.gen(function* () {
      const { counts, load } = counted("memory")
      const layer = ProviderSelection.layer({ memory: load })
      class First extends Context.Service<First, string>()(
        "@queue-runtime/core/test/ProviderSelection.test/First"
      ) {}
      class Second extends Context.Service<Second, string>()(
        "@queue-runtime/core/test/ProviderSelection.test/Second"
      ) {}
      const both = Layer.mergeAll(
        Layer.effect(First, nameOf).pipe(Layer.provide(layer)),
        Layer.effect(Second, nameOf).pipe(Layer.provide(layer)),
        layer
      )
      const names = Effect.all([First, Second, nameOf])
      const read = names.pipe(
        Effect.provide(Layer.provide(both, environment({ QUEUE_PROVIDER: "memory" })))
      )
      assert.deepStrictEqual(yield* read, ["memory", "memory", "memory"])
      assert.deepStrictEqual(counts, { loaded: 1, built: 1 })
    })
  )

  it.effect("R10.2 a provider may need services, and what else it brings is no hindrance", () =>
    Effect.gen(function* () {
      class Region extends Context.Service<Region, string>()(
        "@queue-runtime/core/test/ProviderSelection.test/Region"
      ) {}
      class Admin extends Context.Service<Admin, string>()(
        "@queue-runtime/core/test/ProviderSelection.test/Admin"
      ) {}
      const named = Layer.effect(
        QueueProvider.QueueProvider,
        Effect.map(Region, (region) => ({ ...RecordingProvider.make({}).provider, name: region }))
      )
      const plain = counted("memory").load
      const layer = ProviderSelection.layer({
        memory: plain,
        aws: () => Promise.resolve(Layer.merge(Layer.succeed(Admin, "admin"), named))
      })
      const name = nameOf.pipe(
        Effect.provide(Layer.provide(layer, environment({ QUEUE_PROVIDER: "aws" }))),
        Effect.provideService(Region, "eu")
      )
      assert.strictEqual(yield* name, "eu")
    })
  )
})
