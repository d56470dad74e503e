import * as Effect from "effect/Effect"
import { type Capabilities, Defaults, QueueAddress, type QueueName } from "@queue-runtime/core"
import * as AwsConfig from "../../AwsConfig.ts"
import * as capabilities from "./capabilities.ts"
import { Lanes } from "./lanes.ts"
import { type Known, Line, type Shared } from "./line.ts"
import { Plain } from "./plain.ts"
import { Router } from "./router.ts"
import * as starting from "./starting.ts"

/** A queue, or its dead letters, in use: by sessions, or without. */
export interface Used {
  readonly line: Line
  /** Written here alone. */
  capabilities: Capabilities.Capabilities
  /** Sends of one session, one at a time. */
  readonly lanes: Lanes
  /** Of an ordered queue, and of nothing else. */
  readonly router: Router | undefined
  readonly plain: Plain
}

/** The queues a provider has to do with, made when they are first used. */
export class Lines {
  readonly shared: Shared
  readonly #config: AwsConfig.AwsConfig
  readonly #known: Map<QueueName.QueueName, Known>
  readonly #used = new Map<string, Used>()

  constructor(
    config: AwsConfig.AwsConfig,
    known: ReadonlyMap<QueueName.QueueName, Known>,
    shared: Shared
  ) {
    this.#config = config
    this.#known = new Map(known)
    this.shared = shared
  }

  #settingsOf(name: QueueName.QueueName): readonly [AwsConfig.ResolvedQueue, Known] {
    const settings = AwsConfig.queue(this.#config, name)
    return [settings, this.#known.get(name) ?? starting.unasked(settings)]
  }

  /** What was asked for in vain is known now. */
  learn(name: QueueName.QueueName, known: Known): void {
    this.#known.set(name, known)
    for (const used of this.#used.values()) {
      const { line } = used
      if (line.address.queue !== name) continue
      line.known = known
      used.capabilities = capabilities.make(line.settings, known)
    }
  }

  capabilities(name: QueueName.QueueName): Capabilities.Capabilities {
    const used = this.#used.get(QueueAddress.format(QueueAddress.queue(name)))
    return used?.capabilities ?? capabilities.make(...this.#settingsOf(name))
  }

  of(address: QueueAddress.QueueAddress): Used {
    const key = QueueAddress.format(address)
    const known = this.#used.get(key)
    if (known !== undefined) return known
    if (this.#used.size >= Defaults.sqsQueuesMax) this.#sweep()
    const [settings, asked] = this.#settingsOf(address.queue)
    const line = new Line(address, settings, asked, this.shared)
    const used: Used = {
      line,
      capabilities: capabilities.make(settings, asked),
      lanes: new Lanes(),
      router: settings.fifo && address._tag === "Queue" ? new Router(line) : undefined,
      plain: new Plain(line)
    }
    this.#used.set(key, used)
    return used
  }

  /** Forgets what nothing is under way on. */
  #sweep(): void {
    for (const [key, { lanes, plain, router }] of this.#used) {
      if (lanes.size === 0 && plain.isIdle && router?.isIdle !== false) this.#used.delete(key)
    }
  }

  /** Everybody's wait ends, and nothing is asked for any more. */
  close(): void {
    for (const { line, plain, router } of this.#used.values()) {
      plain.close(line.closed("receive"))
      router?.close(line.closed("acceptSession"))
    }
  }

  /** Closed: every session goes back, and so does what polls under way bring as they land. */
  get land(): Effect.Effect<void> {
    const all = [...this.#used.values()].flatMap(({ plain, router }) =>
      [plain, router ?? []].flat()
    )
    return Effect.forEach(all, ({ land }) => land, { concurrency: "unbounded", discard: true })
  }

  /** Nobody is left waiting for a call that was cut short. */
  end(): void {
    for (const { line } of this.#used.values()) {
      line.remover.close()
      line.extender.close()
    }
  }

  /** What polls that were cut short have brought goes back. */
  get releaseLeft(): Effect.Effect<void> {
    const all = [...this.#used.values()].flatMap(({ plain, router }) =>
      [plain, router ?? []].flat()
    )
    const owed = [...this.#used.values()].map(({ line }) => line.releaseOwed)
    return Effect.all([...all.map(({ releaseLeft }) => releaseLeft), ...owed], {
      concurrency: "unbounded",
      discard: true
    })
  }
}
