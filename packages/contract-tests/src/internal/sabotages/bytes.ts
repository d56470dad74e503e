import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"
import { MessageId } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

type Stamped = Parameters<typeof wrap.edit>[0]

/** Messages that are not quite what was sent. */
const mangled = (f: (message: Stamped) => Stamped): Sabotage.Sabotage["make"] =>
  wrap.plain((provider) => wrap.withSent(provider, f))

/** Bodies that went through text. */
const throughText = (f: (text: string) => string): Sabotage.Sabotage["make"] =>
  mangled((message) => {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(message.body)
    const isText = new TextEncoder().encode(text).join() === message.body.join()
    // Bytes that are no text are left alone: that is another fault.
    return isText ? wrap.edit(message, { body: new TextEncoder().encode(f(text)) }) : message
  })

const attributes = (
  f: (entries: ReadonlyArray<readonly [string, string]>) => ReadonlyArray<readonly [string, string]>
): Sabotage.Sabotage["make"] =>
  mangled((message) =>
    wrap.edit(message, { attributes: Object.fromEntries(f(Object.entries(message.attributes))) })
  )

export const bytes: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "body-as-text",
    title: "bytes that are no UTF-8 arrive as replacement characters",
    source: "a body sent as a string",
    caughtBy: ["INTEROP-2"],
    make: mangled((message) => {
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(message.body)
      return wrap.edit(message, { body: new TextEncoder().encode(text) })
    })
  },
  {
    id: "body-without-mark",
    title: "a byte order mark at the beginning of a body is swallowed",
    source: "TextDecoder does it unless told otherwise",
    caughtBy: ["INTEROP-3"],
    make: throughText((text) => text.replace(/^\ufeff/u, ""))
  },
  {
    id: "body-trimmed",
    title: "white space around a body is trimmed",
    source: "an XML reader between the ends",
    caughtBy: ["INTEROP-3"],
    make: throughText((text) => text.trim())
  },
  {
    id: "body-one-line-end",
    title: "line ends arrive as one kind",
    source: "XML 1.0 §2.11",
    caughtBy: ["INTEROP-3"],
    make: throughText((text) => text.replaceAll(/\r\n?/gu, "\n"))
  },
  {
    id: "body-decoded-when-base64",
    title: "a body that looks like base64 is decoded",
    source: "an encoding guessed instead of declared",
    caughtBy: ["INTEROP-3"],
    make: throughText((text) =>
      /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/u.test(text)
        ? Result.getOrElse(Base64.decodeString(text), () => text)
        : text
    )
  },
  {
    id: "body-empty-replaced",
    title: "an empty body arrives as something else",
    source: "SQS refuses an empty MessageBody",
    caughtBy: ["INTEROP-1"],
    make: mangled((message) =>
      message.body.length > 0 ? message : wrap.edit(message, { body: Uint8Array.of(0x20) })
    )
  },
  {
    id: "body-cut",
    title: "a large body is cut",
    source: "a frame that is sent and not filled again",
    caughtBy: ["MODEL-1", "LIMIT-4"],
    kind: "loss",
    make: mangled((message) => wrap.edit(message, { body: message.body.slice(0, 65_536) }))
  },
  {
    id: "body-shared",
    title: "the sender's own array is kept, and changes after the sending are delivered",
    source: "a reference where a copy should be",
    caughtBy: ["INTEROP-11"],
    make: wrap.remembering(
      () => new Map<string, Uint8Array>(),
      (provider, bodies) => {
        const sent = wrap.withSent(provider, (message) => {
          bodies.set(message.messageId, message.body)
          return message
        })
        return wrap.withMessages(sent, (message) => {
          const body = bodies.get(message.messageId)
          return body === undefined ? message : { ...message, body: new Uint8Array(body) }
        })
      }
    )
  },
  {
    id: "attributes-beyond-ten",
    title: "of more than ten attributes ten arrive",
    source: "SQS takes ten",
    caughtBy: ["INTEROP-4"],
    make: attributes((entries) => entries.slice(0, 10))
  },
  {
    id: "attributes-lower-case",
    title: "names of attributes arrive in lower case",
    source: "HTTP headers between the ends",
    caughtBy: ["INTEROP-5"],
    make: attributes((entries) => entries.map(([name, value]) => [name.toLowerCase(), value]))
  },
  {
    id: "attributes-without-empty",
    title: "attributes without a value are dropped",
    source: "SQS refuses empty values",
    caughtBy: ["INTEROP-5"],
    make: attributes((entries) => entries.filter(([, value]) => value !== ""))
  },
  {
    id: "attributes-on-prototype",
    title: "an attribute called __proto__ is lost",
    source: "an assignment by name; CWE-1321",
    caughtBy: ["INTEROP-6"],
    make: attributes((entries) => entries.filter(([name]) => name !== "__proto__"))
  },
  {
    id: "attributes-cut",
    title: "a long value of an attribute is cut",
    source: "Service Bus: 32 KB of a property",
    caughtBy: ["INTEROP-7"],
    make: attributes((entries) => entries.map(([name, value]) => [name, value.slice(0, 8_192)]))
  },
  {
    id: "attributes-of-library",
    title: "the library's own attributes are shown as the application's",
    source: "one namespace for two owners",
    caughtBy: ["INTEROP-8"],
    make: attributes((entries) => [...entries, ["queue-runtime-version", "1"]])
  },
  {
    id: "properties-dropped",
    title: "correlation id and content type are dropped",
    source: "the body and attributes alone have a place in the service",
    caughtBy: ["INTEROP-9"],
    make: mangled((message) =>
      wrap.edit(message, { correlationId: undefined, contentType: undefined })
    )
  },
  {
    id: "properties-made-up",
    title: "a message without a content type arrives with one",
    source: "a default of the SDK",
    caughtBy: ["INTEROP-8"],
    make: mangled((message) =>
      wrap.edit(message, { contentType: message.contentType ?? "application/octet-stream" })
    )
  },
  {
    id: "properties-of-first",
    title: "all messages of a call have the attributes of its first",
    source: "Service Bus copies the first message's properties to the batch (SERVICEBUS.md §1.3)",
    caughtBy: ["BATCH-6"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) => {
          const [first] = messages
          return provider.send(
            queue,
            first === undefined
              ? messages
              : messages.map((one) => wrap.edit(one, { attributes: first.attributes }))
          )
        }
      })
    )
  },
  {
    id: "session-id-dropped",
    title: "the session id of a message on a queue without sessions is dropped",
    source: "SQS standard queues take no MessageGroupId",
    caughtBy: ["INTEROP-10"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          provider.send(
            queue,
            provider.capabilities(queue).ordered
              ? messages
              : messages.map((one) => wrap.edit(one, { sessionId: undefined }))
          )
      })
    )
  },
  {
    id: "message-id-of-broker",
    title: "a message arrives under the broker's id",
    source: "SQS: MessageId taken for ours",
    caughtBy: ["SEND-1"],
    make: wrap.remembering(
      () => new Map<string, MessageId.MessageId>(),
      (provider, names) =>
        wrap.withMessages(provider, (message) => {
          const own = `${message.messageId} ${message.enqueuedAt.epochMilliseconds}`
          const id = names.get(own) ?? MessageId.makeUnsafe(`broker-${names.size + 1}`)
          names.set(own, id)
          return { ...message, messageId: id }
        })
    )
  },
  {
    id: "message-id-cut",
    title: "message ids are cut at 64 characters",
    source: "a column of a width",
    caughtBy: ["LIMIT-5"],
    make: mangled((message) =>
      wrap.edit(message, { messageId: MessageId.makeUnsafe(message.messageId.slice(0, 64)) })
    )
  },
  {
    id: "received-not-sendable",
    title: "what was not sent arrives empty, which cannot be sent again",
    source: "SDKs that answer an absent property with an empty string",
    caughtBy: ["INTEROP-8"],
    make: wrap.plain((provider) =>
      wrap.withMessages(provider, (message) => ({
        ...message,
        correlationId: message.correlationId ?? ""
      }))
    )
  },
  {
    id: "properties-lost-when-resent",
    title: "a message whose body was seen before arrives without its properties",
    source: "a cache of bodies by hash that keeps the body alone",
    caughtBy: ["INTEROP-12"],
    make: wrap.remembering(
      () => new Set<string>(),
      (provider, seen) =>
        wrap.withSent(provider, (message) => {
          const key = message.body.join()
          const isKnown = seen.has(key)
          seen.add(key)
          return isKnown
            ? wrap.edit(message, { attributes: {}, correlationId: undefined })
            : message
        })
    )
  },
  {
    id: "body-in-base64",
    title: "every body is sent in base64, and every body is taken for base64",
    source: "SQS takes the characters of XML alone, and all bodies are packed the same way",
    caughtBy: ["INTEROP-13", "INTEROP-14"],
    make: wrap.plain((provider) => {
      const sent = wrap.withSent(provider, (message) =>
        wrap.edit(message, { body: new TextEncoder().encode(Base64.encode(message.body)) })
      )
      return wrap.withMessages(sent, (message) => {
        const decoded = Base64.decode(new TextDecoder().decode(message.body))
        return { ...message, body: Result.getOrElse(decoded, () => new Uint8Array()) }
      })
    })
  }
]
