import { assert, describe, it } from "@effect/vitest"
import { ClaimCheckConfig } from "@queue-runtime/claim-check"
import {
  Configuration,
  KeyProvider,
  type QueueError,
  QueueName,
  QueueProvider,
  Setting,
  Settings
} from "@queue-runtime/core"
import { KeyProviderEnvironment, SealingConfig } from "@queue-runtime/crypto"
import { AwsConfig } from "@queue-runtime/provider-aws"
import { AzureConfig } from "@queue-runtime/provider-azure"
import { MemoryConfig, MemoryProvider } from "@queue-runtime/provider-memory"
import { ResilienceConfig } from "@queue-runtime/resilience"
import { SessionLeasesConfig } from "@queue-runtime/session-store"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { readFileSync } from "node:fs"
import * as ConfigurationDocs from "../src/ConfigurationDocs.ts"
import * as QueueStack from "../src/QueueStack.ts"
import * as Sections from "../src/Sections.ts"
import { samples, type Sample } from "./support/samples.ts"

const settings = await Effect.runPromise(Sections.all)

type Tree = { readonly [name: string]: unknown }

const isTree = (value: unknown): value is Tree => Predicate.isObject(value) && !Array.isArray(value)

const put = (tree: Tree, [first = "", ...rest]: ReadonlyArray<string>, value: unknown): Tree => {
  const inner = tree[first]
  return {
    ...tree,
    [first]: rest.length === 0 ? value : put(isTree(inner) ? inner : {}, rest, value)
  }
}

const at = (value: unknown, [first, ...rest]: ReadonlyArray<string>): unknown => {
  if (first === undefined) return Redacted.isRedacted(value) ? Redacted.value(value) : value
  return isTree(value) ? at(value[first], rest) : undefined
}

const named = (path: ReadonlyArray<string>): ReadonlyArray<string> =>
  path.map((part) => (part === "<name>" ? "orders" : part))

const sampleOf = (setting: Setting.Setting): Sample => {
  const sample = samples[setting.key]
  assert(sample !== undefined, `no sample of ${setting.key}`)
  return sample
}

/** The path of what its variable holds. */
const wholePathOf = (setting: Setting.Setting): ReadonlyArray<string> =>
  settings.find(({ isPart, variable }) => !isPart && variable === setting.variable)?.path ?? []

/** The file that says this of the setting, and what has to stand beside it. */
const fileWith = (setting: Setting.Setting, value: unknown): Tree => {
  const { beside = {} } = sampleOf(setting)
  const tree = Object.entries(beside).reduce<Tree>(
    (all, [key, other]) => put(all, key.split("."), other),
    {}
  )
  return put(tree, named(setting.path), value)
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value)

/** The variables that say the same: of a part, those of the whole as JSON. */
const environmentWith = (setting: Setting.Setting, value: unknown): Record<string, string> => {
  const { beside = {} } = sampleOf(setting)
  const file = fileWith(setting, value)
  const environment: Record<string, string> = {}
  const whole = named(wholePathOf(setting))
  for (const [key, other] of Object.entries(beside)) {
    const owner = settings.find((one) => one.key === key && !one.isPart)
    if (owner !== undefined) environment[owner.variable] = textOf(other)
  }
  const isJson = setting.isPart || setting.form === "json"
  environment[setting.variable] = isJson ? JSON.stringify(at(file, whole)) : textOf(value)
  return environment
}

const aws = { root: "aws", schema: AwsConfig.AwsConfig }
const azure = { root: "azure", schema: AzureConfig.AzureConfig }
const memory = { root: "memory", schema: MemoryConfig.MemoryConfig }

type Reading = Effect.Effect<unknown, QueueError.QueueError>

const within = (root: string, reading: Reading): Reading =>
  Effect.map(reading, (value) => ({ [root]: value }))

const common = Effect.gen(function* () {
  const { deadLetterQueue, lockDuration, queue, retryAttempts, retryDelay, wait } =
    yield* Settings.read
  const { breaker, retry, timeout } = yield* ResilienceConfig.read()
  // The two read the same variables.
  if (retry.attempts !== undefined) assert.strictEqual(retryAttempts, retry.attempts)
  if (retry.initial !== undefined) assert.deepStrictEqual(retryDelay, retry.initial)
  return {
    queue: Option.getOrUndefined(queue),
    deadLetterQueue: Option.getOrUndefined(deadLetterQueue),
    lockDuration: Option.getOrUndefined(lockDuration),
    wait,
    retry,
    timeout,
    breaker
  }
})

const sealing = Effect.gen(function* () {
  const options = yield* SealingConfig.read()
  const layer = SealingConfig.layer().pipe(
    Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
  )
  const { stack } = yield* Effect.provide(QueueProvider.QueueProvider, layer)
  if (!stack.includes("sealing")) return { ...options, isSealed: false }
  const keys = yield* Effect.provide(
    KeyProvider.KeyProvider.use(({ current }) => current(QueueName.makeUnsafe("orders"))),
    KeyProviderEnvironment.layer
  )
  return { ...options, isSealed: true, currentKey: keys.id }
})

const chosen = Effect.gen(function* () {
  const set = yield* Effect.orDie(Config.option(Config.String("QUEUE_PROVIDER")))
  const provider = Option.getOrUndefined(set)
  const opening = { queues: [], settings: yield* Settings.read, isRaw: false }
  yield* Effect.scoped(Layer.build(QueueStack.layer({ ...opening, provider })))
  return { provider }
})

/** Whoever reads the setting in earnest. */
const readerOf = ({ path }: Setting.Setting): Reading => {
  switch (path[0]) {
    case "aws":
      return within("aws", Configuration.read(aws))
    case "azure":
      return within("azure", Configuration.read(azure))
    case "memory":
      return within("memory", Configuration.read(memory))
    case "sealing":
      return within("sealing", sealing)
    case "claimCheck":
      return within("claimCheck", ClaimCheckConfig.read())
    case "sessionLeases":
      return within("sessionLeases", SessionLeasesConfig.read())
    case "provider":
      return chosen
    default:
      return common
  }
}

const readFrom = (setting: Setting.Setting, provider: ConfigProvider.ConfigProvider) =>
  Effect.provideService(readerOf(setting), ConfigProvider.ConfigProvider, provider)

const fromEnvironment = (setting: Setting.Setting, environment: Record<string, string>) =>
  readFrom(setting, ConfigProvider.fromEnv({ env: environment }))

const fromFile = (setting: Setting.Setting, contents: unknown) =>
  Effect.flatMap(Configuration.fromFile(settings, contents), (provider) =>
    readFrom(setting, provider)
  )

const expected = (sample: Sample): unknown => ("want" in sample ? sample.want : sample.file)

const isSame = (actual: unknown, wanted: unknown): void => {
  if (Duration.isDuration(actual) && typeof wanted === "string") {
    assert.strictEqual(Setting.formatDuration(actual), wanted)
  } else assert.deepStrictEqual(actual, wanted)
}

const pathRead = (setting: Setting.Setting): ReadonlyArray<string> =>
  sampleOf(setting).at?.split(".") ?? named(setting.path)

const keyOf = Effect.fnUntraced(function* (reading: Reading) {
  const { reason } = yield* Effect.flip(Effect.asVoid(reading))
  assert.strictEqual(reason._tag, "ConfigurationInvalid")
  return reason._tag === "ConfigurationInvalid" ? reason.key : ""
})

const table = settings.map((setting) => [setting.key, setting] as const)

describe("every setting of the table", () => {
  it("R10.1 has a sample, and every sample is one", () => {
    assert.deepStrictEqual(
      Object.keys(samples).toSorted(),
      settings.map(({ key }) => key).toSorted()
    )
  })

  it("R10.1 has a description, and a variable that no other setting has", () => {
    assert.deepStrictEqual(
      settings.filter(({ description }) => description === "").map(({ key }) => key),
      []
    )
    const own = settings.filter(({ isPart }) => !isPart).map(({ variable }) => variable)
    assert.strictEqual(new Set(own).size, own.length)
  })

  it.effect.each(table)("R10.1 R10.9 %s is set by its variable", ([, setting]) =>
    Effect.gen(function* () {
      const sample = sampleOf(setting)
      const value = sample.text ?? sample.file
      const read = yield* fromEnvironment(setting, environmentWith(setting, value))
      isSame(at(read, pathRead(setting)), expected(sample))
    })
  )

  it.effect.each(table)("R10.1 %s is set by a file", ([, setting]) =>
    Effect.gen(function* () {
      const sample = sampleOf(setting)
      const read = yield* fromFile(setting, fileWith(setting, sample.file))
      isSame(at(read, pathRead(setting)), expected(sample))
    })
  )

  it.effect.each(table)("R10.1 an invalid %s in the environment is named", ([, setting]) =>
    Effect.gen(function* () {
      const sample = sampleOf(setting)
      const value = sample.badText ?? sample.bad
      const key = yield* keyOf(fromEnvironment(setting, environmentWith(setting, value)))
      assert.isTrue(
        key === setting.variable || key.startsWith(`${setting.variable}.`),
        `${key} names ${setting.variable}`
      )
    })
  )

  it.effect.each(table)("R10.1 an invalid %s in a file is named", ([, setting]) =>
    Effect.gen(function* () {
      const sample = sampleOf(setting)
      const key = yield* keyOf(fromFile(setting, fileWith(setting, sample.bad)))
      const own = named(setting.path).join(".")
      const names = [own, ...(sample.isCheckedLater === true ? [setting.variable] : [])]
      // A member of a union that does not fit is named by the union.
      const whole = named(wholePathOf(setting)).join(".")
      assert.isTrue(
        names.some((name) => key === name || key.startsWith(`${name}.`)) ||
          (setting.isPart && key.startsWith(whole)),
        `${key} names ${own}`
      )
    })
  )
})

describe("the page and the schema for editors", () => {
  const docs = new URL("../../../docs/", import.meta.url)
  const read = (name: string) => readFileSync(new URL(name, docs), "utf8")

  it("R10.1 docs/configuration.md is what the Schemas say; pnpm --filter queue-runtime codegen", () => {
    assert.strictEqual(read("configuration.md"), ConfigurationDocs.markdown(settings))
  })

  it("R10.1 docs/configuration.schema.json is what the Schemas say", () => {
    const written: unknown = JSON.parse(read("configuration.schema.json"))
    const made: unknown = JSON.parse(ConfigurationDocs.jsonSchemaText(settings))
    assert.deepStrictEqual(written, made)
  })

  it("R10.1 every path of a file is in the schema, and nothing else", () => {
    const reached = (node: unknown, path: ReadonlyArray<string>): boolean => {
      const [first, ...rest] = path
      if (first === undefined) return isTree(node) && node["description"] !== undefined
      if (!isTree(node)) return false
      if (first === "<name>") return reached(node["additionalProperties"], rest)
      return isTree(node["properties"]) && reached(node["properties"][first], rest)
    }
    const schema = ConfigurationDocs.jsonSchema(settings)
    assert.deepStrictEqual(
      settings.filter(({ path }) => !reached(schema, path)).map(({ key }) => key),
      []
    )
    assert.isFalse(reached(schema, ["aws", "socketMax"]))
  })
})
