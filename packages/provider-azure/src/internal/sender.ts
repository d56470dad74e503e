import type {
  ServiceBusMessage,
  ServiceBusMessageBatch,
  ServiceBusSender
} from "@azure/service-bus"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import { Defaults, type Outcome, QueueError, type QueueProvider } from "@queue-runtime/core"
import type { Message } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"
import { call, type Line } from "./calls.ts"
import type { Context } from "./context.ts"
import type * as errors from "./errors.ts"
import { at } from "./inside.ts"
import { Losses } from "./losses.ts"
import type { SdkClient } from "./sdkClient.ts"
import * as wire from "./wire.ts"

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

/** What goes out in one transfer, and how many messages that is. */
interface Part {
  readonly content: ServiceBusMessage | ServiceBusMessageBatch
  readonly count: number
  readonly bytes: number
}

/** Sends to one queue. */
export class Sender implements Line {
  readonly #context: Context
  readonly #queue: AzureConfig.ResolvedQueue
  #sender: ServiceBusSender
  sdk: SdkClient
  /** The link has room for about a thousand transfers, and the SDK sleeps a second when there is none. */
  readonly #window = Semaphore.makeUnsafe(Defaults.serviceBusSendsMax)
  readonly #losses = new Losses()
  #link: unknown
  #underWay = 0
  #isWarm = false

  constructor(context: Context, queue: AzureConfig.ResolvedQueue) {
    this.#context = context
    this.#queue = queue
    this.sdk = context.sdk
    this.#sender = this.sdk.client.createSender(queue.path)
  }

  isIdle(): boolean {
    return this.#underWay === 0
  }

  get isClosed(): boolean {
    return this.#context.isClosed
  }

  /** A link that the service detaches takes with it what was under way, and the SDK does not say so. */
  onLost(listener: () => void): () => void {
    const forgets = [this.sdk.onLost(listener), this.#losses.on(listener)]
    return () => {
      for (const forget of forgets) forget()
    }
  }

  #isUp(): void {
    this.#isWarm = true
    const link = at(this.#sender, "_sender", "_link")
    if (link === this.#link) return
    this.#link = link
    this.#losses.watch(link, ["sender_close", "session_close"])
  }

  close(): void {
    this.#context.discard(this.#sender, this.sdk)
  }

  /** A link of the client of now; after a loss, or where the link of before did not answer, a new one. */
  #renew(): void {
    this.sdk = this.#context.sdk
    this.#sender = this.sdk.client.createSender(this.#queue.path)
    this.#link = undefined
    this.#isWarm = false
  }

  /** Others may still be under way on a link that did not answer one call. */
  #giveUp(sender: ServiceBusSender): void {
    if (sender !== this.#sender) return
    const { sdk } = this
    this.#renew()
    this.#context.shared.fork(
      Effect.delay(
        Effect.sync(() => this.#context.discard(sender, sdk)),
        this.#context.config.requestTimeout
      )
    )
  }

  /**
   * Sends in order, in as few transfers as fit. After one that failed nothing more is sent: what is
   * behind it fails with the same error.
   */
  send(
    messages: ReadonlyArray<Message.Stamped>,
    wires: ReadonlyArray<ServiceBusMessage>,
    place: errors.Place
  ): Effect.Effect<Outcomes, QueueError.QueueError> {
    return Effect.suspend(() => {
      const sent: Array<Outcome.Outcome<QueueProvider.Sent>> = []
      const ok = (count: number): void => {
        for (const { messageId } of messages.slice(sent.length, sent.length + count)) {
          sent.push(Result.succeed({ messageId }))
        }
      }
      const next: Effect.Effect<void, QueueError.QueueError> = Effect.suspend(() => {
        if (sent.length === wires.length) return Effect.void
        return Effect.flatMap(this.#part(wires.slice(sent.length), place), (part) =>
          Effect.flatMap(this.#transfer(part, place), () => {
            ok(part.count)
            return next
          })
        )
      })
      return Effect.matchEffect(this.#counted(next), {
        onSuccess: () => Effect.succeed(sent),
        // As long as nothing was sent the call as a whole failed.
        onFailure: (error) => {
          if (sent.length === 0) return Effect.fail(error)
          const ofCall = QueueError.mapIndex(error, (index) => sent.length + index)
          const left = messages.slice(sent.length)
          return Effect.succeed([...sent, ...left.map(() => Result.fail(ofCall))])
        }
      })
    })
  }

  #counted<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    this.#underWay++
    return Effect.ensuring(
      effect,
      Effect.sync(() => {
        this.#underWay--
      })
    )
  }

  #call<A>(
    place: errors.Place,
    start: (sender: ServiceBusSender, signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, QueueError.QueueError> {
    return Effect.suspend(() => {
      if (this.sdk.isLost) this.#renew()
      const { connectTimeout, requestTimeout } = this.#context.config
      const sender = this.#sender
      const timeout = this.#isWarm ? requestTimeout : connectTimeout
      return call(this, place, timeout, (signal) => start(sender, signal)).pipe(
        Effect.tap(() => Effect.sync(() => this.#isUp())),
        Effect.tapError((error) =>
          Effect.sync(() => {
            this.#isWarm = false
            if (error.reason._tag === "Timeout") this.#giveUp(sender)
          })
        )
      )
    })
  }

  /** As many of these as fit into one batch of the link's real size and the queue's own. */
  #part(
    wires: ReadonlyArray<ServiceBusMessage>,
    place: errors.Place
  ): Effect.Effect<Part, QueueError.QueueError> {
    const [first] = wires
    const single = first === undefined ? undefined : this.#single(first)
    if (wires.length === 1 && single !== undefined) return Effect.succeed(single)
    return Effect.map(this.#batch(place), (batch) => {
      let count = 0
      for (const one of wires) {
        if (!batch.tryAddMessage(one)) break
        count++
      }
      // A message may be larger than any batch, on Premium.
      return count === 0 && single !== undefined
        ? single
        : { content: batch, count, bytes: batch.sizeInBytes }
    })
  }

  #single(content: ServiceBusMessage): Part {
    return { content, count: 1, bytes: wire.size(content) }
  }

  #batch(place: errors.Place): Effect.Effect<ServiceBusMessageBatch, QueueError.QueueError> {
    const make = (maxSizeInBytes?: number) =>
      this.#call(place, (sender, abortSignal) =>
        sender.createMessageBatch({
          abortSignal,
          ...(maxSizeInBytes === undefined ? {} : { maxSizeInBytes })
        })
      )
    const { sendSizeMax } = this.#queue
    return Effect.flatMap(make(), (batch) =>
      batch.maxSizeInBytes <= sendSizeMax ? Effect.succeed(batch) : make(sendSizeMax)
    )
  }

  #transfer(part: Part, place: errors.Place): Effect.Effect<void, QueueError.QueueError> {
    const sized = { ...place, bytes: part.bytes, bytesMax: this.#queue.messageSizeMax }
    return this.#window.withPermits(1)(
      this.#call(sized, (sender, abortSignal) => sender.sendMessages(part.content, { abortSignal }))
    )
  }
}
