/**
 * The settings as a page for people and as a JSON Schema for editors.
 *
 * @since 0.1.0
 */
import type { Setting } from "@queue-runtime/core"
import * as Schema from "effect/Schema"

type Json = { readonly [name: string]: unknown }

const sections: ReadonlyArray<readonly [root: string, title: string, text: string]> = [
  [
    "",
    "The queue",
    "What every provider shares: `Settings` of `@queue-runtime/core`. `QUEUE_PROVIDER` is read by `ProviderSelection`, the wait by `Queues.open` and where a program says `QueueClient.layer({ wait: yield* Settings.wait })`, the rest by the operator's tool and who asks for it."
  ],
  ["retry", "Retry", "`ResilienceConfig` of `@queue-runtime/resilience`."],
  ["timeout", "Time-outs", "`ResilienceConfig` of `@queue-runtime/resilience`."],
  ["breaker", "Circuit breaker", "`ResilienceConfig` of `@queue-runtime/resilience`."],
  [
    "sealing",
    "Sealing",
    "`SealingConfig` of `@queue-runtime/crypto`; [Sealed messages](sealed-messages.md) says more."
  ],
  [
    "claimCheck",
    "Large messages",
    "`ClaimCheckConfig` of `@queue-runtime/claim-check`; [Large messages](large-messages.md) says more."
  ],
  [
    "sessionLeases",
    "Leases of sessions",
    "`SessionLeasesConfig` of `@queue-runtime/session-store`; [Leases and state of sessions](session-store.md) says more."
  ],
  ["aws", "AWS SQS", "`AwsConfig` of `@queue-runtime/provider-aws`."],
  ["azure", "Azure Service Bus", "`AzureConfig` of `@queue-runtime/provider-azure`."],
  ["memory", "Memory", "`MemoryConfig` of `@queue-runtime/provider-memory`."]
]

const sectionOf = ({ path }: Setting.Setting): string => {
  const [first = ""] = path
  return path.length > 1 && sections.some(([root]) => root === first) ? first : ""
}

const escaped = (text: string): string => text.replaceAll("|", String.raw`\|`)

const code = (text: string): string => `\`${escaped(text)}\``

const unitOf = ({ form, unit, words }: Setting.Setting): string => {
  if (form === "word") return words.map(code).join(", ")
  if (form === "duration") return unit === undefined ? "duration" : `duration; ${unit}`
  if (form === "json") return "JSON"
  if (form === "boolean") return "`true`, `false`"
  return unit ?? form
}

const defaultOf = ({ default: value, form }: Setting.Setting): string => {
  if (value === undefined || value === "") return "none"
  const isValue = form !== "text" || typeof value !== "string"
  return isValue && !/[a-z] [a-z]/u.test(String(value))
    ? code(String(value))
    : escaped(String(value))
}

const variableOf = ({ isPart, variable }: Setting.Setting): string =>
  isPart ? `in ${code(variable)}` : code(variable)

const row = (setting: Setting.Setting): string =>
  `| ${[
    code(setting.key),
    variableOf(setting),
    defaultOf(setting),
    unitOf(setting),
    `${escaped(setting.description)}${setting.isSecret ? " Secret." : ""}`
  ].join(" | ")} |`

const head = `# Configuration

<!-- Generated from the Schemas by \`pnpm --filter queue-runtime codegen\`. -->

A setting comes from code, the environment or a file. Code wins over the environment, the environment over a file, a file over the default. A changed setting needs a restart.

An application reads the environment by itself: \`Settings\`, \`ResilienceConfig\`, \`SealingConfig\`, \`ClaimCheckConfig\` and \`SessionLeasesConfig\` do, and \`Configuration.read\` does for the options of a provider. Nothing else does: \`QueueClient.layer()\` and \`AwsProvider.layer({ … })\` have what the code gave them, and the SDK below them its own variables. A file is an environment of lower rank: \`Configuration.fromFile\` checks it against the same Schemas and makes a \`ConfigProvider\` of it.

\`\`\`ts
import { Configuration, Settings } from "@queue-runtime/core"
import { AwsConfig } from "@queue-runtime/provider-aws"
import { ConfigProvider, Effect } from "effect"

const aws = { root: "aws", schema: AwsConfig.AwsConfig }
const known = Configuration.settingsOf([Settings.section, aws])
const contents = { queue: "orders", aws: { region: "eu-west-1", prefix: "acme-" } }
const file = Effect.runSync(Configuration.fromFile(known, contents))
const environment = ConfigProvider.fromUnknown({ AWS_REGION: "eu-central-1" })
const both = ConfigProvider.layer(ConfigProvider.orElse(environment, file))
const options = Effect.runSync(Effect.provide(Configuration.read(aws), both))
options.region // => "eu-central-1"
options.prefix // => "acme-"
\`\`\`

- A path is a place in a file: \`aws.region\` is \`region\` below \`aws\`. \`<name>\` is the name of a queue.
- A duration in a file has its unit: \`30 seconds\`, \`5 minutes\`, \`250 millis\`. In a variable it is a number where the table names a unit, else it is written as in a file.
- What stands below a \`<name>\`, or depends on a \`_tag\`, has no variable of its own: the variable of the whole holds JSON, and replaces what a file says of it. \`QUEUE_AWS_QUEUES='{"orders":{"fifo":true}}'\`
- An empty variable counts as not set. An invalid value is \`ConfigurationInvalid\`, naming the variable, or the path in the file, and the rule, before any connection is opened.
- Secrets are redacted values: no message, log or span shows them. Keep them out of files that others read.
- [configuration.schema.json](configuration.schema.json) is for editors: \`# yaml-language-server: $schema=…/configuration.schema.json\` at the top of a YAML file, \`"$schema"\` in a JSON one.

\`\`\`yaml
provider: aws-sqs
queue: orders
wait: 5 seconds
retry:
  attempts: 5
aws:
  region: eu-central-1
  queues:
    orders:
      name: acme-prod-orders.fifo
      deadLetter: { name: acme-prod-orders-dlq.fifo }
\`\`\`

Each SDK reads variables of its own beside these, and says what they do: \`AWS_PROFILE\`, \`AWS_ACCESS_KEY_ID\`, \`AWS_SECRET_ACCESS_KEY\`, \`AWS_SESSION_TOKEN\`, \`AWS_ROLE_ARN\`, \`AWS_WEB_IDENTITY_TOKEN_FILE\` and \`AWS_ENDPOINT_URL\` of the [AWS SDK](https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html); \`AZURE_TENANT_ID\`, \`AZURE_CLIENT_ID\`, \`AZURE_CLIENT_SECRET\` and \`AZURE_FEDERATED_TOKEN_FILE\` of [\`@azure/identity\`](https://learn.microsoft.com/javascript/api/overview/azure/identity-readme).
`

const columns = "| path | variable | default | unit or values | what it is |\n|---|---|---|---|---|"

/**
 * The page.
 *
 * @category rendering
 * @since 0.1.0
 */
export const markdown = (settings: ReadonlyArray<Setting.Setting>): string => {
  const parts = sections.map(([root, title, text]) => {
    const rows = settings.filter((setting) => sectionOf(setting) === root).map(row)
    return `## ${title}\n\n${text}\n\n${columns}\n${rows.join("\n")}\n`
  })
  return `${head}\n${parts.join("\n")}`
}

const durationPattern = "^\\d+(\\.\\d+)?\\s+(nano|micro|milli|second|minute|hour|day|week)s?$"

/** What effect makes of a leaf, where it stands for itself. */
const derived = ({ schema }: Setting.Setting): Json => {
  const { definitions, schema: json } = Schema.toJsonSchemaDocument(schema)
  return Object.keys(definitions).length === 0 ? json : {}
}

const leaf = (setting: Setting.Setting): Json => {
  const { form, isSecret, words } = setting
  switch (form) {
    case "duration":
      return { type: "string", pattern: durationPattern }
    case "word":
      return { enum: words }
    case "boolean":
      return { type: "boolean" }
    case "text":
      return isSecret ? { type: "string" } : derived(setting)
    default:
      return derived(setting)
  }
}

/** A default that stands in words is none for an editor. */
const hasDefault = ({ default: value, form, words }: Setting.Setting): boolean => {
  if (form === "number") return typeof value === "number"
  if (form === "boolean") return typeof value === "boolean"
  if (form === "word") return words.includes(String(value))
  return form === "duration" && new RegExp(durationPattern, "u").test(String(value))
}

const about = (setting: Setting.Setting): Json => ({
  description: setting.description,
  ...(hasDefault(setting) ? { default: setting.default } : {})
})

const isRecord = (setting: Setting.Setting, below: ReadonlyArray<Setting.Setting>): boolean =>
  below.some(({ path }) => path[setting.path.length] === "<name>")

/** What stands below a path, by the next part of it. */
const properties = (
  settings: ReadonlyArray<Setting.Setting>,
  path: ReadonlyArray<string>
): Json => {
  const isBelow = (setting: Setting.Setting) =>
    setting.path.length > path.length && path.every((part, index) => setting.path[index] === part)
  const names = [
    ...new Set(settings.filter(isBelow).map((setting) => setting.path[path.length] ?? ""))
  ]
  return Object.fromEntries(names.map((name) => [name, node(settings, [...path, name])]))
}

const node = (settings: ReadonlyArray<Setting.Setting>, path: ReadonlyArray<string>): Json => {
  const key = path.join(".")
  const own = settings.find((setting) => setting.key === key)
  const below = settings.filter((setting) => setting.key.startsWith(`${key}.`))
  if (own === undefined || below.length === 0) {
    return own === undefined
      ? { type: "object", properties: properties(settings, path), additionalProperties: false }
      : { ...about(own), ...leaf(own) }
  }
  if (isRecord(own, below)) {
    const inner = properties(settings, [...path, "<name>"])
    const additionalProperties = { type: "object", properties: inner, additionalProperties: false }
    return { ...about(own), type: "object", additionalProperties }
  }
  const inner = properties(settings, path)
  const common = { type: "object", properties: inner, required: ["_tag"] }
  return { ...about(own), ...common, additionalProperties: false }
}

/**
 * The JSON Schema of a configuration file.
 *
 * @category rendering
 * @since 0.1.0
 */
export const jsonSchema = (settings: ReadonlyArray<Setting.Setting>): Json => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Configuration of queue-runtime",
  type: "object",
  properties: { $schema: { type: "string" }, ...properties(settings, []) },
  additionalProperties: false
})

/**
 * The JSON Schema as a file has it.
 *
 * @category rendering
 * @since 0.1.0
 */
export const jsonSchemaText = (settings: ReadonlyArray<Setting.Setting>): string =>
  `${JSON.stringify(jsonSchema(settings), undefined, 2)}\n`
