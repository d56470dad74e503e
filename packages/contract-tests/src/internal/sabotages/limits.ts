import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Message } from "@queue-runtime/core"
import type * as Sabotage from "../../Sabotage.ts"
import * as wrap from "./wrap.ts"

export const limits: ReadonlyArray<Sabotage.Sabotage> = [
  {
    id: "size-unchecked",
    title: "a message over the limit is left to the service, whose error nobody translated",
    source: "SQS: InvalidParameterValue, 'must be shorter than'",
    caughtBy: ["LIMIT-1", "LIMIT-2", "LIMIT-3", "BATCH-5"],
    make: wrap.plain((provider) =>
      wrap.withErrors(provider, (error) =>
        error.reason._tag === "MessageTooLarge"
          ? wrap.untranslated(provider, "InvalidParameterValue")
          : error
      )
    )
  },
  {
    id: "size-of-body-alone",
    title: "the size of a message is that of its body, and attributes over the limit are cut",
    source: "SPEC R1.7: envelope and attributes counted as the service counts them",
    caughtBy: ["LIMIT-2"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) => {
          const { messageSizeMax } = provider.capabilities(queue)
          const isCut = (message: Message.Stamped) =>
            message.body.byteLength <= messageSizeMax && Message.size(message) > messageSizeMax
          return provider.send(
            queue,
            messages.map((one) => (isCut(one) ? wrap.edit(one, { attributes: {} }) : one))
          )
        }
      })
    )
  },
  {
    id: "batch-over-limit-cut",
    title: "of a call over the limits what fits is sent, and the rest answered as if it had been",
    source: "a batch cut by who should have refused it",
    caughtBy: ["MODEL-1", "LIMIT-8", "LIMIT-9"],
    kind: "loss",
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        send: (queue, messages) =>
          Effect.catchIf(
            provider.send(queue, messages),
            wrap.isReason("ValidationFailed"),
            (error) =>
              messages.length < 2
                ? Effect.fail(error)
                : Effect.map(provider.send(queue, messages.slice(0, 1)), (outcomes) =>
                    messages.flatMap(() => outcomes[0] ?? [])
                  )
          )
      })
    )
  },
  {
    id: "settle-over-limit-cut",
    title: "of a settlement over the limit what fits is settled, and the rest answered as settled",
    source: "SQS: ten entries a batch",
    caughtBy: ["LIMIT-10"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        settle: (receipts, verdict) => {
          const [first] = receipts
          if (first === undefined) return provider.settle(receipts, verdict)
          const { settleCountMax } = provider.capabilities(first.address.queue)
          return Effect.map(
            provider.settle(receipts.slice(0, settleCountMax), verdict),
            (outcomes) => receipts.map((_, index) => outcomes[index] ?? wrap.ok)
          )
        }
      })
    )
  },
  {
    id: "receive-over-limit-refused",
    title: "asking for more than a receive can bring fails",
    source: "SQS: MaxNumberOfMessages above ten is InvalidParameterValue",
    caughtBy: ["LIMIT-11"],
    make: wrap.plain((provider) =>
      wrap.change(provider, {
        receive: (address, options) =>
          options.max > provider.capabilities(address.queue).receiveCountMax
            ? Effect.fail(wrap.untranslated(provider, "InvalidParameterValue"))
            : provider.receive(address, options)
      })
    )
  },
  {
    id: "receive-options-unchecked",
    title: "no messages, a part of one and an endless wait are taken for something else",
    source: "options passed through Math.max and Math.min",
    caughtBy: ["ERROR-9"],
    make: wrap.plain((provider) =>
      wrap.withReceives(
        provider,
        (receive) =>
          ({ max, wait }) =>
            receive({
              max: Number.isInteger(max) && max > 0 ? max : 1,
              wait: Duration.isFinite(wait) && !Duration.isNegative(wait) ? wait : Duration.zero
            })
      )
    )
  }
]
