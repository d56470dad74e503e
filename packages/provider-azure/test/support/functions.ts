/** What the host of Azure Functions does around a function: receives, calls, settles. */
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus"
import * as Effect from "effect/Effect"
import type { AzureFunctions } from "../../src/functions.ts"

type Message = ServiceBusReceivedMessage

/** What a function is called with. */
export interface Called {
  readonly input: unknown
  readonly context: AzureFunctions.InvocationContext
}

const bytesOf = (message: Message): Buffer => {
  const body: unknown = message.body
  return body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(String(body))
}

/** As the worker reads a string: JSON where it is that (`fromRpcTypedData` of `@azure/functions`). */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const small = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1)

/** The host's metadata of one message, as `context.triggerMetadata` has it. */
const metadataOf = (message: Message): Record<string, unknown> => ({
  messageId: message.messageId,
  ...(message.sessionId === undefined ? {} : { sessionId: message.sessionId }),
  ...(message.correlationId === undefined ? {} : { correlationId: message.correlationId }),
  ...(message.contentType === undefined ? {} : { contentType: message.contentType }),
  // .NET counts this delivery in.
  deliveryCount: (message.deliveryCount ?? 0) + 1,
  enqueuedTimeUtc: message.enqueuedTimeUtc?.toISOString(),
  expiresAtUtc: "9999-12-31T23:59:59.9999999Z",
  sequenceNumber: message.sequenceNumber?.toNumber(),
  lockToken: message.lockToken,
  timeToLive: "10675199.02:48:05.4775807",
  applicationProperties: Object.fromEntries(
    Object.entries(message.applicationProperties ?? {}).map(([name, value]) => [small(name), value])
  )
})

/** A plain trigger of cardinality `one`. */
export const one = (message: Message): Called => ({
  input: parsed(bytesOf(message).toString("utf8")),
  context: { triggerMetadata: metadataOf(message) }
})

/** A plain trigger of cardinality `many`: the facts stand in arrays. */
export const many = (messages: ReadonlyArray<Message>): Called => {
  const all = messages.map(metadataOf)
  const names = new Set(all.flatMap((metadata) => Object.keys(metadata)))
  return {
    input: messages.map((message) => parsed(bytesOf(message).toString("utf8"))),
    context: {
      triggerMetadata: Object.fromEntries(
        [...names].map((name) => [`${name}Array`, all.map((metadata) => metadata[name])])
      )
    }
  }
}

/** A message as `@azure/functions-extensions-servicebus` makes it of the AMQP that the host sends. */
const bound = (message: Message): object => {
  const content = bytesOf(message)
  const text = content.toString("utf8")
  return {
    // Text or JSON, by the content type: not the bytes, which stay in the section.
    body: message.contentType === "application/json" ? parsed(text) : text,
    messageId: message.messageId,
    correlationId: message.correlationId,
    contentType: message.contentType,
    sessionId: message.sessionId,
    timeToLive: message.timeToLive,
    applicationProperties: message.applicationProperties ?? {},
    deliveryCount: (message.deliveryCount ?? 0) + 1,
    lockToken: message.lockToken,
    _rawAmqpMessage: {
      body: { typecode: 117, content },
      messageAnnotations: { "x-opt-enqueued-time": message.enqueuedTimeUtc }
    },
    enqueuedTimeUtc: undefined,
    sequenceNumber: message.sequenceNumber,
    state: "active"
  }
}

/** What the actions of a binding were asked for. */
export interface Asked {
  readonly calls: Array<string>
  isReleased: boolean
}

type Receiver = Pick<ServiceBusReceiver, "completeMessage" | "abandonMessage" | "deadLetterMessage">

/** A trigger with an SDK binding; its actions settle with the SDK, as the host does with that of .NET. */
export const binding = (
  messages: ReadonlyArray<Message>,
  receiver: Receiver,
  options: {
    readonly isSingle?: boolean
    readonly fails?: (call: string) => Error | undefined
  } = {}
): Called & { readonly asked: Asked } => {
  const asked: Asked = { calls: [], isReleased: false }
  const inputs = new Map(messages.map((message) => [bound(message), message]))
  // One after the other: the SDK of JavaScript merges what is settled in one tick.
  let last: Promise<unknown> = Promise.resolve()
  const settle = (what: string, given: object, ask: (message: Message) => Promise<void>) => {
    const message = inputs.get(given)
    if (message === undefined) return Promise.reject(new Error("not the object that came"))
    const call = `${what} ${String(message.messageId)}`
    asked.calls.push(call)
    const error = options.fails?.(call)
    const next = last.then(() => (error === undefined ? ask(message) : Promise.reject(error)))
    last = next.catch(() => undefined)
    return next
  }
  const actions = {
    complete: (message: object) =>
      settle("complete", message, (received) => receiver.completeMessage(received)),
    abandon: (message: object, propertiesToModify: Record<string, string> = {}) =>
      settle("abandon", message, (received) =>
        receiver.abandonMessage(received, propertiesToModify)
      ),
    deadletter: (
      message: object,
      propertiesToModify?: Record<string, string>,
      deadLetterReason?: string,
      deadLetterErrorDescription?: string
    ) =>
      settle("deadletter", message, (received) =>
        receiver.deadLetterMessage(received, {
          ...propertiesToModify,
          deadLetterReason: deadLetterReason ?? "",
          deadLetterErrorDescription: deadLetterErrorDescription ?? ""
        })
      ),
    releaseSession: (sessionId: string) => {
      asked.calls.push(`release ${sessionId}`)
      asked.isReleased = true
      return Promise.resolve()
    }
  }
  const all = [...inputs.keys()]
  return {
    input: { messages: options.isSingle === true ? all[0] : all, actions },
    context: { triggerMetadata: {} },
    asked
  }
}

/** Calls a plain function and settles by how it ends: `returned` or `threw`. */
export const call = (
  handler: AzureFunctions.Handler,
  { context, input }: Called,
  messages: ReadonlyArray<Message>,
  receiver: Receiver
): Effect.Effect<"returned" | "threw"> =>
  Effect.promise(async () => {
    const end = await handler(input, context).then(
      () => "returned" as const,
      () => "threw" as const
    )
    for (const message of messages) {
      if (end === "returned") await receiver.completeMessage(message)
      else await receiver.abandonMessage(message)
    }
    return end
  })
