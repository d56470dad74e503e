/** Service Bus, and what it knows of its queues. */
import {
  Configuration,
  MessageId,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  SessionId
} from "@queue-runtime/core"
import { AzureClient, AzureConfig, AzureProvider } from "@queue-runtime/provider-azure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Diagnostics, type Finding, type Service } from "../Diagnostics.ts"
import * as findings from "../findings.ts"
import type { Opening } from "../Opening.ts"
import type * as Queues from "../Queues.ts"

const section = { root: "azure", schema: AzureConfig.AzureConfig }

const entryOf = (
  { settings }: Opening,
  others: AzureConfig.QueueSettings,
  { isOrdered }: Queues.Asked
) => ({
  ...others,
  ...(isOrdered ? { sessions: true } : {}),
  ...Option.match(settings.lockDuration, {
    onNone: () => ({}),
    onSome: (lockDuration) => ({ lockDuration })
  })
})

const optionsOf = Effect.fnUntraced(function* (opening: Opening) {
  const read = yield* Configuration.read(section)
  const missing = opening.queues.filter(({ name }) => !Object.hasOwn(read.queues, name))
  const made = missing.map((asked) => [asked.name, entryOf(opening, read.others, asked)] as const)
  return { ...read, queues: { ...read.queues, ...Object.fromEntries(made) } }
})

/** Nobody can hold a session of a name just made: the lock is refused since there are no sessions. */
const isRefusal = ({ reason, retry }: QueueError.QueueError): boolean =>
  reason._tag === "SessionLocked" ||
  (retry === "Never" && !["AuthenticationFailed", "PermissionDenied"].includes(reason._tag))

/**
 * Accepts a session nobody has, which the service grants on a queue with sessions and refuses on any
 * other, and locks no message.
 */
const requiresSessions = Effect.fnUntraced(function* (
  client: AzureClient.Service,
  queue: QueueName.QueueName
) {
  const { path } = AzureConfig.queue(client.config, queue)
  const id = SessionId.makeUnsafe(`queue-runtime-doctor-${yield* MessageId.generate}`)
  const accepted = client.use(
    (sdk, abortSignal) =>
      sdk.acceptSession(path, id, { abortSignal }).then((receiver) => receiver.close()),
    { operation: "accept", queue }
  )
  return yield* accepted.pipe(
    Effect.as(true),
    Effect.catch((error) => (isRefusal(error) ? Effect.succeed(false) : Effect.fail(error)))
  )
})

const checkSessions = (
  client: AzureClient.Service,
  queue: QueueName.QueueName
): Effect.Effect<ReadonlyArray<Finding>> => {
  const subject = `sessions of ${queue}`
  const { sessions } = AzureConfig.queue(client.config, queue)
  return findings.look(subject, requiresSessions(client, queue), (required) => {
    if (required === sessions) {
      return [findings.ok(subject, required ? "required, as configured" : "none, as configured")]
    }
    const remedy = `set azure.queues.${queue}.sessions to ${required}${required ? " (or --ordered)" : ""}`
    const message = required
      ? "the queue requires sessions, and the configuration says it has none"
      : "the queue has no sessions, and the configuration says it requires them"
    return [findings.problem(subject, message, remedy)]
  })
}

const hostIn = (connectionString: Redacted.Redacted): string | undefined =>
  /Endpoint=sb:\/\/([^;/]+)/iu.exec(Redacted.value(connectionString))?.[1]

const isEmulator = (connectionString: Redacted.Redacted): boolean =>
  /UseDevelopmentEmulator=true/iu.test(Redacted.value(connectionString))

const addressOf = (config: AzureConfig.AzureConfig): string | undefined => {
  const { connectionString, namespace } = config
  if (namespace !== undefined) return `https://${namespace}`
  if (connectionString === undefined || isEmulator(connectionString)) return undefined
  const host = hostIn(connectionString)
  return host === undefined ? undefined : `https://${host}`
}

const diagnostics = (client: AzureClient.Service, provider: QueueProvider.Service): Service => {
  const address = addressOf(client.config)
  const probe = (queue: QueueName.QueueName) => provider.peek(QueueAddress.queue(queue), { max: 1 })
  return {
    queues: Object.keys(client.config.queues).filter(QueueName.is),
    ...(address === undefined ? {} : { address }),
    probe,
    check: Effect.fnUntraced(function* (queue) {
      const { lockDuration, path } = AzureConfig.queue(client.config, queue)
      const found = yield* findings.look(`queue ${queue}`, probe(queue), () => [
        findings.ok(`queue ${queue}`, `${path}, lock ${Duration.format(lockDuration)}`)
      ])
      if (found.some(({ level }) => level === "problem")) return found
      return [...found, ...(yield* checkSessions(client, queue))]
    })
  }
}

/** The provider and its diagnostics. */
export const layer = (
  opening: Opening
): Layer.Layer<QueueProvider.QueueProvider | Diagnostics, QueueError.QueueError> => {
  const provided = Layer.unwrap(
    Effect.map(optionsOf(opening), (options) => AzureProvider.layer(options))
  )
  const made = Effect.gen(function* () {
    return diagnostics(yield* AzureClient.AzureClient, yield* QueueProvider.QueueProvider)
  })
  return Layer.effect(Diagnostics, made).pipe(Layer.provideMerge(provided))
}
